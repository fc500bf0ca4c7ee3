import { describe, expect, it } from 'vitest'
import { covers, type Permission } from '../src/permission.ts'

/** Runs a program as if it stood in a file of core's src. */
function runInCore(program: string): unknown {
  const run: unknown = new Function(`${program}\n//# sourceURL=/repo/packages/core/src/pretend.ts`)
  return (run as () => unknown)()
}

describe('The poisoned host', () => {
  it.each([
    ['Date.now', 'return Date.now()'],
    ['new Date()', 'return new Date()'],
    ['new Date()', 'return Date()'],
    ['Math.random', 'return Math.random()'],
    ['performance.now', 'return performance.now()'],
    ['crypto.getRandomValues', 'return crypto.getRandomValues(new Uint8Array(1))'],
    ['setTimeout', 'return setTimeout(() => {}, 0)'],
    ['setInterval', 'return setInterval(() => {}, 1000)'],
    ['queueMicrotask', 'return queueMicrotask(() => {})'],
    ['fetch', 'return fetch("http://127.0.0.1:1")'],
    ['WebSocket', 'return new WebSocket("ws://127.0.0.1:1")'],
  ])('keeps %s from core: %s', (name, program) => {
    expect(() => runInCore(program)).toThrow(`core reached for ${name}`)
  })

  it('knows the files of core, also when what reads the clock is further up', () => {
    const clockReader = {
      method: 'ping',
      get kind(): number {
        return Date.now()
      },
    } satisfies Permission
    expect(() => covers([clockReader], 'ping')).toThrow('core reached for Date.now')
  })

  it('lets core turn a given time into a date', () => {
    expect(runInCore('return new Date(0).toISOString()')).toBe('1970-01-01T00:00:00.000Z')
  })

  it('leaves tests their clock and dice', () => {
    expect(Date.now()).toBeGreaterThan(1_600_000_000_000)
    expect(new Date()).toBeInstanceOf(Date)
    expect(Math.random()).toBeLessThan(1)
  })
})
