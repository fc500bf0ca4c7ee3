import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeNpub } from '../src/bech32.ts'
import { type BunkerPointer, encodeBunkerUri, parseBunkerUri } from '../src/bunker-uri.ts'
import { isForbiddenAddress } from '../src/host.ts'
import { PERMS_CHARS_OUT, SECRET_CHARS, URI_CHARS, URI_RELAYS, URI_RELAYS_OUT } from '../src/limits.ts'
import {
  encodeNostrConnectUri,
  type NostrConnectOffer,
  parseNostrConnectUri,
} from '../src/nostrconnect-uri.ts'
import { encodePermissions } from '../src/permission.ts'
import { parsePubkey } from '../src/pubkey.ts'
import { parseRelayUrl, relayHost } from '../src/relay-url.ts'
import { type Pubkey, type RelayUrl, type Result, UsageError } from '../src/value.ts'
import { mutations } from './mutation.ts'
import { corpusKeys, corpusRows, fillKeys, hasShared, readShared } from './shared.ts'

const KEY = must(parsePubkey('3b56624a96aa9ffae8801ae9c2e4a833f8f2b9d4e42e897ce4b73a619cf837aa'))
const USER = must(parsePubkey('672c50f10e9b3c2987edb63fbf4e91e0a399e6c2b3751293de6ef7a792b7f226'))
const SECRET = '5f2c9d0a7be1438692ac0e4d6b81f357'
const RELAY = relay('wss://r.example')
/** What nostr-tools 2.25 takes for a bunker URI. */
const NOSTR_TOOLS_BUNKER = /^bunker:\/\/([0-9a-f]{64})\??([?/\w:.=&%-]*)$/

function must<T>(result: Result<T, unknown>): T {
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.error)}`)
  return result.value
}

function relay(text: string): RelayUrl {
  return must(parseRelayUrl(text, { allowInsecure: true }))
}

function bunker(query: string, key: string = KEY): Result<BunkerPointer, string> {
  return parseBunkerUri(`bunker://${key}?${query}`)
}

function offer(query: string): Result<NostrConnectOffer, string> {
  return parseNostrConnectUri(`nostrconnect://${KEY}?relay=wss://r.example&secret=x&${query}`)
}

const inCorpus = hasShared('core: connection URIs of the corpus')

describe.skipIf(!inCorpus)('A bunker:// URI of the corpus (../shared)', () => {
  it.each(inCorpus ? corpusRows('A').map((row) => [row.id, row.name, row] as const) : [])(
    '%s: %s',
    (_, __, row) => {
      const result = parseBunkerUri(row.text)
      if (row.expect.throw !== undefined) {
        expect(result).toEqual({ ok: false, error: row.expect.throw })
        return
      }
      const { pubkey, relays, secret, dial } = fillKeys(row.expect.ok ?? {}, corpusKeys())
      const pointer = must(result)
      if (pubkey !== undefined) expect(pointer.remoteSigner).toBe(pubkey)
      if (relays !== undefined) expect(pointer.relays).toEqual(relays)
      if (secret !== undefined) expect(pointer.secret).toBe(secret)
      if (dial !== undefined)
        expect(pointer.relays.map((url) => isForbiddenAddress(relayHost(url)))).toEqual([true])
    },
  )
})

describe.skipIf(!inCorpus)('A nostrconnect:// URI of the corpus (../shared)', () => {
  it.each(inCorpus ? corpusRows('B').map((row) => [row.id, row.name, row] as const) : [])(
    '%s: %s',
    (_, __, row) => {
      const result = parseNostrConnectUri(row.text, {
        ownPubkeys: [must(parsePubkey(corpusKeys()['user']?.pk ?? ''))],
      })
      if (row.expect.throw !== undefined) {
        expect(result).toEqual({ ok: false, error: row.expect.throw })
        return
      }
      const { metadata, permissions, rejectedPerms, wildcard } = must(result)
      const seen: { [member: string]: unknown } = {
        perms: permissions.map((permission) => encodePermissions([permission])),
        rejectedPerms,
        wildcard,
        name: metadata.name ?? null,
        displayName: metadata.name ?? null,
        nameLength: metadata.name?.length,
        url: metadata.url ?? null,
        image: metadata.image ?? null,
      }
      for (const [member, value] of Object.entries(row.expect.ok ?? {})) {
        expect([member, seen[member]]).toEqual([member, value])
      }
    },
  )
})

describe('A bunker:// URI', () => {
  it.each([
    ['plain', `bunker://${KEY}?relay=wss://r.example`],
    ['escaped, with an empty secret', `bunker://${KEY}?relay=wss%3A%2F%2Fr.example&secret=`],
    ['with the key in capitals', `bunker://${KEY.toUpperCase()}?relay=wss://r.example/`],
    ['with an npub', `bunker://${encodeNpub(KEY)}?relay=wss://r.example`],
    ['with a slash after the key', `bunker://${KEY}/?relay=wss://r.example`],
    ['with its scheme in capitals', `BUNKER://${KEY}?relay=wss://r.example`],
    ['in white space', `\n bunker://${KEY}?relay=wss://r.example\t`],
    ['in angle brackets', `<bunker://${KEY}?relay=wss://r.example>`],
    ['in quotes', `"bunker://${KEY}?relay=wss://r.example"`],
    ['with a bad relay beside a good one', `bunker://${KEY}?relay=http://x&relay=wss://r.example`],
    ['with relays as a list', `bunker://${KEY}?relays=wss://r.example,,http://x`],
    ['with a fragment', `bunker://${KEY}?relay=wss://r.example#top`],
    ['with empty parts', `bunker://${KEY}?&relay=&relay=wss://r.example&&`],
  ])('is read %s', (_, text) => {
    expect(parseBunkerUri(text)).toEqual({
      ok: true,
      value: { remoteSigner: KEY, relays: [RELAY], secret: null, extras: [] },
    })
  })

  it('may name the user, as a hint', () => {
    expect(must(bunker(`relay=wss://r.example&pubkey=${USER}`)).userPubkey).toBe(USER)
    expect(must(bunker('relay=wss://r.example&pubkey=nonsense')).userPubkey).toBeUndefined()
  })

  it('keeps a plus sign in its secret', () => {
    expect(must(bunker('relay=wss://r.example&secret=a+b')).secret).toBe('a+b')
    expect(must(bunker('relay=wss://r.example&secret=a%2Bb%20c')).secret).toBe('a+b c')
  })

  it('keeps parameters that NIP-46 does not name', () => {
    const { extras } = must(bunker('accounts=multi&relay=wss://r.example&x=1&x=%32&__proto__=y&flag'))
    expect(extras).toEqual([
      ['accounts', 'multi'],
      ['x', '1'],
      ['x', '2'],
      ['__proto__', 'y'],
      ['flag', ''],
    ])
  })

  it('takes the relays of an nprofile after its own', () => {
    const nprofile =
      'nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69uhhytnc9e3k7mgpz4mhxue69uhkg6nzv9ejuumpv34kytnrdaksjlyr9p'
    expect(must(bunker('relay=wss://r.example&secret=s', nprofile))).toEqual({
      remoteSigner: '3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d',
      relays: ['wss://r.example/', 'wss://r.x.com/', 'wss://djbas.sadkb.com/'],
      secret: 's',
      extras: [],
    })
  })

  it('may be a token of 2023-11', () => {
    const npub = encodeNpub(KEY)
    for (const [text, secret] of [
      [`${npub}#s3cret?relay=wss://r.example`, 's3cret'],
      [`${npub}#?relay=wss%3A%2F%2Fr.example`, null],
      [`${npub}?relay=wss://r.example`, null],
    ] as const) {
      expect(must(parseBunkerUri(text))).toEqual({ remoteSigner: KEY, relays: [RELAY], secret, extras: [] })
    }
    expect(parseBunkerUri(npub)).toEqual({ ok: false, error: 'uri/scheme' })
    expect(parseBunkerUri(`${npub}#a?relay=wss://r.example&secret=b`)).toEqual({
      ok: false,
      error: 'uri/duplicate-param',
    })
  })

  it.each([
    ['bunker:/', 'uri/scheme'],
    [`nostrconnect://${KEY}?relay=wss://r.example`, 'uri/scheme'],
    ['https://example.com', 'uri/scheme'],
    ['<>', 'uri/empty'],
    [' \n ', 'uri/empty'],
    [`bunker://u@${KEY}?relay=wss://r.example`, 'uri/authority'],
    [`bunker://${KEY}//?relay=wss://r.example`, 'uri/authority'],
    [`bunker://${KEY}?relay=`, 'uri/no-relay'],
    [`bunker://${KEY}?relay=wss://`, 'uri/relay-invalid'],
    [`bunker://${KEY}?relay=wss://r.example&secret=%00`, 'uri/secret'],
    [`bunker://${KEY}?relay=wss://r.example&a=%c3%28`, 'uri/percent'],
    [`bunker://${KEY}?relay=wss://r.example&secret=\ud800`, 'uri/control-char'],
    [`bunker://${KEY}?relay=wss://r.example&secret=a\u0085b`, 'uri/control-char'],
  ])('is not %j: %s', (text, problem) => {
    expect(parseBunkerUri(text)).toEqual({ ok: false, error: problem })
  })

  it('takes ws:// relays only when told to', () => {
    const text = `bunker://${KEY}?relay=ws://relay.example.com`
    expect(must(parseBunkerUri(text, { allowInsecure: true })).relays).toEqual(['ws://relay.example.com/'])
    expect(must(bunker('relay=ws://127.0.0.1:7777')).relays).toEqual(['ws://127.0.0.1:7777/'])
  })

  it('ends at the limits of length, relays and secret', () => {
    const start = `bunker://${KEY}?relay=wss://r.example&x=`
    expect(parseBunkerUri(start.padEnd(URI_CHARS, 'x')).ok).toBe(true)
    expect(parseBunkerUri(start.padEnd(URI_CHARS + 1, 'x'))).toEqual({ ok: false, error: 'uri/too-long' })

    const relays = (count: number): string =>
      Array.from({ length: count }, (_, i) => `relay=wss://r${i}.example`).join('&')
    expect(must(bunker(relays(URI_RELAYS))).relays).toHaveLength(URI_RELAYS)
    expect(bunker(relays(URI_RELAYS + 1))).toEqual({ ok: false, error: 'uri/too-many-relays' })
    expect(must(bunker(`${relays(URI_RELAYS)}&relay=wss://r0.example/&relay=ftp://x`)).relays).toHaveLength(
      URI_RELAYS,
    )

    const secret = 's'.repeat(SECRET_CHARS)
    expect(must(bunker(`relay=wss://r.example&secret=${secret}`)).secret).toBe(secret)
    expect(bunker(`relay=wss://r.example&secret=${secret}s`)).toEqual({ ok: false, error: 'uri/secret' })
  })
})

describe('Writing a bunker:// URI', () => {
  const relays = [relay('wss://relay1.example'), relay('wss://relay2.example/')]

  it('gives the text of the specification', () => {
    expect(encodeBunkerUri({ remoteSigner: KEY, relays, secret: SECRET })).toBe(
      `bunker://${KEY}?relay=wss://relay1.example&relay=wss://relay2.example&secret=${SECRET}`,
    )
  })

  it('escapes relays that hold more than plain characters, and secrets', () => {
    const text = encodeBunkerUri({
      remoteSigner: KEY,
      relays: [relay('wss://r.example/p?a=1&b=2'), relay('ws://[::1]:7777')],
      secret: "~a+b!'()*/",
    })
    expect(text).toBe(
      `bunker://${KEY}?relay=wss%3A%2F%2Fr.example%2Fp%3Fa%3D1%26b%3D2&relay=ws%3A%2F%2F%5B%3A%3A1%5D%3A7777` +
        '&secret=%7Ea%2Bb%21%27%28%29%2A%2F',
    )
  })

  it('never names the user and leaves an empty secret out', () => {
    const pointer = {
      remoteSigner: KEY,
      relays: [RELAY],
      secret: '',
      userPubkey: USER,
      extras: [['a', 'b']] as const,
    }
    expect(encodeBunkerUri(pointer)).toBe(`bunker://${KEY}?relay=wss://r.example`)
  })

  it('carries a key as lower-case hex, however a host without types spells it, and nothing that hides behind one', () => {
    const written = (remoteSigner: string) =>
      encodeBunkerUri({ remoteSigner: remoteSigner as Pubkey, relays: [RELAY], secret: null })
    for (const spelled of [KEY.toUpperCase(), encodeNpub(KEY)])
      expect(written(spelled)).toMatch(new RegExp(`^bunker://${KEY}\\?relay=`))
    expect(() => written(`${KEY}?relay=wss://evil.example&x=`)).toThrow(UsageError)
  })

  it('gives what every reader takes, and what we read back', () => {
    fc.assert(
      fc.property(
        fc.array(anyRelay, { minLength: 1, maxLength: 10 }),
        fc.option(anySecret),
        (urls, secret) => {
          const pointer = { remoteSigner: KEY, relays: [...new Set(urls)], secret }
          const text = encodeBunkerUri(pointer)
          expect(text).toMatch(NOSTR_TOOLS_BUNKER)
          expect(parseBunkerUri(text, { allowInsecure: true })).toEqual({
            ok: true,
            value: { ...pointer, extras: [] },
          })
          const theirs = new URLSearchParams(NOSTR_TOOLS_BUNKER.exec(text)?.[2])
          expect(theirs.getAll('relay').map(relay)).toEqual(pointer.relays)
          expect(theirs.get('secret')).toBe(secret)
        },
      ),
      { seed: 46, numRuns: 500 },
    )
  })

  it.each([
    ['no relay', { relays: [] }],
    [
      'too many relays',
      { relays: Array.from({ length: URI_RELAYS_OUT + 1 }, (_, i) => relay(`wss://r${i}.example`)) },
    ],
    ['a relay that is none', { relays: ['https://r.example' as RelayUrl] }],
    ['a relay that is none beside one', { relays: [RELAY, 'https://r.example' as RelayUrl] }],
    [
      'more than a URI holds',
      { relays: Array.from({ length: 10 }, (_, i) => relay(`wss://r.example/${'x'.repeat(900)}${i}`)) },
    ],
    ['a key that is none', { remoteSigner: 'me' as Pubkey }],
    ['a secret with a line feed', { secret: 'a\nb' }],
    ['a secret that is too long', { secret: 's'.repeat(SECRET_CHARS + 1) }],
    ['a secret of broken Unicode', { secret: '\ud800' }],
  ])('throws on %s', (_, wrong) => {
    const pointer = { remoteSigner: KEY, relays, secret: SECRET }
    expect(() => encodeBunkerUri({ ...pointer, ...wrong })).toThrow(UsageError)
  })

  it('takes as many relays and as long a secret as the limits say', () => {
    const most = Array.from({ length: URI_RELAYS_OUT }, (_, i) => relay(`wss://r${i}.example`))
    const text = encodeBunkerUri({ remoteSigner: KEY, relays: most, secret: 's'.repeat(SECRET_CHARS) })
    expect(must(parseBunkerUri(text)).relays).toEqual(most)
  })
})

describe('A nostrconnect:// URI', () => {
  it.skipIf(!inCorpus)("is read from NIP-46's own example (../shared)", () => {
    const text = /^nostrconnect:\/\/83f3b2ae\S+$/m.exec(readShared('vectors/nips/46.md'))?.[0] ?? ''
    expect(must(parseNostrConnectUri(text))).toEqual({
      clientPubkey: '83f3b2ae6aa368e8275397b9c26cf550101d63ebaab900d19dd4a4429f5ad8f5',
      relays: ['wss://relay1.example.com/', 'wss://relay2.example2.com/'],
      secret: '0s8j2djs',
      permissions: [
        { method: 'nip44_encrypt' },
        { method: 'nip44_decrypt' },
        { method: 'sign_event', kind: 13 },
        { method: 'sign_event', kind: 14 },
        { method: 'sign_event', kind: 1059 },
      ],
      rejectedPerms: [],
      wildcard: false,
      metadata: { name: 'My Client' },
      extras: [],
    })
  })

  const legacy =
    'nostrconnect://b889ff5b1513b641e2a139f661a661364979c5beee91842f8f0ef42ab558e9d4?relay=wss%3A%2F%2Frelay.damus.io&metadata=%7B%22name%22%3A%22Example%22%7D'

  it('without a secret is read only when that is allowed', () => {
    expect(parseNostrConnectUri(legacy)).toEqual({ ok: false, error: 'uri/secret' })
    const { secret, metadata } = must(parseNostrConnectUri(legacy, { allowMissingSecret: true }))
    expect([secret, metadata]).toEqual([null, { name: 'Example' }])
  })

  it('may hold its metadata as JSON', () => {
    const json = {
      name: 'Old',
      url: 'https://old.example',
      description: 'long ago',
      icons: ['https://old.example/icon.png'],
      perms: 'sign_event:1,nip04_encrypt,frob',
    }
    const read = must(offer(`metadata=${encodeURIComponent(JSON.stringify(json))}`))
    expect(read.metadata).toEqual({
      name: 'Old',
      url: 'https://old.example',
      image: 'https://old.example/icon.png',
    })
    expect(read.permissions).toEqual([{ method: 'sign_event', kind: 1 }, { method: 'nip04_encrypt' }])
    expect(read.rejectedPerms).toEqual(['frob'])
  })

  it('prefers flat parameters to JSON, one by one', () => {
    const json = encodeURIComponent(
      JSON.stringify({ name: 'Old', url: 'https://old.example', icon: 'https://i.example/a' }),
    )
    const read = must(offer(`metadata=${json}&name=New&perms=ping&icon=https://i.example/b`))
    expect(read.metadata).toEqual({ name: 'New', url: 'https://old.example', image: 'https://i.example/b' })
    expect(read.permissions).toEqual([{ method: 'ping' }])
  })

  it('takes the first of repeated parameters', () => {
    expect(must(offer('name=A%26B&name=C')).metadata.name).toBe('A&B')
  })

  it('passes over metadata that is no JSON object', () => {
    for (const metadata of ['{', '[]', '7', 'null', '%22x%22']) {
      expect(must(offer(`metadata=${metadata}`)).metadata).toEqual({})
    }
  })

  it('reads a plus sign as a space in names, and nowhere else', () => {
    expect(must(offer('name=My+Client%2B')).metadata.name).toBe('My Client+')
    expect(must(offer('metadata=%7B%22name%22:%22My+Client%2B%22%7D')).metadata.name).toBe('My Client+')
    expect(must(offer('url=https://a.example/b+c')).metadata.url).toBe('https://a.example/b+c')
  })

  it('puts bad permissions aside', () => {
    const read = must(offer('perms=sign_event:1,,sign_event:x,nip44_encrypt'))
    expect(read.permissions).toEqual([{ method: 'sign_event', kind: 1 }, { method: 'nip44_encrypt' }])
    expect(read.rejectedPerms).toEqual(['sign_event:x'])
  })
})

describe('Writing a nostrconnect:// URI', () => {
  const client = {
    clientPubkey: KEY,
    relays: [relay('wss://relay1.example'), relay('wss://relay2.example')],
    secret: SECRET,
  }

  it('gives the text of the specification', () => {
    const text = encodeNostrConnectUri({
      ...client,
      perms: 'sign_event:1,nip44_encrypt,nip44_decrypt',
      metadata: {
        name: 'My Client',
        url: 'https://client.example',
        image: 'https://client.example/icon.png',
      },
    })
    expect(text).toBe(
      `nostrconnect://${KEY}?relay=wss%3A%2F%2Frelay1.example&relay=wss%3A%2F%2Frelay2.example&secret=${SECRET}` +
        '&perms=sign_event%3A1%2Cnip44_encrypt%2Cnip44_decrypt&name=My%20Client&url=https%3A%2F%2Fclient.example' +
        '&image=https%3A%2F%2Fclient.example%2Ficon.png' +
        '&metadata=%7B%22name%22%3A%22My%20Client%22%2C%22url%22%3A%22https%3A%2F%2Fclient.example%22%7D',
    )
  })

  it('has a name in its JSON metadata even if the client has none', () => {
    expect(encodeNostrConnectUri(client)).toMatch(/&metadata=%7B%22name%22%3A%22%22%7D$/)
  })

  it('holds no sign that splits a query decoded too early', () => {
    const text = encodeNostrConnectUri({
      ...client,
      metadata: {
        name: 'Q&A=#1 \u202eevil\u200b',
        url: 'https://a.example/x?session=1&y=2',
        image: 'https://a.example/i.png?size=2',
      },
    })
    expect(must(parseNostrConnectUri(text)).metadata).toEqual({
      name: 'Q A 1 evil',
      url: 'https://a.example',
    })
    const early = decodeURIComponent(text.slice(text.indexOf('?') + 1)).split('&')
    expect(early.map((pair) => pair.split('=').length)).toEqual(early.map(() => 2))
  })

  it('is what we read back', () => {
    const permission = fc.oneof(
      fc.constantFrom({ method: 'ping' }, { method: 'nip44_encrypt' }, { method: 'sign_event' }),
      fc.integer({ min: 0, max: 65_535 }).map((kind) => ({ method: 'sign_event', kind })),
    )
    const anyOffer = fc.record({
      relays: fc.uniqueArray(anyRelay, { minLength: 1, maxLength: 10 }),
      secret: anySecret,
      permissions: fc.uniqueArray(permission, { maxLength: 20, selector: (entry) => JSON.stringify(entry) }),
      name: fc.option(fc.stringMatching(/^[a-z+%!~'{}"?/]([A-Z ;]?[0-9é]){0,20}$/), { nil: undefined }),
      url: fc.constantFrom(
        undefined,
        'https://client.example',
        'http://localhost:3000/app',
        'https://a.example/%C3%A9',
      ),
    })
    fc.assert(
      fc.property(anyOffer, ({ name, url, ...rest }) => {
        const metadata = { ...(name !== undefined && { name }), ...(url !== undefined && { url }) }
        const perms = encodePermissions(rest.permissions)
        const text = encodeNostrConnectUri({ clientPubkey: KEY, ...rest, perms, metadata })
        expect(text.slice(`nostrconnect://${KEY}?`.length)).toMatch(/^[A-Za-z0-9._&=%-]+$/)
        expect(must(parseNostrConnectUri(text, { allowInsecure: true }))).toEqual({
          clientPubkey: KEY,
          ...rest,
          rejectedPerms: [],
          wildcard: rest.permissions.some((entry) => entry.method === 'sign_event' && !('kind' in entry)),
          metadata,
          extras: [],
        })
      }),
      { seed: 46, numRuns: 500 },
    )
  })

  it('needs a secret', () => {
    expect(() => encodeNostrConnectUri({ ...client, secret: '' })).toThrow(UsageError)
  })

  it('takes as many permissions as deployed remote signers read', () => {
    const kinds = (last: number): { method: string; kind: number }[] =>
      [...Array.from({ length: 31 }, (_, i) => (i === 0 ? last : 1000 + i)), 10_000].map((kind) => ({
        method: 'sign_event',
        kind,
      }))
    expect(encodePermissions(kinds(1000))).toHaveLength(PERMS_CHARS_OUT)
    expect(encodeNostrConnectUri({ ...client, perms: encodePermissions(kinds(1000)) })).toContain('perms=')
    expect(encodePermissions(kinds(20_000))).toHaveLength(PERMS_CHARS_OUT + 1)
    expect(() => encodeNostrConnectUri({ ...client, perms: encodePermissions(kinds(20_000)) })).toThrow(
      UsageError,
    )
  })
})

describe('A damaged URI', () => {
  it('is refused or read, 8,000 times, and never throws', () => {
    const texts = [
      `bunker://${KEY}?relay=wss://relay1.example&relay=wss%3A%2F%2Frelay2.example%2Fp%3Fa&secret=${SECRET}&pubkey=${USER}`,
      `${encodeNpub(KEY)}#s3cret?relay=wss://r.example`,
      encodeNostrConnectUri({
        clientPubkey: KEY,
        relays: [RELAY, relay('ws://[::1]:1')],
        secret: SECRET,
        perms: 'sign_event:1,ping',
        metadata: {
          name: 'My Client',
          url: 'https://client.example',
          image: 'https://client.example/icon.png',
        },
      }),
    ]
    const outcomes = new Map<string, number>()
    for (const text of mutations(texts, 8_000, 46)) {
      const pointer = parseBunkerUri(text)
      const client = parseNostrConnectUri(text, { allowMissingSecret: true })
      // What was read can be written, and means the same when read again.
      if (pointer.ok && pointer.value.relays.length <= URI_RELAYS_OUT) {
        const again = must(parseBunkerUri(encodeBunkerUri(pointer.value)))
        expect({ ...pointer.value, extras: [], userPubkey: undefined }).toEqual({
          ...again,
          userPubkey: undefined,
        })
      }
      const outcome = pointer.ok ? 'bunker' : client.ok ? 'client' : pointer.error
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
    for (const outcome of [
      'bunker',
      'client',
      'uri/pubkey',
      'uri/scheme',
      'uri/percent',
      'uri/control-char',
    ]) {
      expect([outcome, (outcomes.get(outcome) ?? 0) > 20]).toEqual([outcome, true])
    }
  })
})

const anySecret = fc.stringMatching(/^[!-~ é😀]{1,40}$/u).filter((text) => text.trim() !== '')
const anyRelay = fc
  .tuple(
    fc.constantFrom('wss://', 'ws://'),
    fc.constantFrom('a.example', 'relay.b.example', '[2001:db8::1]', '127.0.0.1', 'xn--bcher-kva.example'),
    fc.constantFrom('', ':7777', ':8443'),
    fc.constantFrom('', '/', '/path', '/path/', '/p-_.~/+@,;', '/?a=1&b=[2]', "/é'(*)!?é'"),
  )
  .map((parts) => relay(parts.join('')))
