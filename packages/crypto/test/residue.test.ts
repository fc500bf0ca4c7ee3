import { seededRandom } from '@nip46/testing'
import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { hostPrimitives } from '../src/host-node.ts'
import { decryptNip44, encryptNip44, nip44KeysFrom, nip44Limits } from '../src/nip44.ts'
import { createWatchedSymmetric } from '../src/symmetric-wasm.ts'
import { createTinyMemory } from '../src/tiny-memory.ts'

const TRIALS = 500
const random = seededRandom('residue')
const { hashBytes } = hostPrimitives()

/** Which quarters of a secret, forwards or backwards, lie anywhere in the memory: half a key is already too much. */
function tracesOf(secret: Uint8Array, memory: Buffer): number {
  const forward = Buffer.from(secret)
  const backward = Buffer.from(secret).reverse()
  let traces = 0
  for (const all of [forward, backward])
    for (const at of [0, 8, 16, 24]) if (memory.includes(all.subarray(at, at + 8))) traces++
  return traces
}

describe(`in ${TRIALS} trials nothing is left of a secret`, () => {
  // 1.8 MB are searched in full now and then; what is used, the stack and the statics around it, each time.
  test("in tiny-secp256k1's memory, after its public key, a signature and a shared point", () => {
    const { curve, memory } = createTinyMemory(random.bytes)
    const all = Buffer.from(memory.buffer)
    const used = all.subarray(600_000, 700_000)
    const peer = new Uint8Array(32)
    curve.publicKey(random.bytes(32), peer)
    let traces = 0
    for (let i = 0; i < TRIALS; i++) {
      const searched = i % 100 === 0 ? all : used
      const [secret, aux, blinding] = [random.bytes(32), random.bytes(32), random.bytes(32)]
      const [pubkey, shared] = [new Uint8Array(32), new Uint8Array(32)]
      curve.publicKey(secret, pubkey)
      traces += tracesOf(secret, searched)
      curve.sign(secret, random.bytes(32), aux, new Uint8Array(64), pubkey)
      traces += tracesOf(secret, searched) + tracesOf(aux, searched)
      expect(curve.ecdhX(secret, peer, blinding, shared)).toBe(true)
      for (const bytes of [secret, blinding, shared]) traces += tracesOf(bytes, searched)
    }
    expect(traces).toBe(0)
  }, 30_000)

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
        const watched = Buffer.from(memory.buffer)
        const text = Buffer.from(secretText.slice(0, 32).padEnd(32, '~'))
        for (const bytes of [shared, conversationKey, keys.prepared.subarray(0, 32), text])
          traces += tracesOf(bytes, watched)
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
    expect(tracesOf(secret, Buffer.from(memory.buffer))).toBe(4)
  })
})
