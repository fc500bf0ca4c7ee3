/** Finding remote signers: what a domain and an announcement may say, and what hostile ones achieve. */

import type { KeyHandle, RelayUrl, SubscribeRequest, Transport } from '@nip46/core'
import { createFakeClock, type FakeClock } from '@nip46/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  DiscoveryError,
  type DiscoveryOptions,
  discoverSigners,
  type Fetch,
  type FetchedResponse,
  fetchSignerDomain,
  parseAnnouncement,
  parseNostrJson,
  readDomain,
} from '../src/discovery.ts'
import {
  ABOUT_CHARS,
  ANNOUNCEMENT_CHARS,
  ANNOUNCEMENTS_PER_RELAY,
  DISCOVERY_DOMAINS,
  DISCOVERY_DOMAINS_MS,
  DISCOVERY_FETCHES,
  DISCOVERY_RELAY_MS,
  DISCOVERY_RELAYS,
  DOMAIN_BYTES,
  DOMAIN_MS,
  FOUND_SIGNERS,
} from '../src/limits.ts'
import { crypto, newKey, ONE, signed, TWO } from './world.ts'

const TEMPLATE = 'https://signer.example/<nostrconnect>'
const key = newKey()
const pubkey = key.pubkey

/** What a domain with a remote signer answers today. */
const nostrJson = (changes: object = {}, nip46: object = {}): string =>
  JSON.stringify({
    names: { _: pubkey },
    nip46: { relays: [ONE], nostrconnect_url: TEMPLATE, ...nip46 },
    ...changes,
  })

interface AnnouncementParts {
  readonly content?: unknown
  readonly tags?: string[][]
  readonly kind?: number
  readonly createdAt?: number
}

function announce(by: KeyHandle, parts: AnnouncementParts = {}): Record<string, unknown> {
  const {
    content = { name: 'Signer', nip05: '_@signer.example' },
    tags = [],
    kind = 31_990,
    createdAt = 1_000,
  } = parts
  return signed(by, {
    kind,
    created_at: createdAt,
    tags: [['d', 'x'], ['k', '24133'], ...tags],
    content: typeof content === 'string' ? content : JSON.stringify(content),
  })
}

describe('a domain', () => {
  test.each([
    ['_@signer.example', 'signer.example'],
    ['bob@Signer.Example', 'signer.example'],
    ['signer.example', 'signer.example'],
    ['a@b@signer.example', 'signer.example'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ])('of %s is %s', (text, domain) => {
    expect(readDomain(text)).toBe(domain)
  })

  test.each([
    '',
    '_@',
    'localhost',
    'x.localhost',
    '127.0.0.1',
    '10.0.0.1',
    '[::1]',
    '0x7f.1',
    'signer',
    'signer.example:8080',
    'signer.example/path',
    'signer.example?x',
    'signer.example#x',
    'signer example',
    '-x.example',
    'bücher.example',
    `${'a'.repeat(64)}.example`,
    'a.'.repeat(130),
    'x'.repeat(1_000),
    undefined,
    7,
    {},
  ])('of %j is none', (text) => {
    expect(readDomain(text)).toBe(undefined)
  })
})

describe('a nostr.json', () => {
  test("of today's text is read", () => {
    expect(parseNostrJson(nostrJson())).toEqual({ pubkey, relays: [ONE], connectTemplate: TEMPLATE })
  })

  test('of 2024-02 is read, for the key that it names', () => {
    const other = newKey().pubkey
    const text = nostrJson({ nip46: { [other]: [TWO], [pubkey]: [ONE, TWO] } })
    expect(parseNostrJson(text)).toEqual({ pubkey, relays: [ONE, TWO] })
  })

  test('without anything on remote signing still confirms its key', () => {
    expect(parseNostrJson(JSON.stringify({ names: { _: pubkey } }))).toEqual({ pubkey, relays: [] })
  })

  test('loses relays and links that cannot be used', () => {
    const relays = [
      'ws://plain.example',
      'wss://127.0.0.1@x',
      7,
      null,
      ONE,
      ONE,
      'javascript:alert(1)',
      'ws://localhost:1',
    ]
    expect(parseNostrJson(nostrJson({}, { relays, nostrconnect_url: 'javascript:<nostrconnect>' }))).toEqual({
      pubkey,
      relays: [ONE],
    })
  })

  test.each([
    '',
    'x',
    '[]',
    'null',
    '7',
    '{}',
    '{"names":null}',
    '{"names":[]}',
    '{"names":{}}',
    '{"names":{"bob":"x"}}',
    '{"names":{"_":7}}',
    `{"names":{"_":"${'f'.repeat(64)}"}}`,
    `{"names":{"_":"${pubkey.toUpperCase()}"}}`,
    `{"names":"${pubkey}"}`,
    `{"__proto__":{"names":{"_":"${pubkey}"}}}`,
    `{"names":{"__proto__":{"_":"${pubkey}"}}}`,
  ])('%j names no remote signer', (text) => {
    expect(parseNostrJson(text)).toBe(undefined)
  })

  test('of any shape throws nothing', () => {
    fc.assert(
      fc.property(fc.json(), fc.json(), (names, nip46) => {
        const text = `{"names":${names},"nip46":${nip46}}`
        const found = parseNostrJson(text)
        if (found !== undefined) expect(found.pubkey).toMatch(/^[0-9a-f]{64}$/)
        expect(parseNostrJson(`{"names":{"_":"${pubkey}"},"nip46":${nip46}}`)).toMatchObject({ pubkey })
      }),
      { numRuns: 300 },
    )
  })
})

describe('reading a domain', () => {
  const reply = (parts: Partial<FetchedResponse> = {}): FetchedResponse => ({
    status: 200,
    text: () => Promise.resolve(nostrJson()),
    ...parts,
  })

  test('asks once, without credentials and redirects', async () => {
    const asked: unknown[] = []
    const fetch: Fetch = async (url, init) => {
      asked.push(url, { ...init, signal: init.signal instanceof AbortSignal })
      return reply()
    }
    const clock = createFakeClock()
    expect(await fetchSignerDomain('_@Signer.example', { fetch, clock })).toMatchObject({ pubkey })
    expect(asked).toEqual([
      'https://signer.example/.well-known/nostr.json?name=_',
      {
        redirect: 'error',
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
        headers: { accept: 'application/json' },
        signal: true,
      },
    ])
    expect(clock.pending).toBe(0)
  })

  test.each<[string, string, Fetch]>([
    ['a failing fetch', 'domain/unreachable', () => Promise.reject(new TypeError('fetch failed: secret'))],
    [
      'a fetch that throws',
      'domain/unreachable',
      () => {
        throw new Error('secret')
      },
    ],
    ['a redirect', 'domain/unreachable', async () => reply({ redirected: true })],
    ['an error page', 'domain/answer', async () => reply({ status: 404 })],
    ['another answer', 'domain/answer', async () => reply({ text: () => Promise.resolve('<html>') })],
    [
      'a text that fails',
      'domain/unreachable',
      async () => reply({ text: () => Promise.reject(new Error('secret')) }),
    ],
    [
      'a long text',
      'domain/too-large',
      async () => reply({ text: () => Promise.resolve('x'.repeat(DOMAIN_BYTES + 1)) }),
    ],
  ])('%s is %s', async (_, code, fetch) => {
    const error: unknown = await fetchSignerDomain('signer.example', { fetch }).catch(
      (reason: unknown) => reason,
    )
    expect(error).toBeInstanceOf(DiscoveryError)
    expect(error).toMatchObject({ code })
    expect(String(error)).not.toContain('secret')
  })

  test('a body is read up to the limit, and left one byte later', async () => {
    const padded = (size: number): Uint8Array => {
      const text = nostrJson()
      return new TextEncoder().encode(text + ' '.repeat(size - text.length))
    }
    const streaming = (size: number, state: { cancelled: boolean }): Fetch => {
      const bytes = padded(size)
      let at = 0
      return async () =>
        reply({
          body: {
            getReader: () => ({
              async read() {
                if (at >= bytes.length) return { done: true }
                at += 10_000
                return { done: false, value: bytes.subarray(at - 10_000, at) }
              },
              async cancel() {
                state.cancelled = true
              },
            }),
          },
        })
    }
    const state = { cancelled: false }
    expect(
      await fetchSignerDomain('signer.example', { fetch: streaming(DOMAIN_BYTES, state) }),
    ).toMatchObject({ pubkey })
    expect(state.cancelled).toBe(false)
    const fetch = streaming(DOMAIN_BYTES + 1, state)
    await expect(fetchSignerDomain('signer.example', { fetch })).rejects.toMatchObject({
      code: 'domain/too-large',
    })
    expect(state.cancelled).toBe(true)
  })

  test('ends in time, though the fetch heeds nothing', async () => {
    const clock = createFakeClock()
    let signal: AbortSignal | undefined
    const fetch: Fetch = (_, init) => {
      signal = init.signal
      return new Promise(() => undefined)
    }
    const reading = fetchSignerDomain('signer.example', { fetch, clock }).catch((reason: unknown) => reason)
    await clock.run(DOMAIN_MS - 1)
    expect(signal?.aborted).toBe(false)
    await clock.run(1)
    expect(await reading).toMatchObject({ code: 'domain/timeout' })
    expect(signal?.aborted).toBe(true)
    expect(clock.pending).toBe(0)
  })

  test('can be cancelled, before and during', async () => {
    const fetch: Fetch = () => new Promise(() => undefined)
    const before = fetchSignerDomain('signer.example', { fetch, signal: AbortSignal.abort() })
    await expect(before).rejects.toMatchObject({ code: 'cancelled' })
    const controller = new AbortController()
    const during = fetchSignerDomain('signer.example', { fetch, signal: controller.signal })
    controller.abort()
    await expect(during).rejects.toMatchObject({ code: 'cancelled' })
  })

  test('never asks a private address', async () => {
    const fetch: Fetch = () => Promise.reject(new Error('asked'))
    for (const domain of ['localhost', '127.0.0.1', '169.254.169.254', '[::1]', 'printer'])
      await expect(fetchSignerDomain(domain, { fetch })).rejects.toMatchObject({ code: 'domain/name' })
  })
})

describe('an announcement', () => {
  test('is read, and made fit to be shown', () => {
    const content = {
      name: ' Good\u202e\n Signer\u0000 ',
      about: 'x'.repeat(2 * ABOUT_CHARS),
      picture: 'https://cdn.example/logo.png',
      website: 'https://signer.example/',
      nip05: '_@signer.example',
      other: 1,
    }
    const tags = [['relay', ONE], ['relay', 'ws://plain.example'], ['relay'], ['nostrconnect_url', TEMPLATE]]
    expect(parseAnnouncement(announce(key, { content, tags }), crypto)).toEqual({
      pubkey,
      createdAt: 1_000,
      name: 'Good Signer',
      about: 'x'.repeat(ABOUT_CHARS),
      picture: 'https://cdn.example/logo.png',
      website: 'https://signer.example',
      domain: 'signer.example',
      relays: [ONE],
      connectTemplate: TEMPLATE,
    })
  })

  test.each([
    ['http://cdn.example/logo.png'],
    ['javascript:alert(1)'],
    ['data:image/svg+xml,<svg onload=alert(1)>'],
    ['https://192.168.1.1/logo.png'],
    ['http://localhost/logo.png'],
    ['https://user@cdn.example/logo.png'],
    ['//cdn.example/logo.png'],
    [7],
  ])('with the picture %j has none', (picture) => {
    const read = parseAnnouncement(announce(key, { content: { picture } }), crypto)
    expect(read).toEqual({ pubkey, createdAt: 1_000, relays: [] })
  })

  test('with nothing that can be read is just a key', () => {
    for (const content of ['', 'x', '[]', 'null', '{"name":7,"nip05":{}}'])
      expect(parseAnnouncement(announce(key, { content }), crypto)).toEqual({
        pubkey,
        createdAt: 1_000,
        relays: [],
      })
  })

  test.each<[string, () => unknown]>([
    ['another kind', () => announce(key, { kind: 31_989 })],
    ['another k', () => signed(key, { kind: 31_990, created_at: 1, tags: [['k', '1']], content: '{}' })],
    ['a changed text', () => ({ ...announce(key), content: '{}' })],
    ['a foreign signature', () => ({ ...announce(key), sig: announce(newKey())['sig'] })],
    ['a foreign author', () => ({ ...announce(key), pubkey: newKey().pubkey })],
    ['an endless text', () => announce(key, { content: ' '.repeat(ANNOUNCEMENT_CHARS + 1) })],
    ['no event', () => 7],
    ['null', () => null],
    [
      'a getter that throws',
      () => ({
        get id() {
          throw new Error('from a getter')
        },
      }),
    ],
  ])('with %s is none', (_, event) => {
    expect(parseAnnouncement(event(), crypto)).toBe(undefined)
  })
})

/** Relays that send these events, and domains that answer these texts. */
interface Scene {
  readonly clock: FakeClock
  readonly options: DiscoveryOptions
  readonly asked: string[]
  readonly open: () => number
}

function scene(
  events: readonly (readonly [relay: RelayUrl, event: unknown])[],
  domains: Readonly<Record<string, string>>,
  changes: Partial<DiscoveryOptions> & { readonly silent?: readonly RelayUrl[] } = {},
): Scene {
  const clock = createFakeClock()
  const asked: string[] = []
  const open = new Set<SubscribeRequest>()
  const { silent = [], ...rest } = changes
  const transport: Pick<Transport, 'subscribe'> = {
    subscribe(request) {
      open.add(request)
      queueMicrotask(() => {
        for (const [relay, event] of events) if (request.relays.includes(relay)) request.onEvent(event, relay)
        for (const relay of request.relays) if (!silent.includes(relay)) request.onLive?.(relay)
      })
      return { close: () => void open.delete(request) }
    },
  }
  const fetch: Fetch = async (url) => {
    const { hostname } = new URL(url)
    asked.push(hostname)
    const text = domains[hostname]
    if (text === 'silent') return new Promise(() => undefined)
    if (text === undefined) throw new TypeError('fetch failed')
    return { status: 200, text: () => Promise.resolve(text) }
  }
  return {
    clock,
    asked,
    open: () => open.size,
    options: { crypto, transport, fetch, clock, relays: [ONE, TWO], ...rest },
  }
}

const own = (by: KeyHandle, nip46: object = {}): string => JSON.stringify({ names: { _: by.pubkey }, nip46 })

describe('the list', () => {
  test('holds what a domain confirms, once, the best known first', async () => {
    const [a, b, c] = [newKey(), newKey(), newKey()]
    const said = (name: string, domain: string, more: object = {}): AnnouncementParts => ({
      content: { name, nip05: `_@${domain}`, ...more },
    })
    const older = announce(b, { ...said('B of old', 'b.example'), createdAt: 10 })
    const newer = announce(b, {
      ...said('B', 'b.example', { picture: 'https://b.example/b.png' }),
      createdAt: 20,
    })
    const liar = announce(newKey(), said('B', 'b.example'))
    const stale = announce(c, {
      ...said('C', 'c.example'),
      tags: [['nostrconnect_url', 'https://c.example/<nostrconnect>']],
    })
    const { options, open, clock } = scene(
      [
        [ONE, newer],
        [TWO, newer],
        [TWO, older],
        [ONE, liar],
        [TWO, liar],
        [ONE, stale],
        [ONE, announce(a, said('A', 'a.example'))],
        [ONE, announce(newKey(), said('D', 'down.example'))],
        [ONE, announce(newKey(), { content: 'no domain' })],
      ],
      {
        'a.example': own(a),
        'b.example': own(b, { relays: [TWO], nostrconnect_url: 'https://b.example/?c=<nostrconnect>' }),
        'c.example': own(c),
      },
    )
    expect(await discoverSigners(options)).toEqual([
      {
        pubkey: b.pubkey,
        name: 'B',
        domain: 'b.example',
        picture: 'https://b.example/b.png',
        relays: [TWO],
        connectTemplate: 'https://b.example/?c=<nostrconnect>',
      },
      {
        pubkey: c.pubkey,
        name: 'C',
        domain: 'c.example',
        relays: [],
        connectTemplate: 'https://c.example/<nostrconnect>',
      },
      { pubkey: a.pubkey, name: 'A', domain: 'a.example', relays: [] },
    ])
    expect(open()).toBe(0)
    expect(clock.pending).toBe(0)
  })

  test('begins with what the app knows, announced or not', async () => {
    const [a, b] = [newKey(), newKey()]
    const { options } = scene(
      [
        [ONE, announce(a, { content: { name: 'A', nip05: '_@a.example' } })],
        [ONE, announce(newKey(), { content: { name: 'Fake', nip05: '_@known.example' } })],
      ],
      { 'a.example': own(a), 'known.example': own(b, { relays: [ONE] }) },
      { domains: ['known.example', 'gone.example'] },
    )
    expect(await discoverSigners(options)).toEqual([
      { pubkey: b.pubkey, name: 'known.example', domain: 'known.example', relays: [ONE] },
      { pubkey: a.pubkey, name: 'A', domain: 'a.example', relays: [] },
    ])
    expect((await discoverSigners({ ...options, relays: [] })).map(({ domain }) => domain)).toEqual([
      'known.example',
    ])
  })

  test('holds unconfirmed ones only if asked, last, and without the domain that they claim', async () => {
    const [a, b] = [newKey(), newKey()]
    const { options } = scene(
      [
        [ONE, announce(a, { content: { name: 'A', nip05: '_@a.example' } })],
        [TWO, announce(b, { content: { nip05: '_@a.example' } })],
        [ONE, announce(b, { content: { nip05: '_@a.example' } })],
      ],
      { 'a.example': own(a) },
    )
    expect(await discoverSigners(options)).toHaveLength(1)
    expect(await discoverSigners({ ...options, includeUnverified: true })).toEqual([
      { pubkey: a.pubkey, name: 'A', domain: 'a.example', relays: [] },
      { pubkey: b.pubkey, name: expect.stringMatching(/^npub1\w{7}…$/), relays: [] },
    ])
  })

  test('of a user of a domain is not the list of that domain', async () => {
    const mallory = newKey()
    const text = JSON.stringify({ names: { _: pubkey, mallory: mallory.pubkey } })
    const { options } = scene([[ONE, announce(mallory, { content: { nip05: 'mallory@big.example' } })]], {
      'big.example': text,
    })
    expect(await discoverSigners(options)).toEqual([])
  })

  test('is not held up by a silent relay or domain', async () => {
    const a = newKey()
    const { options, clock, open } = scene(
      [[ONE, announce(a, { content: { name: 'A', nip05: '_@a.example' } })]],
      { 'a.example': own(a), 'silent.example': 'silent' },
      { silent: [TWO], domains: ['silent.example'] },
    )
    let found: unknown
    void discoverSigners(options).then((signers) => {
      found = signers
    })
    await clock.run(DISCOVERY_RELAY_MS)
    expect(open()).toBe(0)
    await clock.run(DOMAIN_MS)
    expect(found).toMatchObject([{ name: 'A' }])
    expect(clock.pending).toBe(0)
  })

  test('reads so many announcements of a relay and no more, and leaves the others their share', async () => {
    const a = newKey()
    const junk = Array.from({ length: ANNOUNCEMENTS_PER_RELAY }, (_, n) => [ONE, { id: `${n}` }] as const)
    const late = announce(a, { content: { name: 'A', nip05: '_@a.example' } })
    const domains = { 'a.example': own(a) }
    expect(await discoverSigners(scene([...junk, [ONE, late]], domains).options)).toEqual([])
    expect(await discoverSigners(scene([...junk.slice(1), [ONE, late]], domains).options)).toHaveLength(1)
    expect(await discoverSigners(scene([...junk, [ONE, late], [TWO, late]], domains).options)).toHaveLength(1)
  })

  test('asks so many domains and no more, a few at a time, and not for ever', async () => {
    const many = Array.from({ length: DISCOVERY_DOMAINS + 5 }, (_, n) => `d${n}.example`)
    const announced = many.map((domain) => [ONE, announce(newKey(), { content: { nip05: domain } })] as const)
    const quick = scene(announced, {})
    expect(await discoverSigners(quick.options)).toEqual([])
    expect(new Set(quick.asked).size).toBe(DISCOVERY_DOMAINS)
    expect(quick.asked).toHaveLength(DISCOVERY_DOMAINS)

    const slow = scene(announced, Object.fromEntries(many.map((domain) => [domain, 'silent'])))
    let done = false
    void discoverSigners(slow.options).then(() => {
      done = true
    })
    await slow.clock.run(0)
    expect(slow.asked).toHaveLength(DISCOVERY_FETCHES)
    await slow.clock.run(DISCOVERY_DOMAINS_MS)
    expect(done).toBe(true)
    expect(slow.asked.length).toBeLessThan(DISCOVERY_DOMAINS)
    expect(slow.clock.pending).toBe(0)
  })

  test('is as long as asked for', async () => {
    const keys = Array.from({ length: FOUND_SIGNERS + 1 }, () => newKey())
    const events = keys.map(
      (by, n) => [ONE, announce(by, { content: { name: `S${n}`, nip05: `s${n}.example` } })] as const,
    )
    const { options } = scene(events, Object.fromEntries(keys.map((by, n) => [`s${n}.example`, own(by)])))
    expect(await discoverSigners(options)).toHaveLength(FOUND_SIGNERS)
    expect(await discoverSigners({ ...options, max: 2 })).toHaveLength(2)
  })

  test('can be called off at every stage', async () => {
    const controller = new AbortController()
    const options = { signal: controller.signal }
    const relays = scene([], {}, { ...options, silent: [ONE] })
    const domains = scene([], { 'silent.example': 'silent' }, { ...options, domains: ['silent.example'] })
    const searches = [relays, domains].map(({ options }) =>
      discoverSigners(options).catch((error: unknown) => error),
    )
    await domains.clock.run(0)
    controller.abort()
    for (const outcome of await Promise.all(searches)) expect(outcome).toMatchObject({ code: 'cancelled' })
    await expect(discoverSigners(relays.options)).rejects.toMatchObject({ code: 'cancelled' })
    expect([relays.open(), domains.open(), relays.clock.pending, domains.clock.pending]).toEqual([0, 0, 0, 0])
  })

  test.each<[string, Partial<DiscoveryOptions>]>([
    ['a relay that is none', { relays: ['https://relay.example'] }],
    [
      'too many relays',
      { relays: Array.from({ length: DISCOVERY_RELAYS + 1 }, (_, n) => `wss://r${n}.example`) },
    ],
    ['a domain that is none', { domains: ['localhost'] }],
    [
      'too many domains',
      { domains: Array.from({ length: DISCOVERY_DOMAINS + 1 }, (_, n) => `d${n}.example`) },
    ],
    ['no entries', { max: 0 }],
    ['too many entries', { max: FOUND_SIGNERS + 1 }],
  ])('needs other options than %s', async (_, changes) => {
    await expect(discoverSigners(scene([], {}, changes).options)).rejects.toMatchObject({
      name: 'UsageError',
    })
  })
})
