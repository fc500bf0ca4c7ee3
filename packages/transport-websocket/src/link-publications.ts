/**
 * The EVENT side of one relay link: events that wait to be written, and events that wait for their OK.
 * Never loses one silently: each ends with the relay's word, with ours, or when whoever published it gives up.
 */

import type { Authenticate } from '@nip46/core'
import { reasonPrefix } from './frame.ts'
import { arm } from './host.ts'
import { authenticate, enter, type LinkPort, newWant, slowDown, type Want } from './link-want.ts'

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

export interface LinkPublishRequest {
  readonly id: string
  /** The whole EVENT frame. */
  readonly frame: string
  readonly authenticate?: Authenticate | undefined
  /**
   * Called once, never inside the call that publishes, and never after `cancel`: with nothing once the relay has the event, else
   * with the relay's reason or ours.
   */
  readonly onSettled: (refusal?: string) => void
}

export interface LinkPublications {
  /**
   * The function returned gives up and says what the relay's last word was, or ours: `unreachable` when the event
   * was never written. Undefined if it was written and nothing came back.
   */
  add(request: LinkPublishRequest): (linkReason: string) => string | undefined
  /** The connection is open, or a subscription changed, or a socket may have drained. */
  flush(): void
  /** A connection was lost after it was `open`, or a `dial` failed, or there will be no other and this is the `end`. */
  lost(reason: string, what: 'open' | 'dial' | 'end'): void
  /** Takes an OK. False if no event with this id waits for one. */
  ok(id: string, accepted: boolean, reason: string): boolean
  size(): number
}

interface Entry extends Want {
  readonly id: string
  readonly frame: string
  readonly parties: Set<LinkPublishRequest>
  sends: number
  dials: number
  lastReason: string | undefined
}

export function createLinkPublications(port: LinkPort): LinkPublications {
  const { clock } = port
  /** By event id, in the order in which they are to be written. */
  const entries = new Map<string, Entry>()
  let chars = 0
  const drain: { timer: unknown } = { timer: undefined }

  const remove = (entry: Entry): void => {
    enter(port, entry, 'over')
    if (entries.get(entry.id) !== entry) return
    entries.delete(entry.id)
    chars -= entry.frame.length
  }

  const settle = (entry: Entry, refusal?: string): void => {
    remove(entry)
    for (const party of [...entry.parties]) {
      entry.parties.delete(party)
      party.onSettled(refusal)
    }
    port.onChange()
  }

  const flush = (): void => {
    arm(clock, drain)
    if (!port.isOpen()) return
    const starting = port.isStarting()
    for (const entry of [...entries.values()]) {
      if (entry.phase === 'waiting' && starting) {
        entry.timer ??= clock.setTimer(() => {
          enter(port, entry, 'due')
          flush()
        }, LIVE_WAIT_MS)
      } else if (entry.phase === 'waiting' || entry.phase === 'due') {
        if (port.buffered() > SEND_BUFFER_BYTES) return arm(clock, drain, DRAIN_CHECK_MS, flush)
        enter(port, entry, 'sent')
        entry.sends += 1
        port.send(entry.frame)
      }
    }
  }

  /** Whether it may be written once more on this relay; if not, this is the end of it. */
  const mayRetry = (entry: Entry, reason: string): boolean => {
    entry.lastReason = reason
    if (entry.sends < PUBLISH_SENDS) return true
    settle(entry, reason)
    return false
  }

  const refused = (entry: Entry, reason: string): void => {
    const prefix = reasonPrefix(reason)
    const again = (): void => {
      enter(port, entry, 'waiting')
      flush()
    }
    const retry = (): void => {
      if (mayRetry(entry, reason)) again()
    }
    if (prefix === 'auth-required') {
      const [by] = [...entry.parties].flatMap((party) => party.authenticate ?? [])
      authenticate(port, entry, by, reason, retry, (word) => settle(entry, word))
    } else if (prefix === 'rate-limited') {
      if (mayRetry(entry, reason)) slowDown(port, entry, again)
    } else {
      port.onRefusal(reason)
      settle(entry, reason || 'refused')
    }
  }

  return {
    add(request) {
      const entry: Entry = entries.get(request.id) ?? {
        ...newWant('waiting'),
        id: request.id,
        frame: request.frame,
        parties: new Set(),
        sends: 0,
        dials: 0,
        lastReason: undefined,
      }
      if (entry.parties.size > 0) {
        // Whoever publishes an event again thinks that it got lost: write it again.
        if (entry.phase === 'sent' && entry.sends < PUBLISH_SENDS) enter(port, entry, 'waiting')
      } else if (entries.size >= PUBLISH_QUEUE || chars + request.frame.length > PUBLISH_QUEUE_CHARS) {
        entry.lastReason = 'queue-full'
        enter(port, entry, 'over', 0, () => settle(entry, 'queue-full'))
      } else {
        entries.set(entry.id, entry)
        chars += entry.frame.length
      }
      entry.parties.add(request)
      port.onChange()
      return (linkReason) => {
        if (entry.parties.delete(request) && entry.parties.size === 0) {
          remove(entry)
          port.onChange()
        }
        return entry.lastReason ?? (entry.sends === 0 ? linkReason : undefined)
      }
    },
    flush,
    lost(reason, what) {
      arm(clock, drain)
      for (const entry of [...entries.values()]) {
        if (entry.phase === 'over') continue
        if (what === 'open') {
          entry.authTried = false
          if (entry.phase !== 'slow' && mayRetry(entry, reason)) enter(port, entry, 'waiting')
        } else if (what === 'end') {
          settle(entry, reason)
        } else {
          entry.dials += 1
          if (entry.dials >= PUBLISH_DIALS) settle(entry, entry.lastReason ?? reason)
        }
      }
    },
    ok(id, accepted, reason) {
      const entry = entries.get(id)
      if (entry === undefined || entry.sends === 0) return false
      // An event the relay has already is as good as accepted, whichever way it says so.
      if (accepted || reasonPrefix(reason) === 'duplicate') settle(entry)
      else if (entry.phase === 'sent') refused(entry, reason)
      return true
    },
    size: () => entries.size,
  }
}
