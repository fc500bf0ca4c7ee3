/**
 * One session's place in the engine: its committed state, what waits to happen to it, what it waits for.
 * Never holds a state that was not committed; steps of one lane never overlap.
 */

import type { JsonValue, Millis, Operation, Pubkey, RelayUrl, RequestId } from '@nip46/core'
import type { Arrival, SignerInput, SignerSession } from '@nip46/core/remote-signer'
import type { SessionBudget } from './budget.ts'

export interface Lane {
  readonly key: string
  readonly signerPubkey: Pubkey
  readonly clientPubkey: Pubkey
  /** As committed. Undefined: a stranger. */
  session: SignerSession | undefined
  revision: number
  /** When it ended, for a session that is remembered only to be told so. */
  endedAt: Millis | null
  readonly queue: LaneInput[]
  /** A commit of this lane is under way. */
  busy: boolean
  /** Commits that failed in a row. While there are any, nothing happens until the pause is over. */
  failures: number
  /** Commits in a row that others were faster than. */
  races: number
  stall: unknown
  /** Another process goes first. While it may, nothing happens here. */
  aside: unknown
  wakeAt: Millis | undefined
  timer: unknown
  /** The first announcement waits for a relay that delivers. */
  quiet: boolean
  readonly questions: Map<RequestId, OpenQuestion>
  readonly operations: Map<RequestId, OpenOperation>
  readonly budget: SessionBudget
  /** Of what was refused, how much is on record. As committed. */
  refusals: Refusals
}

/** A verdict counts only while its question is the one that is open: ids come again. */
export interface OpenQuestion {
  readonly abort: AbortController
  /** Whether the verdict was stored and counts. The first call does. */
  readonly settle: (counted: boolean) => void
}

export interface OpenOperation {
  readonly operation: Operation
  readonly userPubkey: Pubkey
  /** The judge's rule that allowed it. */
  readonly rule: string | null
  timer: unknown
}

export type LaneInput =
  | {
      readonly type: 'message'
      readonly arrival: Arrival
      /** Undefined if the text holds no id. */
      readonly requestId: RequestId | undefined
    }
  | {
      readonly type: 'repeat'
      readonly eventId: string
      readonly requestId: RequestId
      readonly relay: RelayUrl
    }
  /** A session that did not come from a message. */
  | {
      readonly type: 'install'
      readonly make: (previous: SignerSession | undefined) => SignerSession
      readonly settle: Settle
    }
  | {
      readonly type: 'decide'
      readonly input: Extract<SignerInput, { type: 'decide' }>
      readonly question: OpenQuestion
    }
  | {
      readonly type: 'complete'
      readonly input: Extract<SignerInput, { type: 'complete' }>
      readonly open: OpenOperation
    }
  | {
      readonly type: 'challenge'
      readonly input: Extract<SignerInput, { type: 'challenge' }>
      readonly question: OpenQuestion
    }
  | { readonly type: 'published'; readonly input: Extract<SignerInput, { type: 'published' }> }
  | { readonly type: 'wake'; readonly input: Extract<SignerInput, { type: 'wake' }> }
  | {
      readonly type: 'revoke'
      readonly input: Extract<SignerInput, { type: 'revoke' }>
      readonly settle: Settle | undefined
    }
  /** The owner changes the policy. `make` is called again if somebody else was faster. */
  | {
      readonly type: 'set-policy'
      readonly make: (policy: JsonValue | null) => JsonValue | null
      readonly settle: Settle
    }
  /** Puts refusals on record that were only counted. */
  | { readonly type: 'tally' }
  /** Forgets a session that ended. */
  | { readonly type: 'forget' }

/** Refusals within one window, so that a client cannot fill the records with them. */
export interface Refusals {
  readonly since: Millis
  readonly recorded: number
  /** Counted, and not on record yet. */
  readonly omitted: number
}

/** Called with an error if the commit failed, without one once it is done. */
export type Settle = (error?: unknown) => void

export function laneKey(signerPubkey: string, clientPubkey: string): string {
  return `${signerPubkey}:${clientPubkey}`
}

export function createLane(signerPubkey: Pubkey, clientPubkey: Pubkey, budget: SessionBudget): Lane {
  return {
    key: laneKey(signerPubkey, clientPubkey),
    signerPubkey,
    clientPubkey,
    session: undefined,
    revision: 0,
    endedAt: null,
    queue: [],
    busy: false,
    failures: 0,
    races: 0,
    aside: undefined,
    stall: undefined,
    wakeAt: undefined,
    timer: undefined,
    quiet: false,
    questions: new Map(),
    operations: new Map(),
    budget,
    refusals: { since: Number.NEGATIVE_INFINITY, recorded: 0, omitted: 0 },
  }
}

/** Whether its client is somebody we know and serve: not a stranger, and not one that was shown out. */
export function isServed({ session }: Pick<Lane, 'session'>): boolean {
  return session !== undefined && session.phase !== 'revoked'
}

/** Tells the caller who waits for this input, if there is one. */
export function settleInput(input: LaneInput, error?: unknown): void {
  if (input.type === 'install' || input.type === 'revoke' || input.type === 'set-policy')
    input.settle?.(error)
}
