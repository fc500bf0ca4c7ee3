/**
 * What the main thread and a worker that serves a shard say to each other, and how it is posted: all of a turn in one array.
 * Never carries a secret key; plaintexts never leave their worker either.
 */

import {
  type Filter,
  type JsonValue,
  type Pubkey,
  type RelayRefusal,
  type RelayUrl,
  type Result,
  type SignedEvent,
  UsageError,
} from '@nip46/core'
import { RemoteSignerError, type RemoteSignerErrorCode } from './error.ts'
import type { AcceptOptions, MadeOffer, OfferInfo, OfferOptions } from './options.ts'
import type { SessionInfo, SignerStats } from './signer-event.ts'

/** The end of a channel: a `MessagePort`, `parentPort`, or a `Worker`, of node:worker_threads. */
export interface ShardPort {
  postMessage(value: unknown): void
  on(event: 'message', listener: (value: unknown) => void): unknown
}

/** The methods of a remote signer that are called in its worker. */
export interface ShardCalls {
  offer(options: OfferOptions): MadeOffer
  withdraw(token: string): undefined
  offers(): readonly OfferInfo[]
  accept(uri: string, options: AcceptOptions): SessionInfo
  sessions(): readonly SessionInfo[]
  revoke(clientPubkey: Pubkey): number
  setPolicy(clientPubkey: Pubkey, policy: JsonValue | null): number
  stats(): SignerStats
}

export type ShardMethod = keyof ShardCalls

/** An error as it crosses: no stack, no cause. */
export interface PostedError {
  readonly code: RemoteSignerErrorCode | 'usage' | 'other'
  readonly message: string
}

export type PublishResult = Result<{ readonly relay: RelayUrl }, readonly RelayRefusal[]>

export type FromShard =
  | { readonly type: 'started' }
  | { readonly type: 'failed'; readonly error: PostedError }
  | { readonly type: 'stopped' }
  | {
      readonly type: 'subscribe'
      readonly id: number
      readonly relays: readonly RelayUrl[]
      readonly filters: readonly Filter[]
    }
  | { readonly type: 'unsubscribe'; readonly id: number }
  | {
      readonly type: 'publish'
      readonly id: number
      readonly relays: readonly RelayUrl[]
      readonly event: SignedEvent
      readonly timeoutMs: number | undefined
    }
  | { readonly type: 'abort'; readonly id: number }
  /** The answer to a challenge. */
  | { readonly type: 'signed'; readonly id: number; readonly event: SignedEvent | undefined }
  /** So many events were handed on. */
  | { readonly type: 'took'; readonly events: number }
  /** See `Feedback`. */
  | { readonly type: 'serves'; readonly pubkey: Pubkey; readonly isServed: boolean }
  | { readonly type: 'refund'; readonly relay: RelayUrl; readonly events: number }
  | { readonly type: 'answer'; readonly id: number; readonly outcome: Result<unknown, PostedError> }

export type ToShard =
  | {
      readonly type: 'event'
      readonly subscription: number
      readonly event: SignedEvent
      readonly relay: RelayUrl
    }
  | { readonly type: 'live'; readonly subscription: number; readonly relay: RelayUrl }
  | {
      readonly type: 'down'
      readonly subscription: number
      readonly relay: RelayUrl
      readonly reason: string
      readonly final: boolean
    }
  | { readonly type: 'published'; readonly id: number; readonly result: PublishResult }
  | {
      readonly type: 'challenge'
      readonly id: number
      /** What the relay refused. */
      readonly of: 'subscription' | 'publish'
      readonly refused: number
      readonly relay: RelayUrl
      readonly challenge: string
    }
  | {
      readonly type: 'call'
      readonly id: number
      readonly method: ShardMethod
      readonly args: readonly unknown[]
    }
  | { readonly type: 'stop' }

/** Posts everything that was said in one turn together: a message costs more than what is in it. */
export function createPoster<M>(
  port: Pick<ShardPort, 'postMessage'>,
  defer: (run: () => void) => void,
): (message: M) => void {
  let waiting: M[] = []
  const post = (): void => {
    const messages = waiting
    waiting = []
    port.postMessage(messages)
  }
  return (message) => {
    if (waiting.length === 0) defer(post)
    waiting.push(message)
  }
}

export function postError(cause: unknown): PostedError {
  if (cause instanceof RemoteSignerError) return { code: cause.code, message: cause.message }
  const message = cause instanceof Error ? cause.message : String(cause)
  return { code: cause instanceof UsageError ? 'usage' : 'other', message }
}

export function readError({ code, message }: PostedError): Error {
  if (code === 'usage') return new UsageError(message)
  return code === 'other' ? new Error(message) : new RemoteSignerError(code, message)
}
