/**
 * The pump of one client machine: inputs in, outputs carried out, wants kept. One timer, one key, no decisions.
 * Never throws on what a relay or a peer sent; never steps a machine from within its own step.
 */

import {
  type Authenticate,
  type Clock,
  type Crypto,
  err,
  type KeyHandle,
  type OpenProblem,
  open,
  type Pubkey,
  type RandomBytes,
  type RelayRefusal,
  type RelayUrl,
  type Result,
  type Seconds,
  seal,
  sealAuth,
  type Transport,
} from '@nip46/core'
import { type ClientInput, type ClientOutput, type ClientState, step, wants } from '@nip46/core/client'
import { AUTH_CHALLENGE_CHARS } from '@nip46/core/limits'
import { freshId } from './fresh-id.ts'
import { callHost } from './host.ts'
import { createJunkBudget } from './junk-budget.ts'
import { SEEN_EVENTS } from './limits.ts'
import { createListening } from './listening.ts'
import { createRecentIds } from './recent-ids.ts'
import { createSteadyTime } from './steady-time.ts'

export interface LoopPorts {
  readonly crypto: Crypto
  readonly transport: Transport
  readonly random: RandomBytes
  readonly clock: Clock
  readonly key: KeyHandle
}

export interface LoopObserver {
  /** Each output, after it was carried out. `state` is the one it belongs to. */
  readonly onOutput: (output: ClientOutput, state: ClientState) => void
  /** A relay took a request. */
  readonly onAccepted: (id: string, relay: RelayUrl, state: ClientState) => void
  /** A relay refused a request. */
  readonly onRefused: (relay: RelayUrl) => void
  /** An event was dropped before the machine saw it. */
  readonly onDrop: (code: OpenProblem) => void
  readonly onRelay: (relay: RelayUrl, live: boolean, reason?: string) => void
}

export interface Loop {
  feed(input: ClientInput): void
  state(): ClientState
}

/** The longest time a host's timer can be set to, in milliseconds. */
const TIMER_MS_MAX = 2_147_483_647

type Published = Result<{ readonly relay: RelayUrl }, readonly RelayRefusal[]>

/** Makes the machine's state of `start` run. Feed `wake` to begin, and `close` to end: it leaves nothing behind. */
export function createLoop(start: ClientState, ports: LoopPorts, observer: LoopObserver): Loop {
  const { crypto, transport, random, clock, key } = ports
  const now = createSteadyTime(clock)
  const wallSeconds = (): Seconds => Math.floor(clock.now() / 1_000)
  const queue: ClientInput[] = []
  const seen = createRecentIds(SEEN_EVENTS)
  const junk = createJunkBudget()
  /** One for each publish under way: Node 20 warns of a signal with more than ten listeners. */
  const publishing = new Set<AbortController>()
  let state = start
  let feeding = false
  let timer: { readonly handle: unknown; readonly at: number } | undefined

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
      observer.onOutput(output, stepped.state)
    }
    keepWants()
  }

  const keepWants = (): void => {
    const { wakeAt, listen, ids } = wants(state)
    if (ids !== undefined) {
      const fresh = callHost(() => Array.from({ length: ids }, () => freshId(random)))
      if (fresh !== undefined) queue.push({ type: 'ids', ids: fresh })
    }
    listening.adjust(listen)
    if (timer?.at !== wakeAt) setWake(wakeAt)
    if (state.phase === 'closed') for (const controller of publishing) controller.abort()
  }

  const setWake = (at: number | undefined): void => {
    if (timer !== undefined) clock.clearTimer(timer.handle)
    timer = undefined
    if (at === undefined) return
    const wake = (): void => {
      timer = undefined
      feed({ type: 'wake' })
    }
    const afterMs = Math.min(Math.max(0, at - now()), TIMER_MS_MAX)
    timer = { handle: clock.setTimer(wake, afterMs), at }
  }

  // -- out -------------------------------------------------------------------------------------

  const send = ({ id, to, relays, scheme, text, kind }: Extract<ClientOutput, { type: 'send' }>): void => {
    const hear = (outcome: Published): void => {
      if (kind === 'response' || state.phase === 'closed') return
      if (outcome.ok) observer.onAccepted(id, outcome.value.relay, state)
      else for (const { relay } of outcome.error) observer.onRefused(relay)
      feed({ type: 'published', id, outcome })
    }
    const refuse = (reason: string): void => hear(err(relays.map((relay) => ({ relay, reason }))))

    const request = { text, to, key, scheme, createdAt: wallSeconds() }
    const sealed = callHost(() => seal(request, { crypto, random }))
    if (sealed?.ok !== true) {
      refuse(`invalid: ${sealed?.error ?? 'the request could not be sealed'}`)
      return
    }
    const controller = new AbortController()
    const options = { authenticate, signal: controller.signal }
    const published = callHost(() => transport.publish(relays, sealed.value, options))
    const failed = (): void => refuse('unreachable: the transport failed')
    if (published === undefined) {
      failed()
      return
    }
    publishing.add(controller)
    void published.then(hear, failed).finally(() => publishing.delete(controller))
  }

  /** For the relays of this session only, and with the client's key only (NIP-42). */
  const authenticate: Authenticate = (relay, challenge) => {
    if (state.phase === 'closed' || challenge.length > AUTH_CHALLENGE_CHARS) return undefined
    return sealAuth({ relay, challenge, key, createdAt: wallSeconds() }, { crypto, random })
  }

  // -- in --------------------------------------------------------------------------------------

  const hearEvent = (event: unknown, relay: RelayUrl): void => {
    if (state.phase === 'closed') return
    if (!junk.allows(relay, now())) {
      observer.onDrop('event/budget')
      return
    }
    const opened = callHost(() =>
      open(event, {
        crypto,
        key: (pubkey) => (pubkey === key.pubkey ? key : undefined),
        scheme: (from) => (mayWrite(from) ? state.profile.scheme : undefined),
        now: wallSeconds(),
        seen: (eventId) => seen.has(eventId),
      }),
    )
    if (opened === undefined) return
    if (!opened.ok) {
      if (isCostly(opened.error)) junk.charge(relay, now())
      if (opened.error !== 'event/seen') observer.onDrop(opened.error)
      return
    }
    const { from, scheme, createdAt, text, eventId } = opened.value
    seen.add(eventId)
    feed({ type: 'message', from, scheme, createdAt, text })
    if (from !== state.remoteSigner) junk.charge(relay, now())
  }

  /** While an offer is on show anybody may write, and for a while after, so that a second taker is noticed. */
  const mayWrite = (from: string): boolean => {
    const { remoteSigner, guardUntil } = state
    return remoteSigner === null || guardUntil !== null || from === (remoteSigner satisfies Pubkey)
  }

  const listening = createListening({
    transport,
    clock,
    authenticate,
    onEvent: hearEvent,
    onLive(relay) {
      observer.onRelay(relay, true)
      feed({ type: 'live', relay })
    },
    onDown(relay, reason) {
      if (state.phase !== 'closed') observer.onRelay(relay, false, reason)
      feed({ type: 'down', relay })
    },
  })

  return { feed, state: () => state }
}

/** Problems that show only after hashing, checking a signature or decrypting. */
function isCostly(problem: OpenProblem): boolean {
  return problem === 'event/id' || problem === 'event/sig' || /^nip(?:04|44)\//.test(problem)
}
