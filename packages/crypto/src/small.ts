/**
 * Core's `Crypto` in the fewest bytes: points by @noble/secp256k1, everything else in plain JavaScript of this package.
 * Never promises constant time or wiped memory: BigInt arithmetic gives neither. Never loads WebAssembly.
 */

import {
  bytesToHex,
  type Conversation,
  type Crypto,
  err,
  isHex,
  isHex64,
  isPubkey,
  type KeyHandle,
  ok,
  type Pubkey,
  type SignatureClaim,
  serializeEvent,
  UsageError,
} from '@nip46/core'
import { expectBytes, unmovedBytes } from './bytes.ts'
import type { CryptoOptions } from './crypto.ts'
import { PLAINTEXT_BYTES, SMALL_CONVERSATIONS } from './limits.ts'
import type { Nip04 } from './nip04.ts'
import { decryptNip44, encryptNip44, type Nip44Keys, nip44Limits } from './nip44.ts'
import { hmacSha256, sha256 } from './sha256.ts'
import { publicPoint, sharedX, sign, verify } from './small-curve.ts'
import { createPlainCode } from './symmetric-plain.ts'

/** The limits of `createCrypto`, and NIP-04. */
export type SmallCryptoOptions = Pick<CryptoOptions, 'maxPlaintextBytes' | 'sendExtended'> & {
  /**
   * `smallNip04` of `@nip46/crypto/small-nip04`, for remote signers that know no NIP-44. Without it encrypting with NIP-04
   * throws `UsageError`, and no NIP-04 payload opens.
   */
  readonly nip04?: Nip04
}

/**
 * A `Crypto` for pages, where bytes count more than speed: a fifth of what `nobleCrypto()` loads, and it does the same but for NIP-04.
 * Each key remembers 128 conversations.
 *
 * ```ts
 * const crypto = smallCrypto()
 * const key = crypto.importKey(secret)
 * ```
 */
export function smallCrypto(options: SmallCryptoOptions = {}): Crypto {
  const { maxPlaintextBytes = PLAINTEXT_BYTES, sendExtended = false, nip04 } = options
  const limits = nip44Limits(maxPlaintextBytes, sendExtended)
  const symmetric = createPlainCode()
  const encoder = new TextEncoder()

  const verifyClaim = ({ pubkey, id, sig }: SignatureClaim): boolean =>
    isHex64(pubkey) && isHex64(id) && isHex(sig, 128) && verify({ pubkey, id, sig })

  function importKey(secret: Uint8Array): KeyHandle {
    expectBytes('a secret key', secret, 32)
    const point = publicPoint(secret)
    if (point === undefined)
      throw new UsageError('a secret key is 32 bytes, not zero, and below the order of secp256k1')
    const own = unmovedBytes(32)
    own.set(secret)
    let alive = true
    /** By peer, the least recently used first: the shared x coordinate, and behind it the conversation key. */
    const conversations = new Map<string, Uint8Array>()

    function expectAlive(): void {
      if (!alive) throw new UsageError('this key was destroyed: import it again')
    }

    const signId = (id: string, aux: Uint8Array): string => {
      expectAlive()
      if (!isHex64(id)) throw new UsageError('an id to sign is 64 lowercase hex characters')
      expectBytes('aux', aux, 32)
      return sign(own, point, id, aux)
    }

    function derive(peer: Pubkey): Uint8Array {
      const secrets = unmovedBytes(64)
      const shared = sharedX(own, peer)
      const key = hmacSha256(encoder.encode('nip44-v2'), shared)
      secrets.set(shared)
      secrets.set(key, 32)
      shared.fill(0)
      key.fill(0)
      return secrets
    }

    /** Derived again if they were forgotten. */
    function secretsOf(peer: Pubkey): Uint8Array {
      expectAlive()
      const secrets = conversations.get(peer) ?? derive(peer)
      conversations.delete(peer)
      conversations.set(peer, secrets)
      for (const oldest of conversations.keys()) {
        if (conversations.size <= SMALL_CONVERSATIONS) break
        forget(oldest)
      }
      return secrets
    }

    function forget(peer: string): void {
      conversations.get(peer)?.fill(0)
      conversations.delete(peer)
    }

    function converse(peer: Pubkey): Conversation {
      const shared = (): Uint8Array => secretsOf(peer).subarray(0, 32)
      const conversationKey = (): Uint8Array => secretsOf(peer).subarray(32)
      const keys = (): Nip44Keys => ({ symmetric, prepared: conversationKey() })
      return Object.freeze<Conversation>({
        peer,
        nip44Encrypt: (plaintext, nonce) => encryptNip44(keys(), plaintext, nonce, limits),
        nip44Decrypt: (payload) => decryptNip44(keys(), payload, limits),
        nip04Encrypt(plaintext, iv) {
          if (nip04 === undefined)
            throw new UsageError(
              'NIP-04 is left out of smallCrypto(): give it nip04 of @nip46/crypto/small-nip04',
            )
          return nip04.encrypt(shared(), plaintext, iv, maxPlaintextBytes)
        },
        nip04Decrypt: (payload) =>
          nip04?.decrypt(shared(), payload, maxPlaintextBytes) ?? err('nip04/payload'),
        dangerouslyExportKey: () => bytesToHex(conversationKey()),
      })
    }

    return Object.freeze<KeyHandle>({
      pubkey: point.slice(2) as Pubkey,
      sign: signId,
      signBatch(ids, aux) {
        expectBytes('aux', aux, 32 * ids.length)
        return ids.map((id, i) => signId(id, aux.subarray(32 * i, 32 * i + 32)))
      },
      conversation(peer) {
        expectAlive()
        if (!conversations.has(peer) && !isPubkey(peer)) return err('bad-pubkey')
        secretsOf(peer as Pubkey)
        return ok(converse(peer as Pubkey))
      },
      destroy() {
        alive = false
        for (const peer of conversations.keys()) forget(peer)
        own.fill(0)
      },
    })
  }

  return Object.freeze<Crypto>({
    name: 'small',
    eventId: (event) => bytesToHex(sha256(encoder.encode(serializeEvent(event)))),
    verify: verifyClaim,
    verifyBatch: (claims) => claims.map(verifyClaim),
    isPubkey,
    importKey,
  })
}
