/**
 * The machine of one client session, from the first relay to logout: one input at a time.
 * Never holds a key, keeps a timer or opens a URL: it says what to send, what is settled and what it wants to hear.
 */

import { close, logOut } from './client-end.ts'
import { askUser } from './client-handshake.ts'
import { receive } from './client-messages.ts'
import {
  askRelays,
  canFallBack,
  comeLive,
  FALLBACK_MS,
  goDown,
  nextSwitchAt,
  proveRelays,
  SWITCH_PROOF_MS,
} from './client-relays.ts'
import { hearRelays } from './client-reports.ts'
import { REQUEST_ID, SPARE_IDS, sendQueued, settle, startRequest } from './client-requests.ts'
import {
  type ClientInput,
  type ClientState,
  type ClientStep,
  type ClientWants,
  isOver,
  listenRelays,
  pendingOf,
  type Work,
} from './client-state.ts'
import { noRelayAt, wake } from './client-time.ts'
import type { Failure } from './failure.ts'
import { err, type Millis, type RequestId, UsageError } from './value.ts'

const CLOSED: Failure = { code: 'closed', message: 'the session was closed' }

/** One input, one new state and what to do about it. Never throws on what a peer or relay did. */
export function step(state: ClientState, input: ClientInput, now: Millis): ClientStep {
  const work: Work = { state, outputs: [] }
  if (isOver(state)) {
    if (input.type === 'request') startRequest(work, input, now)
    else if (input.type === 'message') work.outputs.push({ type: 'ignored', code: 'session/closed' })
    else if (state.phase === 'unpaired' && input.type === 'logout') logOut(work, now)
    else if (state.phase === 'unpaired' && input.type === 'close') close(work, 'closed', CLOSED)
    return work
  }
  switch (input.type) {
    case 'request':
      startRequest(work, input, now)
      break
    case 'cancel':
      if (pendingOf(state, input.id)?.origin === 'caller') {
        settle(work, input.id, err({ code: 'cancelled', message: 'cancelled by the caller' }))
      }
      break
    case 'message':
      receive(work, input, now)
      break
    case 'live':
      comeLive(work, input.relay, now)
      break
    case 'down':
      goDown(work, input.relay, now)
      break
    case 'published':
      hearRelays(work, input.id, input.outcome, now)
      break
    case 'ids':
      takeIds(work, input.ids, now)
      break
    case 'switch-relays':
      if (state.phase === 'ready') askRelays(work, now)
      break
    case 'logout':
      logOut(work, now)
      break
    case 'close':
      close(work, 'closed', CLOSED)
      break
    case 'wake':
      wake(work, now)
      break
  }
  sendQueued(work, now)
  if (work.state.live.length === 0 && work.state.downSince === null && !isOver(work.state)) {
    work.state = { ...work.state, downSince: now }
  }
  return work
}

/** What should hold while this is the state. Recompute after each step; after a restart too. */
export function wants(state: ClientState): ClientWants {
  if (isOver(state)) return {}
  const times: Millis[] = []
  const add = (time: Millis | null) => {
    if (time !== null) times.push(time)
  }
  add(state.deadline)
  add(state.guardUntil)
  for (const pending of Object.values(state.pending)) {
    add(pending.expiresAt)
    if (state.live.length > 0) add(pending.resendAt)
  }
  const { relaySwitch } = state
  if (relaySwitch !== null) add(relaySwitch.closeAt ?? relaySwitch.startedAt + SWITCH_PROOF_MS)
  add(noRelayAt(state))
  add(nextSwitchAt(state))
  if (canFallBack(state) && state.downSince !== null) add(state.downSince + FALLBACK_MS)
  // A restarted session takes note of the time once, to count from.
  if (state.live.length === 0 && state.downSince === null) add(state.startedAt)
  const since = Math.floor(Math.max(state.startedAt / 1_000 - 120, (state.lastSeen ?? 0) - 60))
  const open = { relays: listenRelays(state), to: state.clientPubkey, since }
  const anybody = state.remoteSigner === null || state.guardUntil !== null
  const listen = anybody || state.remoteSigner === null ? open : { ...open, from: state.remoteSigner }
  const ids = state.ids.length < SPARE_IDS ? { ids: SPARE_IDS - state.ids.length } : {}
  return times.length === 0 ? { listen, ...ids } : { wakeAt: Math.min(...times), listen, ...ids }
}

/** Fresh ids, and what had to wait for one. */
function takeIds(work: Work, fresh: readonly RequestId[], now: Millis): void {
  const { state } = work
  if (!fresh.every((id) => REQUEST_ID.test(id)))
    throw new UsageError('an id is 1 to 64 of A-Z a-z 0-9 and -: use 32 random hex characters')
  const known = (id: RequestId) => Object.hasOwn(state.pending, id) || state.settled.includes(id)
  const ids = [...new Set([...state.ids, ...fresh.filter((id) => !known(id))])].slice(0, 2 * SPARE_IDS)
  work.state = { ...state, ids }
  if (state.phase === 'identifying') askUser(work, now)
  const { relaySwitch } = state
  const unproven = relaySwitch !== null && relaySwitch.pingId === null
  if (unproven && relaySwitch.target.some((relay) => state.live.includes(relay))) proveRelays(work, now)
}
