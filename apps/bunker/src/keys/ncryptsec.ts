/**
 * Encrypted secret keys by NIP-49, `ncryptsec1…`: scrypt and XChaCha20-Poly1305.
 * Never logs or returns a passphrase, and wipes the derived key after use.
 */

import { randomBytes } from 'node:crypto'
import { decodeBech32, encodeBech32, err, ok, type Result, UsageError } from '@nip46/core'
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { secretBytes } from './bytes.ts'
import { LOG_N, LOG_N_MAX, LOG_N_MIN } from './limits.ts'
import { deriveKey } from './passphrase-kdf.ts'

const VERSION = 2
const PAYLOAD_BYTES = 91

/** How a key was handled before (NIP-49): known to have been, or not known to have been, exposed. */
export type KeySecurity = 'exposed' | 'guarded' | 'unknown'
const SECURITY: Readonly<Record<KeySecurity, number>> = { exposed: 0, guarded: 1, unknown: 2 }

export type NcryptsecProblem = 'ncryptsec/shape' | 'ncryptsec/cost' | 'ncryptsec/password'

/** The 32 secret bytes; wipe them after use. A wrong passphrase and a damaged text cannot be told apart. */
export async function decryptNcryptsec(
  text: string,
  passphrase: Uint8Array,
): Promise<Result<Uint8Array, NcryptsecProblem>> {
  const decoded = decodeBech32(text.trim())
  if (decoded?.prefix !== 'ncryptsec' || decoded.bytes.length !== PAYLOAD_BYTES) return err('ncryptsec/shape')
  const { bytes } = decoded
  const [version, logN] = bytes
  if (version !== VERSION || logN === undefined) return err('ncryptsec/shape')
  if (logN < 1 || logN > LOG_N_MAX) return err('ncryptsec/cost')
  const salt = bytes.subarray(2, 18)
  const nonce = bytes.subarray(18, 42)
  const security = bytes.subarray(42, 43)
  const key = await deriveKey(passphrase, salt, logN)
  const secret = secretBytes(32)
  try {
    xchacha20poly1305(key, nonce, security).decrypt(bytes.subarray(43), secret)
    return ok(secret)
  } catch (cause) {
    secret.fill(0)
    // The cipher says a wrong tag by throwing; anything else is ours.
    if (cause instanceof Error && /tag/i.test(cause.message)) return err('ncryptsec/password')
    throw cause
  } finally {
    key.fill(0)
  }
}

/** Encrypts 32 secret bytes. `logN` is the scrypt cost, 16 to 22. */
export async function encryptNcryptsec(
  secret: Uint8Array,
  passphrase: Uint8Array,
  security: KeySecurity = 'unknown',
  logN: number = LOG_N,
): Promise<string> {
  if (secret.length !== 32) throw new UsageError('a secret key has 32 bytes')
  if (passphrase.length === 0) throw new UsageError('an empty passphrase protects nothing')
  checkCost(logN)
  const salt = randomBytes(16)
  const nonce = randomBytes(24)
  const associated = Uint8Array.of(SECURITY[security])
  const key = await deriveKey(passphrase, salt, logN)
  const sealed = xchacha20poly1305(key, nonce, associated).encrypt(secret)
  key.fill(0)
  return encodeBech32(
    'ncryptsec',
    Buffer.concat([Uint8Array.of(VERSION, logN), salt, nonce, associated, sealed]),
  )
}

/** Throws `UsageError` unless this is a cost that we write. */
export function checkCost(logN: number): void {
  if (!Number.isInteger(logN) || logN < LOG_N_MIN || logN > LOG_N_MAX)
    throw new UsageError(`logN is a whole number from ${LOG_N_MIN} to ${LOG_N_MAX}`)
}
