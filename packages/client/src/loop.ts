/**
 * The pump of one client machine: inputs in, outputs carried out, wants kept. One key, no decisions.
 * Never throws on what a relay or a peer sent; never steps a machine from within its own step.
 */

import {
  type Authenticate,
  cleanText,
  err,
  type KeyHandle,
  type OpenContext,
  open,
  type RelayRefusal,
  type RelayUrl,
  type RequestId,
  type Result,
  type Seconds,
  seal,
  sealAuth,
} from '@nip46/core'
import { type ClientInput, type ClientOutput, type ClientState, step, wants } from '@nip46/core/client'
import { AUTH_CHALLENGE_CHARS } from '@nip46/core/limits'
import { remember } from './bounded-map.ts'
import { freshIds } from './fresh-id.ts'
import { callHost } from './host.ts'
import { createJunkBudget } from './junk-budget.ts'
import { MESSAGE_CHARS, SEEN_EVENTS } from './limits.ts'
import { createListening } from './listening.ts'
import type { Ports } from './options.ts'
import type { RequestStage, SessionEvent } from './session-event.ts'
import { createSteadyTime } from './steady-time.ts'
import type { Timers } from './timers.ts'

/** What a loop tells: the machine's outputs, each after it was carried out, and what the machine does not say. */
export type LoopNews =
  | Exclude<ClientOutput, { type: 'send' }>
  | SessionEvent
  /** How far a request is, on its way to the remote signer. */
  | { readonly type: 'stage'; readonly id: RequestId; readonly stage: RequestStage }

export interface Loop {
  feed(input: ClientInput): void
  state(): ClientState
}

type Published = Result<{ readonly relay: RelayUrl }, readonly RelayRefusal[]>

/** Makes the machine's state of `start` run. Feed `wake` to begin, and `close` to end: it leaves nothing behind but its timers. */
export function createLoop(
  start: ClientState,
  key: KeyHandle,
  { crypto, transport, random, clock }: Ports,
  timers: Timers,
  tell: (news: LoopNews) => void,
): Loop {
  const now = createSteadyTime(clock)
  const wallSeconds = (): Seconds => Math.floor(clock.now() / 1_000)
  const queue: ClientInput[] = []
  const seen = new Map<string, true>()
  const junk = createJunkBudget()
  /** One for each publish under way: Node 20 warns of a signal with more than ten listeners. */
  const publishing = new Set<AbortController>()
  let state = start
  let feeding = false
  let alarm: number | undefined

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
      if (output.type === 'send') send(output)
      else tell(output)
    }
    keepWants()
  }

  const keepWants = (): void => {
    const { wakeAt, listen, ids } = wants(state)
    if (ids !== undefined) {
      const fresh = callHost(() => freshIds(random, ids))
      if (fresh !== undefined) queue.push({ type: 'ids', ids: fresh })
    }
    listening.adjust(listen)
    if (alarm !== wakeAt) setAlarm(wakeAt)
    if (state.phase === 'closed') for (const controller of publishing) controller.abort()
  }

  const setAlarm = (at: number | undefined): void => {
    alarm = at
    if (at === undefined) return timers.clear('wake')
    timers.set('wake', Math.max(0, at - now()), () => {
      alarm = undefined
      feed({ type: 'wake' })
    })
  }

  // -- out -------------------------------------------------------------------------------------

  const send = (message: Extract<ClientOutput, { type: 'send' }>): void => {
    const { id, relays, kind } = message
    const controller = new AbortController()
    const reach = (stage: RequestStage): void => tell({ type: 'stage', id, stage })
    const hear = (outcome: Published): void => {
      publishing.delete(controller)
      if (kind === 'response' || state.phase === 'closed') return
      if (outcome.ok) reach({ stage: 'accepted', relay: outcome.value.relay })
      else
        for (const { relay, reason } of outcome.error) tell({ type: 'refused', relay, reason: clean(reason) })
      feed({ type: 'published', id, outcome })
    }
    publishing.add(controller)
    if (kind === 'request') reach({ stage: 'sent', relays })
    const sealed = callHost(() => seal({ ...message, key, createdAt: wallSeconds() }, { crypto, random }))
    const options = { authenticate, signal: controller.signal }
    const published = sealed?.ok && callHost(() => transport.publish(relays, sealed.value, options))
    const reason = sealed?.ok
      ? 'unreachable: the transport failed'
      : `invalid: ${sealed?.error ?? 'not sealed'}`
    const refuse = (): void => hear(err(relays.map((relay) => ({ relay, reason }))))
    if (published) void published.then(hear, refuse)
    else refuse()
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
    scheme(from) {
      const { remoteSigner, guardUntil, profile } = state
      // While an offer is on show anybody may write, and for a while after, so that a second taker is noticed.
      const mayWrite = remoteSigner === null || guardUntil !== null || from === remoteSigner
      return mayWrite ? profile.scheme : undefined
    },
    seen: (eventId) => seen.has(eventId),
  }

  const hearEvent = (event: unknown, relay: RelayUrl): void => {
    if (state.phase === 'closed') return
    const opened = junk.allows(relay, now())
      ? callHost(() => open(event, { ...context, now: wallSeconds() }))
      : err('event/budget' as const)
    if (opened === undefined) return
    if (!opened.ok) {
      const { error: code } = opened
      // What shows only after hashing, checking a signature or decrypting.
      if (/^(?:event\/(?:id|sig)$|nip)/.test(code)) junk.charge(relay, now())
      if (code !== 'event/seen') tell({ type: 'ignored', code })
      return
    }
    const { from, eventId } = opened.value
    remember(seen, eventId, true, SEEN_EVENTS)
    feed({ type: 'message', ...opened.value })
    if (from !== state.remoteSigner) junk.charge(relay, now())
  }

  const listening = createListening(transport, timers, authenticate, {
    onEvent: hearEvent,
    onRelay(relay, live, words) {
      if (state.phase === 'closed') return
      tell({ type: 'relay', relay, live, ...(words && { reason: clean(words) }) })
      feed({ type: live ? 'live' : 'down', relay })
    },
  })

  return { feed, state: () => state }
}

/** Words of a relay, for display. */
function clean(words: string): string {
  return cleanText(words, MESSAGE_CHARS)
}
