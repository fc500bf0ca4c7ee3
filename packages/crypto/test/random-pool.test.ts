import { UsageError } from '@nip46/core'
import { seededRandom } from '@nip46/testing'
import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { RANDOM_DIRECT_BYTES, RANDOM_POOL_BYTES } from '../src/limits.ts'
import { pooledRandom } from '../src/random-pool.ts'

/** A source that remembers what it gave, and the arrays it gave it in. */
function watched() {
  const random = seededRandom('random pool')
  const given: string[] = []
  const arrays: Uint8Array[] = []
  const source = (length: number): Uint8Array => {
    const bytes = random.bytes(length)
    given.push(bytesToHex(bytes))
    arrays.push(bytes)
    return bytes
  }
  return { source, given, arrays }
}

describe('pooled random bytes', () => {
  test('are those of the source, each handed out once and in order', () => {
    const { source, given } = watched()
    const random = pooledRandom(source)
    let handed = ''
    for (let i = 0; i < RANDOM_POOL_BYTES / 32; i++) handed += bytesToHex(random(32))
    expect(given).toEqual([handed])
    expect(handed).not.toContain(bytesToHex(random(32)))
    expect(given).toHaveLength(2)
    expect(given.map((text) => text.length / 2)).toEqual([RANDOM_POOL_BYTES, RANDOM_POOL_BYTES])
  })

  test('never mix the rest of one draw with the next', () => {
    const { source, given } = watched()
    const random = pooledRandom(source)
    random(RANDOM_POOL_BYTES - 3 * RANDOM_DIRECT_BYTES > 0 ? RANDOM_DIRECT_BYTES : 1)
    for (let i = 0; i < 3; i++) random(RANDOM_DIRECT_BYTES - 1)
    const next = bytesToHex(random(RANDOM_DIRECT_BYTES))
    expect(given).toHaveLength(2)
    expect(given[1]?.startsWith(next)).toBe(true)
  })

  test('up to the limit come from the pool, one more from the source itself', () => {
    const { source, given } = watched()
    const random = pooledRandom(source)
    expect(random(RANDOM_DIRECT_BYTES)).toHaveLength(RANDOM_DIRECT_BYTES)
    expect(given).toHaveLength(1)
    expect(random(RANDOM_DIRECT_BYTES + 1)).toHaveLength(RANDOM_DIRECT_BYTES + 1)
    expect(given[1]).toHaveLength(2 * (RANDOM_DIRECT_BYTES + 1))
  })

  test('belong to whoever got them: changing them changes no others', () => {
    const { source, arrays } = watched()
    const random = pooledRandom(source)
    random(32).fill(0)
    expect(random(32)).not.toEqual(new Uint8Array(32))
    expect(arrays[0]?.every((byte) => byte === 0)).toBe(true)
    expect(random(0)).toHaveLength(0)
  })

  test('come from the host by default', () => {
    const random = pooledRandom()
    expect(random(32)).not.toEqual(random(32))
  })

  test('are refused for what is no length, and from a source that gives too few', () => {
    for (const length of [-1, 0.5, Number.NaN]) expect(() => pooledRandom()(length)).toThrow(UsageError)
    expect(() => pooledRandom(() => new Uint8Array(32))(32)).toThrow(/4096 bytes, not 32/)
  })
})
