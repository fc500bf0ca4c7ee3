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
import { createHealthBook, type HealthBook } from './relay-health.ts'
import type { RequestStage, SessionEvent } from './session-event.ts'
import { createSteadyTime } from './steady-time.ts'
import type { Timers } from './timers.ts'

export interface LoopObserver {
  /** Each output, after it was carried out. */
  readonly onOutput: (output: ClientOutput) => void
  /** What relays did with a request. */
  readonly onStage: (id: RequestId, stage: RequestStage) => void
  /** What the machine is not told of. */
  readonly onEvent: (event: SessionEvent) => void
}

export interface Loop {
  feed(input: ClientInput): void
  state(): ClientState
  readonly health: HealthBook
}

type Published = Result<{ readonly relay: RelayUrl }, readonly RelayRefusal[]>

/** Makes the machine's state of `start` run. Feed `wake` to begin, and `close` to end: it leaves nothing behind but its timers. */
export function createLoop(
  start: ClientState,
  key: KeyHandle,
  { crypto, transport, random, clock }: Ports,
  timers: Timers,
  { onOutput, onStage, onEvent }: LoopObserver,
): Loop {
  const now = createSteadyTime(clock)
  const wallSeconds = (): Seconds => Math.floor(clock.now() / 1_000)
  const queue: ClientInput[] = []
  const seen = new Map<string, true>()
  const junk = createJunkBudget()
  const health = createHealthBook(() => clock.now())
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
      onOutput(output)
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

  const send = ({ id, to, relays, scheme, text, kind }: Extract<ClientOutput, { type: 'send' }>): void => {
    const hear = (outcome: Published): void => {
      publishing.delete(controller)
      if (kind === 'response' || state.phase === 'closed') return
      if (outcome.ok) {
        const { relay } = outcome.value
        const sentAt = state.pending[id]?.sentAt
        health.accepted(relay, Math.max(0, now() - (sentAt ?? now())))
        onStage(id, { stage: 'accepted', relay })
      } else {
        for (const { relay } of outcome.error) health.refused(relay)
      }
      feed({ type: 'published', id, outcome })
    }
    const refuse = (reason: string): void => hear(err(relays.map((relay) => ({ relay, reason }))))

    const controller = new AbortController()
    const { signal } = controller
    const createdAt = wallSeconds()
    const sealed = callHost(() => seal({ text, to, key, scheme, createdAt }, { crypto, random }))
    if (sealed?.ok !== true) return refuse(`invalid: ${sealed?.error ?? 'the request could not be sealed'}`)
    publishing.add(controller)
    const failed = (): void => refuse('unreachable: the transport failed')
    const published = callHost(() => transport.publish(relays, sealed.value, { authenticate, signal }))
    if (published === undefined) failed()
    else void published.then(hear, failed)
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
    scheme: (from) => (mayWrite(from) ? state.profile.scheme : undefined),
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
      if (code !== 'event/seen') onEvent({ type: 'ignored', code })
      return
    }
    const { from, scheme, createdAt, text, eventId } = opened.value
    remember(seen, eventId, true, SEEN_EVENTS)
    feed({ type: 'message', from, scheme, createdAt, text })
    if (from !== state.remoteSigner) junk.charge(relay, now())
  }

  /** While an offer is on show anybody may write, and for a while after, so that a second taker is noticed. */
  const mayWrite = (from: string): boolean => {
    const { remoteSigner, guardUntil } = state
    return remoteSigner === null || guardUntil !== null || from === remoteSigner
  }

  const listening = createListening({
    transport,
    timers,
    authenticate,
    onEvent: hearEvent,
    onLive(relay) {
      health.live(relay, true)
      onEvent({ type: 'relay', relay, live: true })
      feed({ type: 'live', relay })
    },
    onDown(relay, words) {
      const reason = cleanText(words, MESSAGE_CHARS)
      if (state.phase !== 'closed') {
        health.live(relay, false, reason)
        onEvent({ type: 'relay', relay, live: false, reason })
      }
      feed({ type: 'down', relay })
    },
  })

  return { feed, state: () => state, health }
}
