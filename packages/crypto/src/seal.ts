/**
 * Encryption of what a store writes down, the record's place bound in: NIP-44's construction (HKDF, ChaCha20, HMAC-SHA256)
 * over any bytes. Never uses a key twice, also after billions of records; never decrypts before the MAC is checked, and
 * never says why something did not open.
 *
 * AES-GCM and XChaCha20-Poly1305 would do as well; this one is three to ten times as fast for records of a few kilobytes.
 */

import { err, isWellFormed, ok, type RandomBytes, UsageError } from '@nip46/core'
import type { StoreSeal } from '@nip46/core/remote-signer'
import { equalBytes, expectBytes, unmovedBytes } from './bytes.ts'
import { hostRandom } from './host-random.ts'
import { SEAL_CONTEXT_CHARS, SEAL_PLAIN_BYTES } from './limits.ts'
import { hostSymmetric } from './symmetric.ts'

/** A {@link StoreSeal} whose key can be forgotten. */
export interface DestructibleSeal extends StoreSeal {
  /** Overwrites the key; `seal` and `open` throw `UsageError` from then on. Twice is harmless. */
  destroy(): void
}

/** What a seal draws its nonces from. */
export interface SealOptions {
  /** Fresh secure bytes, 32 for each record. Default: the host's. */
  readonly random?: RandomBytes
}

const VERSION = 1
const NONCE_BYTES = 32
const MAC_BYTES = 32
const NONCE_AT = 1
const BODY_AT: number = NONCE_AT + NONCE_BYTES
/** Bytes by which a sealed value is longer than its plaintext: version, nonce, MAC. */
export const SEAL_OVERHEAD_BYTES: number = BODY_AT + MAC_BYTES
/** Nonces drawn from the host at once: each draw costs more than its bytes. */
const NONCES = 128
/** So that no key derived here is ever derived for another use, or by another version. */
const TAG = 'nip46/seal/1'

/**
 * Seals and opens under 32 secret bytes; wipe your own copy. A sealed value is `1 ‖ nonce ‖ ciphertext ‖ MAC`, and its keys are
 * HKDF-expanded from the tagged hash of nonce and context.
 *
 * `seal` throws `UsageError` on more than `SEAL_PLAIN_BYTES` bytes, and both do on a context longer than
 * `SEAL_CONTEXT_CHARS` characters or not well-formed. The plaintext that `open` gives is the caller's to wipe.
 *
 * ```ts
 * const seal = createSeal(dataKey)
 * const sealed = seal.seal(bytes, 'session:ab12…')
 * const opened = seal.open(sealed, 'session:ab12…')
 * ```
 */
export function createSeal(key: Uint8Array, options: SealOptions = {}): DestructibleSeal {
  expectBytes('the key of a seal', key, 32)
  const random = options.random ?? drawnTogether(NONCE_BYTES, NONCES)
  const symmetric = hostSymmetric()
  const hashPlace = symmetric.taggedHash(TAG)
  const encoder = new TextEncoder()
  const prepared = unmovedBytes(symmetric.preparedBytes)
  symmetric.prepare(key, prepared)
  const place = new Uint8Array(32)
  let alive = true

  /** Sets what the record's keys are derived from. The nonce has a fixed length, so the two cannot be taken for others. */
  function setPlace(nonce: Uint8Array, context: Uint8Array): void {
    if (!alive) throw new UsageError('this seal was destroyed: make another from its key')
    hashPlace([nonce, context], place)
  }

  function encode(context: string): Uint8Array {
    if (context.length > SEAL_CONTEXT_CHARS || !isWellFormed(context))
      throw new UsageError(`a context is well-formed text of at most ${SEAL_CONTEXT_CHARS} characters`)
    return encoder.encode(context)
  }

  return Object.freeze<DestructibleSeal>({
    seal(plain, context) {
      if (plain.length > SEAL_PLAIN_BYTES)
        throw new UsageError(`a record has at most ${SEAL_PLAIN_BYTES} bytes, not ${plain.length}`)
      const nonce = random(NONCE_BYTES)
      expectBytes(`what random(${NONCE_BYTES}) returns`, nonce, NONCE_BYTES)
      setPlace(nonce, encode(context))
      const record = symmetric.claim(plain.length + SEAL_OVERHEAD_BYTES)
      try {
        record[0] = VERSION
        record.set(nonce, NONCE_AT)
        record.set(plain, BODY_AT)
        symmetric.expand(prepared, place)
        symmetric.cipher(record)
        record.set(symmetric.mac(record), record.length - MAC_BYTES)
        return record.slice()
      } finally {
        symmetric.release(record)
      }
    },
    open(sealed, context) {
      const length = sealed.length - SEAL_OVERHEAD_BYTES
      const own = encode(context)
      setPlace(sealed.subarray(NONCE_AT, BODY_AT), own)
      if (length < 0 || length > SEAL_PLAIN_BYTES || sealed[0] !== VERSION) return err('bad-seal')
      const record = symmetric.claim(sealed.length)
      try {
        record.set(sealed)
        symmetric.expand(prepared, place)
        const macAt = sealed.length - MAC_BYTES
        if (!equalBytes(symmetric.mac(record), sealed.subarray(macAt))) return err('bad-seal')
        symmetric.cipher(record)
        return ok(record.slice(BODY_AT, macAt))
      } finally {
        symmetric.release(record)
      }
    },
    destroy() {
      alive = false
      prepared.fill(0)
    },
  })
}

/** The host's random bytes in pieces of one length. None is given twice. */
function drawnTogether(length: number, count: number): RandomBytes {
  let drawn: Uint8Array = new Uint8Array(0)
  let at = 0
  return () => {
    if (at === drawn.length) {
      drawn = hostRandom(length * count)
      at = 0
    }
    at += length
    return drawn.subarray(at - length, at)
  }
}
