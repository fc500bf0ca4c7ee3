/**
 * Which relays a client uses: live and down, the move to others, the way back to those of the token.
 * Never leaves a relay that works before a round trip over the new ones.
 */

import { change, sendAgain, settle, startOwn } from './client-requests.ts'
import { alert, type ClientState, LOGGED_OUT, type PendingRequest, type Work } from './client-state.ts'
import {
  CATCH_UP_MS,
  OVERLAP_MAX_MS,
  OVERLAP_MS,
  SWITCH_ANSWER_MS,
  SWITCH_EVERY_MS,
  SWITCH_PROOF_MS,
} from './client-waits.ts'
import type { Failure } from './failure.ts'
import { isForbiddenAddress } from './host.ts'
import { SESSION_RELAYS } from './limits.ts'
import type { Json } from './message.ts'
import { parseRelayList } from './method.ts'
import { relayHost } from './relay-url.ts'
import { err, type Millis, type RelayUrl, type RequestId, type Result } from './value.ts'

/** A relay has a live subscription now. */
export function comeLive(work: Work, { relay }: { readonly relay: RelayUrl }): void {
  const { live, listen, relays, pending, now } = work
  if (live.includes(relay) || !listen.includes(relay)) return
  work.live = [...live, relay]
  for (const [id, { sends, proves }] of Object.entries(pending)) {
    if (live.length === 0 && sends > 0) {
      // Links that flap do not put it off for ever.
      change(work, id, { outage: true })
      sendAgain(work, id, now + CATCH_UP_MS)
    }
    // One more chance of a round trip.
    if (proves?.includes(relay) === true) sendAgain(work, id, now)
  }
  if (work.provenAt !== null || proof(work) !== undefined) return
  if (relays.includes(relay)) listenTo(work, relays)
  // Reached at the token's relays only: ask there where the remote signer is now.
  else work.lastSwitchAt = 0
}

export function goDown(work: Work, { relay }: { readonly relay: RelayUrl }): void {
  work.live = work.live.filter((other) => other !== relay)
}

/** NIP-46: ask "immediately" after connecting, then "at reasonable intervals". */
export function nextSwitchAt({ phase, profile, live, lastSwitchAt }: ClientState): Millis | null {
  const asks = phase === 'ready' && profile.switchRelays && live.length > 0
  return asks ? lastSwitchAt + SWITCH_EVERY_MS : null
}

export function askRelays(work: Work): void {
  work.lastSwitchAt = work.now
  if (!Object.values(work.pending).some(({ own, method }) => own && method === 'switch_relays'))
    startOwn(work, 'switch_relays', SWITCH_ANSWER_MS)
}

/** The list, if it is one and another than ours; the old relays stay until a round trip on the new ones. */
export function takeRelays(work: Work, outcome: Result<Json, Failure>): void {
  if (!outcome.ok) return
  const list = parseRelayList(outcome.value)
  if (!list.ok || leadsInside(list.value ?? [], work.originRelays)) return alert(work, 'relays/refused')
  const target = (list.value ?? []).slice(0, SESSION_RELAYS)
  const [id, earlier] = proof(work) ?? []
  const known = earlier?.proves ?? work.relays
  const isNew = target.length !== known.length || !target.every((relay) => known.includes(relay))
  if (target.length === 0 || !isNew) return
  if (id !== undefined) settle(work, id, err(LOGGED_OUT))
  work.provenAt = null
  // Everything listened to stays until the new relays are proven, what works first.
  listenTo(work, union(union(work.live, work.listen).slice(0, SESSION_RELAYS), target))
  startOwn(work, 'ping', SWITCH_PROOF_MS, [], target)
}

/** A remote signer out there has no business sending us to this machine or its network; one in there may. */
function leadsInside(list: readonly RelayUrl[], origin: readonly RelayUrl[]): boolean {
  const isInside = (relay: RelayUrl): boolean => isForbiddenAddress(relayHost(relay))
  return list.some(isInside) && !origin.some(isInside)
}

/** The round trip over new relays that is under way. */
function proof({ pending }: ClientState): [RequestId, PendingRequest] | undefined {
  return Object.entries(pending).find(([, { proves }]) => proves !== null)
}

export function endProof(work: Work, proven: readonly RelayUrl[], outcome: Result<Json, Failure>): void {
  const { live, relays, originRelays, outputs, now } = work
  // Any answer is a round trip, an error too: some remote signers do not know ping.
  if (outcome.ok || outcome.error.code === 'remote/error') {
    work.relays = proven
    work.provenAt = now
    outputs.push({ type: 'relays', relays: proven })
  } else {
    // Its own, or the token's too while none of them is live; never one that no round trip has proven, however live it is.
    const isLive = relays.some((relay) => live.includes(relay))
    listenTo(work, isLive ? relays : union(relays, originRelays))
    alert(work, 'relays/switch-failed')
  }
}

/** When the old relays go: they stay for answers to what was asked before the move. */
export function overlapEndsAt({ provenAt, pending }: ClientState): Millis | null {
  if (provenAt === null) return null
  const awaits = Object.values(pending).some(({ queuedAt }) => queuedAt <= provenAt)
  return provenAt + (awaits ? OVERLAP_MAX_MS : OVERLAP_MS)
}

export function endOverlap(work: Work): void {
  work.provenAt = null
  listenTo(work, work.relays)
}

/** Forgets live marks of relays that are no longer listened to. */
export function listenTo(work: Work, relays: readonly RelayUrl[]): void {
  work.listen = relays
  work.live = work.live.filter((relay) => relays.includes(relay))
}

export function union(a: readonly RelayUrl[], b: readonly RelayUrl[]): readonly RelayUrl[] {
  return [...new Set([...a, ...b])]
}
