/**
 * What is wanted of one relay: subscriptions, and events that wait for their OK, each from its first REQ or EVENT to its end,
 * with the AUTH (NIP-42) that either may need. They are written in the order in which they came: an event waits for
 * the subscriptions before it. One that is published twice at a time is written once.
 * Never gives one up without a word, never makes a connection, and never authenticates unasked, since an AUTH tells the relay who we are.
 */

import { AUTH_KIND, type Authenticate, type Clock, type RandomBytes, type RelayUrl } from '@nip46/core'
import { BACKOFF_BASE_MS, backoffMs } from './backoff.ts'
import { closeFrame, type FrameDrop, type RelayFrame, signedFrame } from './frame.ts'
import { arm, callHost } from './host.ts'

/** Times one event is written to one relay for one publish: lost connections, slow-downs and AUTH together. */
export const PUBLISH_TRIES = 4
/** Of these tries, what a dial costs that failed. */
const DIAL_TRIES = 2
/** Characters of the events that one link holds, or of its subscriptions; the next one is refused with `queue-full`. */
export const QUEUE_CHARS = 16_777_216
/** As many of either at most, since each counts for no fewer characters than that leaves it. */
export const LINK_WANTS = 1_024
/** Bytes that may wait in the socket before events do. */
export const SEND_BUFFER_BYTES = 1_048_576
/** How often a full socket is looked at again, in milliseconds. */
const DRAIN_CHECK_MS = 25
/** How long an event waits for the subscriptions before it to be live, on each connection, in milliseconds. */
export const LIVE_WAIT_MS = 2_000
/** A REQ that got no EOSE for so long counts as live: some relays never send one. In milliseconds. */
export const EOSE_WAIT_MS = 500
/** A subscription that lived so long has no slow-downs behind it any more, in milliseconds. */
const STEADY_MS = 60_000
/** How long a relay may take to send a challenge, or to answer an AUTH, in milliseconds. */
export const AUTH_WAIT_MS = 5_000
/** AUTHs that are remembered of one connection; the oldest is forgotten first. */
export const AUTH_KEYS = 1_024
/** Refusals of a subscription that no waiting mends. */
const FINAL = /^(?:invalid|unsupported|blocked|restricted|mute|pow):/

/** A subscription, or an event. Nothing of it is called inside the call that adds it, nor once it has ended. */
export interface LinkWant {
  readonly kind: 'event' | 'subscription'
  /** Of the event, or of the subscription on the wire. */
  readonly id: string
  /** Characters that it holds. */
  readonly chars: number
  readonly authenticate: Authenticate | undefined
  /** The frame to write now. */
  frame(): string
  /** The relay has the event, which is the end of it; or the subscription delivers, until it is down. */
  onLive(): void
  /** The relay's reason or ours, each time it fails. It goes on by itself unless `final`. */
  onDown(reason: string, final: boolean): void
  onEvent?(event: object): void
  /** The relay does not like the filters. True if others are worth a try. */
  relax?(): boolean
}

export interface LinkWants {
  /**
   * The function returned ends it, and says what the relay's last word was, or ours: `unreachable` when it was never
   * written. Undefined if it was written and nothing came back.
   */
  add(request: LinkWant): () => string | undefined
  size(): number
  /** The connection is open: everything is written (again). */
  opened(socket: WritableSocket): void
  /** The connection is gone, or was never made; `final` if there will be no other. True if events wait for one. */
  lost(reason: string, final: boolean): boolean
  /** Takes any frame but a NOTICE. */
  take(frame: RelayFrame): FrameDrop | undefined
  /** Ends events with `reason` and subscriptions without a word, and refuses whatever comes after. */
  close(reason: string): void
}

interface WritableSocket {
  readonly bufferedAmount: number
  send(frame: string): void
}

export interface LinkWantsOptions {
  /** The URL we dialled: the only one that goes into an AUTH event. */
  readonly relay: RelayUrl
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  /** The last want has ended. */
  readonly onEmpty: () => void
}

interface Want {
  readonly kind: LinkWant['kind']
  readonly id: string
  readonly cost: number
  /** Greater than that of any want before it. */
  readonly order: number
  /** Let go at the end, so that nothing that still knows the want keeps alive what is behind it. */
  request: LinkWant | undefined
  /** An event that has waited long enough for subscriptions is `due`. */
  phase: 'waiting' | 'due' | 'sent' | 'live' | 'authenticating' | 'slow' | 'over'
  /** Belongs to the phase. */
  timer: unknown
  tries: number
  /** The relay's OK for it is still to come, whoever wrote it. */
  isAsked: boolean
  slowdowns: number
  /** The last one. */
  reason: string | undefined
  /** What it waits for, or waited for on this connection. */
  auth: Auth | undefined
}

interface Auth {
  readonly challenge: string
  readonly by: Authenticate
  readonly pubkey: string
  /** Of the relay; empty if it took the key, undefined if it has not answered. */
  refusal: string | undefined
}

export function createLinkWants({ relay, clock, randomBytes, onEmpty }: LinkWantsOptions): LinkWants {
  /** By id. */
  const wants = new Map<string, readonly Want[]>()
  let arrivals = 0
  /** What is to be written. */
  const unwritten = new Set<Want>()
  /** Subscriptions that later events wait for. */
  const starting = new Set<Want>()
  const room = { event: QUEUE_CHARS, subscription: QUEUE_CHARS }
  /** While it is open. */
  let socket: WritableSocket | undefined
  const drain: { timer: unknown } = { timer: undefined }
  let failure = 'unreachable: not connected yet'
  let closedWith: string | undefined
  let challenge: string | undefined
  /** By id of the AUTH event. */
  const auths = new Map<string, Auth>()

  const named = (id: string): readonly Want[] => wants.get(id) ?? []

  /** Whatever the phase before waited for is off. */
  const enter = (want: Want, phase: Want['phase'], afterMs = 0, run?: () => void): void => {
    want.phase = phase
    starting.delete(want)
    if (!isWritten(want)) unwritten.add(want)
    else unwritten.delete(want)
    if (want.kind !== 'event' && (phase === 'sent' || phase === 'authenticating')) starting.add(want)
    arm(clock, want, afterMs, run)
  }

  const write = (want: Want, to: WritableSocket): void => {
    const isEvent = want.kind === 'event'
    const frame = want.request?.frame() ?? ''
    /** The relay answers both at once. */
    const isThere = isEvent && named(want.id).some((one) => isOnItsWay(one) && one.request?.frame() === frame)
    want.tries += 1
    want.isAsked = isEvent
    enter(want, 'sent', EOSE_WAIT_MS, isEvent ? undefined : () => becomeLive(want))
    if (!isThere) to.send(frame)
  }

  /** Writes what may be written. */
  const flush = (): void => {
    arm(clock, drain)
    if (unwritten.size === 0 || socket === undefined) return
    let first = Infinity
    for (const { order } of starting) first = Math.min(first, order)
    for (const want of unwritten) {
      if (socket === undefined || closedWith !== undefined) return
      const { kind, phase, order } = want
      if (kind === 'event' && phase === 'waiting' && order > first) {
        want.timer ??= clock.setTimer(() => {
          enter(want, 'due')
          flush()
        }, LIVE_WAIT_MS)
      } else {
        if (kind === 'event' && socket.bufferedAmount > SEND_BUFFER_BYTES)
          return arm(clock, drain, DRAIN_CHECK_MS, flush)
        write(want, socket)
        if (kind !== 'event') first = Math.min(first, order)
      }
    }
  }

  const again = (want: Want): void => {
    // Whoever was asked for other filters may have ended it.
    if (want.phase === 'over') return
    enter(want, 'waiting')
    // What came after a subscription goes on waiting for it.
    if (want.kind !== 'event' && socket !== undefined) write(want, socket)
    flush()
  }

  const remove = (want: Want): void => {
    const { kind, id, cost } = want
    enter(want, 'over')
    want.request = undefined
    if (!named(id).includes(want)) return
    const others = named(id).filter((one) => one !== want)
    if (others.length > 0) wants.set(id, others)
    else wants.delete(id)
    room[kind] += cost
    if (wants.size === 0) onEmpty()
  }

  const becomeLive = (want: Want): void => {
    const { request } = want
    if (want.kind === 'event') remove(want)
    else
      enter(want, 'live', STEADY_MS, () => {
        want.slowdowns = 0
      })
    callHost(() => request?.onLive())
    // Nothing waits for an event.
    if (want.kind !== 'event') flush()
  }

  const down = (want: Want, reason: string, final: boolean): void => {
    const { request } = want
    want.reason = reason
    if (final) remove(want)
    callHost(() => request?.onDown(reason, final))
    flush()
  }

  /** Those that a callback of one before ends or adds are left out. */
  const each = (run: (want: Want) => void, some = all()): void => {
    for (const want of some) if (want.phase !== 'over') run(want)
  }

  const all = (): readonly Want[] => [...wants.values()].flat().sort((a, b) => a.order - b.order)

  const isSpent = (want: Want): boolean => want.kind === 'event' && want.tries >= PUBLISH_TRIES

  const refused = (want: Want, reason: string): void => {
    if (isSpent(want)) down(want, reason, true)
    else if (reason.startsWith('auth-required:')) authenticate(want, reason)
    else if (/^(?:invalid|unsupported):/.test(reason) && want.request?.relax?.() === true) again(want)
    else {
      const final = want.kind === 'event' ? !reason.startsWith('rate-limited:') : FINAL.test(reason)
      if (!final) {
        const wait = BACKOFF_BASE_MS + backoffMs(want.slowdowns, randomBytes)
        want.slowdowns += 1
        enter(want, 'slow', wait, () => again(want))
      }
      down(want, reason, final)
    }
  }

  // -- NIP-42 --------------------------------------------------------------------------------------

  /** The AUTH for the present challenge. */
  const findAuth = (test: (auth: Auth) => boolean): Auth | undefined =>
    [...auths.values()].find((auth) => auth.challenge === challenge && test(auth))

  /** Once for each connection. */
  const authenticate = (want: Want, reason: string): void => {
    const by = want.request?.authenticate
    const refuse = (words: string): void => down(want, `auth-required: ${words}`, true)
    if (by === undefined || want.auth !== undefined) return down(want, reason, true)
    const now = challenge
    if (now === undefined)
      return enter(want, 'authenticating', AUTH_WAIT_MS, () => refuse('no challenge came'))
    let auth = findAuth((one) => one.by === by)
    if (auth === undefined) {
      const event = callHost(() => by(relay, now))
      if (event?.kind !== AUTH_KIND) return refuse('we do not authenticate to this relay')
      const { id, pubkey } = event
      auth = findAuth((one) => one.pubkey === pubkey)
      if (auth === undefined) {
        const [oldest = ''] = auths.keys()
        if (auths.size >= AUTH_KEYS) auths.delete(oldest)
        auth = { challenge: now, by, pubkey, refusal: undefined }
        auths.set(id, auth)
        socket?.send(signedFrame('AUTH', event))
      }
    }
    // Whoever was asked to sign may have ended it.
    if (want.phase === 'over') return
    const asked = auth
    want.auth = asked
    // Some relays answer no AUTH, so the refused frame is worth writing again.
    enter(want, 'authenticating', AUTH_WAIT_MS, () => answer(asked, ''))
    if (asked.refusal !== undefined) answer(asked, asked.refusal)
  }

  const answer = (auth: Auth, refusal: string): void => {
    auth.refusal = refusal
    each((want) => {
      if (want.auth !== auth || want.phase !== 'authenticating') return
      if (refusal === '') again(want)
      else down(want, refusal, true)
    })
  }

  const challenged = (text: string): undefined => {
    if (text === challenge) return
    challenge = text
    each((want) => {
      if (want.phase === 'authenticating' && want.auth === undefined) authenticate(want, '')
    })
  }

  // -- what the relay says -------------------------------------------------------------------------

  const takeOk = (id: string, accepted: boolean, reason: string): FrameDrop | undefined => {
    const auth = auths.get(id)
    if (auth !== undefined) return void answer(auth, accepted ? '' : reason)
    let problem: FrameDrop | undefined = 'frame/unknown-ok'
    const asked = named(id)
    // First, since what is written again or added while they hear of it has an OK of its own to come.
    for (const want of asked) want.isAsked = false
    each((want) => {
      if (want.kind !== 'event' || !isWritten(want)) return
      problem = undefined
      // An event the relay has already is as good as accepted, whichever way it says so.
      if (accepted || reason.startsWith('duplicate:')) becomeLive(want)
      else if (want.phase === 'sent') refused(want, reason)
    }, asked)
    return problem
  }

  const cancel = (want: Want): string | undefined => {
    const isAsked = want.phase === 'sent' || want.phase === 'live'
    if (isAsked && want.kind !== 'event') socket?.send(closeFrame(want.id))
    remove(want)
    flush()
    return want.reason ?? (want.tries > 0 ? undefined : failure)
  }

  return {
    add(request) {
      const { kind, id, chars } = request
      const want: Want = {
        kind,
        id,
        cost: Math.max(chars, QUEUE_CHARS / LINK_WANTS),
        order: arrivals++,
        request,
        phase: 'waiting',
        timer: undefined,
        tries: 0,
        isAsked: false,
        slowdowns: 0,
        reason: undefined,
        auth: undefined,
      }
      const refusal = closedWith ?? (want.cost > room[kind] ? 'queue-full' : undefined)
      if (refusal !== undefined) {
        want.reason = refusal
        enter(want, 'slow', 0, () => down(want, refusal, true))
      } else {
        wants.set(id, [...named(id), want])
        room[kind] -= want.cost
        enter(want, 'waiting')
        flush()
      }
      return () => cancel(want)
    },
    size: () => wants.size,
    opened(open) {
      socket = open
      flush()
    },
    lost(reason, final) {
      const tries = socket === undefined ? DIAL_TRIES : 0
      socket = undefined
      challenge = undefined
      auths.clear()
      failure = reason
      arm(clock, drain)
      const before = all()
      unwritten.clear()
      for (const want of before) {
        enter(want, 'waiting')
        want.auth = undefined
      }
      each((want) => {
        want.tries += tries
        down(want, reason, final || isSpent(want))
      }, before)
      return all().some(({ kind }) => kind === 'event')
    },
    take({ verb, subject, body, reason }) {
      if (verb === 'AUTH') return challenged(subject)
      if (verb === 'OK') return takeOk(subject, body === true, reason)
      const [want] = named(subject)
      if (want?.kind !== 'subscription') return 'frame/unknown-subscription'
      if (verb === 'EVENT') callHost(() => want.request?.onEvent?.(body as object))
      else if (want.phase === 'sent' || (want.phase === 'live' && verb === 'CLOSED'))
        verb === 'EOSE' ? becomeLive(want) : refused(want, reason)
      return undefined
    },
    close(reason) {
      closedWith = reason
      each((want) => {
        if (want.kind === 'event') down(want, reason, true)
        else cancel(want)
      })
      arm(clock, drain)
    },
  }
}

// -- helpers -------------------------------------------------------------------------------------

function isOnItsWay({ phase, isAsked }: Want): boolean {
  return phase === 'sent' && isAsked
}

/** Or over. */
function isWritten({ phase }: Want): boolean {
  return phase !== 'waiting' && phase !== 'due'
}
