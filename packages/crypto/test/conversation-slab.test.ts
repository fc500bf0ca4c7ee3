import { seededRandom } from '@nip46/testing'
import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { createConversationSlab } from '../src/conversation-slab.ts'

const random = seededRandom('conversation slab')
const PREPARED = 64
const seed = (): Uint8Array => random.bytes(8)
const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

interface Secrets {
  readonly shared: Uint8Array
  readonly prepared: Uint8Array
}

function somePeers(count: number): readonly string[] {
  return Array.from({ length: count }, () => bytesToHex(random.bytes(32)))
}

describe('the table of conversations', () => {
  test('does over 20,000 random steps what a plain map does', () => {
    for (const limit of [1, 2, 3, 7, 64, 500]) {
      const slab = createConversationSlab(limit, PREPARED, seed)
      const model = new Map<string, Secrets>()
      const peers = somePeers(2 * limit + 2)
      for (let step = 0; step < 3_400; step++) {
        const peer = peers[random.below(peers.length)] ?? ''
        const slot = slab.find(peer)
        const known = model.get(peer)
        expect(slot === undefined).toBe(known === undefined)
        if (slot !== undefined && known !== undefined) {
          expect(bytesToHex(slab.sharedX(slot))).toBe(bytesToHex(known.shared))
          expect(bytesToHex(slab.prepared(slot))).toBe(bytesToHex(known.prepared))
          model.delete(peer)
          model.set(peer, known)
          continue
        }
        const added = { shared: random.bytes(32), prepared: random.bytes(PREPARED) }
        slab.add(peer, added.shared, added.prepared)
        model.set(peer, added)
        const [oldest] = model.keys()
        if (model.size > limit && oldest !== undefined) model.delete(oldest)
        expect(slab.size).toBe(model.size)
      }
      for (const [peer, { shared }] of model) {
        const slot = slab.find(peer)
        expect(slot !== undefined && bytesToHex(slab.sharedX(slot))).toBe(bytesToHex(shared))
      }
    }
  })

  test('keeps its limit, and one over forgets what was not used for longest', () => {
    const slab = createConversationSlab(3, PREPARED, seed)
    const [a = '', b = '', c = '', d = ''] = somePeers(4)
    for (const peer of [a, b, c]) slab.add(peer, random.bytes(32), random.bytes(PREPARED))
    expect(slab.size).toBe(3)
    expect(slab.find(a)).toBeDefined()
    slab.add(d, random.bytes(32), random.bytes(PREPARED))
    expect(slab.size).toBe(3)
    expect([a, b, c, d].map((peer) => slab.find(peer) !== undefined)).toEqual([true, false, true, true])
  })

  test('overwrites what it forgets, what it grew out of, and everything when it is cleared', () => {
    const seen = new Set<Uint8Array>()
    const slab = createConversationSlab(20, PREPARED, seed, (array) => seen.add(array))
    const secrets = somePeers(40).map((peer) => {
      const shared = random.bytes(32)
      slab.add(peer, shared, random.bytes(PREPARED))
      return Buffer.from(shared)
    })
    const found = (): number =>
      secrets.filter((secret) => [...seen].some((array) => Buffer.from(array).includes(secret))).length
    expect(seen.size).toBeGreaterThan(3)
    expect(found()).toBe(20)
    slab.clear()
    expect(found()).toBe(0)
    expect([...seen].every(isZero)).toBe(true)
    expect(slab.size).toBe(0)
    expect(slab.heldBytes).toBeLessThan(100)
  })

  test('finds nothing under what is no public key in lowercase hex', () => {
    const slab = createConversationSlab(3, PREPARED, seed)
    const [peer = ''] = somePeers(1)
    slab.add(peer, random.bytes(32), random.bytes(PREPARED))
    for (const other of [
      '',
      peer.slice(1),
      `${peer}0`,
      peer.toUpperCase(),
      `${peer.slice(1)}\u0100`,
      'x'.repeat(64),
    ])
      if (other !== peer) expect(slab.find(other)).toBeUndefined()
    expect(() => slab.add('x'.repeat(64), random.bytes(32), random.bytes(PREPARED))).toThrow()
  })

  test('holds each of 100,000 conversations in at most 250 bytes', () => {
    const slab = createConversationSlab(1_000_000, PREPARED, seed)
    const peer = new Uint8Array(32)
    const view = new DataView(peer.buffer)
    const [shared, prepared] = [random.bytes(32), random.bytes(PREPARED)]
    let most = 0
    for (let i = 0; i < 100_000; i++) {
      view.setUint32(0, i)
      slab.add(bytesToHex(peer), shared, prepared)
      if (i > 1_000) most = Math.max(most, slab.heldBytes / slab.size)
    }
    expect(most).toBeLessThanOrEqual(250)
    console.log(
      `bytes a conversation: ${(slab.heldBytes / slab.size).toFixed(0)}, at most ${most.toFixed(0)}`,
    )
  })
})
