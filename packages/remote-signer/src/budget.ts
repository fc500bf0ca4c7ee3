/**
 * Who may cost us how much: failed signatures are charged to the relay that sent them, answers to strangers are few.
 * Never charges a pubkey for an event whose signature was not checked: anybody can write any pubkey.
 */

import type { Millis, Pubkey, RelayUrl } from '@nip46/core'
import { createBoundedMap } from './bounded-map.ts'
import {
  FAILED_SIGNATURES_BURST,
  FAILED_SIGNATURES_PER_SECOND,
  FORGED_CLAIMS_BURST,
  FORGED_CLAIMS_PER_SECOND,
  RATE_REFUSALS,
  RELAY_BUDGETS,
  STRANGER_CHECKS_BURST,
  STRANGER_CHECKS_PER_SECOND,
  STRANGER_LOOKS_BURST,
  STRANGER_LOOKS_PER_SECOND,
  STRANGER_REPLY_EVERY_MS,
  STRANGERS_PER_MINUTE,
  STRANGERS_REMEMBERED,
} from './limits.ts'
import type { Rate, SessionRates } from './options.ts'

/** A store of permits that fills up again with time. */
export interface Bucket {
  /** Takes one if there is one. */
  take(now: Millis): boolean
  /** Gives so many back that were taken. */
  refund(count: number): void
  /** Whether there is one. */
  has(now: Millis): boolean
  /** Milliseconds until there is one. */
  wait(now: Millis): Millis
}

export function createBucket(burst: number, perSecond: number): Bucket {
  let permits = burst
  let filledAt = Number.NaN
  const fill = (now: Millis): void => {
    // A clock that was set back fills nothing, and must not drain either.
    if (now > filledAt) permits = Math.min(burst, permits + ((now - filledAt) / 1_000) * perSecond)
    filledAt = now
  }
  return {
    take(now) {
      fill(now)
      if (permits < 1) return false
      permits -= 1
      return true
    },
    refund(count) {
      permits = Math.min(burst, permits + count)
    },
    has(now) {
      fill(now)
      return permits >= 1
    },
    wait(now) {
      fill(now)
      return permits >= 1 ? 0 : ((1 - permits) / perSecond) * 1_000
    },
  }
}

/** What one session may ask for, by what it costs. */
export interface SessionBudget {
  readonly sign: Bucket
  readonly cipher: Bucket
  readonly other: Bucket
  /** Answers to what is over them. */
  readonly refusals: Bucket
}

export function createSessionBudget(rates: SessionRates): SessionBudget {
  const bucket = ({ burst, perSecond }: Rate): Bucket => createBucket(burst, perSecond)
  return {
    sign: bucket(rates.sign),
    cipher: bucket(rates.cipher),
    other: bucket(rates.other),
    refusals: bucket(RATE_REFUSALS),
  }
}

/** Which of them a request is charged to. */
export function budgetFor({ sign, cipher, other }: SessionBudget, method: string | undefined): Bucket {
  if (method === 'sign_event') return sign
  return method?.startsWith('nip44_') === true || method?.startsWith('nip04_') === true ? cipher : other
}

/** What one relay may make us do for nothing. */
export interface RelayBudget {
  /** Taken for each event of a stranger before anything is done with it. */
  readonly looks: Bucket
  /** Taken for each event that claims to be of a client, and given back if it is none that only a lying relay sends. */
  readonly claims: Bucket
  /** Whether most of what claimed to be of clients, when that was looked at last, was none. */
  isLying: boolean
  /** Taken for each signature that is verified, and given back if it is right. */
  readonly failures: Bucket
  /** Taken for each signature of a stranger. */
  readonly strangers: Bucket
}

/** One budget for each relay; a relay that lies uses up nobody's but its own. */
export function createRelayBudgets(): (relay: RelayUrl) => RelayBudget {
  const budgets = createBoundedMap<RelayBudget>(RELAY_BUDGETS)
  return (relay) => {
    const known = budgets.get(relay)
    if (known !== undefined) return known
    const fresh: RelayBudget = {
      looks: createBucket(STRANGER_LOOKS_BURST, STRANGER_LOOKS_PER_SECOND),
      claims: createBucket(FORGED_CLAIMS_BURST, FORGED_CLAIMS_PER_SECOND),
      isLying: false,
      failures: createBucket(FAILED_SIGNATURES_BURST, FAILED_SIGNATURES_PER_SECOND),
      strangers: createBucket(STRANGER_CHECKS_BURST, STRANGER_CHECKS_PER_SECOND),
    }
    budgets.set(relay, fresh)
    return fresh
  }
}

/** Answers to, and questions about, verified authors without a session. */
export interface StrangerBudget {
  /** Whether this stranger may be answered now; counts it if so. */
  take(author: Pubkey, now: Millis): boolean
  readonly size: number
}

export function createStrangerBudget(): StrangerBudget {
  const answeredAt = createBoundedMap<Millis>(STRANGERS_REMEMBERED)
  let minute: Millis[] = []
  return {
    take(author, now) {
      const last = answeredAt.get(author)
      if (last !== undefined && now >= last && now - last < STRANGER_REPLY_EVERY_MS) return false
      minute = minute.filter((at) => now >= at && now - at < 60_000)
      if (minute.length >= STRANGERS_PER_MINUTE) return false
      minute.push(now)
      answeredAt.set(author, now)
      return true
    },
    get size() {
      return answeredAt.size
    },
  }
}
