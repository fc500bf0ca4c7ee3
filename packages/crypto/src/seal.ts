/**
 * Encryption of what a store writes down, the record's place bound in. For Node only.
 * Never repeats a key stream, also after billions of records; never says why something did not open.
 */

import { err, isWellFormed, ok, type RandomBytes, UsageError } from '@nip46/core'
import type { StoreSeal } from '@nip46/core/remote-signer'
import { expectBytes } from './bytes.ts'
import { hostRandom } from './host-random.ts'
import { SEAL_CONTEXT_CHARS, SEAL_PLAIN_BYTES } from './limits.ts'
import { createXaesGcm, XAES_NONCE_BYTES, XAES_TAG_BYTES, type XaesGcm } from './xaes-gcm.ts'

/** A {@link StoreSeal} whose key can be forgotten. */
export interface DestructibleSeal extends StoreSeal {
  /** Overwrites the key; `seal` and `open` throw `UsageError` from then on. Twice is harmless. */
  destroy(): void
}

export interface SealOptions {
  /** Fresh secure bytes, 24 for each record. Default: the host's. */
  readonly random?: RandomBytes
}

const VERSION = 1
const NONCE_AT = 1
const BODY_AT: number = NONCE_AT + XAES_NONCE_BYTES
/** Bytes by which a sealed value is longer than its plaintext: version, nonce, tag. */
export const SEAL_OVERHEAD_BYTES: number = BODY_AT + XAES_TAG_BYTES
/** In front of each context, so that no record of another use or version means the same. */
const DOMAIN = 'nip46 store seal 1\0'

/**
 * Seals and opens under 32 secret bytes; wipe your own copy. A sealed value is `1 ‖ nonce ‖ ciphertext ‖ tag` of XAES-256-GCM,
 * whose random nonces of 24 bytes may be drawn without counting.
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
  const random = options.random ?? hostRandom
  let cipher: XaesGcm | undefined = createXaesGcm(key)

  function living(): XaesGcm {
    if (cipher === undefined) throw new UsageError('this seal was destroyed: make another from its key')
    return cipher
  }

  return Object.freeze<DestructibleSeal>({
    seal(plain, context) {
      if (plain.length > SEAL_PLAIN_BYTES)
        throw new UsageError(`a record has at most ${SEAL_PLAIN_BYTES} bytes, not ${plain.length}`)
      const associated = associate(context)
      const nonce = random(XAES_NONCE_BYTES)
      const body = living().seal(nonce, plain, associated)
      const sealed = new Uint8Array(BODY_AT + body.length)
      sealed[0] = VERSION
      sealed.set(nonce, NONCE_AT)
      sealed.set(body, BODY_AT)
      return sealed
    },
    open(sealed, context) {
      const associated = associate(context)
      const alive = living()
      const length = sealed.length - SEAL_OVERHEAD_BYTES
      if (length < 0 || length > SEAL_PLAIN_BYTES || sealed[0] !== VERSION) return err('bad-seal')
      const plain = alive.open(sealed.subarray(NONCE_AT, BODY_AT), sealed.subarray(BODY_AT), associated)
      return plain === undefined ? err('bad-seal') : ok(plain)
    },
    destroy() {
      cipher?.destroy()
      cipher = undefined
    },
  })
}

function associate(context: string): Uint8Array {
  if (context.length > SEAL_CONTEXT_CHARS || !isWellFormed(context))
    throw new UsageError(`a context is well-formed text of at most ${SEAL_CONTEXT_CHARS} characters`)
  return Buffer.from(DOMAIN + context, 'utf8')
}
