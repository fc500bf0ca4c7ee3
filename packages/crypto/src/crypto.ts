/**
 * Core's `Crypto` over any curve backend and the fastest symmetric code that the host allows: keys, cached conversations,
 * event ids, hex at the border. Never lets a secret out, never keeps one past `destroy()`, and never runs a secret operation
 * on an unchecked point.
 */

import {
  bytesToHex,
  type Conversation,
  type Crypto,
  err,
  hexToBytes,
  isHex,
  isHex64,
  type KeyHandle,
  ok,
  type Pubkey,
  type RandomBytes,
  type SignatureClaim,
  UsageError,
} from '@nip46/core'
import type { CurveBackend, KeySlot, PeerSlot } from './backend.ts'
import { hostBlocks } from './blocks.ts'
import { expectBytes, unmovedBytes } from './bytes.ts'
import { createCache } from './cache.ts'
import { createConversationSlab } from './conversation-slab.ts'
import { eventId } from './event-id.ts'
import {
  CONVERSATIONS_MAX,
  CONVERSATIONS_PER_KEY,
  HANDLES_PER_KEY,
  PARSED_PEERS,
  PLAINTEXT_BYTES,
  RANDOM_TRIES,
  VERIFY_CHUNK,
} from './limits.ts'
import { createNip04 } from './nip04.ts'
import { decryptNip44, encryptNip44, type Nip44Keys, nip44Limits } from './nip44.ts'
import { hostSymmetric } from './symmetric.ts'

/** What a crypto backend is given. The functions that make one fill in `random`. */
export interface CryptoOptions {
  /** Fresh secure bytes: what blinds the multiplication of a secret key, and seeds its table of conversations. */
  readonly random: RandomBytes
  /** UTF-8 bytes of the largest plaintext, both ways, in NIP-44 and NIP-04. Default {@link PLAINTEXT_BYTES}. */
  readonly maxPlaintextBytes?: number
  /** Send NIP-44 plaintexts over 65,535 bytes, which peers older than June 2026 cannot read. Default false; they are always accepted. */
  readonly sendExtended?: boolean
  /** Conversations that each key remembers. Default {@link CONVERSATIONS_PER_KEY}. */
  readonly conversations?: number
  /** Check each signature before it leaves: a fault in the machine could otherwise give the key away. Doubles the cost on tiny. Default false; turn it on for stored keys. */
  readonly verifyAfterSign?: boolean
}

/** Random bytes that seed the tables of conversations. */
const SEED_BYTES = 8

/**
 * A `Crypto` over any backend.
 *
 * ```ts
 * const crypto = createCrypto(nobleBackend(), { random: (n) => globalThis.crypto.getRandomValues(new Uint8Array(n)) })
 * ```
 *
 * Throws `UsageError` on limits that make no sense.
 */
export function createCrypto(backend: CurveBackend, options: CryptoOptions): Crypto {
  const symmetric = hostSymmetric()
  const nip04 = createNip04(hostBlocks())
  const limits = nip44Limits(options.maxPlaintextBytes ?? PLAINTEXT_BYTES, options.sendExtended ?? false)
  const conversationLimit = options.conversations ?? CONVERSATIONS_PER_KEY
  if (
    !Number.isSafeInteger(conversationLimit) ||
    conversationLimit < 1 ||
    conversationLimit > CONVERSATIONS_MAX
  )
    throw new UsageError(`conversations must be a whole number from 1 to ${CONVERSATIONS_MAX}`)
  let seed: Uint8Array | undefined
  /** Of all tables. Drawn for the first conversation, since many keys only sign. */
  function tableSeed(): Uint8Array {
    if (seed !== undefined) return seed
    const drawn = options.random(SEED_BYTES)
    expectBytes(`what random(${SEED_BYTES}) returns`, drawn, SEED_BYTES)
    // A Buffer's slice() would share its memory.
    seed = Uint8Array.from(drawn)
    return seed
  }

  const peers = createCache<PeerSlot>(PARSED_PEERS, (peer) => backend.destroyPeer(peer))

  function findPeer(hex: string): PeerSlot | undefined {
    const known = peers.get(hex)
    if (known !== undefined) return known
    if (!isHex64(hex)) return undefined
    const peer = backend.importPeer(hexToBytes(hex))
    if (peer !== undefined) peers.set(hex, peer)
    return peer
  }

  const isPubkey = (hex: string): hex is Pubkey => findPeer(hex) !== undefined

  function verify(claim: SignatureClaim): boolean {
    if (!isClaim(claim)) return false
    const peer = findPeer(claim.pubkey)
    return peer !== undefined && backend.verify(peer, hexToBytes(claim.id), hexToBytes(claim.sig))
  }

  /** At most {@link VERIFY_CHUNK}, so that no peer of the batch is evicted by another. */
  function verifyChunk(claims: readonly SignatureClaim[]): boolean[] {
    const asked = claims.map((claim) => (isClaim(claim) ? findPeer(claim.pubkey) : undefined))
    const slots = asked.filter((peer) => peer !== undefined)
    const messages = new Uint8Array(32 * slots.length)
    const signatures = new Uint8Array(64 * slots.length)
    let row = 0
    claims.forEach((claim, i) => {
      if (asked[i] === undefined) return
      messages.set(hexToBytes(claim.id), 32 * row)
      signatures.set(hexToBytes(claim.sig), 64 * row)
      row++
    })
    const valid = new Uint8Array(slots.length)
    backend.verifyBatch(slots, messages, signatures, valid)
    row = 0
    return asked.map((peer) => peer !== undefined && valid[row++] === 1)
  }

  function verifyBatch(claims: readonly SignatureClaim[]): readonly boolean[] {
    const results: boolean[] = []
    for (let at = 0; at < claims.length; at += VERIFY_CHUNK)
      results.push(...verifyChunk(claims.slice(at, at + VERIFY_CHUNK)))
    return results
  }

  /** 32 bytes that the caller wipes. */
  function sharedX(key: KeySlot, peer: PeerSlot): Uint8Array {
    const shared = unmovedBytes(32)
    for (let i = 0; i < RANDOM_TRIES; i++) {
      const blinding = options.random(32)
      expectBytes('what random(32) returns', blinding, 32)
      const done = backend.ecdhX(key, peer, blinding, shared)
      blinding.fill(0)
      if (done) return shared
    }
    throw new UsageError(
      `random() gave ${RANDOM_TRIES} times bytes that cannot blind a key: it is not random`,
    )
  }

  function importKey(secret: Uint8Array): KeyHandle {
    const imported = backend.importKey(secret)
    if (imported === undefined)
      throw new UsageError('a secret key is 32 bytes, not zero, and below the order of secp256k1')
    const slot = imported
    const public32 = new Uint8Array(32)
    backend.publicKey(slot, public32)
    const pubkey = bytesToHex(public32)
    if (!isPubkey(pubkey)) throw new Error(`the ${backend.name} backend derived a key that is no point`)

    let alive = true
    const conversations = createConversationSlab(conversationLimit, symmetric.preparedBytes, tableSeed)
    // Only to hand out the same object again; what they stand for is in the slab.
    const handles = createCache<Conversation>(HANDLES_PER_KEY, () => undefined)

    function expectAlive(): void {
      if (!alive) throw new UsageError('this key was destroyed: import it again')
    }

    function checkOwn(id: string, signature: string): void {
      if (!options.verifyAfterSign || verify({ pubkey, id, sig: signature })) return
      throw new Error('a signature failed its own check and was withheld: the machine may be faulty')
    }

    /** The slot of a conversation whose keys were forgotten, or never known. */
    function derive(peer: Pubkey): number {
      const point = findPeer(peer)
      if (point === undefined) throw new UsageError('a conversation was asked for with a bad key')
      const shared = sharedX(slot, point)
      const key = unmovedBytes(32)
      const prepared = unmovedBytes(symmetric.preparedBytes)
      symmetric.conversationKey(shared, key)
      symmetric.prepare(key, prepared)
      const added = conversations.add(peer, shared, prepared)
      for (const secret of [shared, key, prepared]) secret.fill(0)
      return added
    }

    function slotOf(peer: Pubkey): number {
      expectAlive()
      return conversations.find(peer) ?? derive(peer)
    }

    function converse(peer: Pubkey): Conversation {
      const nip44 = (): Nip44Keys => ({ symmetric, prepared: conversations.prepared(slotOf(peer)) })
      const shared = (): Uint8Array => conversations.sharedX(slotOf(peer))
      const handle = Object.freeze<Conversation>({
        peer,
        nip44Encrypt: (plaintext, nonce) => encryptNip44(nip44(), plaintext, nonce, limits),
        nip44Decrypt: (payload) => decryptNip44(nip44(), payload, limits),
        nip04Encrypt: (plaintext, iv) => nip04.encrypt(shared(), plaintext, iv, limits.maxPlaintextBytes),
        nip04Decrypt: (payload) => nip04.decrypt(shared(), payload, limits.maxPlaintextBytes),
        dangerouslyExportKey() {
          const key = unmovedBytes(32)
          symmetric.conversationKey(shared(), key)
          const hex = bytesToHex(key)
          key.fill(0)
          return hex
        },
      })
      handles.set(peer, handle)
      return handle
    }

    return Object.freeze<KeyHandle>({
      pubkey,
      sign(id, aux) {
        expectAlive()
        const signature = new Uint8Array(64)
        backend.sign(slot, idBytes(id), aux, signature)
        const hex = bytesToHex(signature)
        checkOwn(id, hex)
        return hex
      },
      signBatch(ids, aux) {
        expectAlive()
        const messages = new Uint8Array(32 * ids.length)
        ids.forEach((id, i) => {
          messages.set(idBytes(id), 32 * i)
        })
        const signatures = new Uint8Array(64 * ids.length)
        backend.signBatch(Array<KeySlot>(ids.length).fill(slot), messages, aux, signatures)
        return ids.map((id, i) => {
          const hex = bytesToHex(signatures.subarray(64 * i, 64 * i + 64))
          checkOwn(id, hex)
          return hex
        })
      },
      conversation(peer) {
        expectAlive()
        if (typeof peer !== 'string') return err('bad-pubkey')
        if (conversations.find(peer) === undefined) {
          if (!isPubkey(peer)) return err('bad-pubkey')
          derive(peer)
        }
        return ok(handles.get(peer) ?? converse(peer as Pubkey))
      },
      destroy() {
        if (!alive) return
        alive = false
        conversations.clear()
        handles.clear()
        backend.destroyKey(slot)
      },
    })
  }

  return Object.freeze<Crypto>({
    name: backend.name,
    eventId: (event) => eventId(symmetric, event),
    verify,
    verifyBatch,
    isPubkey,
    importKey,
  })
}

function isClaim({ id, sig }: SignatureClaim): boolean {
  return isHex64(id) && isHex(sig, 128)
}

function idBytes(id: string): Uint8Array {
  if (!isHex64(id)) throw new UsageError('an id to sign is 64 lowercase hex characters')
  return hexToBytes(id)
}
