/**
 * Core's `Crypto` in the fewest bytes: points by @noble/secp256k1, everything else in plain JavaScript of this package.
 * Never promises constant time or wiped memory: BigInt arithmetic gives neither. Never loads WebAssembly.
 */

import {
  bytesToHex,
  type Conversation,
  type Crypto,
  err,
  hexToBytes,
  isHex64,
  isPubkey,
  type KeyHandle,
  ok,
  type Pubkey,
  type SignatureClaim,
  UsageError,
} from '@nip46/core'
import { expectBytes, unmovedBytes } from './bytes.ts'
import { createCache } from './cache.ts'
import type { CryptoOptions } from './crypto.ts'
import { eventId } from './event-id.ts'
import { PLAINTEXT_BYTES, SMALL_CONVERSATIONS } from './limits.ts'
import type { Nip04 } from './nip04.ts'
import { decryptNip44, encryptNip44, type Nip44Keys, nip44Limits } from './nip44.ts'
import { isSecretScalar } from './scalar.ts'
import { createSmallCurve } from './small-curve.ts'
import { createPlainSymmetric } from './symmetric-plain.ts'

/** The limits of `createCrypto`, and NIP-04. */
export type SmallCryptoOptions = Pick<CryptoOptions, 'maxPlaintextBytes' | 'sendExtended'> & {
  /**
   * `smallNip04` of `@nip46/crypto/small-nip04`, for remote signers that know no NIP-44. Without it encrypting with NIP-04
   * throws `UsageError`, and no NIP-04 payload opens.
   */
  readonly nip04?: Nip04
}

/**
 * A `Crypto` for pages, where bytes count more than speed: a quarter of what `nobleCrypto()` loads, and it does the same but for NIP-04.
 * Each key remembers 128 conversations.
 *
 * ```ts
 * const crypto = smallCrypto()
 * const key = crypto.importKey(secret)
 * ```
 */
export function smallCrypto(options: SmallCryptoOptions = {}): Crypto {
  const { maxPlaintextBytes = PLAINTEXT_BYTES, sendExtended = false, nip04 = NO_NIP04 } = options
  const limits = nip44Limits(maxPlaintextBytes, sendExtended)
  const symmetric = createPlainSymmetric()
  const curve = createSmallCurve(symmetric)

  const verify = ({ pubkey, id, sig }: SignatureClaim): boolean =>
    isHex64(pubkey) &&
    isHex64(id) &&
    typeof sig === 'string' &&
    HEX128.test(sig) &&
    curve.verify(hexToBytes(pubkey), hexToBytes(id), hexToBytes(sig))

  function importKey(secret: Uint8Array): KeyHandle {
    expectBytes('a secret key', secret, 32)
    if (!isSecretScalar(secret))
      throw new UsageError('a secret key is 32 bytes, not zero, and below the order of secp256k1')
    const own = unmovedBytes(32)
    own.set(secret)
    const public32 = new Uint8Array(32)
    curve.publicKey(own, public32)
    let alive = true
    /** By peer: the shared x coordinate, and behind it the conversation key. */
    const conversations = createCache<Uint8Array>(SMALL_CONVERSATIONS, (secrets) => secrets.fill(0))

    function expectAlive(): void {
      if (!alive) throw new UsageError('this key was destroyed: import it again')
    }

    function sign(id: string, aux: Uint8Array): string {
      expectAlive()
      if (!isHex64(id)) throw new UsageError('an id to sign is 64 lowercase hex characters')
      expectBytes('aux', aux, 32)
      const signature = new Uint8Array(64)
      curve.sign(own, hexToBytes(id), aux, signature, public32)
      return bytesToHex(signature)
    }

    /** Derived again if they were forgotten. */
    function secretsOf(peer: Pubkey): Uint8Array {
      expectAlive()
      let secrets = conversations.get(peer)
      if (secrets === undefined) {
        secrets = unmovedBytes(64)
        const shared = secrets.subarray(0, 32)
        curve.ecdhX(own, hexToBytes(peer), shared, shared)
        symmetric.conversationKey(shared, secrets.subarray(32))
        conversations.set(peer, secrets)
      }
      return secrets
    }

    function converse(peer: Pubkey): Conversation {
      const sharedX = (): Uint8Array => secretsOf(peer).subarray(0, 32)
      const conversationKey = (): Uint8Array => secretsOf(peer).subarray(32)
      const keys = (): Nip44Keys => ({ symmetric, prepared: conversationKey() })
      return Object.freeze<Conversation>({
        peer,
        nip44Encrypt: (plaintext, nonce) => encryptNip44(keys(), plaintext, nonce, limits),
        nip44Decrypt: (payload) => decryptNip44(keys(), payload, limits),
        nip04Encrypt: (plaintext, iv) => nip04.encrypt(sharedX(), plaintext, iv, maxPlaintextBytes),
        nip04Decrypt: (payload) => nip04.decrypt(sharedX(), payload, maxPlaintextBytes),
        dangerouslyExportKey: () => bytesToHex(conversationKey()),
      })
    }

    return Object.freeze<KeyHandle>({
      pubkey: bytesToHex(public32) as Pubkey,
      sign,
      signBatch(ids, aux) {
        expectBytes('aux', aux, 32 * ids.length)
        return ids.map((id, i) => sign(id, aux.subarray(32 * i, 32 * i + 32)))
      },
      conversation(peer) {
        expectAlive()
        if (conversations.get(peer) === undefined && !isPubkey(peer)) return err('bad-pubkey')
        secretsOf(peer as Pubkey)
        return ok(converse(peer as Pubkey))
      },
      destroy() {
        alive = false
        conversations.clear()
        own.fill(0)
      },
    })
  }

  return Object.freeze<Crypto>({
    name: 'small',
    eventId: (event) => eventId(symmetric, event),
    verify,
    verifyBatch: (claims) => claims.map(verify),
    isPubkey,
    importKey,
  })
}

const HEX128 = /^[0-9a-f]{128}$/

const NO_NIP04: Nip04 = {
  encrypt() {
    throw new UsageError('NIP-04 is left out of smallCrypto(): give it nip04 of @nip46/crypto/small-nip04')
  },
  decrypt: () => err('nip04/payload'),
}
