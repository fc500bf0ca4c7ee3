import {
  encodeRequest,
  limits,
  looksLikeRequest,
  open,
  parseRelayUrl,
  parseResponse,
  type RelayUrl,
  seal,
  UsageError,
} from '@nip46/core'
import { nobleCrypto } from '@nip46/crypto/noble'
import { afterEach, describe, expect, test } from 'vitest'
import {
  createFakeClock,
  createHostilePeer,
  createMemoryRelay,
  type Heard,
  type HostilePeer,
  hostileAnswers,
  seededRandom,
} from '../src/index.ts'

const parsed = parseRelayUrl('wss://one.example')
const relays: readonly RelayUrl[] = parsed.ok ? [parsed.value] : []
const crypto = nobleCrypto()
const random = seededRandom('peers')
const clientKey = crypto.importKey(random.bytes(32))
const signerKey = crypto.importKey(random.bytes(32))

const peers: HostilePeer[] = []
afterEach(() => {
  for (const peer of peers.splice(0)) peer.close()
})

/** A hostile signer, and a client that only asks and listens. */
function start() {
  const clock = createFakeClock()
  const network = createMemoryRelay({ clock })
  const peer = createHostilePeer({
    transport: network.connect(),
    relays,
    crypto,
    key: signerKey,
    clock,
    random: random.bytes,
  })
  peers.push(peer)
  const events: unknown[] = []
  network.subscribe({
    relays,
    filters: [{ kinds: [24133], '#p': [clientKey.pubkey] }],
    onEvent: (event) => events.push(event),
  })
  const ask = async (id: string): Promise<void> => {
    await clock.settle()
    const event = seal(
      {
        text: encodeRequest({ id, method: 'ping', params: [] }),
        to: signerKey.pubkey,
        key: clientKey,
        scheme: 'nip44',
        createdAt: Math.floor(clock.now() / 1_000),
      },
      { crypto, random: random.bytes },
    )
    if (!event.ok) throw new Error(event.error)
    await network.publish(relays, event.value)
    await clock.settle()
  }
  /** What the client could read of what came, as a careful client would. */
  const readable = (): string[] => {
    const texts: string[] = []
    for (const event of events) {
      const opened = open(event, {
        crypto,
        key: (pubkey) => (pubkey === clientKey.pubkey ? clientKey : undefined),
        scheme: (from) => (from === signerKey.pubkey ? 'nip44' : undefined),
        now: Math.floor(clock.now() / 1_000),
      })
      if (opened.ok) texts.push(opened.value.text)
    }
    return texts
  }
  return { clock, network, peer, events, ask, readable }
}

test('hears requests, in order, with what is inside', async () => {
  const { peer, ask } = start()
  const first = peer.next()
  const later = peer.next(({ id }) => id === 'b')
  await ask('a')
  await ask('b')
  expect(await first).toMatchObject({
    from: clientKey.pubkey,
    id: 'a',
    method: 'ping',
    params: [],
    scheme: 'nip44',
    turn: 0,
  })
  expect((await later).turn).toBe(1)
  expect(peer.heard.map(({ id }) => id)).toEqual(['a', 'b'])
  expect((await peer.next(({ id }) => id === 'a')).turn).toBe(0)
})

test('answers as its script says: at once, late, more than once, and honestly if it wants to', async () => {
  const { clock, peer, ask, readable, events } = start()
  peer.setScript(({ id, turn }) => [
    { text: JSON.stringify({ id, result: 'pong' }), copies: turn === 0 ? 1 : 3 },
    { text: JSON.stringify({ id, result: 'late' }), afterMs: 5_000 },
  ])
  await ask('a')
  expect(readable()).toEqual(['{"id":"a","result":"pong"}'])
  await clock.run(4_999)
  expect(events).toHaveLength(1)
  await clock.run(1)
  expect(readable()[1]).toBe('{"id":"a","result":"late"}')
  await ask('b')
  expect(events).toHaveLength(5)
})

test('speaks first when it plays the client, in either scheme and with any author', async () => {
  const { clock, peer, events } = start()
  await clock.settle()
  await peer.send({ to: clientKey.pubkey, text: 'anything', scheme: 'nip04' })
  await peer.send({ to: clientKey.pubkey, text: 'x', author: clientKey.pubkey })
  await peer.send({
    to: clientKey.pubkey,
    text: 'x',
    spoilEvent: (event) => ({ ...event, sig: '0'.repeat(128) }),
  })
  await clock.settle()
  expect(events).toMatchObject([
    { pubkey: signerKey.pubkey, content: expect.stringContaining('?iv=') },
    { pubkey: clientKey.pubkey },
    { sig: '0'.repeat(128) },
  ])
  await expect(peer.send({ to: 'nobody', text: 'x' })).rejects.toThrow(UsageError)
})

test('after close it hears and says nothing more, and nothing waits', async () => {
  const { clock, network, peer, ask, events } = start()
  peer.setScript(({ id }) => [{ text: id, afterMs: 1_000 }])
  const never = expect(peer.next(({ id }) => id === 'never')).rejects.toThrow('closed')
  await ask('a')
  peer.close()
  await never
  await ask('b')
  await clock.run(5_000)
  expect(events).toEqual([])
  expect(peer.heard).toHaveLength(1)
  expect(clock.pending).toBe(0)
  expect(network.subscriptions).toBe(1)
})

describe('the catalogue of hostile answers', () => {
  test('has no name twice', () => {
    const names = hostileAnswers.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(names.length).toBeGreaterThan(50)
  })

  test.each(hostileAnswers)('$name', async ({ authentic, moves }) => {
    const { clock, peer, ask, events, readable } = start()
    let made: readonly unknown[] = []
    peer.setScript((heard: Heard) => {
      const planned = moves(heard, peer)
      made = planned
      return planned
    })
    await ask('request-1')
    await clock.run(1_000)
    expect(made.length).toBeGreaterThan(0)
    expect(events.length).toBeGreaterThanOrEqual(made.length)
    for (const event of events) {
      expect(JSON.stringify(event).length).toBeLessThanOrEqual(limits.EVENT_CHARS_IN)
    }
    const answers = readable().filter((text) => {
      const response = looksLikeRequest(text) ? undefined : parseResponse(text)
      return response?.ok === true && response.value.id === 'request-1'
    })
    // Foreign answers must not look like ours to whoever checks; those of the signer must at least arrive readable.
    if (authentic) expect(readable().length).toBeGreaterThan(0)
    else expect(answers).toEqual([])
  })
})
