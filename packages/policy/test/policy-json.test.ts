import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatGrants, limits, parseGrants, parsePolicy, parseRule, type Rule } from '../src/index.ts'
import { asRules, FRIEND, rawRules } from './arbitrary.ts'
import { hasShared, pickRows } from './shared.ts'

function problem(value: unknown): string | undefined {
  const parsed = parsePolicy(value)
  return parsed.ok ? undefined : parsed.error.code
}

function grants(text: string): readonly Rule[] {
  const parsed = parseGrants(text)
  if (!parsed.ok) throw new Error(`${parsed.error.path}: ${parsed.error.message}`)
  return parsed.value
}

describe('A policy as JSON', () => {
  it('has one canonical form, and reading it again changes nothing', () => {
    fc.assert(
      fc.property(
        rawRules,
        fc.constantFrom(undefined, 'paranoid', 'standard', 'bot', 'full'),
        (rules, preset) => {
          const first = parsePolicy({ rules, ...(preset !== undefined && { preset }) })
          if (!first.ok) throw new Error(first.error.message)
          const text = JSON.stringify(first.value)
          const again = parsePolicy(JSON.parse(text))
          expect(again.ok && JSON.stringify(again.value)).toBe(text)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('is the same whatever the order and repetition in which it was written', () => {
    const one = parsePolicy({
      rules: [{ method: 'sign_event', kinds: [7, 1, 1, [20, 22], [21, 30]], effect: 'allow' }],
    })
    const two = parsePolicy({ v: 1, rules: [{ kinds: [[20, 30], 1, 7], method: 'sign_event' }] })
    expect(one.ok && two.ok && JSON.stringify(one.value) === JSON.stringify(two.value)).toBe(true)
  })

  it.each([
    ['policy/unknown-field', { rules: [{ method: 'sign_event', kinds: [1], max_uses: 3 }] }],
    ['policy/unknown-field', { rules: [], extra: true }],
    ['policy/unknown-field', { rules: [{ method: 'sign_event', max: { count: 1, seconds: 1, per: 1 } }] }],
    ['policy/version', { v: 2, rules: [] }],
    ['policy/effect', { rules: [{ method: 'sign_event', effect: 'permit' }] }],
    ['policy/category', { rules: [{ category: 'everything' }] }],
    ['policy/category', { rules: [{ category: 'social', method: 'sign_event' }] }],
    ['policy/peer', { rules: [{ category: 'social', peers: ['self'] }] }],
    ['policy/kind', { rules: [{ method: 'sign_event', kinds: [] }] }],
    ['policy/kind', { rules: [{ method: 'sign_event', kinds: [65_536] }] }],
    ['policy/kind', { rules: [{ method: 'sign_event', kinds: [[5, 1]] }] }],
    ['policy/kind', { rules: [{ method: 'nip44_decrypt', kinds: [1] }] }],
    ['policy/peer', { rules: [{ method: 'nip44_decrypt', peers: ['npub1x'] }] }],
    ['policy/peer', { rules: [{ method: 'sign_event', peers: ['self'] }] }],
    ['policy/caveat', { rules: [{ method: 'nip44_decrypt', urls: ['https://a.b/*'] }] }],
    ['policy/caveat', { rules: [{ method: 'sign_event', each: { count: 1, seconds: 1 } }] }],
    ['policy/caveat', { rules: [{ effect: 'deny', method: 'sign_event', maxUses: 1 }] }],
    ['policy/caveat', { rules: [{ method: 'sign_event', urls: ['http://plain.example/*'] }] }],
    ['policy/caveat', { rules: [{ method: 'sign_event', urls: ['https://user@a.b/'] }] }],
    ['policy/caveat', { rules: [{ method: 'sign_event', urls: ['https://*.a.b/'] }] }],
    ['policy/preset', { preset: 'constructor', rules: [] }],
    ['policy/shape', []],
    ['policy/shape', null],
    ['policy/shape', { rules: {} }],
  ])('that is wrong is refused as %s: %j', (code, value) => {
    expect(problem(value)).toBe(code)
  })

  it('never throws, whatever it is made of', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withObjectString: true }), (value) => {
        expect(typeof parsePolicy(value).ok).toBe('boolean')
        expect(typeof parsePolicy({ rules: [value] }).ok).toBe('boolean')
        expect(typeof parseRule(value, 'x').ok).toBe('boolean')
      }),
      { numRuns: 1_000 },
    )
  })

  const rule = (kind: number): unknown => ({ method: 'sign_event', kinds: [kind] })
  const many = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => 2 * i + 100)
  it.each<[string, number, (count: number) => unknown]>([
    ['rules', limits.RULES, (count) => ({ rules: many(count).map(rule) })],
    [
      'ceilings',
      limits.CEILINGS,
      (count) => ({
        ceilings: many(count).map((kind) => ({ effect: 'ask', method: 'sign_event', kinds: [kind] })),
      }),
    ],
    ['terms', limits.TERMS, (count) => ({ rules: [{ method: 'sign_event', kinds: many(count) }] })],
    [
      'values',
      limits.VALUES,
      (count) => ({ rules: [{ method: 'sign_event', content: { is: many(count).map(String) } }] }),
    ],
    [
      'characters of a value',
      limits.VALUE_CHARS,
      (count) => ({ rules: [{ method: 'sign_event', content: { is: ['x'.repeat(count)] } }] }),
    ],
    [
      'tag caveats',
      limits.TAG_CAVEATS,
      (count) => ({
        rules: [{ method: 'sign_event', tags: many(count).map((n) => ({ name: `t${n}`, max: 1 })) }],
      }),
    ],
    ['characters of a name', limits.NAME_CHARS, (count) => ({ name: 'x'.repeat(count) })],
    ['uses', limits.COUNT_MAX, (count) => ({ rules: [{ method: 'sign_event', maxUses: count }] })],
    [
      'millisatoshis',
      limits.MSAT_MAX,
      (count) => ({ rules: [{ method: 'sign_event', amount: { msat: count } }] }),
    ],
    ['seconds', limits.SECONDS_MAX, (count) => ({ rules: [{ method: 'sign_event', for: count }] })],
    ['the end of time', limits.TIME_MAX, (count) => ({ rules: [], expiresAt: count })],
    [
      'minutes from UTC',
      limits.OFFSET_MAX,
      (count) => ({ rules: [{ method: 'sign_event', days: [1], offset: count }] }),
    ],
    [
      'peers of a breadth',
      limits.BREADTH_MAX,
      (count) => ({ rules: [{ method: 'nip44_decrypt', breadth: { count, seconds: 1 } }] }),
    ],
    [
      'rules that count peer by peer',
      limits.PEER_COUNTING_RULES,
      (count) => ({
        rules: many(count).map((n) => ({
          method: 'nip44_decrypt',
          length: n,
          each: { count: 1, seconds: 1 },
        })),
      }),
    ],
  ])('has a limit of %s: %i and not one more', (_, limit, make) => {
    expect(problem(make(limit))).toBeUndefined()
    expect(problem(make(limit + 1))).toMatch(/^policy\/(?:limit|expiry)$/)
  })

  const here = hasShared('the corpus of policies')
  const rows = here ? pickRows('I01', 'I07', 'I08', 'I09', 'I11', 'I14', 'I15') : []
  it.skipIf(!here).each(rows)('corpus $id: $name', ({ text, expect: { throw: code } }) => {
    expect(problem(JSON.parse(text))).toBe(code)
  })
})

describe('Grants as text', () => {
  it('read like the perms of NIP-46', () => {
    expect(grants('sign_event:1, nip44_decrypt,,sign_event:1')).toEqual([
      { effect: 'allow', method: 'sign_event', kinds: [1] },
      { effect: 'allow', method: 'nip44_decrypt' },
    ])
  })

  it('say the examples of the documentation', () => {
    const examples = [
      'sign_event:1|6|7|16|1111[rate=10/1m,burst=20]',
      'sign_event:22242[relay=list:relays]',
      'sign_event:27235[for=5m;skew<=1m;url=https://api.myapp.com/*;http=GET]',
      'sign_event:3[shrink<=5%],ask:sign_event:3',
      '@dm.read:follows[max=500/1d;peers<=30/1d;notify]',
      'sign_event:5[tag.a<=1;tag.e<=1],ask:sign_event:5',
      '@social[until=2026-12-31T00:00Z],deny:@money',
      'sign_event:30023[for=10m;max=1]',
      'nip44_encrypt:self|list:team[hours=09:00-17:30@+02:00;days=mon,fri@+02:00]',
      'sign_event:9734[amount<=21000/1d]',
    ]
    const spoken = examples.map((text) => formatGrants(grants(text)))
    expect(spoken.map((text) => formatGrants(grants(text)))).toEqual(spoken)
    expect(grants(examples[2] ?? '')).toEqual([
      {
        effect: 'allow',
        method: 'sign_event',
        kinds: [27_235],
        for: 300,
        skew: 60,
        urls: ['https://api.myapp.com/*'],
        http: ['GET'],
      },
    ])
    expect(spoken[4]).toBe(examples[4])
  })

  it('say every rule, and mean the same when read again', () => {
    fc.assert(
      fc.property(rawRules, (raw) => {
        const parsed = parsePolicy({ rules: asRules(raw, parseRule) })
        if (!parsed.ok) throw new Error(parsed.error.message)
        const { rules } = parsed.value
        expect(grants(formatGrants(rules))).toEqual(rules)
      }),
      { numRuns: 500 },
    )
  })

  it('never throw, whatever they are', () => {
    const piece = fc.constantFrom(
      ...[
        'sign_event',
        ':',
        '1',
        '-',
        '|',
        ',',
        '[',
        ']',
        ';',
        '=',
        '"',
        '\\',
        '<=',
        '@',
        'social',
        'url',
        'max',
        '/',
        'tag.',
        '%',
        '\u{202e}',
        'constructor',
        '__proto__',
      ],
    )
    const text = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(''))
    fc.assert(
      fc.property(fc.oneof(text, fc.string()), (value) => {
        expect(typeof parseGrants(value).ok).toBe('boolean')
      }),
      { numRuns: 2_000 },
    )
  })

  it.each([
    '*',
    'sign_event:*',
    'frob',
    'sign_event:1[',
    'sign_event:1]',
    'sign_event:1[url=https://a.b/*',
    'sign_event:1[nope=1]',
    'sign_event:1[max=0]',
    'sign_event:1[max=1;max=2]',
    'sign_event:1[hours=9-5]',
    'sign_event:1[hours=09:00-17:00@Europe/Berlin]',
    'nip44_decrypt:zz',
    'deny:sign_event:1[max=3]',
    'sign_event:1[until=tomorrow]',
    'sign_event:1[until=2026-02-31T00:00Z]',
    'allow:deny:sign_event',
    'sign_event:1[notify=1]',
    'sign_event:1[constructor=1]',
  ])('are refused when they are wrong: %s', (text) => {
    expect(parseGrants(text).ok).toBe(false)
  })

  it('have a limit of characters, and not one more', () => {
    expect(parseGrants(' '.repeat(limits.GRANTS_CHARS)).ok).toBe(true)
    expect(parseGrants(' '.repeat(limits.GRANTS_CHARS + 1))).toMatchObject({
      error: { code: 'policy/too-large' },
    })
  })

  it('name people by their npub too', () => {
    const npub = 'npub10xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqpkge6d'
    expect(grants(`nip44_decrypt:${npub}|${FRIEND}`)[0]?.peers).toHaveLength(2)
  })
})
