import { describe, expect, it } from 'vitest'
import {
  type OpenContext,
  type OpenProblem,
  open,
  openBatch,
  type SealRequest,
  seal,
  sealAuth,
  sealBatch,
  sniffScheme,
} from '../src/envelope.ts'
import { CARRIER_KIND, encodeEvent, parseSignedEvent, type SignedEvent, type Tag } from '../src/event.ts'
import { CARRIER_HORIZON_SECONDS, CARRIER_TAGS, EVENT_CHARS_IN, MESSAGE_BYTES_OUT } from '../src/limits.ts'
import { err, type Pubkey, type Scheme, UsageError } from '../src/value.ts'
import { CLIENT, FRIEND, ONE, SIGNER, START, STRANGER } from './cast.ts'
import { type Costs, countingRandom, type FakeCrypto, fakeCrypto } from './fake-crypto.ts'
import { dice } from './mutation.ts'

const NOW = START / 1_000
/** Characters of an event that a relay takes at the least (`maxEventSize` of the common one). */
const MAX_EVENT_SIZE = 65_536

interface Desk {
  readonly fake: FakeCrypto
  readonly context: OpenContext
  /** A carrier from the client to the remote signer, signed anew after each change. */
  carrier(change?: Partial<SignedEvent>, scheme?: Scheme): SignedEvent
}

/** The remote signer's side, which listens to the client. */
function desk(context: Partial<OpenContext> = {}): Desk {
  const fake = fakeCrypto()
  const { crypto } = fake
  const signer = fake.key('remote signer')
  const client = fake.key('client')
  const opening: OpenContext = {
    ...{ crypto, now: NOW, key: (pubkey: string) => (pubkey === SIGNER ? signer : undefined) },
    scheme: (from) => (from === CLIENT ? 'either' : undefined),
    ...context,
  }
  const made = {
    fake,
    context: opening,
    carrier(change: Partial<SignedEvent> = {}, scheme: Scheme = 'nip44') {
      const random = countingRandom()
      const sealed = seal(
        { text: '{"id":"1"}', to: SIGNER, key: client, scheme, createdAt: NOW },
        { crypto, random },
      )
      if (!sealed.ok) throw new Error(sealed.error)
      const event = { ...sealed.value, ...change }
      const id = change.id ?? crypto.eventId(event)
      const sig = change.sig ?? (event.pubkey === CLIENT ? client.sign(id, random(32)) : '0'.repeat(128))
      fake.spent()
      return { ...event, id, sig }
    },
  }
  return made
}

describe('Sealing a message', () => {
  it('makes an event with one p tag and nothing else that tells sessions apart', () => {
    const { carrier, fake } = desk()
    const event = carrier()
    expect(Object.keys(event).sort()).toEqual([
      'content',
      'created_at',
      'id',
      'kind',
      'pubkey',
      'sig',
      'tags',
    ])
    expect(event).toMatchObject({
      kind: CARRIER_KIND,
      pubkey: CLIENT,
      tags: [['p', SIGNER]],
      created_at: NOW,
    })
    expect(event.id).toBe(fake.crypto.eventId(event))
    expect(parseSignedEvent(JSON.parse(encodeEvent(event)))).toEqual({ ok: true, value: event })
  })

  it.each(['nip44', 'nip04'] as const)('is undone by opening, in %s', (scheme) => {
    const { carrier, context } = desk()
    const event = carrier({}, scheme)
    expect(open(event, context)).toEqual({
      ok: true,
      value: { from: CLIENT, to: SIGNER, eventId: event.id, createdAt: NOW, scheme, text: '{"id":"1"}' },
    })
    expect(sniffScheme(event.content)).toBe(scheme)
  })

  it(`fits ${MESSAGE_BYTES_OUT} bytes into an event of ${MAX_EVENT_SIZE} characters, in both schemes, and no byte more`, () => {
    const { fake } = desk()
    const key = fake.key('client')
    const sealing = { crypto: fake.crypto, random: countingRandom() }
    const of = (bytes: number, scheme: Scheme) =>
      seal({ text: 'x'.repeat(bytes), to: SIGNER, key, scheme, createdAt: NOW }, sealing)
    for (const scheme of ['nip44', 'nip04'] as const) {
      const sealed = of(MESSAGE_BYTES_OUT, scheme)
      expect(sealed.ok && encodeEvent(sealed.value).length).toBeLessThanOrEqual(MAX_EVENT_SIZE)
    }
    for (const scheme of ['nip44', 'nip04'] as const) {
      expect(of(MESSAGE_BYTES_OUT + 1, scheme)).toEqual(err('event/too-large'))
      expect(of(10_000_000, scheme)).toEqual(err('event/too-large'))
    }
  })

  it('says when the other key is none, and throws on a message that is none', () => {
    const { fake } = desk()
    const key = fake.key('client')
    const sealing = { crypto: fake.crypto, random: countingRandom() }
    const to = '0'.repeat(64) as Pubkey
    const request: SealRequest = { text: 'x', to, key, scheme: 'nip44', createdAt: NOW }
    expect(seal(request, sealing)).toEqual(err('bad-pubkey'))
    expect(() => seal({ ...request, to: SIGNER, text: '' }, sealing)).toThrow(UsageError)
  })

  it('answers a relay’s challenge with the transport key', () => {
    const { fake } = desk()
    const key = fake.key('client')
    const event = sealAuth(
      { relay: ONE, challenge: 'c', key, createdAt: NOW },
      { crypto: fake.crypto, random: countingRandom() },
    )
    expect(event).toMatchObject({
      ...{ kind: 22242, pubkey: CLIENT, content: '', created_at: NOW },
      tags: [
        ['relay', ONE],
        ['challenge', 'c'],
      ],
    })
    expect(fake.crypto.verify(event)).toBe(true)
  })
})

/** In the order of the checks: what is wrong, the code, and what it cost to find out. */
const CHECKS: readonly (readonly [string, (event: SignedEvent) => unknown, OpenProblem, Partial<Costs>])[] = [
  ['no event', () => 'junk', 'event/shape', {}],
  ['D04 a short signature', (event) => ({ ...event, sig: event.sig.slice(1) }), 'event/shape', {}],
  ['D11 another kind', (event) => ({ ...event, kind: CARRIER_KIND + 1 }), 'event/kind', {}],
  ['D30 no content', (event) => ({ ...event, content: '' }), 'payload/nip44', {}],
  ['D15 nobody it is for', (event) => ({ ...event, tags: [] }), 'event/not-addressed', {}],
  [
    'D16 somebody else it is for',
    (event) => ({ ...event, tags: [['p', FRIEND]] }),
    'event/not-addressed',
    {},
  ],
  ['D17 two it is for', (event) => ({ ...event, tags: [...event.tags, ['p', FRIEND]] }), 'event/multi-p', {}],
  ['D36 ourselves as author', (event) => ({ ...event, pubkey: SIGNER }), 'event/self', {}],
  ['H19 a stranger as author', (event) => ({ ...event, pubkey: STRANGER }), 'event/author', {}],
  [
    'an author from another day',
    (event) => ({ ...event, created_at: NOW - CARRIER_HORIZON_SECONDS - 1 }),
    ...(['event/expired', {}] as const),
  ],
  [
    'D37 an expiration that has passed',
    (event) => ({ ...event, tags: [...event.tags, ['expiration', `${NOW}`]] }),
    ...(['event/expired', {}] as const),
  ],
  ['D10 another content', (event) => ({ ...event, content: `${event.content}A` }), 'event/id', { hash: 1 }],
  ['D06 another id', (event) => ({ ...event, id: '0'.repeat(64) }), 'event/id', { hash: 1 }],
  [
    'D02 another signature',
    (event) => ({ ...event, sig: '0'.repeat(128) }),
    'event/sig',
    { hash: 1, verify: 1 },
  ],
]

describe('Opening a carrier', () => {
  it.each(CHECKS)('stops at %s, and spends no more than it must', (_, damage, code, cost) => {
    const { carrier, context, fake } = desk()
    const event = damage(carrier())
    expect(open(event, context)).toEqual(err(code))
    expect(fake.spent()).toEqual(cost)
  })

  it.each(CHECKS)('finds %s in a batch for the same price', (_, damage, code, cost) => {
    const { carrier, context, fake } = desk()
    const event = damage(carrier())
    expect(openBatch([event], context)).toEqual([err(code)])
    expect(fake.spent()).toEqual(cost)
  })

  it('stops at an event it has seen before it computes anything', () => {
    const { carrier, context, fake } = desk({ seen: () => true })
    expect(open(carrier(), context)).toEqual(err('event/seen'))
    expect(fake.spent()).toEqual({})
  })

  it('stops at a scheme that its author may not use before it computes anything', () => {
    const only = (scheme: Scheme) => desk({ scheme: () => scheme })
    const legacy = only('nip44')
    expect(open(legacy.carrier({}, 'nip04'), legacy.context)).toEqual(err('transport/nip04'))
    expect(legacy.fake.spent()).toEqual({})
    const modern = only('nip04')
    expect(open(modern.carrier(), modern.context)).toEqual(err('transport/nip44'))
    expect(modern.fake.spent()).toEqual({})
  })

  it('asks for leave just before the signature, the costly part', () => {
    const asked: string[] = []
    const refusing = desk({
      allow: (event) => {
        asked.push(event.id)
        return false
      },
    })
    const event = refusing.carrier()
    expect(open(event, refusing.context)).toEqual(err('event/budget'))
    expect(refusing.fake.spent()).toEqual({ hash: 1 })
    expect(open({ ...event, content: 'x' }, refusing.context)).toEqual(err('event/id'))
    expect(asked).toEqual([event.id])
  })

  it('never decrypts before the signature is good, and then once', () => {
    const { carrier, context, fake } = desk()
    const event = carrier()
    open({ ...event, sig: event.sig.replace(/^./, (digit) => (digit === '0' ? '1' : '0')) }, context)
    expect(fake.spent()).toEqual({ hash: 1, verify: 1 })
    open(event, context)
    expect(fake.spent()).toEqual({ hash: 1, verify: 1, ecdh: 1, decrypt: 1 })
    open(event, context)
    expect(fake.spent()).toEqual({ hash: 1, verify: 1, decrypt: 1 })
  })

  it('D18 and D40 takes the same p tag twice, other tags, and members it does not know', () => {
    const { carrier, context } = desk()
    const tags: readonly Tag[] = [['p', SIGNER], ['p', SIGNER], ['p'], ['t', 'x'], ['expiration', 'never']]
    const event = { ...carrier({ tags }), extra: 1, ['__proto__']: { polluted: true } }
    expect(open(event, context).ok).toBe(true)
  })

  it('bears a day of difference, and an expiration to come', () => {
    for (const created_at of [NOW - CARRIER_HORIZON_SECONDS, NOW + CARRIER_HORIZON_SECONDS]) {
      const { carrier, context } = desk()
      expect(open(carrier({ created_at }), context).ok).toBe(true)
    }
    const { carrier, context } = desk()
    const tags = [
      ['p', SIGNER],
      ['expiration', `${NOW + 1}`],
    ]
    expect(open(carrier({ tags }), context).ok).toBe(true)
  })

  it('takes what does not decrypt for the payload’s fault', () => {
    const { carrier, context } = desk()
    expect(open(carrier({ content: 'AAAA' }), context)).toEqual(err('nip44/base64'))
    expect(open(carrier({ content: `AAAA?iv=${'A'.repeat(22)}==` }), context)).toEqual(err('nip04/payload'))
  })

  it(`takes ${CARRIER_TAGS} tags and an event of ${EVENT_CHARS_IN} characters, and nothing over`, () => {
    const { carrier, context } = desk()
    const tags = (count: number) => [['p', SIGNER], ...Array.from({ length: count - 1 }, () => ['t', 'x'])]
    expect(open(carrier({ tags: tags(CARRIER_TAGS) }), context).ok).toBe(true)
    expect(open(carrier({ tags: tags(CARRIER_TAGS + 1) }), context)).toEqual(err('event/too-large'))
    const own = 1 + SIGNER.length
    expect(open(carrier({ content: 'A'.repeat(EVENT_CHARS_IN - own) }), context)).toEqual(err('nip44/base64'))
    expect(open(carrier({ content: 'A'.repeat(EVENT_CHARS_IN - own + 1) }), context)).toEqual(
      err('event/too-large'),
    )
  })
})

describe('Batches', () => {
  it('seal what single calls seal, in order, for any mix of keys, schemes and faults', () => {
    const roll = dice(46)
    const below = (limit: number) => Math.floor(roll() * limit)
    for (let round = 0; round < 200; round++) {
      const fake = fakeCrypto()
      const keys = ['client', 'remote signer', 'friend'].map((name) => fake.key(name))
      const requests = Array.from({ length: below(12) }, (): SealRequest => {
        const text =
          ['{"id":"1"}', 'é'.repeat(below(500) + 1), 'x'.repeat(50_000), 'x'.repeat(70_000)][below(4)] ?? 'x'
        const to = [SIGNER, CLIENT, '0'.repeat(64) as Pubkey][below(3)] ?? SIGNER
        const key = keys[below(3)] ?? fake.key('client')
        return { text, to, key, scheme: roll() < 0.5 ? 'nip44' : 'nip04', createdAt: NOW + below(9) }
      })
      // The same bytes for every nonce, so that the results must be the same to the letter.
      const random = (length: number) => new Uint8Array(length).fill(7)
      const single = requests.map((request) => seal(request, { crypto: fake.crypto, random }))
      expect(sealBatch(requests, { crypto: fake.crypto, random })).toEqual(single)
    }
  })

  it('seal with fresh bytes for each message', () => {
    const fake = fakeCrypto()
    const key = fake.key('client')
    const request: SealRequest = { text: 'x', to: SIGNER, key, scheme: 'nip44', createdAt: NOW }
    const lengths: number[] = []
    const random = (length: number) => {
      lengths.push(length)
      return new Uint8Array(length)
    }
    sealBatch([request, { ...request, scheme: 'nip04' }], { crypto: fake.crypto, random })
    expect(lengths).toEqual([32, 16, 64])
  })

  it('open what single calls open, in order, for any mix of good and damaged events', () => {
    const roll = dice(47)
    const below = (limit: number) => Math.floor(roll() * limit)
    for (let round = 0; round < 200; round++) {
      const { carrier, context } = desk({
        seen: (id) => id.startsWith('0'),
        allow: (event) => !event.id.startsWith('1'),
      })
      const events = Array.from({ length: below(16) }, () => {
        const event = carrier({ created_at: NOW + below(1_000) }, roll() < 0.5 ? 'nip44' : 'nip04')
        const damage = CHECKS[below(CHECKS.length * 2)]?.[1]
        return damage === undefined ? event : damage(event)
      })
      expect(openBatch(events, context)).toEqual(events.map((event) => open(event, context)))
    }
  })

  it('may be empty', () => {
    const { context, fake } = desk()
    expect(openBatch([], context)).toEqual([])
    expect(sealBatch([], { crypto: fake.crypto, random: countingRandom() })).toEqual([])
  })
})
