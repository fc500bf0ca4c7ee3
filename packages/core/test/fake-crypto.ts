/**
 * A toy Crypto that counts what it is asked: real event ids, and signatures and payloads that only look like the real
 * ones, of the right shape and size.
 * Never secret: whoever reads this file can forge everything.
 */

import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { serializeEvent } from '../src/event.ts'
import type { Conversation, Crypto, KeyHandle, SignatureClaim } from '../src/port.ts'
import { isPubkey } from '../src/pubkey.ts'
import { err, ok, type Pubkey, UsageError } from '../src/value.ts'
import { pubkeyOf } from './cast.ts'

/** How often each costly operation ran. */
export interface Costs {
  hash: number
  verify: number
  sign: number
  /** Conversations made, not those found in the cache. */
  ecdh: number
  encrypt: number
  decrypt: number
}

export interface FakeCrypto {
  readonly crypto: Crypto
  readonly costs: Costs
  /** What ran since the last call. */
  spent(): Partial<Costs>
  /** The key of a name, with the pubkey that `pubkeyOf` gives. */
  key(name: string): KeyHandle
}

export function fakeCrypto(): FakeCrypto {
  const costs: Costs = { hash: 0, verify: 0, sign: 0, ecdh: 0, encrypt: 0, decrypt: 0 }
  let before: Costs = { ...costs }
  const verify = ({ pubkey, id, sig }: SignatureClaim) => {
    costs.verify++
    return sig === signatureOf(pubkey, id)
  }
  const key = (name: string): KeyHandle => {
    const pubkey = pubkeyOf(name)
    const conversations = new Map<string, Conversation>()
    let destroyed = false
    const alive = () => {
      if (destroyed) throw new UsageError('this key was destroyed')
    }
    const sign = (id: string) => {
      alive()
      costs.sign++
      return signatureOf(pubkey, id)
    }
    return {
      pubkey,
      sign,
      signBatch: (ids) => ids.map(sign),
      conversation(peer) {
        alive()
        const known = conversations.get(peer)
        if (known !== undefined) return ok(known)
        if (!isPubkey(peer)) return err('bad-pubkey')
        costs.ecdh++
        const made = conversationOf(pubkey, peer, costs)
        conversations.set(peer, made)
        return ok(made)
      },
      destroy() {
        destroyed = true
        conversations.clear()
      },
    }
  }
  return {
    costs,
    key,
    spent() {
      const ran: Partial<Costs> = {}
      for (const name of Object.keys(costs) as (keyof Costs)[]) {
        if (costs[name] !== before[name]) ran[name] = costs[name] - before[name]
      }
      before = { ...costs }
      return ran
    },
    crypto: {
      name: 'fake',
      eventId(event) {
        costs.hash++
        return bytesToHex(sha256(utf8ToBytes(serializeEvent(event))))
      },
      verify,
      verifyBatch: (claims) => claims.map(verify),
      isPubkey,
      importKey: (secret) => key(bytesToHex(secret)),
    },
  }
}

/** The next bytes of a sequence that is the same each time: 0, 1, 2, … */
export function countingRandom(): (length: number) => Uint8Array {
  let next = 0
  return (length) => Uint8Array.from({ length }, () => next++ & 0xff)
}

function signatureOf(pubkey: string, id: string): string {
  const half = bytesToHex(sha256(utf8ToBytes(`signature ${pubkey} ${id}`)))
  return half + half
}

function conversationOf(own: Pubkey, peer: Pubkey, costs: Costs): Conversation {
  const shared = sha256(utf8ToBytes([own, peer].sort().join(' ')))
  const macOf = (body: Uint8Array) => sha256(concatBytes(shared, body))
  return {
    peer,
    // Like NIP-44: version, nonce, length, text, padding, MAC.
    nip44Encrypt(plaintext, nonce) {
      const text = utf8ToBytes(plaintext)
      if (text.length === 0 || text.length > 65_535) throw new UsageError('NIP-44 takes 1 to 65,535 bytes')
      costs.encrypt++
      const padding = new Uint8Array(paddedLength(text.length) - text.length)
      const body = concatBytes(
        ...[Uint8Array.of(2), nonce, Uint8Array.of(text.length >> 8, text.length & 0xff), text, padding],
      )
      return toBase64(concatBytes(body, macOf(body)))
    },
    nip44Decrypt(payload) {
      costs.decrypt++
      const bytes = fromBase64(payload)
      if (bytes === undefined || bytes.length < 67) return err('nip44/base64')
      if (bytes[0] !== 2) return err('nip44/unknown-version')
      const body = bytes.subarray(0, -32)
      if (bytesToHex(macOf(body)) !== bytesToHex(bytes.subarray(-32))) return err('nip44/mac')
      const length = ((body[33] ?? 0) << 8) | (body[34] ?? 0)
      return ok(new TextDecoder().decode(body.subarray(35, 35 + length)))
    },
    // Like NIP-04: AES blocks of 16 bytes, the iv behind `?iv=`, and nothing that tells a wrong key.
    nip04Encrypt(plaintext, iv) {
      costs.encrypt++
      const text = utf8ToBytes(plaintext)
      const padding = 16 - (text.length % 16)
      const blocks = concatBytes(text, new Uint8Array(padding).fill(padding))
      return `${toBase64(blocks.map((byte, i) => byte ^ (shared[i % 32] ?? 0)))}?iv=${toBase64(iv)}`
    },
    nip04Decrypt(payload) {
      costs.decrypt++
      const bytes = fromBase64(payload.slice(0, -28))
      if (bytes === undefined || bytes.length === 0 || bytes.length % 16 !== 0) return err('nip04/payload')
      const clear = bytes.map((byte, i) => byte ^ (shared[i % 32] ?? 0))
      const padding = clear.at(-1) ?? 0
      if (padding < 1 || padding > 16) return err('nip04/payload')
      return ok(new TextDecoder().decode(clear.subarray(0, -padding)))
    },
    dangerouslyExportKey: () => bytesToHex(shared),
  }
}

/** NIP-44's padding. */
function paddedLength(length: number): number {
  if (length <= 32) return 32
  const power = 2 ** (Math.floor(Math.log2(length - 1)) + 1)
  const chunk = power <= 256 ? 32 : power / 8
  return chunk * (Math.floor((length - 1) / chunk) + 1)
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function fromBase64(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Buffer.from(text, 'base64'))
  return toBase64(bytes) === text ? bytes : undefined
}
