/**
 * Which relays a client uses: live and down, the move to others, the way back to those of the token.
 * Never leaves a relay that works before a round trip over the new ones.
 */

import { dropOwn, maySendAgain, sendAgain, startOwn } from './client-requests.ts'
import {
  type ClientState,
  isAsked,
  listenRelays,
  pendingOf,
  type RelaySwitch,
  type Work,
  withPending,
} from './client-state.ts'
import type { Failure } from './failure.ts'
import { isForbiddenAddress } from './host.ts'
import { SESSION_RELAYS } from './limits.ts'
import type { Json } from './message.ts'
import { parseRelayList } from './method.ts'
import { relayHost } from './relay-url.ts'
import type { Millis, RelayUrl, RequestId, Result } from './value.ts'

const SWITCH_ANSWER_MS = 10_000
export const SWITCH_PROOF_MS = 10_000
const SWITCH_OVERLAP_MS = 5_000
const SWITCH_OVERLAP_MAX_MS = 60_000
/** How often the relays are asked for again. */
const SWITCH_EVERY_MS = 86_400_000
export const FALLBACK_MS = 60_000
const CATCH_UP_MS = 3_000

/** A relay has a live subscription now. */
export function comeLive(work: Work, relay: RelayUrl, now: Millis): void {
  const { state } = work
  if (state.live.includes(relay) || !listenRelays(state).includes(relay)) return
  const wasDark = state.live.length === 0
  const fellBack = state.fellBack && !state.relays.includes(relay)
  work.state = { ...state, live: [...state.live, relay], downSince: null, fellBack }
  keepLive(work, now)
  // Reached at the token's relays only: ask there where the remote signer is now.
  if (fellBack && state.phase === 'ready' && state.profile.switchRelays) askRelays(work, now)
  if (wasDark) {
    for (const [id, pending] of Object.entries(work.state.pending)) {
      // The answer may wait at the relay: listen first. Links that flap do not put it off for ever.
      if (pending.sentAt === null) continue
      const missed = { ...pending, outage: true }
      work.state = withPending(work.state, id, missed)
      if (maySendAgain(missed, state.profile)) sendAgain(work, id, missed, now + CATCH_UP_MS)
    }
  }
  if (work.state.relaySwitch?.target.includes(relay) === true) proveRelays(work, now)
}

export function goDown(work: Work, relay: RelayUrl, now: Millis): void {
  const live = work.state.live.filter((other) => other !== relay)
  if (live.length === work.state.live.length) return
  work.state = { ...work.state, live, downSince: live.length === 0 ? now : null }
}

/** Asks for switch_relays unless that is under way. True if the question is out. */
export function askRelays(work: Work, now: Millis): boolean {
  if (isAsked(work.state, 'switch_relays')) return true
  const id = startOwn(work, 'switch_relays', now, SWITCH_ANSWER_MS)
  if (id === undefined) return false
  work.state = { ...work.state, lastSwitchAt: now }
  return true
}

/** The list, if it is one and another than ours; the old relays stay until a round trip on the new ones. */
export function takeRelays(work: Work, outcome: Result<Json, Failure>, now: Millis): void {
  if (!outcome.ok) return
  const list = parseRelayList(outcome.value)
  const stays = list.ok && (list.value === null || !leadsInside(list.value, work.state.originRelays))
  if (!stays) work.outputs.push({ type: 'alert', code: 'relays/refused' })
  else if (list.value !== null) adoptRelays(work, list.value, now)
}

/** A remote signer out there has no business sending us to this machine or its network; one in there may. */
function leadsInside(list: readonly RelayUrl[], origin: readonly RelayUrl[]): boolean {
  const isInside = (relay: RelayUrl): boolean => isForbiddenAddress(relayHost(relay))
  return list.some(isInside) && !origin.some(isInside)
}

function adoptRelays(work: Work, list: readonly RelayUrl[], now: Millis): void {
  const { state } = work
  const target = list.slice(0, SESSION_RELAYS)
  const known = state.relaySwitch?.target ?? state.relays
  if (target.length === known.length && target.every((relay) => known.includes(relay))) return
  // Everything listened to stays until the new relays are proven, what works first.
  const old = [...new Set([...state.live, ...listenRelays(state)])].slice(0, SESSION_RELAYS)
  work.state = { ...state, relaySwitch: { target, old, startedAt: now, pingId: null, closeAt: null } }
  keepLive(work, now)
  if (target.some((relay) => work.state.live.includes(relay))) proveRelays(work, now)
}

/** Asks for a round trip over the new relays; each of them that comes live is one more chance. */
export function proveRelays(work: Work, now: Millis): void {
  const { relaySwitch } = work.state
  if (relaySwitch === null || relaySwitch.closeAt !== null) return
  const { pingId, target } = relaySwitch
  const ping = pingId === null ? undefined : pendingOf(work.state, pingId)
  if (pingId !== null && ping !== undefined) return sendAgain(work, pingId, ping, now)
  const id = startOwn(work, 'ping', now, SWITCH_PROOF_MS, target)
  if (id !== undefined) work.state = { ...work.state, relaySwitch: { ...relaySwitch, pingId: id } }
}

export function provenRelays(work: Work, id: RequestId, outcome: Result<Json, Failure>, now: Millis): void {
  const { relaySwitch } = work.state
  if (relaySwitch === null || relaySwitch.pingId !== id) return
  // Any answer is a round trip, an error too: some remote signers do not know ping.
  if (!outcome.ok && outcome.error.code !== 'remote/error') return
  const relays = relaySwitch.target
  const closing: RelaySwitch = { ...relaySwitch, closeAt: now + SWITCH_OVERLAP_MS }
  work.state = { ...work.state, relays, fellBack: false, relaySwitch: closing }
  work.outputs.push({ type: 'relays', relays })
}

export function endOverlap(work: Work, now: Millis): void {
  const { relaySwitch } = work.state
  if (relaySwitch === null) return
  if (relaySwitch.closeAt === null) {
    if (now < relaySwitch.startedAt + SWITCH_PROOF_MS) return
    const { pingId } = relaySwitch
    work.state = { ...work.state, relaySwitch: null }
    if (pingId !== null) dropOwn(work, pingId)
    keepLive(work, now)
    work.outputs.push({ type: 'alert', code: 'relays/switch-failed' })
    return
  }
  if (now < relaySwitch.closeAt) return
  const stranded = Object.values(work.state.pending).some(
    ({ sentAt, sentOn }) => sentAt !== null && !sentOn.some((relay) => relaySwitch.target.includes(relay)),
  )
  if (stranded && now < relaySwitch.startedAt + SWITCH_OVERLAP_MAX_MS) {
    work.state = { ...work.state, relaySwitch: { ...relaySwitch, closeAt: now + 1_000 } }
    return
  }
  work.state = { ...work.state, relaySwitch: null }
  keepLive(work, now)
}

/** Forgets live marks of relays that are no longer listened to. */
function keepLive(work: Work, now: Millis): void {
  const listened = listenRelays(work.state)
  const live = work.state.live.filter((relay) => listened.includes(relay))
  work.state = { ...work.state, live, downSince: live.length === 0 ? (work.state.downSince ?? now) : null }
}

export function canFallBack(state: ClientState): boolean {
  return (
    !state.fellBack &&
    state.relaySwitch === null &&
    state.originRelays.some((relay) => !state.relays.includes(relay))
  )
}

/** NIP-46: ask "immediately" after connecting, then "at reasonable intervals". */
export function nextSwitchAt(state: ClientState): Millis | null {
  if (state.phase !== 'ready' || !state.profile.switchRelays || state.live.length === 0) return null
  return state.lastSwitchAt === null ? state.startedAt : state.lastSwitchAt + SWITCH_EVERY_MS
}
