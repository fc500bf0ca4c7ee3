/**
 * What arrives in one turn of the host's event loop is one batch, though microtasks run between its parts, as they do
 * between the messages of a port.
 */

import { type Crypto, err, type RelayUrl, seal } from '@nip46/core'
import { generateSecretKey } from '@nip46/crypto'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { expect, test } from 'vitest'
import { deferBy, hostClock, hostDefer, hostRandom } from '../src/host.ts'
import { createIntake } from '../src/intake.ts'
import { createReporter } from '../src/reporter.ts'
import { createPoster } from '../src/shard-message.ts'

const RELAY = 'wss://relay.example/' as RelayUrl

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Calls `run` so often, each time in a microtask of its own. */
async function inMicrotasks(count: number, run: (i: number) => void): Promise<void> {
  for (let i = 0; i < count; i++) {
    await Promise.resolve()
    run(i)
  }
}

test('messages to a worker that are said in one turn are posted together, in order', async () => {
  const posts: unknown[] = []
  const say = createPoster<number>({ postMessage: (messages) => void posts.push(messages) }, hostDefer)
  await inMicrotasks(5, say)
  await turn()
  expect(posts).toEqual([[0, 1, 2, 3, 4]])
  say(5)
  await turn()
  expect(posts).toEqual([[0, 1, 2, 3, 4], [5]])
})

test('a clock without turns has microtasks instead', async () => {
  const { defer: _, ...plain } = hostClock
  const posts: unknown[] = []
  const say = createPoster<number>({ postMessage: (messages) => void posts.push(messages) }, deferBy(plain))
  await inMicrotasks(3, say)
  await turn()
  expect(posts).toEqual([[0], [1], [2]])
})

test('events that arrive in one turn are verified as one batch, and a lone one in the same turn', async () => {
  const batches: number[] = []
  const tiny = tinyCrypto()
  const crypto: Crypto = {
    ...tiny,
    verifyBatch(claims) {
      batches.push(claims.length)
      return tiny.verifyBatch(claims)
    },
  }
  const [client, signer] = [0, 1].map(() => tiny.importKey(generateSecretKey(hostRandom)))
  if (client === undefined || signer === undefined) throw new Error('no keys')
  const event = (i: number): unknown => {
    const createdAt = Math.floor(Date.now() / 1_000)
    const text = JSON.stringify({ id: `request ${i}`, method: 'ping', params: [] })
    const message = { text, to: signer.pubkey, key: client, scheme: 'nip44', createdAt } as const
    const sealed = seal(message, { crypto: tiny, random: hostRandom })
    return sealed.ok ? sealed.value : err(sealed.error)
  }
  let opened = 0
  const intake = createIntake({
    crypto,
    clock: hostClock,
    now: () => Date.now(),
    reporter: createReporter(undefined),
    key: (pubkey) => (pubkey === signer.pubkey ? signer : undefined),
    scheme: () => 'nip44',
    serves: () => true,
    seen: () => false,
    isWornOut: () => false,
    leave: () => false,
    recall: () => false,
    isReplaying: () => false,
    onOwed: () => undefined,
    onOpened: () => {
      opened += 1
    },
    onRefund: () => undefined,
    onSeen: () => undefined,
  })
  const events = Array.from({ length: 6 }, (_, i) => event(i))
  await inMicrotasks(5, (i) => intake.push(events[i], RELAY))
  await turn()
  expect([opened, batches]).toEqual([5, [5]])
  intake.push(events[5], RELAY)
  await turn()
  expect([opened, batches]).toEqual([6, [5, 1]])
  intake.close()
})
