/**
 * The one error that methods of a remote signer reject with.
 * Never carries a secret, and never stands for what a peer or a relay did: those are events and counters.
 */

import type { UriProblem } from '@nip46/core'

/**
 * - `not-started`, `closed`: before `start()`, after `close()`
 * - `uri/…`: what is wrong with a nostrconnect:// URI
 * - `user/unknown`: no key for that user here
 * - `approval/denied`, `approval/timeout`: the offer was not accepted
 * - `sessions/full`: `limits.SESSIONS` are open
 * - `offers/full`: core's `limits.OFFERS` tokens are outstanding
 * - `offer/unknown`: no such token
 * - `store/failed`: it could not be written; nothing was done (`cause` says more)
 * - `store/superseded`: another process joined the store under this one's instance name, and this remote signer closed itself
 * - `store/corrupt`: it holds something that this version cannot have written
 * - `shard/down`: the worker that would do it died, or is being started again; nothing is known to be done
 * - `shard/busy`, `shard/timeout`: it has too many calls to answer, or did not answer this one
 */
export type RemoteSignerErrorCode =
  | UriProblem
  | 'not-started'
  | 'closed'
  | 'user/unknown'
  | 'approval/denied'
  | 'approval/timeout'
  | 'sessions/full'
  | 'offers/full'
  | 'offer/unknown'
  | 'store/failed'
  | 'store/superseded'
  | 'store/corrupt'
  | 'shard/down'
  | 'shard/busy'
  | 'shard/timeout'

/** What the promises of a {@link RemoteSigner} reject with; `code` says why. */
export class RemoteSignerError extends Error {
  override readonly name = 'RemoteSignerError'
  readonly code: RemoteSignerErrorCode

  constructor(code: RemoteSignerErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

export function closedError(): RemoteSignerError {
  return new RemoteSignerError('closed', 'this remote signer was closed')
}

export function supersededError(cause: unknown): RemoteSignerError {
  const message = 'another process goes on under the instance name of this one: end it'
  return new RemoteSignerError('store/superseded', message, { cause })
}

/** What a method rejects with when its commit failed. */
export function storeFailed(cause: unknown): RemoteSignerError {
  if (cause instanceof RemoteSignerError) return cause
  return new RemoteSignerError('store/failed', 'the store could not be read or written', { cause })
}
