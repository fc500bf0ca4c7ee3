/**
 * Bytes that are secret: kept where the engine does not move them, wiped after use.
 * Never turns one into text.
 */

import { UsageError } from '@nip46/core'
import { PASSPHRASE_BYTES, SECRET_TEXT_BYTES } from './limits.ts'
import { VaultError } from './vault-error.ts'

/**
 * Memory of its own for a secret. Small arrays made the usual way lie among the engine's objects, and Buffers in a pool that
 * others share: copies of both stay behind.
 */
export function secretBytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(length))
}

export function copySecret(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = secretBytes(bytes.length)
  copy.set(bytes)
  return copy
}

/** A copy of a passphrase that its owner wipes. Throws `passphrase/empty` or `passphrase/too-long` past the limits. */
export function copyPassphrase(passphrase: Uint8Array): Uint8Array<ArrayBuffer> {
  if (!(passphrase instanceof Uint8Array)) throw new UsageError('a passphrase is given as UTF-8 bytes')
  if (passphrase.length === 0)
    throw new VaultError('passphrase/empty', 'an empty passphrase protects nothing: give one of some words')
  if (passphrase.length > PASSPHRASE_BYTES)
    throw new VaultError('passphrase/too-long', `a passphrase has at most ${PASSPHRASE_BYTES} bytes`)
  return copySecret(passphrase)
}

/** Likewise, of a text that holds a key; `key/shape` if it is longer than any. */
export function copySecretText(text: Uint8Array): Uint8Array<ArrayBuffer> {
  if (!(text instanceof Uint8Array)) throw new UsageError('a key to import is given as UTF-8 bytes')
  if (text.length > SECRET_TEXT_BYTES)
    throw new VaultError('key/shape', `a key to import has at most ${SECRET_TEXT_BYTES} bytes`)
  return copySecret(text)
}

/** Whether all bytes are ASCII. */
export function isAscii(bytes: Uint8Array): boolean {
  let all = 0
  for (const byte of bytes) all |= byte
  return all < 0x80
}
