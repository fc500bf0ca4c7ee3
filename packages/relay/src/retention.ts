/**
 * A short memory of events for clients that were away: bounded by count, bytes and time since arrival.
 * Never touches a disk, and forgets the oldest arrival first.
 */

import { encodeEvent, type Millis, type SignedEvent, UsageError } from '@nip46/core'
import { matchesFilter, type RelayFilter, type TagValues, tagValues } from './filter.ts'

/** How much a relay remembers. */
export interface RetentionOptions {
  /** How long an event is kept after its arrival. */
  readonly seconds: number
  /** Events kept at most. Default 2,000. */
  readonly events?: number
  /** Bytes of JSON kept at most. Default 16 MiB. */
  readonly bytes?: number
}

export interface StoredEvent {
  readonly event: SignedEvent
  readonly json: string
}

export interface Retention {
  /** An event larger than all the room there is is not kept. */
  keep(event: SignedEvent, now: Millis): void
  /** Newest first, each filter's `limit` heeded, each event once. */
  find(filters: readonly RelayFilter[], now: Millis): readonly StoredEvent[]
  /** Forgets what is too old. */
  prune(now: Millis): void
  readonly size: number
  readonly bytes: number
}

interface Entry extends StoredEvent {
  readonly arrived: Millis
  readonly bytes: number
  readonly tagged: TagValues
}

export function createRetention(options: RetentionOptions): Retention {
  const { seconds, events: most = 2_000, bytes: mostBytes = 16_777_216 } = options
  for (const [name, value] of Object.entries({ seconds, events: most, bytes: mostBytes })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new UsageError(`retention.${name} must be a whole number from 1`)
    }
  }
  /** In order of arrival. */
  const entries = new Set<Entry>()
  let total = 0

  const forget = (entry: Entry): void => {
    entries.delete(entry)
    total -= entry.bytes
  }

  const prune = (now: Millis): void => {
    for (const entry of entries) {
      const tooOld = now - entry.arrived > seconds * 1_000
      if (!tooOld && entries.size <= most && total <= mostBytes) return
      forget(entry)
    }
  }

  return {
    keep(event, now) {
      const json = encodeEvent(event)
      const bytes = Buffer.byteLength(json)
      // One event must not push out all others for nothing.
      if (bytes > mostBytes) return
      entries.add({ event, json, arrived: now, bytes, tagged: tagValues(event) })
      total += bytes
      prune(now)
    },
    find(filters, now) {
      prune(now)
      const newestFirst = [...entries].sort(byNewest)
      const found = new Set<StoredEvent>()
      for (const filter of filters) {
        let left = filter.limit ?? entries.size
        for (const entry of newestFirst) {
          if (left === 0) break
          if (!matchesFilter(filter, entry.event, entry.tagged)) continue
          found.add(entry)
          left -= 1
        }
      }
      return [...found].sort(byNewest)
    },
    prune,
    get size() {
      return entries.size
    },
    get bytes() {
      return total
    },
  }
}

/** NIP-01: newer first, and the lower id first in case of ties. */
function byNewest(a: StoredEvent, b: StoredEvent): number {
  return b.event.created_at - a.event.created_at || (a.event.id < b.event.id ? -1 : 1)
}
