/**
 * The one error class of the client, with a code to switch on.
 * Never carries a secret, a key or a plaintext of ours; words of others are cleaned for display.
 */

import {
  cleanText,
  type Failure,
  type FailureCode,
  type RelayRefusal,
  type RemoteReason,
  type UriProblem,
} from '@nip46/core'
import { MESSAGE_CHARS } from './limits.ts'
import type { SessionStoreProblem } from './session-store-error.ts'

/**
 * Core's {@link FailureCode}, and those of this package:
 * - `uri/…`: the bunker:// URI (or a saved relay) cannot be used
 * - `session/saved`: what should be a saved session is none
 * - `session/import`: what should be a session of another library is none
 * - `store/…`: the store that a session should be read from says why it cannot be
 */
export type ErrorCode = FailureCode | UriProblem | 'session/saved' | 'session/import' | SessionStoreProblem

/** What every promise of this package rejects with, except for a `UsageError` about the caller's own arguments. */
export class Nip46Error extends Error {
  override readonly name = 'Nip46Error'
  declare readonly code: ErrorCode
  /** With `remote/error`: what the remote signer meant, as far as its words tell. */
  declare readonly reason: RemoteReason | undefined
  /** With `publish/rejected`: what each relay said. */
  declare readonly relays: readonly RelayRefusal[] | undefined

  constructor(failure: Omit<Failure, 'code'> & { readonly code: ErrorCode }) {
    super(cleanText(failure.message, MESSAGE_CHARS))
    this.code = failure.code
    this.reason = failure.reason
    this.relays = failure.relays
  }
}

export const CANCELLED: Failure = { code: 'cancelled', message: 'cancelled by the caller' }

/** The words of a failure without the token's secret, which a remote signer may have put into its error text. */
export function withoutSecret(failure: Failure, secret: string | null): Failure {
  return secret ? { ...failure, message: failure.message.replaceAll(secret, '(the secret)') } : failure
}
