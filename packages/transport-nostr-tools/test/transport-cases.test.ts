import { nobleCrypto } from '@nip46/crypto/noble'
import { transportCases } from '@nip46/testing'
import { SimplePool, useWebSocketImplementation } from 'nostr-tools/pool'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { createNostrToolsTransport, guardWebSocket } from '../src/index.ts'
import { listen } from './listen.ts'

/** Cases that nostr-tools 2.25 cannot meet, whatever stands before it, and why. */
const CANNOT: ReadonlyMap<string, string> = new Map([
  [
    'two keys authenticate on one relay, each for its own',
    'a connection of nostr-tools remembers its first AUTH and never sends another (AbstractRelay.auth)',
  ],
])

const crypto = nobleCrypto()
/** Jitter of an eighth: lost relays are dialled again soon, so that the cases are quick. */
const randomBytes = (length: number): Uint8Array => new Uint8Array(length).fill(0x20)
/** On a busy machine a dial takes longer than the three seconds that a pool waits. */
function patientPool(): SimplePool {
  const pool = new SimplePool()
  pool.maxWaitForConnection = 60_000
  return pool
}
const createTransport = (): ReturnType<typeof createNostrToolsTransport> =>
  createNostrToolsTransport(patientPool(), { random: randomBytes })

// nostr-tools prints what it drops.
const quiet = [vi.spyOn(console, 'warn'), vi.spyOn(console, 'debug')]

const sockets: readonly (readonly [string, typeof globalThis.WebSocket | typeof WebSocket | undefined])[] = [
  ['the global WebSocket', globalThis.WebSocket],
  ['the ws package', WebSocket],
]

for (const [name, Socket] of sockets) {
  const missing = Socket === undefined
  describe.skipIf(missing)(
    `a SimplePool on ${name} is a Transport${missing ? ' (left out: this Node has none)' : ''}`,
    () => {
      beforeAll(() => {
        for (const spy of quiet) spy.mockImplementation(() => undefined)
        if (Socket !== undefined) useWebSocketImplementation(guardWebSocket(Socket))
      })
      afterAll(() => {
        for (const spy of quiet) spy.mockReset()
      })

      describe('and passes', { concurrent: true }, () => {
        for (const { name, run } of transportCases) {
          if (CANNOT.has(name)) continue
          test(name, () => run({ createTransport, listen, crypto }))
        }
      })

      describe('except for what nostr-tools cannot do', { concurrent: true }, () => {
        for (const [name, why] of CANNOT) {
          test(`"${name}" still fails: ${why}`, async () => {
            const found = transportCases.find((one) => one.name === name)
            if (found === undefined) throw new Error('no case has this name: take it off the list')
            await expect(found.run({ createTransport, listen, crypto, patienceMs: 3_000 })).rejects.toThrow()
          })
        }
      })
    },
  )
}

afterAll(() => {
  for (const [name, why] of CANNOT) console.info(`left out for nostr-tools: "${name}": ${why}`)
})
