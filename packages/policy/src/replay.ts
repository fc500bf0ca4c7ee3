/**
 * A log judged again: which past decisions another policy would have turned around.
 * Never knows contents: where the facts of a record do not tell, the record is counted as undecided and not guessed.
 */

import type { JsonValue, JudgedRequest, Millis, Permission, Pubkey } from '@nip46/core'
import type { AuditRecord } from '@nip46/core/remote-signer'
import type { Case, Decision } from './decide.ts'
import type { Loaded } from './judge.ts'
import { REPLAY_LISTED } from './limits.ts'
import type { Effect } from './rule.ts'
import { type Subject, subjectOfRecord } from './subject.ts'

/** Which records are judged again. All may be left out. */
export interface ReplayOptions {
  /** Only records of this app. */
  readonly clientPubkey?: Pubkey
  /** What was granted in NIP-46's own terms, to sessions whose opening the log does not tell. */
  readonly granted?: readonly Permission[]
}

/** A decision of the log that the draft would make differently. */
export interface Flip {
  readonly at: Millis
  readonly clientPubkey: Pubkey
  readonly method: string
  readonly kind: number | null
  readonly was: Effect
  readonly would: Effect
  /** What would decide by the draft. */
  readonly rule: string
}

/** How a log would have gone by the draft. */
export interface Replay {
  /** Decisions that were judged again. */
  readonly judged: number
  /** Records that hold too little to be judged at all. */
  readonly skipped: number
  /** Decisions that hang on what no record keeps, such as a content or the relay a request came over. */
  readonly undecided: number
  readonly flipped: number
  /** The first flips. */
  readonly flips: readonly Flip[]
}

export interface ReplayCourt {
  load(value: JsonValue | null): Loaded | null
  decide(
    loaded: Loaded,
    subject: Subject,
    request: Pick<JudgedRequest, 'granted' | 'now'>,
  ): { readonly input: Case; readonly decision: Decision }
  count(loaded: Loaded, input: Case, decision: Decision): JsonValue
  approve(loaded: Loaded, input: Case, decision: Decision, remember: JsonValue | null): JsonValue
}

/** Records in the order in which they were written. Every session of the log begins with `draft`. */
export function replayLog(
  log: Iterable<AuditRecord>,
  draft: JsonValue | null,
  options: ReplayOptions = {},
  court: ReplayCourt,
): Replay {
  const states = new Map<string, JsonValue | null>()
  const grants = new Map<string, readonly Permission[]>()
  const flips: Flip[] = []
  let judged = 0
  let skipped = 0
  let undecided = 0
  let flipped = 0
  for (const record of log) {
    const { clientPubkey, userPubkey, at } = record
    if (clientPubkey === null || userPubkey === null) continue
    if (options.clientPubkey !== undefined && clientPubkey !== options.clientPubkey) continue
    const session = `${clientPubkey} ${userPubkey}`
    const granted = grants.get(session) ?? options.granted ?? []
    if (record.type === 'session-opened') grants.set(session, record.granted)
    const past = pastOf(record)
    if (past === undefined) continue
    const { subject: kept, was, remember } = past
    if (record.type === 'decided' && record.granted.length > 0)
      grants.set(session, [...granted, ...record.granted])
    const subject = subjectOfRecord({ clientPubkey, userPubkey, subject: kept })
    if (subject === undefined) {
      skipped++
      continue
    }
    const loaded = court.load(states.get(session) ?? draft)
    judged++
    if (loaded === null) {
      if (was === 'deny') continue
      flipped++
      if (flips.length < REPLAY_LISTED)
        flips.push({
          at,
          clientPubkey,
          method: kept.method,
          kind: subject.kind,
          was,
          would: 'deny',
          rule: 'guard: no readable policy',
        })
      continue
    }
    const { input, decision } = court.decide(loaded, subject, { granted, now: at })
    if (decision.undecided !== null) {
      judged--
      undecided++
      continue
    }
    if (decision.effect === 'allow') states.set(session, court.count(loaded, input, decision))
    else if (decision.effect === 'ask' && past.approved)
      states.set(session, court.approve(loaded, input, decision, remember))
    if (decision.effect === was) continue
    flipped++
    if (flips.length < REPLAY_LISTED)
      flips.push({
        at,
        clientPubkey,
        method: kept.method,
        kind: subject.kind,
        was,
        would: decision.effect,
        rule: decision.name,
      })
  }
  return { judged, skipped, undecided, flipped, flips }
}

type Subjectful = Extract<AuditRecord, { readonly type: 'performed' }>['subject']

interface Past {
  readonly subject: Subjectful
  readonly was: Effect
  /** A person decided, and the session's policy heard of it. */
  readonly approved: boolean
  readonly remember: JsonValue | null
}

/** What a record says was decided. What a person allowed is told by `decided`; `performed` then says it a second time. */
function pastOf(record: AuditRecord): Past | undefined {
  switch (record.type) {
    case 'performed':
      if (record.rule === undefined || record.rule === null) return undefined
      return { subject: record.subject, was: 'allow', approved: false, remember: null }
    case 'refused':
      return record.rule === null
        ? undefined
        : { subject: record.subject, was: 'deny', approved: false, remember: null }
    case 'decided': {
      if (record.subject === null) return undefined
      const remember = record.remember ?? null
      return {
        subject: record.subject,
        was: 'ask',
        approved: record.allow || record.remember !== undefined,
        remember,
      }
    }
    default:
      return undefined
  }
}
