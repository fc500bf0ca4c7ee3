/**
 * The one error that the vault and what is around it reject with.
 * Never carries a secret, nor tells a wrong passphrase from a damaged text.
 */

/**
 * - `vault/absent`, `vault/exists`: there is none, or one already, in this directory
 * - `vault/password`: wrong passphrase of the vault, or its file was changed
 * - `vault/newer`: a later version wrote it
 * - `vault/damaged`: a file that this version cannot have written
 * - `vault/closed`: after `close()`
 * - `vault/busy`: too many calls wait for scrypt
 * - `vault/failed`: the disk or the signing worker did not do it; nothing was changed
 * - `key/permissions`: others may read or write a file or directory
 * - `key/absent`, `key/exists`: no key of this name or pubkey, or one already
 * - `key/name`: not a name for a key
 * - `key/password`: wrong passphrase, or a damaged text
 * - `key/scrypt-cost`: it asks for more memory than is given
 * - `key/tries`: too many wrong passphrases; `retryAfterMs` says how long to wait
 * - `key/shape`: no key that can be imported
 * - `key/full`: the vault holds as many keys as it can
 * - `passphrase/cancelled`: the person who was asked did not want to, or the terminal is gone
 * - `passphrase/…`: where the passphrase should come from there is none that can be used
 */
export type VaultErrorCode =
  | 'vault/absent'
  | 'vault/exists'
  | 'vault/password'
  | 'vault/newer'
  | 'vault/damaged'
  | 'vault/closed'
  | 'vault/busy'
  | 'vault/failed'
  | 'key/permissions'
  | 'key/absent'
  | 'key/exists'
  | 'key/name'
  | 'key/password'
  | 'key/scrypt-cost'
  | 'key/tries'
  | 'key/shape'
  | 'passphrase/cancelled'
  | 'key/full'
  | 'passphrase/empty'
  | 'passphrase/too-long'
  | 'passphrase/unavailable'

export class VaultError extends Error {
  override readonly name = 'VaultError'
  readonly code: VaultErrorCode
  /** For `key/tries`, in milliseconds. */
  readonly retryAfterMs?: number

  constructor(
    code: VaultErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly retryAfterMs?: number } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs
  }
}
