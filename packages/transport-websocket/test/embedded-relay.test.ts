import type { Authenticate, KeyHandle, RelayUrl, SignedEvent } from '@nip46/core'
import { nobleCrypto } from '@nip46/crypto/noble'
import { createRelay, type RelayOptions, type RelayServer } from '@nip46/relay'
import { retakePort } from '@nip46/testing'
import { afterEach, expect, test } from 'vitest'
import { createRelayPool, type RelayPool } from '../src/index.ts'

const crypto = nobleCrypto()
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

async function start(
  options: Partial<RelayOptions> = {},
): Promise<{ url: RelayUrl; port: number; relay: RelayServer }> {
  const relay = createRelay({ crypto, ...options })
  const { url, port } = await relay.listen()
  cleanups.push(() => relay.close())
  return { url, port, relay }
}

function pool(): RelayPool {
  const one = createRelayPool({
    random: (length) => globalThis.crypto.getRandomValues(new Uint8Array(length)),
  })
  cleanups.push(() => one.close())
  return one
}

const keys = [1, 2, 3].map((number) => crypto.importKey(new Uint8Array(32).fill(number)))
const [alice, bob, carol] = keys as [KeyHandle, KeyHandle, KeyHandle]

function sign(key: KeyHandle, kind: number, tags: string[][], content: string): SignedEvent {
  const created_at = Math.floor(Date.now() / 1_000)
  const unsigned = { pubkey: key.pubkey, created_at, kind, tags, content }
  const id = crypto.eventId(unsigned)
  return { ...unsigned, id, sig: key.sign(id, new Uint8Array(32)) }
}

const carrier = (from: KeyHandle, to: KeyHandle, content: string): SignedEvent =>
  sign(from, 24133, [['p', to.pubkey]], content)

const authenticateAs =
  (key: KeyHandle): Authenticate =>
  (relay, challenge) =>
    sign(
      key,
      22242,
      [
        ['relay', relay],
        ['challenge', challenge],
      ],
      '',
    )

function watch(
  on: RelayPool,
  url: RelayUrl,
  key: KeyHandle,
  authenticate?: Authenticate,
): {
  readonly contents: string[]
  readonly log: string[]
} {
  const contents: string[] = []
  const log: string[] = []
  const since = Math.floor(Date.now() / 1_000) - 60
  on.subscribe({
    relays: [url],
    filters: [
      { kinds: [24133], '#p': [key.pubkey], limit: 0 },
      { kinds: [24133], '#p': [key.pubkey], since },
    ],
    onEvent: (event) => contents.push((event as SignedEvent).content),
    onLive: () => log.push('live'),
    onDown: (_, reason, final) => log.push(`${final ? 'final' : 'down'} ${reason}`),
    ...(authenticate === undefined ? {} : { authenticate }),
  })
  return { contents, log }
}

test('two pools talk over the embedded relay, both ways', async () => {
  const { url } = await start()
  const [one, other] = [pool(), pool()]
  const toAlice = watch(one, url, alice)
  const toBob = watch(other, url, bob)
  for (let i = 0; i < 20; i += 1) {
    const asked = one.publish([url], carrier(alice, bob, `question ${i}`))
    const answered = other.publish([url], carrier(bob, alice, `answer ${i}`))
    expect(await asked).toMatchObject({ ok: true })
    expect(await answered).toMatchObject({ ok: true })
  }
  await expect.poll(() => [toAlice.contents.length, toBob.contents.length]).toEqual([20, 20])
  expect(toBob.contents.at(-1)).toBe('question 19')
})

test('a relay that knows who may use it serves two keys over one connection', async () => {
  const { url } = await start({ auth: { allow: [alice.pubkey, bob.pubkey] } })
  const one = pool()
  const toAlice = watch(one, url, alice, authenticateAs(alice))
  const toBob = watch(one, url, bob, authenticateAs(bob))
  await expect.poll(() => [toAlice.log, toBob.log]).toEqual([['live'], ['live']])
  const published = await one.publish([url], carrier(alice, bob, 'hello'), {
    authenticate: authenticateAs(alice),
  })
  expect(published).toMatchObject({ ok: true })
  await expect.poll(() => toBob.contents).toEqual(['hello'])
})

test('a key that is not on its list is refused for good, in words', async () => {
  const { url } = await start({ auth: { allow: [alice.pubkey] } })
  const one = pool()
  const { log } = watch(one, url, carol, authenticateAs(carol))
  await expect.poll(() => log).toEqual([expect.stringMatching(/^final [a-z-]+: ./)])
  const published = await one.publish([url], carrier(carol, alice, 'x'), {
    authenticate: authenticateAs(carol),
  })
  expect(published).toMatchObject({
    ok: false,
    error: [{ relay: url, reason: expect.stringMatching(/^[a-z-]+: ./) }],
  })
})

test('after the relay restarts, what it kept is caught up and nothing is lost', async () => {
  const first = await start()
  const [one, other] = [pool(), pool()]
  const { contents, log } = watch(one, first.url, bob)
  await expect.poll(() => log).toEqual(['live'])
  await first.relay.close()
  await expect.poll(() => log).toHaveLength(2)
  await retakePort(() => start({ port: first.port, retention: { seconds: 60 } }))
  const published = await other.publish([first.url], carrier(alice, bob, 'while you were away'))
  expect(published).toMatchObject({ ok: true })
  await expect.poll(() => contents).toContain('while you were away')
})

test('an event nobody listens for is a refusal where the relay says so', async () => {
  const { url } = await start({ mute: true })
  const published = await pool().publish([url], carrier(alice, carol, 'anybody?'))
  expect(published).toEqual({ ok: false, error: [{ relay: url, reason: expect.stringMatching(/^mute: /) }] })
})

test('an event with a wrong signature is the relay’s to refuse, and is reported', async () => {
  const { url } = await start()
  const bad = { ...carrier(alice, bob, 'x'), sig: '00'.repeat(64) }
  expect(await pool().publish([url], bad)).toEqual({
    ok: false,
    error: [{ relay: url, reason: expect.stringMatching(/^invalid: /) }],
  })
})

test('a burst of fifty events over one connection is told in full', async () => {
  const { url } = await start({ limits: { messageBurst: 10_000 } })
  const [one, other] = [pool(), pool()]
  const { contents, log } = watch(other, url, bob)
  await expect.poll(() => log).toEqual(['live'])
  const results = await Promise.all(
    Array.from({ length: 50 }, (_, i) => one.publish([url], carrier(alice, bob, `${i}`))),
  )
  expect(results.filter(({ ok }) => !ok)).toEqual([])
  await expect.poll(() => contents.length).toBe(50)
})
