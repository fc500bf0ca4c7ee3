/**
 * The machine of one client session, from the first relay to logout: one input at a time.
 * Never holds a key, keeps a timer or opens a URL: it says what to send, what is settled and what it wants to hear.
 */

import { close, logOut } from './client-end.ts'
import { askUser } from './client-handshake.ts'
import { receive } from './client-messages.ts'
import { askRelays, comeLive, goDown, proveRelays } from './client-relays.ts'
import { hearRelays } from './client-reports.ts'
import { checkId, SPARE_IDS, sendQueued, settle, startRequest } from './client-requests.ts'
import {
  CLOSED,
  type ClientInput,
  type ClientState,
  type ClientStep,
  type ClientWants,
  ignore,
  isKnown,
  isOver,
  listenRelays,
  pendingOf,
  type Work,
} from './client-state.ts'
import { nextAlarm, wake } from './client-time.ts'
import { err, type Millis } from './value.ts'

type Input<Type extends ClientInput['type']> = Extract<ClientInput, { type: Type }>

const HANDLERS: { readonly [Type in ClientInput['type']]: (work: Work, input: Input<Type>) => void } = {
  request: startRequest,
  cancel,
  message: receive,
  live: comeLive,
  down: goDown,
  published: hearRelays,
  ids: takeIds,
  'switch-relays': (work) => void (work.state.phase === 'ready' && askRelays(work)),
  logout: logOut,
  close: (work) => close(work, 'closed', CLOSED),
  wake,
}

/** One input, one new state and what to do about it. Never throws on what a peer or relay did. */
export function step(state: ClientState, input: ClientInput, now: Millis): ClientStep {
  const work: Work = { state: { ...state }, outputs: [], now }
  const { type } = input
  const ends = type === 'logout' || type === 'close'
  if (!isOver(state) || type === 'request' || (ends && state.phase === 'unpaired')) {
    // One cast for the whole table: TypeScript does not see that handler and input belong together.
    const handle = HANDLERS[type] as (work: Work, input: ClientInput) => void
    handle(work, input)
  } else if (type === 'message') ignore(work, 'session/closed')
  sendQueued(work)
  const next = work.state
  if (next.live.length === 0 && !isOver(next)) next.downSince ??= now
  return { state: next, outputs: work.outputs }
}

/** What should hold while this is the state. Recompute after each step; after a restart too. */
export function wants(state: ClientState): ClientWants {
  if (isOver(state)) return {}
  const { startedAt, lastSeen, remoteSigner, guardUntil, clientPubkey, ids } = state
  const wakeAt = nextAlarm(state)
  const since = Math.floor(Math.max(startedAt / 1_000 - 120, (lastSeen ?? 0) - 60))
  const from = guardUntil === null && remoteSigner !== null ? { from: remoteSigner } : {}
  return {
    ...(wakeAt < Infinity && { wakeAt }),
    listen: { relays: listenRelays(state), to: clientPubkey, ...from, since },
    ...(ids.length < SPARE_IDS && { ids: SPARE_IDS - ids.length }),
  }
}

function cancel(work: Work, { id }: Input<'cancel'>): void {
  if (pendingOf(work.state, id)?.origin === 'caller')
    settle(work, id, err({ code: 'cancelled', message: 'cancelled by the caller' }))
}

/** Fresh ids, and what had to wait for one. */
function takeIds(work: Work, input: Input<'ids'>): void {
  const { state } = work
  input.ids.forEach(checkId)
  const fresh = input.ids.filter((id) => !isKnown(state, id))
  state.ids = [...new Set([...state.ids, ...fresh])].slice(0, 2 * SPARE_IDS)
  if (state.phase === 'identifying') askUser(work)
  if (state.relaySwitch?.pingId === null) proveRelays(work)
}
