/**
 * Which relays a client uses: live and down, the move to others, the way back to those of the token.
 * Never leaves a relay that works before a round trip over the new ones.
 */

import { change, maySendAgain, sendAgain, settle, startOwn } from './client-requests.ts'
import {
  type ClientState,
  isAsked,
  LOGGED_OUT,
  listenRelays,
  pendingOf,
  union,
  type Work,
} from './client-state.ts'
import type { Failure } from './failure.ts'
import { isForbiddenAddress } from './host.ts'
import { SESSION_RELAYS } from './limits.ts'
import type { Json } from './message.ts'
import { parseRelayList } from './method.ts'
import { relayHost } from './relay-url.ts'
import { err, type Millis, type RelayUrl, type RequestId, type Result } from './value.ts'

const SWITCH_ANSWER_MS = 10_000
const SWITCH_PROOF_MS = 10_000
const SWITCH_OVERLAP_MS = 5_000
const SWITCH_OVERLAP_MAX_MS = 60_000
/** How often the relays are asked for again. */
const SWITCH_EVERY_MS = 86_400_000
const FALLBACK_MS = 60_000
const CATCH_UP_MS = 3_000

/** A relay has a live subscription now. */
export function comeLive(work: Work, { relay }: { readonly relay: RelayUrl }): void {
  const { state, now } = work
  if (state.live.includes(relay) || !listenRelays(state).includes(relay)) return
  const wasDark = state.live.length === 0
  state.fellBack &&= !state.relays.includes(relay)
  keepLive(work, [...state.live, relay])
  // Reached at the token's relays only: ask there where the remote signer is now.
  if (state.fellBack && state.phase === 'ready' && state.profile.switchRelays) askRelays(work)
  if (wasDark) {
    for (const [id, pending] of Object.entries(state.pending)) {
      // The answer may wait at the relay: listen first. Links that flap do not put it off for ever.
      if (pending.sentAt === null) continue
      const missed = change(work, id, pending, { outage: true })
      if (maySendAgain(missed, state.profile)) sendAgain(work, id, missed, now + CATCH_UP_MS)
    }
  }
  if (state.relaySwitch?.target.includes(relay) === true) proveRelays(work)
}

export function goDown(work: Work, { relay }: { readonly relay: RelayUrl }): void {
  keepLive(
    work,
    work.state.live.filter((other) => other !== relay),
  )
}

/** Asks for switch_relays unless that is under way. True if the question is out. */
export function askRelays(work: Work): boolean {
  const { state, now } = work
  if (isAsked(state, 'switch_relays')) return true
  if (startOwn(work, 'switch_relays', SWITCH_ANSWER_MS) === undefined) return false
  state.lastSwitchAt = now
  return true
}

/** The list, if it is one and another than ours; the old relays stay until a round trip on the new ones. */
export function takeRelays(work: Work, outcome: Result<Json, Failure>): void {
  const { state, outputs, now } = work
  if (!outcome.ok) return
  const list = parseRelayList(outcome.value)
  if (!list.ok || (list.value !== null && leadsInside(list.value, state.originRelays))) {
    outputs.push({ type: 'alert', code: 'relays/refused' })
    return
  }
  const target = (list.value ?? []).slice(0, SESSION_RELAYS)
  const known = state.relaySwitch?.target ?? state.relays
  const isNew = target.length !== known.length || !target.every((relay) => known.includes(relay))
  if (target.length === 0 || !isNew) return
  // Everything listened to stays until the new relays are proven, what works first.
  const old = union(state.live, listenRelays(state)).slice(0, SESSION_RELAYS)
  state.relaySwitch = { target, old, startedAt: now, pingId: null, closeAt: null }
  keepLive(work)
  proveRelays(work)
}

/** A remote signer out there has no business sending us to this machine or its network; one in there may. */
function leadsInside(list: readonly RelayUrl[], origin: readonly RelayUrl[]): boolean {
  const isInside = (relay: RelayUrl): boolean => isForbiddenAddress(relayHost(relay))
  return list.some(isInside) && !origin.some(isInside)
}

/** Asks for a round trip over the new relays once one is live; each of them that comes live is one more chance. */
export function proveRelays(work: Work): void {
  const { state, now } = work
  const { relaySwitch } = state
  if (relaySwitch === null || relaySwitch.closeAt !== null) return
  const { pingId, target } = relaySwitch
  if (!target.some((relay) => state.live.includes(relay))) return
  const ping = pingId === null ? undefined : pendingOf(state, pingId)
  if (pingId !== null && ping !== undefined) return sendAgain(work, pingId, ping, now)
  const id = startOwn(work, 'ping', SWITCH_PROOF_MS, { only: target })
  if (id !== undefined) state.relaySwitch = { ...relaySwitch, pingId: id }
}

export function provenRelays(
  { state, outputs, now }: Work,
  id: RequestId,
  outcome: Result<Json, Failure>,
): void {
  const { relaySwitch } = state
  if (relaySwitch === null || relaySwitch.pingId !== id) return
  // Any answer is a round trip, an error too: some remote signers do not know ping.
  if (!outcome.ok && outcome.error.code !== 'remote/error') return
  const relays = relaySwitch.target
  state.relays = relays
  state.fellBack = false
  state.relaySwitch = { ...relaySwitch, closeAt: now + SWITCH_OVERLAP_MS }
  outputs.push({ type: 'relays', relays })
}

/** When the move to other relays goes on: it has failed, or the old ones may go. */
export function overlapEndsAt({ relaySwitch }: ClientState): Millis | null {
  return relaySwitch && (relaySwitch.closeAt ?? relaySwitch.startedAt + SWITCH_PROOF_MS)
}

export function endOverlap(work: Work): void {
  const { state, outputs, now } = work
  const { relaySwitch } = state
  if (relaySwitch === null) return
  const { pingId, closeAt, target, startedAt } = relaySwitch
  const stranded = Object.values(state.pending).some(
    ({ sentAt, sentOn }) => sentAt !== null && !sentOn.some((relay) => target.includes(relay)),
  )
  if (closeAt !== null && stranded && now < startedAt + SWITCH_OVERLAP_MAX_MS) {
    state.relaySwitch = { ...relaySwitch, closeAt: now + 1_000 }
    return
  }
  state.relaySwitch = null
  if (closeAt === null && pingId !== null && pendingOf(state, pingId)) settle(work, pingId, err(LOGGED_OUT))
  keepLive(work)
  if (closeAt === null) outputs.push({ type: 'alert', code: 'relays/switch-failed' })
}

/** Forgets live marks of relays that are no longer listened to. */
function keepLive({ state, now }: Work, live = state.live): void {
  const listened = listenRelays(state)
  state.live = live.filter((relay) => listened.includes(relay))
  state.downSince = state.live.length === 0 ? (state.downSince ?? now) : null
}

/** When the token's relays are listened to as well. */
export function fallsBackAt(state: ClientState): Millis | null {
  const { fellBack, relaySwitch, relays, originRelays, downSince } = state
  if (fellBack || relaySwitch !== null || downSince === null) return null
  return originRelays.some((relay) => !relays.includes(relay)) ? downSince + FALLBACK_MS : null
}

/** NIP-46: ask "immediately" after connecting, then "at reasonable intervals". */
export function nextSwitchAt(state: ClientState): Millis | null {
  if (state.phase !== 'ready' || !state.profile.switchRelays || state.live.length === 0) return null
  return state.lastSwitchAt === null ? state.startedAt : state.lastSwitchAt + SWITCH_EVERY_MS
}
