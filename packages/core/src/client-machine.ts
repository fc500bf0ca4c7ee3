/**
 * The machine of one client session, from the first relay to logout: one input at a time.
 * Never holds a key, keeps a timer or opens a URL: it says what to send, what is settled and what it wants to hear.
 */

import { close, logOut } from './client-end.ts'
import { receive } from './client-messages.ts'
import { comeLive, goDown } from './client-relays.ts'
import { hearRelays } from './client-reports.ts'
import { settle, startRequest } from './client-requests.ts'
import {
  CLOSED,
  type ClientInput,
  type ClientState,
  type ClientStep,
  type ClientWants,
  ignore,
  isOver,
  pendingOf,
  type Work,
} from './client-state.ts'
import { keepTime, nextAlarm } from './client-time.ts'
import { err, type Millis } from './value.ts'

type Input<Type extends ClientInput['type']> = Extract<ClientInput, { type: Type }>

const HANDLERS: { readonly [Type in ClientInput['type']]: (work: Work, input: Input<Type>) => void } = {
  request: startRequest,
  cancel,
  message: receive,
  live: comeLive,
  down: goDown,
  published: hearRelays,
  logout: logOut,
  close: (work) => close(work, CLOSED),
  // Every step does what is due.
  wake() {},
}

/** One input, one new state and what to do about it. Never throws on what a peer or relay did. */
export function step(state: ClientState, input: ClientInput, now: Millis): ClientStep {
  const work: Work = { ...state, now, outputs: [], before: state.pending }
  const { type } = input
  const ends = type === 'logout' || type === 'close'
  if (!isOver(state) || type === 'request' || (ends && state.phase === 'unpaired')) {
    // One cast for the whole table: TypeScript does not see that handler and input belong together.
    const handle = HANDLERS[type] as (work: Work, input: ClientInput) => void
    handle(work, input)
  } else if (type === 'message') ignore(work, 'session/closed')
  if (!isOver(work)) keepTime(work)
  work.downSince = work.live.length > 0 ? null : (work.downSince ?? now)
  const { outputs, before: _, ...next } = work
  return { state: next, outputs }
}

/** What should hold while this is the state. Recompute after each step; after a restart too. */
export function wants(state: ClientState): ClientWants {
  if (isOver(state)) return {}
  const { listen: relays, clientPubkey: to, remoteSigner, guardUntil, since } = state
  const wakeAt = nextAlarm(state)
  const from = guardUntil === null && remoteSigner !== null ? { from: remoteSigner } : {}
  return { ...(wakeAt < Infinity && { wakeAt }), listen: { relays, to, ...from, since } }
}

function cancel(work: Work, { id }: Input<'cancel'>): void {
  if (pendingOf(work, id)?.own === false)
    settle(work, id, err({ code: 'cancelled', message: 'cancelled by the caller' }))
}
