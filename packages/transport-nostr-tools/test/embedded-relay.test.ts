import type { Authenticate, KeyHandle, RelayUrl, SignedEvent, Transport } from '@nip46/core'
import { nobleCrypto } from '@nip46/crypto/noble'
import { createRelay, type RelayOptions, type RelayServer } from '@nip46/relay'
import { retakePort } from '@nip46/testing'
import { SimplePool } from 'nostr-tools/pool'
import { afterEach, expect, test } from 'vitest'
import { createNostrToolsTransport } from '../src/index.ts'

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

function create(): Transport {
  const transport = createNostrToolsTransport(new SimplePool())
  cleanups.push(() => transport.close())
  return transport
}

const [alice, bob] = [1, 2].map((number) => crypto.importKey(new Uint8Array(32).fill(number))) as [
  KeyHandle,
  KeyHandle,
]

function sign(key: KeyHandle, kind: number, tags: string[][], content: string): SignedEvent {
  const unsigned = { pubkey: key.pubkey, created_at: Math.floor(Date.now() / 1_000), kind, tags, content }
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
  on: Transport,
  url: RelayUrl,
  key: KeyHandle,
  authenticate?: Authenticate,
): { readonly contents: string[]; readonly log: string[] } {
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

test('two transports talk over the embedded relay, both ways', async () => {
  const { url } = await start()
  const [one, other] = [create(), create()]
  const toAlice = watch(one, url, alice)
  const toBob = watch(other, url, bob)
  for (let i = 0; i < 10; i += 1) {
    expect(await one.publish([url], carrier(alice, bob, `question ${i}`))).toMatchObject({ ok: true })
    expect(await other.publish([url], carrier(bob, alice, `answer ${i}`))).toMatchObject({ ok: true })
  }
  await expect.poll(() => [toAlice.contents.length, toBob.contents.length]).toEqual([10, 10])
})

test('a relay that knows who may use it serves one key over one pool', async () => {
  const { url } = await start({ auth: { allow: [alice.pubkey] } })
  const one = create()
  const toAlice = watch(one, url, alice, authenticateAs(alice))
  await expect.poll(() => toAlice.log).toEqual(['live'])
  const authenticate = authenticateAs(alice)
  expect(await one.publish([url], carrier(alice, alice, 'to myself'), { authenticate })).toMatchObject({
    ok: true,
  })
  await expect.poll(() => toAlice.contents).toEqual(['to myself'])
})

test('after the relay restarts, what it kept is caught up and nothing is lost', async () => {
  const first = await start()
  const [one, other] = [create(), create()]
  const { contents, log } = watch(one, first.url, bob)
  await expect.poll(() => log).toEqual(['live'])
  await first.relay.close()
  await expect.poll(() => log).toHaveLength(2)
  await retakePort(() => start({ port: first.port, retention: { seconds: 60 } }))
  expect(await other.publish([first.url], carrier(alice, bob, 'while you were away'))).toMatchObject({
    ok: true,
  })
  await expect.poll(() => contents).toContain('while you were away')
})
