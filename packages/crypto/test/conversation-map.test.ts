import { seededRandom } from '@nip46/testing'
import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { createConversationMap } from '../src/conversation-map.ts'

const random = seededRandom('conversation map')
const PREPARED = 32
const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)
const somePeers = (count: number): readonly string[] =>
  Array.from({ length: count }, () => bytesToHex(random.bytes(32)))

describe('the map of conversations', () => {
  test('does over random steps what a plain map does', () => {
    for (const limit of [1, 2, 3, 7]) {
      const table = createConversationMap(limit, PREPARED)
      const model = new Map<string, { readonly shared: string; readonly prepared: string }>()
      const peers = somePeers(2 * limit + 2)
      for (let step = 0; step < 500; step++) {
        const peer = peers[random.below(peers.length)] ?? ''
        const slot = table.find(peer)
        const known = model.get(peer)
        expect(slot === undefined).toBe(known === undefined)
        if (slot !== undefined && known !== undefined) {
          expect(bytesToHex(table.sharedX(slot))).toBe(known.shared)
          expect(bytesToHex(table.prepared(slot))).toBe(known.prepared)
          model.delete(peer)
          model.set(peer, known)
          continue
        }
        const [shared, prepared] = [random.bytes(32), random.bytes(PREPARED)]
        table.add(peer, shared, prepared)
        model.set(peer, { shared: bytesToHex(shared), prepared: bytesToHex(prepared) })
        const [oldest] = model.keys()
        if (model.size > limit && oldest !== undefined) model.delete(oldest)
      }
    }
  })

  test('keeps its limit, and one over overwrites what was not used for longest', () => {
    const table = createConversationMap(2, PREPARED)
    const [a = '', b = '', c = ''] = somePeers(3)
    const first = table.add(a, random.bytes(32), random.bytes(PREPARED))
    const second = table.add(b, random.bytes(32), random.bytes(PREPARED))
    const views = [table.sharedX(second), table.prepared(second)]
    expect(table.find(a)).toBe(first)
    expect(views.some(isZero)).toBe(false)
    table.add(c, random.bytes(32), random.bytes(PREPARED))
    expect([a, b, c].map((peer) => table.find(peer) !== undefined)).toEqual([true, false, true])
    expect(views.every(isZero)).toBe(true)
  })

  test('copies what it is given, and overwrites all of it when it is cleared', () => {
    const table = createConversationMap(3, PREPARED)
    const [a = ''] = somePeers(1)
    const shared = random.bytes(32)
    const slot = table.add(a, shared, random.bytes(PREPARED))
    const views = [table.sharedX(slot), table.prepared(slot)]
    shared.fill(0)
    expect(views.some(isZero)).toBe(false)
    table.clear()
    expect(views.every(isZero)).toBe(true)
    expect(table.find(a)).toBeUndefined()
  })
})
