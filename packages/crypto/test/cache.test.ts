import { UsageError } from '@nip46/core'
import { describe, expect, test } from 'vitest'
import { createCache } from '../src/cache.ts'
import { createSlots } from '../src/slots.ts'

describe('the cache', () => {
  test('keeps its limit, and one over evicts what was not used for longest', () => {
    const evicted: string[] = []
    const cache = createCache<string>(3, (value) => evicted.push(value))
    for (const key of ['a', 'b', 'c']) cache.set(key, key)
    expect(evicted).toEqual([])
    expect(cache.get('a')).toBe('a')
    cache.set('d', 'd')
    expect(evicted).toEqual(['b'])
    expect(cache.size).toBe(3)
    expect(cache.get('b')).toBeUndefined()
  })

  test('hands over what is replaced or cleared, once', () => {
    const evicted: string[] = []
    const cache = createCache<string>(2, (value) => evicted.push(value))
    cache.set('a', 'old')
    cache.set('a', 'new')
    expect(evicted).toEqual(['old'])
    cache.clear()
    cache.clear()
    expect(evicted).toEqual(['old', 'new'])
    expect(cache.size).toBe(0)
  })
})

describe('slots', () => {
  test('are never used again, so that an old one finds nothing', () => {
    const slots = createSlots<number, string>('key')
    const first = slots.add('a')
    expect(slots.remove(first)).toBe('a')
    expect(slots.remove(first)).toBeUndefined()
    expect(slots.add('b')).not.toBe(first)
    expect(() => slots.get(first)).toThrow(UsageError)
    expect(slots.size).toBe(1)
  })
})
