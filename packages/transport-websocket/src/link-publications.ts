/**
 * The EVENT side of one relay link: events that wait to be written, and events that wait for their OK.
 * Never loses one silently: each ends with the relay's word, with ours, or when whoever published it gives up.
 */

import type { Authenticate, Clock } from '@nip46/core'
import { slowdownMs } from './backoff.ts'
import { reasonPrefix } from './frame.ts'
import type { AuthOutcome } from './relay-auth.ts'

/** Times one event is written to one relay for one publish: lost connections, slow-downs and AUTH together. */
export const PUBLISH_SENDS = 4
/** Dials that may fail before an event that was never written is reported as `unreachable`. */
export const PUBLISH_DIALS = 2
/** How long an event waits for a subscription on the same relay to become live, in milliseconds. */
export const LIVE_WAIT_MS = 2_000
/** Events that one link holds; the next one is refused with `queue-full`. */
export const PUBLISH_QUEUE = 1_024
/** Characters of the events that one link holds. */
export const PUBLISH_QUEUE_CHARS = 16_777_216
/** Bytes that may wait in the socket before writing pauses. */
export const SEND_BUFFER_BYTES = 1_048_576
/** How often a full socket is looked at again, in milliseconds. */
const DRAIN_CHECK_MS = 25

/** What a link's publications ask of the link. */
export interface PublicationsPort {
  readonly clock: Clock
  /** A number in [0, 1). */
  readonly random: () => number
  readonly isOpen: () => boolean
  /** Whether a subscription of this link is on its way to be live. */
  readonly isStarting: () => boolean
  readonly send: (frame: string) => void
  /** Bytes that wait in the socket. */
  readonly buffered: () => number
  /** On the present connection; `done` is not called once that is gone. */
  readonly authenticate: (by: Authenticate, done: (outcome: AuthOutcome) => void) => void
  /** A relay refused an event, for health. */
  readonly onRefusal: (reason: string) => void
  /** An event came or went. */
  readonly onChange: () => void
}

export type PublishOutcome = { readonly ok: true } | { readonly ok: false; readonly reason: string }

export interface LinkPublishRequest {
  readonly id: string
  /** The whole EVENT frame. */
  readonly frame: string
  readonly authenticate?: Authenticate | undefined
  /** Called once, never inside the call that publishes, and never after `cancel`. */
  readonly onSettled: (outcome: PublishOutcome) => void
}

export interface LinkPublications {
  /**
   * The function returned gives up and says what the relay's last word was, or ours: `unreachable` when the event
   * was never written. Undefined if it was written and nothing came back.
   */
  add(request: LinkPublishRequest): (linkReason: string) => string | undefined
  /** The connection is open, or a subscription changed, or a socket may have drained. */
  flush(): void
  /** The open connection is gone. */
  lost(reason: string): void
  dialFailed(reason: string): void
  /** Takes an OK. False if no event with this id waits for one. */
  ok(id: string, accepted: boolean, reason: string): boolean
  /** Refuses everything with one reason. */
  end(reason: string): void
  size(): number
}

interface Entry {
  readonly id: string
  readonly frame: string
  readonly parties: Set<LinkPublishRequest>
  phase: 'waiting' | 'sent' | 'slow' | 'authenticating'
  /** Of `waiting`: patience for subscriptions. Of `slow`: until the next try. */
  timer: unknown
  /** It has waited {@link LIVE_WAIT_MS} for subscriptions. */
  impatient: boolean
  sends: number
  dials: number
  slowdowns: number
  authTried: boolean
  lastReason: string | undefined
}

export function createLinkPublications(port: PublicationsPort): LinkPublications {
  const { clock } = port
  /** By event id, in the order in which they are to be written. */
  const entries = new Map<string, Entry>()
  let chars = 0
  let drainTimer: unknown

  const enter = (entry: Entry, phase: Entry['phase']): void => {
    clock.clearTimer(entry.timer)
    entry.timer = undefined
    entry.phase = phase
  }

  const remove = (entry: Entry): void => {
    clock.clearTimer(entry.timer)
    if (entries.delete(entry.id)) chars -= entry.frame.length
  }

  const settle = (entry: Entry, outcome: PublishOutcome): void => {
    remove(entry)
    for (const party of [...entry.parties]) {
      entry.parties.delete(party)
      party.onSettled(outcome)
    }
    port.onChange()
  }

  const refuse = (entry: Entry, reason: string): void => settle(entry, { ok: false, reason })

  const flush = (): void => {
    clock.clearTimer(drainTimer)
    drainTimer = undefined
    if (!port.isOpen()) return
    const starting = port.isStarting()
    for (const entry of [...entries.values()]) {
      if (entry.phase !== 'waiting') continue
      if (starting && !entry.impatient) {
        entry.timer ??= clock.setTimer(() => {
          entry.impatient = true
          flush()
        }, LIVE_WAIT_MS)
        continue
      }
      if (port.buffered() > SEND_BUFFER_BYTES) {
        drainTimer = clock.setTimer(flush, DRAIN_CHECK_MS)
        return
      }
      enter(entry, 'sent')
      entry.sends += 1
      port.send(entry.frame)
    }
  }

  /** Once more on this relay, or the end of it. */
  const again = (entry: Entry, reason: string): void => {
    entry.lastReason = reason
    if (entry.sends >= PUBLISH_SENDS) refuse(entry, reason)
    else enter(entry, 'waiting')
  }

  const authenticate = (entry: Entry, reason: string): void => {
    const by = [...entry.parties].find((party) => party.authenticate !== undefined)?.authenticate
    if (by === undefined || entry.authTried) {
      refuse(entry, reason)
      return
    }
    entry.authTried = true
    enter(entry, 'authenticating')
    port.authenticate(by, (outcome) => {
      if (entry.phase !== 'authenticating' || !entries.has(entry.id)) return
      if (outcome.type === 'refused') {
        refuse(entry, outcome.reason)
        return
      }
      again(entry, reason)
      flush()
    })
  }

  const slowDown = (entry: Entry, reason: string): void => {
    again(entry, reason)
    if (!entries.has(entry.id)) return
    enter(entry, 'slow')
    entry.timer = clock.setTimer(
      () => {
        enter(entry, 'waiting')
        flush()
      },
      slowdownMs(entry.slowdowns, port.random()),
    )
    entry.slowdowns += 1
  }

  const join = (entry: Entry, request: LinkPublishRequest): void => {
    entry.parties.add(request)
    // Whoever publishes an event again thinks that it got lost: write it again.
    if (entry.phase === 'sent' && entry.sends < PUBLISH_SENDS) enter(entry, 'waiting')
  }

  return {
    add(request) {
      let entry = entries.get(request.id)
      if (entry !== undefined) {
        join(entry, request)
      } else if (entries.size >= PUBLISH_QUEUE || chars + request.frame.length > PUBLISH_QUEUE_CHARS) {
        const timer = clock.setTimer(() => request.onSettled({ ok: false, reason: 'queue-full' }), 0)
        return () => {
          clock.clearTimer(timer)
          return 'queue-full'
        }
      } else {
        entry = {
          id: request.id,
          frame: request.frame,
          parties: new Set([request]),
          phase: 'waiting',
          timer: undefined,
          impatient: false,
          sends: 0,
          dials: 0,
          slowdowns: 0,
          authTried: false,
          lastReason: undefined,
        }
        entries.set(entry.id, entry)
        chars += entry.frame.length
      }
      const mine = entry
      port.onChange()
      return (linkReason) => {
        if (!mine.parties.delete(request)) return mine.lastReason
        const reason = mine.lastReason ?? (mine.sends === 0 ? linkReason : undefined)
        if (mine.parties.size === 0) {
          remove(mine)
          port.onChange()
        }
        return reason
      }
    },
    flush,
    lost(reason) {
      for (const entry of [...entries.values()]) {
        if (!entries.has(entry.id)) continue
        entry.authTried = false
        entry.impatient = false
        if (entry.phase === 'waiting') enter(entry, 'waiting')
        if (entry.phase === 'sent' || entry.phase === 'authenticating') again(entry, reason)
      }
    },
    dialFailed(reason) {
      for (const entry of [...entries.values()]) {
        entry.dials += 1
        if (entry.dials >= PUBLISH_DIALS) refuse(entry, entry.lastReason ?? reason)
      }
    },
    ok(id, accepted, reason) {
      const entry = entries.get(id)
      if (entry === undefined || entry.sends === 0) return false
      // An event the relay has already is as good as accepted, whichever way it says so.
      if (accepted || reasonPrefix(reason) === 'duplicate') {
        settle(entry, { ok: true })
        return true
      }
      if (entry.phase !== 'sent') return true
      switch (reasonPrefix(reason)) {
        case 'auth-required':
          authenticate(entry, reason)
          break
        case 'rate-limited':
          slowDown(entry, reason)
          break
        default:
          port.onRefusal(reason)
          refuse(entry, reason === '' ? 'refused' : reason)
      }
      return true
    },
    end(reason) {
      clock.clearTimer(drainTimer)
      for (const entry of [...entries.values()]) refuse(entry, reason)
    },
    size: () => entries.size,
  }
}
