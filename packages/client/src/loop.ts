/**
 * The pump of one client machine: inputs in, outputs carried out, wants kept. One key, no decisions.
 * Never throws on what a relay or a peer sent; never steps a machine from within its own step.
 */

import {
  type Authenticate,
  cleanText,
  err,
  type KeyHandle,
  type Millis,
  type OpenContext,
  open,
  type Pubkey,
  type RelayRefusal,
  type RequestId,
  type Seconds,
  seal,
  sealAuth,
} from '@nip46/core'
import { type ClientInput, type ClientOutput, type ClientState, step, wants } from '@nip46/core/client'
import { AUTH_CHALLENGE_CHARS } from '@nip46/core/limits'
import { remember } from './bounded-map.ts'
import { callHost } from './host.ts'
import { allowsJunk, chargeJunk, type JunkBudget } from './junk-budget.ts'
import { MESSAGE_CHARS, SEEN_EVENTS } from './limits.ts'
import { createListening } from './listening.ts'
import type { Ports } from './options.ts'
import type { RequestStage, SessionEvent } from './session-event.ts'
import { createSteadyTime } from './steady-time.ts'
import type { Timers } from './timers.ts'

/** The machine's outputs, each after it was carried out, and what the machine does not say. */
export type LoopNews = Exclude<ClientOutput, { type: 'send' }> | Exclude<SessionEvent, { type: 'ended' }>

export interface LoopObserver {
  readonly onNews: (news: LoopNews) => void
  /** How far a request is, on its way to the remote signer. */
  readonly onStage: (id: RequestId, stage: RequestStage) => void
}

export interface Loop {
  feed(input: ClientInput): void
  state(): ClientState
}

/** Makes the machine's state of `start` run. Feed `wake` to begin, and `close` to end: it leaves nothing behind but its timers. */
export function createLoop(
  start: ClientState,
  key: KeyHandle,
  { crypto, transport, random, clock }: Ports,
  timers: Timers,
  { onNews, onStage }: LoopObserver,
): Loop {
  const now = createSteadyTime(clock)
  const wallSeconds = (): Seconds => Math.floor(clock.now() / 1_000)
  const queue: ClientInput[] = []
  const seen = new Map<string, true>()
  /** One for each publish under way: Node 20 warns of a signal with more than ten listeners. */
  const publishing = new Set<AbortController>()
  let state = start
  let feeding = false
  /** When the timer for it rings, by this session's time. */
  let wakesAt: Millis | undefined
  /** Who alone is listened to. */
  let heard: Pubkey | undefined

  const feed = (input: ClientInput): void => {
    queue.push(input)
    if (feeding) return
    feeding = true
    try {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) turn(next)
    } finally {
      feeding = false
    }
  }

  const turn = (input: ClientInput): void => {
    const stepped = step(state, input, now())
    state = stepped.state
    for (const output of stepped.outputs) {
      if (output.type === 'send') void send(output)
      else onNews(output)
    }
    // A machine that slept has stood its timers still, and what happens to its relays is the first to tell of it.
    keepWants(input.type === 'live' || input.type === 'down')
  }

  const keepWants = (isAnew: boolean): void => {
    const { wakeAt, listen } = wants(state)
    heard = listen?.from
    listening.adjust(listen)
    if (wakeAt !== wakesAt || (isAnew && wakeAt !== undefined)) wake(wakeAt)
    if (state.phase === 'closed') for (const controller of publishing) controller.abort()
  }

  const wake = (at: Millis | undefined): void => {
    wakesAt = at
    if (at === undefined) return timers.clear('wake')
    timers.set('wake', Math.max(0, at - now()), () => {
      wakesAt = undefined
      feed({ type: 'wake' })
    })
  }

  // -- out -------------------------------------------------------------------------------------

  const send = async (message: Extract<ClientOutput, { type: 'send' }>): Promise<void> => {
    const { id, relays, kind } = message
    const controller = new AbortController()
    const { signal } = controller
    publishing.add(controller)
    if (kind === 'request') onStage(id, { stage: 'sent', relays })
    const sealed = callHost(() => seal({ ...message, key, createdAt: wallSeconds() }, { crypto, random }))
    const told = sealed?.ok
      ? callHost(() => transport.publish(relays, sealed.value, { authenticate, signal }))
      : undefined
    // What cannot be sealed now never can be; a transport that fails may do better next time.
    const reason = `${sealed?.ok ? 'unreachable' : 'invalid'}: not sent`
    const unsent = err(relays.map((relay) => ({ relay, reason })))
    const said = (await told?.catch(() => undefined)) ?? unsent
    publishing.delete(controller)
    if (kind === 'response' || state.phase === 'closed') return
    const outcome = said.ok ? said : err(said.error.map(cleanRefusal))
    if (outcome.ok) onStage(id, { stage: 'accepted', ...outcome.value })
    else for (const refusal of outcome.error) onNews({ type: 'refused', ...refusal })
    feed({ type: 'published', id, outcome })
  }

  /** For the relays of this session only, and with the client's key only (NIP-42). */
  const authenticate: Authenticate = (relay, challenge) => {
    if (state.phase === 'closed' || challenge.length > AUTH_CHALLENGE_CHARS) return undefined
    return sealAuth({ relay, challenge, key, createdAt: wallSeconds() }, { crypto, random })
  }

  // -- in --------------------------------------------------------------------------------------

  const context: Omit<OpenContext, 'now'> = {
    crypto,
    key: (pubkey) => (pubkey === key.pubkey ? key : undefined),
    // While an offer is on show anybody may write, and for a while after, so that a second taker is noticed.
    scheme: (from) => ((heard ?? from) === from ? state.profile.scheme : undefined),
    seen: (eventId) => seen.has(eventId),
  }

  const hearEvent = (event: unknown, budget: JunkBudget): void => {
    if (state.phase === 'closed') return
    const opened = allowsJunk(budget, now())
      ? callHost(() => open(event, { ...context, now: wallSeconds() }))
      : err('event/budget' as const)
    if (opened === undefined) return
    if (opened.ok) {
      const { from, eventId } = opened.value
      remember(seen, eventId, true, SEEN_EVENTS)
      feed({ type: 'message', ...opened.value })
      if (from !== state.remoteSigner) chargeJunk(budget, now())
      return
    }
    const { error: code } = opened
    // What shows only after hashing, checking a signature or decrypting.
    if (/^(?:event\/(?:id|sig)$|nip)/.test(code)) chargeJunk(budget, now())
    if (code !== 'event/seen') onNews({ type: 'ignored', code })
  }

  const listening = createListening(transport, timers, authenticate, {
    onEvent: hearEvent,
    onRelay(relay, live, words) {
      if (state.phase === 'closed') return
      onNews({ type: 'relay', relay, live, ...(words && { reason: clean(words) }) })
      feed({ type: live ? 'live' : 'down', relay })
    },
  })

  return { feed, state: () => state }
}

function cleanRefusal({ relay, reason }: RelayRefusal): RelayRefusal {
  return { relay, reason: clean(reason) }
}

/** Words of a relay, for display. */
function clean(words: string): string {
  return cleanText(words, MESSAGE_CHARS)
}
