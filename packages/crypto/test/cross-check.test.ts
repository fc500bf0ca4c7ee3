import { seededRandom } from '@nip46/testing'
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { v2 } from 'nostr-tools/nip44'
import { finalizeEvent, getPublicKey, verifyEvent } from 'nostr-tools/pure'
import { describe, expect, test } from 'vitest'
import type { CurveBackend } from '../src/backend.ts'
import { createCrypto } from '../src/crypto.ts'
import { backends } from './backends.ts'

/** `CROSS_CHECKS=20000` is the long run, of some 15 minutes. */
const CHECKS = Number(process.env['CROSS_CHECKS'] ?? 50)
const SECONDS_A_CHECK = 0.5

/** What noble and nostr-tools say of one random case. */
interface Case {
  readonly secret: Uint8Array
  readonly peer: Uint8Array
  readonly message: Uint8Array
  readonly aux: Uint8Array
  readonly blinding: Uint8Array
  readonly pubkey: Uint8Array
  readonly signature: Uint8Array
  readonly bent: Uint8Array
  readonly shared: Uint8Array
}

const random = seededRandom('cross-check')

function drawCase(): Case {
  const [secret, theirs, message, aux, blinding] = [32, 32, 32, 32, 32].map((n) => random.bytes(n)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  const peer = schnorr.getPublicKey(theirs)
  const signature = schnorr.sign(message, secret, aux)
  const bent = signature.slice()
  const at = random.below(64)
  bent[at] = (bent[at] as number) ^ (1 << random.below(8))
  return {
    secret,
    peer,
    message,
    aux,
    blinding,
    pubkey: schnorr.getPublicKey(secret),
    signature,
    bent,
    shared: secp256k1.getSharedSecret(secret, Uint8Array.of(2, ...peer), true).slice(1),
  }
}

/** What a backend says of the same; bit for bit. */
function answersOf(backend: CurveBackend, given: Case): Readonly<Record<string, string | boolean>> {
  const key = backend.importKey(given.secret)
  const own = backend.importPeer(given.pubkey)
  const peer = backend.importPeer(given.peer)
  if (key === undefined || own === undefined || peer === undefined) throw new Error('a valid key was refused')
  const [pubkey, signature, shared] = [new Uint8Array(32), new Uint8Array(64), new Uint8Array(32)]
  backend.publicKey(key, pubkey)
  backend.sign(key, given.message, given.aux, signature)
  const blinded = backend.ecdhX(key, peer, given.blinding, shared)
  const answers = {
    pubkey: bytesToHex(pubkey),
    signature: bytesToHex(signature),
    shared: bytesToHex(shared),
    blinded,
    valid: backend.verify(own, given.message, given.signature),
    bent: backend.verify(own, given.message, given.bent),
    ofAnother: backend.verify(peer, given.message, given.signature),
  }
  backend.destroyKey(key)
  backend.destroyPeer(own)
  backend.destroyPeer(peer)
  return answers
}

describe('random cross-checks', { timeout: 180_000 + CHECKS * SECONDS_A_CHECK * 1_000 }, () => {
  // noble is what the others are compared with.
  const tested = backends
    .filter(({ name }) => name !== 'noble')
    .map(({ name, create }) => ({ name, backend: create() }))

  test(`noble and ${tested.length} backends agree on ${CHECKS} random cases: keys, signatures, forgeries, shared points`, () => {
    for (let i = 0; i < CHECKS; i++) {
      const given = drawCase()
      const expected = {
        pubkey: bytesToHex(given.pubkey),
        signature: bytesToHex(given.signature),
        shared: bytesToHex(given.shared),
        blinded: true,
        valid: true,
        bent: false,
        ofAnother: false,
      }
      for (const { name, backend } of tested)
        expect(answersOf(backend, given), `case ${i} on ${name}`).toEqual(expected)
    }
    console.log(`${CHECKS} cases, each on ${tested.map(({ name }) => name).join(', ')}`)
  })

  test(`nostr-tools and ${tested.length} backends agree on ${CHECKS} random events and conversation keys`, () => {
    const cryptos = tested.map(({ name, backend }) => ({
      name,
      crypto: createCrypto(backend, { random: random.bytes, conversations: 1 }),
    }))
    for (let i = 0; i < CHECKS; i++) {
      const [secret, theirs, aux] = [random.bytes(32), random.bytes(32), random.bytes(32)] as const
      const template = { kind: random.below(65_536), created_at: i, tags: [], content: `case ${i}` }
      const event = finalizeEvent(template, secret)
      const peer = getPublicKey(theirs)
      const conversationKey = bytesToHex(v2.utils.getConversationKey(secret, peer))
      const signatures = new Set<string>()
      for (const { name, crypto } of cryptos) {
        const key = crypto.importKey(secret)
        expect(key.pubkey, name).toBe(event.pubkey)
        expect(crypto.verify(event), name).toBe(true)
        signatures.add(key.sign(event.id, aux))
        const opened = key.conversation(peer)
        expect(opened.ok && opened.value.dangerouslyExportKey(), name).toBe(conversationKey)
        key.destroy()
      }
      expect([...signatures]).toHaveLength(1)
      const { kind, created_at, tags, content, pubkey, id } = event
      expect(
        verifyEvent({ kind, created_at, tags, content, pubkey, id, sig: [...signatures][0] ?? '' }),
      ).toBe(true)
    }
  })
})
