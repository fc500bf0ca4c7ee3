import { seededRandom } from '@nip46/testing'
import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { hostPrimitives } from '../src/host-node.ts'
import { decryptNip44, encryptNip44, nip44KeysFrom, nip44Limits } from '../src/nip44.ts'
import { createWatchedSymmetric } from '../src/symmetric-wasm.ts'
import { createTinyMemory } from '../src/tiny-memory.ts'
import { countResidue } from './residue.ts'

const TRIALS = 500
const random = seededRandom('residue')
const { hashBytes } = hostPrimitives()

describe(`in ${TRIALS} trials nothing is left of a secret`, () => {
  test("in tiny-secp256k1's memory, after its public key, a signature and a shared point", () => {
    const { curve, memory } = createTinyMemory(random.bytes)
    // 1.8 MB, most of it tables, are searched in full now and then; the stack and the operands each time.
    const used = [memory.subarray(600_000, 700_000), memory.subarray(1_700_000)]
    const peer = new Uint8Array(32)
    curve.publicKey(random.bytes(32), peer)
    let traces = 0
    for (let i = 0; i < TRIALS; i++) {
      const searched = i % 100 === 0 ? [memory] : used
      const residueOf = (secrets: readonly Uint8Array[]): number =>
        searched.reduce((sum, part) => sum + countResidue(part, secrets), 0)
      const [secret, aux, blinding] = [random.bytes(32), random.bytes(32), random.bytes(32)]
      const [pubkey, shared] = [new Uint8Array(32), new Uint8Array(32)]
      curve.publicKey(secret, pubkey)
      traces += residueOf([secret])
      curve.sign(secret, random.bytes(32), aux, new Uint8Array(64), pubkey)
      traces += residueOf([secret, aux])
      expect(curve.ecdhX(secret, peer, blinding, shared)).toBe(true)
      traces += residueOf([secret, blinding, shared])
    }
    expect(traces).toBe(0)
  })

  test.each([
    { name: 'alone', host: { name: '' } },
    ...(hashBytes === undefined ? [] : [{ name: "with the host's hash", host: { name: '', hashBytes } }]),
  ])(
    'in the memory of our WebAssembly $name, after sealing, opening, failing to open, and hashing',
    ({ host }) => {
      const { symmetric, memory } = createWatchedSymmetric(host)
      const limits = nip44Limits(10_000, false)
      const tagged = symmetric.taggedHash('BIP0340/aux')
      const clean = Buffer.from(memory)
      let traces = 0
      let hashed = 0
      for (let i = 0; i < TRIALS; i++) {
        const [shared, conversationKey] = [random.bytes(32), new Uint8Array(32)]
        symmetric.conversationKey(shared, conversationKey)
        const keys = nip44KeysFrom(symmetric, conversationKey)
        const secretText = bytesToHex(random.bytes(1 + random.below(1_000)))
        const payload = encryptNip44(keys, secretText, random.bytes(32), limits)
        const spoiled = `${payload.slice(0, 60)}${payload[60] === 'A' ? 'B' : 'A'}${payload.slice(61)}`
        expect(decryptNip44(keys, payload, limits).ok).toBe(true)
        expect(decryptNip44(keys, spoiled, limits).ok).toBe(false)
        tagged([shared], new Uint8Array(32))
        symmetric.hashText(secretText)
        const text = Buffer.from(secretText.slice(0, 32).padEnd(32, '~'))
        traces += countResidue(memory, [shared, conversationKey, keys.prepared.subarray(0, 32), text])
        hashed++
      }
      expect(traces).toBe(0)
      expect(hashed).toBe(TRIALS)
      // Nothing but public padding and the last nonce has changed at all.
      const changed = memory.reduce((count, byte, at) => count + (byte === clean[at] ? 0 : 1), 0)
      expect(changed).toBeLessThanOrEqual(2 * 32 + 1)
    },
    30_000,
  )

  test('and the search finds a secret that is there', () => {
    const { memory } = createWatchedSymmetric({ name: '' })
    const secret = random.bytes(32)
    memory.set(secret, 5_000)
    expect(countResidue(memory, [secret])).toBe(4)
  })
})
