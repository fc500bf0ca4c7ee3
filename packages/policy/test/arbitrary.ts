/** Random rules, policies and requests for property tests. Never evaluates one. */

import type { EventTemplate, Operation, Pubkey } from '@nip46/core'
import fc from 'fast-check'
import { CATEGORIES, type Rule } from '../src/index.ts'

/** Four real keys: the x coordinates of 1G, 2G, 3G and 4G. */
export const PEERS = [
  '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798',
  'c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5',
  'f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9',
  'e493dbf1c10d80f3581e4904930b1404cc6c13900ee0758474fa94abe8c4cd13',
] as unknown as readonly [Pubkey, Pubkey, Pubkey, Pubkey]
export const [USER, APP, FRIEND, STRANGER] = PEERS

const CONVERSATION = ['nip04_encrypt', 'nip04_decrypt', 'nip44_encrypt', 'nip44_decrypt'] as const
const seconds = fc.constantFrom(1, 7, 60, 3_600, 86_400)
const count = fc.integer({ min: 1, max: 4 })
const quota = fc.record({ count, seconds })
const word = fc.constantFrom(
  'a',
  'b',
  'hello',
  'a,b',
  'x;y',
  'with "quotes"',
  '[brackets]',
  'sp ace',
  '|',
  'ünï',
)
const words = fc.uniqueArray(word, { minLength: 1, maxLength: 3 })
const relay = fc.constantFrom('wss://relay.one/', 'wss://relay.two/path', 'list:relays')
const url = fc.constantFrom(
  'https://api.app/*',
  'https://api.app/in',
  'https://other.app:444/a/*',
  'list:origins',
)

const kindTerm = fc.oneof(
  fc.constantFrom(0, 1, 3, 5, 7, 1_984, 22_242, 27_235, 30_023),
  fc.tuple(fc.integer({ min: 0, max: 10 }), fc.integer({ min: 11, max: 30_100 })),
  fc.constantFrom(...CATEGORIES.map(({ name }) => `@${name}` as const)),
)
const peerTerm = fc.constantFrom(...PEERS, 'self', 'follows', 'list:friends')
const tags = fc.array(
  fc.oneof(
    fc.record({ name: fc.constantFrom('t', 'e', 'p'), is: words }),
    fc.record({ name: fc.constantFrom('t', 'e', 'p'), has: word }),
    fc.record({ name: fc.constantFrom('t', 'e', 'p'), max: fc.integer({ min: 0, max: 3 }) }),
  ),
  { minLength: 1, maxLength: 3 },
)

const anyCaveats = {
  until: fc.integer({ min: 1_767_225_000, max: 1_767_226_000 }),
  for: seconds,
  hours: fc.tuple(fc.integer({ min: 0, max: 719 }), fc.integer({ min: 720, max: 1_440 })),
  days: fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { minLength: 1 }),
  length: fc.integer({ min: 0, max: 30 }),
  via: fc.uniqueArray(relay, { minLength: 1, maxLength: 2 }),
}
const eventCaveats = {
  tags,
  content: fc.oneof(
    fc.record({ is: words }),
    fc.record({ has: words }),
    fc.record({ is: words, has: words }),
  ),
  links: fc.integer({ min: 0, max: 2 }),
  skew: fc.integer({ min: 0, max: 100 }),
  relays: fc.uniqueArray(relay, { minLength: 1, maxLength: 2 }),
  urls: fc.uniqueArray(url, { minLength: 1, maxLength: 2 }),
  http: fc.uniqueArray(fc.constantFrom('GET', 'POST', 'UPLOAD'), { minLength: 1 }),
}
const allowCaveats = {
  maxUses: count,
  max: quota,
  rate: fc.record({ count, seconds, burst: count }, { requiredKeys: ['count', 'seconds'] }),
  notify: fc.constant(true as const),
}
const allowEventCaveats = {
  shrink: fc.integer({ min: 0, max: 100 }),
  amount: fc.record({ msat: fc.integer({ min: 0, max: 50_000 }), seconds }, { requiredKeys: ['msat'] }),
}
const allowPeerCaveats = { each: quota, breadth: quota }

/** Raw JSON of one caveat that fits an `allow` of an event, of a conversation, or of both. */
export const eventCaveat = oneOf({ ...anyCaveats, ...eventCaveats, ...allowCaveats, ...allowEventCaveats })
export const peerCaveat = oneOf({ ...anyCaveats, ...allowCaveats, ...allowPeerCaveats })

/** Raw JSON of rules; `parseRule` takes each of them. */
const rawRule: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  rule({ effect: fc.constant('allow'), method: fc.constant('sign_event') }, [kinds()], {
    ...anyCaveats,
    ...eventCaveats,
    ...allowCaveats,
    ...allowEventCaveats,
  }),
  rule({ effect: fc.constant('allow'), method: fc.constantFrom(...CONVERSATION) }, [peers()], {
    ...anyCaveats,
    ...allowCaveats,
    ...allowPeerCaveats,
  }),
  rule({ effect: fc.constantFrom('ask', 'deny'), method: fc.constant('sign_event') }, [kinds()], {
    ...anyCaveats,
    ...eventCaveats,
  }),
  rule({ effect: fc.constantFrom('ask', 'deny'), method: fc.constantFrom(...CONVERSATION) }, [peers()], {
    ...anyCaveats,
  }),
  rule(
    {
      effect: fc.constant('allow'),
      category: fc.constantFrom(...CATEGORIES.map(({ name }) => name)),
    },
    [],
    { ...anyCaveats, ...allowCaveats },
  ),
  rule({ effect: fc.constant('allow'), category: fc.constantFrom('dm.read', 'dm.write') }, [peers()], {
    ...anyCaveats,
    ...allowCaveats,
    ...allowPeerCaveats,
  }),
)

export const rawRules = fc.array(rawRule, { maxLength: 5 })

export const template: fc.Arbitrary<EventTemplate> = fc.record({
  kind: fc.constantFrom(
    0,
    1,
    3,
    4,
    5,
    7,
    13,
    14,
    1_984,
    9_734,
    10_002,
    10_003,
    22_242,
    24_242,
    27_235,
    30_023,
    40_404,
  ),
  content: fc.constantFrom('', 'a', 'hello', 'see https://a.b and c.d', '{"name":"x","lud16":"y"}'),
  tags: fc.array(
    fc.constantFrom(
      ['t', 'a'],
      ['t', 'upload'],
      ['e', 'hello'],
      ['p', PEERS[2]],
      ['relay', 'wss://relay.one'],
      ['u', 'https://api.app/in'],
      ['method', 'get'],
      ['amount', '21000'],
      ['p'],
    ),
    { maxLength: 4 },
  ),
  created_at: fc.integer({ min: 1_767_225_500, max: 1_767_229_900 }),
})

export const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 3, arbitrary: template.map((made) => ({ method: 'sign_event' as const, template: made })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(...CONVERSATION), fc.constantFrom(...PEERS), fc.constantFrom('x', 'longer text'))
      .map(
        ([method, peer, text]): Operation =>
          method === 'nip04_decrypt' || method === 'nip44_decrypt'
            ? { method, peer, ciphertext: text }
            : { method, peer, plaintext: text },
      ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...PEERS).map((peer) => ({ method: 'nip44_get_key' as const, peer })),
  },
)

type Arbitraries = { readonly [field: string]: fc.Arbitrary<unknown> }

function kinds(): Arbitraries {
  return { kinds: fc.array(kindTerm, { minLength: 1, maxLength: 3 }) }
}

function peers(): Arbitraries {
  return { peers: fc.array(peerTerm, { minLength: 1, maxLength: 3 }) }
}

/** At most three caveats: a rule with many hardly ever holds. */
function rule(
  required: Arbitraries,
  optional: readonly Arbitraries[],
  caveats: Arbitraries,
): fc.Arbitrary<Record<string, unknown>> {
  const targets = fc.record(Object.assign({}, required, ...optional) as Arbitraries, {
    requiredKeys: Object.keys(required),
  })
  const some = fc.array(oneOf(caveats), { maxLength: 3 })
  return fc.tuple(targets, some).map(([target, list]) => Object.assign({}, target, ...list))
}

function oneOf(fields: Arbitraries): fc.Arbitrary<Record<string, unknown>> {
  return fc.oneof(...Object.entries(fields).map(([name, value]) => value.map((made) => ({ [name]: made }))))
}

export function asRules(
  raw: readonly unknown[],
  parse: (value: unknown, path: string) => { ok: boolean },
): readonly Rule[] {
  return raw.map((value, i) => {
    const parsed = parse(value, `rules[${i}]`) as
      | { ok: true; value: Rule }
      | { ok: false; error: { message: string } }
    if (!parsed.ok) throw new Error(parsed.error.message)
    return parsed.value
  })
}
