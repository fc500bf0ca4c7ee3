import type { JsonValue, JudgedRequest, Operation } from '@nip46/core'
import type { AuditRecord } from '@nip46/core/remote-signer'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createJudge,
  expireAt,
  forgetDecisions,
  limits,
  type Policy,
  type PresetName,
  parsePolicy,
  replacePolicy,
  resume,
  sessionPolicy,
  suspend,
  trim,
  viewSessionPolicy,
  wantsNotice,
} from '../src/index.ts'
import {
  APP,
  eventCaveat,
  FRIEND,
  operation,
  PEERS,
  peerCaveat,
  rawRules,
  STRANGER,
  USER,
} from './arbitrary.ts'
import { hasShared, pickRows } from './shared.ts'
import { ask, decrypt, event, NOW, NOW_SECONDS, policyOf, rulesOf, stateOf } from './world.ts'

const LISTS: { readonly [id: string]: readonly string[] } = {
  follows: [FRIEND],
  friends: [FRIEND],
  relays: ['wss://RELAY.one'],
  origins: ['https://api.app'],
}
const judge = createJudge({ list: (id) => LISTS[id] })

function effect(
  operationAsked: Operation,
  policy: JsonValue | null,
  more: Partial<JudgedRequest> = {},
): string {
  return judge.judge(ask(operationAsked, policy, more)).effect
}

/** Judges one after the other; what is allowed is counted. */
function run(policy: JsonValue, steps: readonly (readonly [Operation, number])[]): readonly string[] {
  let state: JsonValue | null = policy
  return steps.map(([asked, now]) => {
    const found = judge.judge(ask(asked, state, { now }))
    if (found.effect === 'allow') state = found.policy
    return found.effect === 'deny' ? found.error : found.effect
  })
}

function parse(value: unknown): Policy {
  const parsed = parsePolicy(value)
  if (!parsed.ok) throw new Error(parsed.error.message)
  return parsed.value
}

describe('The order', () => {
  it('lets ceilings and denials stand above every grant', () => {
    const capped = createJudge({ ceilings: [{ effect: 'ask', category: 'money' }] })
    expect(capped.judge(ask(event(9_041), stateOf('@money'))).effect).toBe('ask')
    expect(effect(event(1), stateOf('sign_event:1,deny:sign_event'))).toBe('deny')
    expect(effect(event(1), stateOf('sign_event:1,ask:sign_event'))).toBe('allow')
    expect(
      effect(event(1), stateOf('sign_event:1', { ceilings: [{ effect: 'deny', category: 'social' }] })),
    ).toBe('deny')
  })

  it('never lets a preset undo what a rule limits', () => {
    const state = stateOf('sign_event:1[max=1/1d]', { preset: 'standard' })
    expect(
      run(state, [
        [event(1), NOW],
        [event(1), NOW],
        [event(7), NOW],
      ]),
    ).toEqual(['allow', 'ask', 'allow'])
  })

  it('refuses where nobody can be asked, and says what is missing', () => {
    const alone = createJudge({ canAsk: () => false })
    expect(alone.judge(ask(event(1), stateOf('')))).toMatchObject({
      effect: 'deny',
      error: 'denied: sign_event:1: not granted',
    })
  })

  it('refuses without a policy, with one that cannot be read, when suspended and when expired', () => {
    const none = { effect: 'deny', error: 'denied: this app has no policy that can be read' }
    for (const bad of [
      null,
      'x',
      7,
      [],
      {},
      { v: 1 },
      { v: 1, policy: { rules: [{ method: '*' }] } },
      { rules: 1 },
    ])
      expect(judge.judge(ask(event(1), bad as JsonValue))).toMatchObject(none)
    const state = stateOf('sign_event:1')
    const suspended = suspend(state, NOW_SECONDS + 10)
    expect(effect(event(1), suspended)).toBe('deny')
    expect(effect(event(1), suspended, { now: NOW + 10_000 })).toBe('allow')
    expect(effect(event(1), suspend(state), { now: NOW * 2 })).toBe('deny')
    expect(effect(event(1), resume(suspend(state)))).toBe('allow')
    expect(viewSessionPolicy(suspended, NOW)).toMatchObject({
      value: { suspended: true, grants: ['sign_event:1'] },
    })
    expect(effect(event(1), expireAt(state, NOW_SECONDS))).toBe('deny')
    expect(effect(event(1), expireAt(state, NOW_SECONDS + 1))).toBe('allow')
  })
})

describe('What was granted in NIP-46’s own terms', () => {
  const granted = [
    { method: 'sign_event', kind: 1 },
    { method: 'sign_event', kind: 3 },
    { method: 'nip44_decrypt' },
  ]
  const granting = (asked: Operation, grants: string, more: Partial<Policy> = {}): string =>
    judge.judge(ask(asked, stateOf(grants, more), { granted })).effect

  it('allows where the policy says nothing', () => {
    expect(judge.judge(ask(event(1), stateOf(''), { granted }))).toMatchObject({
      effect: 'allow',
      rule: 'granted',
    })
    expect(granting(decrypt(), 'sign_event:1[max=3]')).toBe('allow')
    expect(granting(event(3), '')).toBe('allow')
    expect(granting(event(7), '')).toBe('ask')
    expect(granting(event(1), 'ask:sign_event:1[tag.t=x]')).toBe('allow')
  })

  it('does not lift a caveat of a rule, nor what a rule or a preset asks, denies or caps', () => {
    const used = [event(1), event(1), event(1), event(1)].map((asked) => [asked, NOW] as const)
    let state: JsonValue | null = stateOf('sign_event:1[max=3]')
    const effects = used.map(([asked, now]) => {
      const found = judge.judge(ask(asked, state, { granted, now }))
      if (found.effect === 'allow') state = found.policy
      return [found.effect, found.rule]
    })
    const rule = 'allow:sign_event:1[max=3]'
    expect(effects).toEqual([
      ['allow', rule],
      ['allow', rule],
      ['allow', rule],
      ['ask', 'default'],
    ])
    expect(granting(decrypt(), 'nip44_decrypt[len<=0]')).toBe('ask')
    expect(granting(decrypt(STRANGER), 'nip44_decrypt:follows')).toBe('ask')
    expect(granting(decrypt(STRANGER), '@dm.read:follows')).toBe('ask')
    expect(granting(event(1), 'ask:sign_event:1')).toBe('ask')
    expect(granting(event(1), 'deny:sign_event')).toBe('deny')
    expect(granting(event(1), '', { ceilings: [{ effect: 'ask', category: 'social' }] })).toBe('ask')
    expect(granting(event(3), 'sign_event:3[shrink<=5%]')).toBe('ask')
    expect(granting(event(1), '', { preset: 'paranoid' })).toBe('ask')
    expect(granting(event(1), '', { preset: 'bot' })).toBe('deny')
    expect(granting(event(3), '', { preset: 'standard' })).toBe('ask')
  })

  it('is read from the log when that is judged again', () => {
    const base = { at: NOW, signerPubkey: PEERS[3], userPubkey: USER, clientPubkey: APP }
    const opened = {
      ...base,
      type: 'session-opened',
      scheme: 'nip44',
      granted,
      requested: [],
      metadata: null,
    }
    const log = [opened as AuditRecord, recordOf(event(1), NOW, 'allow', 'granted', true)]
    expect(judge.replay(log, stateOf(''))).toMatchObject({ judged: 1, flipped: 0 })
    expect(judge.replay(log.slice(1), stateOf(''))).toMatchObject({ judged: 1, flipped: 1 })
    expect(judge.replay(log.slice(1), stateOf(''), { granted })).toMatchObject({ flipped: 0 })
    expect(judge.replay(log, stateOf('ask:sign_event:1'))).toMatchObject({ flips: [{ would: 'ask' }] })
  })
})

describe('Kinds that carry authority', () => {
  const bare = 'sign_event,sign_event:0-65535'
  it.each([0, 3, 5, 62, 10_002, 22_242, 24_242, 27_235, 9_734])(
    'kind %i needs a grant of its own',
    (kind) => {
      const found = judge.judge(ask(event(kind), stateOf(bare), { granted: [{ method: 'sign_event' }] }))
      expect(found).toMatchObject({ effect: 'ask', denial: `denied: kind ${kind} needs its own grant` })
      expect(effect(event(kind), stateOf(`sign_event:${kind}`))).toBe('allow')
      expect(effect(event(kind), stateOf('deny:sign_event'))).toBe('deny')
    },
  )

  it('are not reached through a category that is less strict', () => {
    expect(effect(event(10_002), stateOf('@graph'))).toBe('ask')
    expect(effect(event(10_002), stateOf('@profile'))).toBe('allow')
    expect(effect(event(10_003), stateOf('@self'))).toBe('ask')
  })

  it.each([14, 15, 1_059, 9_735, 24_133])('kind %i is never signed, and the answer says why', (kind) => {
    const found = judge.judge(ask(event(kind), stateOf(`sign_event:${kind},@admin`)))
    expect(found).toMatchObject({
      effect: 'deny',
      error: expect.stringMatching(/^denied: kind \d+ is never signed \(NIP-\d+\)$/),
    })
  })

  it('hands out the key of a conversation only after a question, whatever is granted', () => {
    expect(
      effect({ method: 'nip44_get_key', peer: FRIEND }, stateOf('nip44_get_key,@keys', { preset: 'full' })),
    ).toBe('ask')
  })

  const here = hasShared('the corpus of authority kinds')
  const rows = here ? pickRows('G74', 'G76', 'G77', 'G78', 'G79', 'G82', 'G83') : []
  it.skipIf(!here).each(rows)('corpus $id: $name', ({ text, expect: { reply_error } }) => {
    const [param] = (JSON.parse(text) as { params: [string] }).params
    const template = JSON.parse(param) as Extract<Operation, { method: 'sign_event' }>['template']
    const found = judge.judge(ask({ method: 'sign_event', template }, stateOf('sign_event')))
    expect(found.effect === 'ask' ? found.denial : found.effect === 'deny' && found.error).toBe(reply_error)
  })

  it.skipIf(!here)('corpus I13: an expired policy loads, and refuses', () => {
    const [row] = pickRows('I13')
    expect(judge.judge(ask(event(1), JSON.parse(row?.text ?? '')))).toMatchObject({ rule: 'guard: expired' })
  })
})

describe('Limits', () => {
  it('hold at the limit and not one over', () => {
    expect(
      run(
        stateOf('sign_event:1[max=2]'),
        [1, 2, 3].map(() => [event(1), NOW]),
      ),
    ).toEqual(['allow', 'allow', 'ask'])
    const flood = run(
      stateOf('sign_event:1[rate=10/1m,burst=2]'),
      [0, 0, 0, 5_999, 6_000].map((ms) => [event(1), NOW + ms]),
    )
    expect(flood).toEqual([
      'allow',
      'allow',
      'rate-limited: retry in 6s',
      'rate-limited: retry in 1s',
      'allow',
    ])
  })

  it('of a session as a whole say when to come back', () => {
    const state = sessionPolicy(policyOf('sign_event:1', { rates: { sign: { count: 1, seconds: 3 } } }), NOW)
    expect(
      run(state, [
        [event(1), NOW],
        [event(1), NOW],
      ]),
    ).toEqual(['allow', 'rate-limited: retry in 3s'])
  })

  it('of reading count both encryptions together, each peer and each day', () => {
    const day = 86_400_000
    const state = stateOf('@dm.read[each=1/1d;max=3/1d]')
    const steps: readonly (readonly [Operation, number])[] = [
      [decrypt(FRIEND), NOW],
      [decrypt(FRIEND, 'nip04_decrypt'), NOW],
      [decrypt(STRANGER, 'nip04_decrypt'), NOW],
      [decrypt(FRIEND), NOW + day + day / 12],
    ]
    expect(run(state, steps)).toEqual(['allow', 'ask', 'allow', 'allow'])
    const breadth = stateOf('nip44_decrypt[peers<=1/1d]')
    expect(
      run(breadth, [
        [decrypt(FRIEND), NOW],
        [decrypt(STRANGER), NOW],
        [decrypt(FRIEND), NOW],
      ]),
    ).toEqual(['allow', 'ask', 'allow'])
  })

  it('are not flushed by touching many peers', () => {
    let state: JsonValue | null = stateOf('nip44_decrypt[each=1/1d]')
    const peer = (i: number) => i.toString(16).padStart(16, '0').padEnd(64, '0') as typeof FRIEND
    const effects: string[] = []
    for (let i = 0; i < limits.PEERS_COUNTED + 2; i++) {
      const found = judge.judge(ask(decrypt(peer(i)), state))
      effects.push(found.effect)
      if (found.effect === 'allow') state = found.policy
    }
    expect(effects.filter((name) => name === 'allow')).toHaveLength(limits.PEERS_COUNTED + 1)
    expect(effects.at(-1)).toBe('ask')
    expect(effect(decrypt(peer(0)), state)).toBe('ask')
  })

  it('stay counted when the policy is replaced', () => {
    const found = judge.judge(ask(event(1), stateOf('sign_event:1[max=1]')))
    if (found.effect !== 'allow') throw new Error('not allowed')
    const tighter = policyOf('sign_event:1[len<=100;max=1]')
    expect(effect(event(1), replacePolicy(found.policy, tighter, NOW))).toBe('ask')
  })

  it('of money need exactly one amount', () => {
    const zap = (...amounts: string[]) => event(9_734, { tags: amounts.map((amount) => ['amount', amount]) })
    const state = stateOf('sign_event:9734[amount<=1000/1d]')
    expect(
      run(state, [
        [zap('600'), NOW],
        [zap('401'), NOW],
        [zap('400'), NOW],
        [zap('1'), NOW],
      ]),
    ).toEqual(['allow', 'ask', 'allow', 'ask'])
    for (const bad of [zap(), zap('1', '1'), zap('-5'), zap('1e3'), zap('0x1')])
      expect(effect(bad, state)).toBe('ask')
  })
})

describe('Addresses', () => {
  const http = (url: string, ...more: string[][]) =>
    event(27_235, { tags: [['u', url], ['method', 'GET'], ...more] })
  const state = stateOf('sign_event:27235[url=https://api.myapp.com/v1/*;http=GET]')
  it.each(['https://api.myapp.com/v1/x?y=1', 'https://API.myapp.com:443/v1/', 'https://api.myapp.com/v1'])(
    '%s is below it',
    (url) => {
      expect(effect(http(url), state)).toBe('allow')
    },
  )
  it.each([
    'https://api.myapp.com.evil/v1/x',
    'https://api.myapp.com@evil.example/v1/x',
    'https://user:pw@api.myapp.com/v1/x',
    'http://api.myapp.com/v1/x',
    'https://api.myapp.com:444/v1/x',
    'https://api.myapp.com/v1/../admin',
    'https://api.myapp.com/v1/%2e%2e/admin',
    'https://api.myapp.com/v1/..%2fadmin',
    'https://api.myapp.com/v1/..;/admin',
    'https://api.myapp.com/v1/%252e%252e/admin',
    'https://api.myapp.com\\@evil/v1/x',
    'https://api.myapp.com/v1evil',
    'https://api.myapp.com./v1/x',
    ' javascript:alert(1)',
  ])('%s is not', (url) => {
    expect(effect(http(url), state)).toBe('ask')
  })
  it('count every address and verb of an event', () => {
    expect(effect(http('https://api.myapp.com/v1/', ['u', 'https://evil/']), state)).toBe('ask')
    expect(effect(http('https://api.myapp.com/v1/', ['method', 'DELETE']), state)).toBe('ask')
    const blob = (...verbs: string[]) => event(24_242, { tags: verbs.map((verb) => ['t', verb]) })
    expect(effect(blob('upload'), stateOf('', { preset: 'standard' }))).toBe('allow')
    expect(effect(blob('upload', 'delete'), stateOf('', { preset: 'standard' }))).toBe('ask')
    expect(effect(blob('delete', '%%'), stateOf('deny:sign_event:24242[http=DELETE]'))).toBe('deny')
  })
  it('of relays are compared as relays', () => {
    const login = (...relays: string[]) => event(22_242, { tags: relays.map((url) => ['relay', url]) })
    const own = stateOf('sign_event:22242[relay=list:relays]')
    expect(effect(login('wss://relay.ONE:443'), own)).toBe('allow')
    for (const bad of [
      login('wss://relay.one.evil'),
      login('wss://relay.one', 'wss://evil'),
      login(),
      login('wss://a@relay.one'),
    ])
      expect(effect(bad, own)).toBe('ask')
  })
  it('of a list that the host does not have allow nothing and deny everything', () => {
    expect(effect(decrypt(), stateOf('nip44_decrypt:list:nobody'))).toBe('ask')
    expect(effect(decrypt(), stateOf('nip44_decrypt,deny:nip44_decrypt:list:nobody'))).toBe('deny')
  })
})

describe('Lists that shrink', () => {
  const list = (count: number, from = 0, kind = 3) =>
    event(kind, { tags: Array.from({ length: count }, (_, i) => ['p', `p${i + from}`]) })
  function known(kind = 3, count = 100): JsonValue {
    const state = stateOf(`sign_event:${kind}[shrink<=5%]`)
    expect(effect(list(count, 0, kind), state)).toBe('ask')
    return judge.approve(ask(list(count, 0, kind), state), null) as JsonValue
  }
  it.each([3, 10_002, 30_000])('of kind %i may lose the allowed share and no more', (kind) => {
    const state = known(kind)
    expect(effect(list(95, 0, kind), state)).toBe('allow')
    expect(effect(list(94, 0, kind), state)).toBe('ask')
    expect(effect(list(100, 50, kind), state)).toBe('ask')
  })
  it('are not eaten slice by slice within a day', () => {
    expect(
      run(
        known(),
        [95, 91, 95].map((count) => [list(count), NOW + 1_000]),
      ),
    ).toEqual(['allow', 'ask', 'allow'])
  })
  it('are measured in a sample when they are long', () => {
    const state = known(3, 2_000)
    expect(effect(list(1_000), state)).toBe('ask')
    expect(effect(list(2_000, 1_000), state)).toBe('ask')
    expect(JSON.stringify(state).length).toBeLessThan(6_000)
  })
  it('of a profile: another address to be paid at is a loss of everything', () => {
    const profile = (value: unknown) => event(0, { content: JSON.stringify(value) })
    const full = { name: 'a', about: 'b', lud16: 'a@b' }
    const state = judge.approve(ask(profile(full), stateOf('sign_event:0[shrink<=50%]')), null)
    expect(effect(profile({ ...full, about: 'c' }), state)).toBe('allow')
    expect(effect(profile({ ...full, lud16: 'evil@b' }), state)).toBe('ask')
    expect(effect(event(0, { content: 'not json' }), state)).toBe('ask')
  })
  it('are measured against what the host saw, too', () => {
    const seen = list(100)
    const aware = createJudge({ latest: () => (seen.method === 'sign_event' ? seen.template : undefined) })
    const state = stateOf('sign_event:3[shrink<=5%]')
    expect(aware.judge(ask(list(95), state)).effect).toBe('allow')
    expect(aware.judge(ask(list(3), state)).effect).toBe('ask')
  })
})

describe('Decisions of a person', () => {
  const remember = (policy: JsonValue, asked: Operation, value: JsonValue) =>
    judge.approve(ask(asked, policy), value)
  it('hold as long and as far as was said', () => {
    const state = remember(stateOf(''), event(1), { effect: 'allow', for: '5m', scope: 'kind' })
    expect([effect(event(1), state), effect(event(7), state)]).toEqual(['allow', 'ask'])
    expect(effect(event(1), state, { now: NOW + 300_000 })).toBe('ask')
    const no = remember(stateOf('nip44_decrypt'), decrypt(), { effect: 'deny', for: '1h', scope: 'peer' })
    expect([
      effect(decrypt(), no),
      effect(decrypt(FRIEND, 'nip04_decrypt'), no),
      effect(decrypt(STRANGER), no),
    ]).toEqual(['deny', 'deny', 'allow'])
    const always = remember(stateOf(''), event(1), { effect: 'allow', for: 'always', scope: 'kind' })
    expect(viewSessionPolicy(always, NOW)).toMatchObject({ value: { grants: ['sign_event:1'] } })
  })
  it('are forgotten when that is asked for, and the policy stays', () => {
    const state = remember(stateOf('sign_event:7'), event(1), { effect: 'allow', for: '1h', scope: 'kind' })
    expect(effect(event(1), state)).toBe('allow')
    const forgotten = forgetDecisions(state)
    expect([effect(event(1), forgotten), effect(event(7), forgotten)]).toEqual(['ask', 'allow'])
  })
  it('are not remembered for longer or wider than is offered', () => {
    for (const value of [
      { effect: 'allow', for: 'always', scope: 'kind' },
      { effect: 'allow', for: '1h', scope: 'category' },
      { effect: 'allow', for: '1h', scope: 'method' },
      { effect: 'allow', for: 'once', scope: 'kind' },
      'always',
      null,
    ])
      expect(effect(event(5), remember(stateOf(''), event(5), value))).toBe('ask')
    expect(judge.choices(ask(event(5), null), 'allow')).toEqual({
      for: ['once', '5m', '1h', 'today', 'session'],
      scopes: ['kind'],
    })
    expect(judge.choices(ask({ method: 'nip44_get_key', peer: FRIEND }, null), 'allow').for).toEqual(['once'])
  })
  it('stay within the preset’s word for a plain yes', () => {
    const state = stateOf('', { preset: 'standard' })
    const write: Operation = { method: 'nip44_encrypt', peer: FRIEND, plaintext: 'x' }
    const yes = judge.approve(ask(write, state), null)
    expect(effect(write, yes)).toBe('allow')
    expect(effect({ ...write, peer: STRANGER }, yes)).toBe('ask')
  })
  it('are bounded', () => {
    let state: JsonValue | null = stateOf('')
    for (let kind = 40_000; kind <= 40_000 + limits.REMEMBERED; kind++)
      state = judge.approve(ask(event(kind), state), { effect: 'allow', for: 'session', scope: 'kind' })
    expect((state as { remembered: unknown[] }).remembered).toHaveLength(limits.REMEMBERED)
    expect([effect(event(40_000), state), effect(event(40_001), state)]).toEqual(['ask', 'allow'])
  })
})

describe('Properties', () => {
  const preset = fc.constantFrom<PresetName | undefined>(undefined, 'paranoid', 'standard', 'bot', 'full')
  const RANK: { readonly [name: string]: number } = { deny: 0, ask: 1, allow: 2 }
  const withPreset = (rules: readonly unknown[], name: PresetName | undefined): Policy =>
    parse({ rules, ...(name !== undefined && { preset: name }) })

  it('a caveat never widens', () => {
    const property = (caveat: fc.Arbitrary<Record<string, unknown>>, conversation: boolean) =>
      fc.property(rawRules, caveat, fc.nat(), operation, preset, (rules, added, index, asked, name) => {
        const at = index % Math.max(1, rules.length)
        const rule = rules[at]
        const fits = rule?.['effect'] === 'allow' && (rule['method'] !== 'sign_event') === conversation
        fc.pre(rule !== undefined && fits && Object.keys(added).every((field) => !(field in rule)))
        const narrow = parsePolicy({
          rules: rules.map((one, i) => (i === at ? { ...one, ...added } : one)),
          ...(name !== undefined && { preset: name }),
        })
        fc.pre(narrow.ok)
        if (!narrow.ok) return
        const before = effect(asked, sessionPolicy(withPreset(rules, name), NOW))
        const after = effect(asked, sessionPolicy(narrow.value, NOW))
        expect(RANK[after] ?? 9).toBeLessThanOrEqual(RANK[before] ?? -1)
      })
    fc.assert(property(eventCaveat, false), { numRuns: 1_000 })
    fc.assert(property(peerCaveat, true), { numRuns: 1_000 })
  })

  it('a denial or a ceiling more never widens', () => {
    fc.assert(
      fc.property(rawRules, rawRules, operation, preset, (rules, more, asked, name) => {
        const denials = more.filter((rule) => rule['effect'] === 'deny')
        const before = effect(asked, sessionPolicy(withPreset(rules, name), NOW))
        const after = effect(asked, sessionPolicy(withPreset([...rules, ...denials], name), NOW))
        expect(RANK[after] ?? 9).toBeLessThanOrEqual(RANK[before] ?? -1)
      }),
      { numRuns: 1_000 },
    )
  })

  it('a grant in NIP-46’s terms never goes beyond a policy that has a say, and never beyond itself as a rule', () => {
    const methods = ['sign_event', 'nip44_decrypt', 'nip04_decrypt', 'nip44_encrypt', 'nip04_encrypt']
    const grants = fc.array(
      fc.oneof(
        fc.record({ method: fc.constantFrom(...methods) }),
        fc.record({ method: fc.constant('sign_event'), kind: fc.constantFrom(0, 1, 3, 7, 14, 22_242) }),
      ),
      { maxLength: 4 },
    )
    let helped = 0
    fc.assert(
      fc.property(rawRules, grants, operation, preset, (rules, granted, asked, name) => {
        const policy = sessionPolicy(withPreset(rules, name), NOW)
        const without = judge.explain(ask(asked, policy))
        const found = judge.explain(ask(asked, policy, { granted }))
        if (found.effect === without.effect) return
        helped++
        expect([without.stage, found.rule, name]).toEqual(['default', 'granted', undefined])
        expect(without.limits.filter(({ rule }) => !rule.startsWith('decided: '))).toEqual([])
        const bare = rulesOf(
          granted
            .map(({ method, ...more }) => ('kind' in more ? `${method}:${more.kind}` : method))
            .join(','),
        )
        expect(effect(asked, sessionPolicy(parse({ rules: bare }), NOW))).toBe('allow')
      }),
      { numRuns: 2_000 },
    )
    expect(helped).toBeGreaterThan(20)
  })

  it('explain says what the judge says, and a log judged again by its own policy flips nothing', () => {
    const step = fc.record({ asked: operation, wait: fc.integer({ min: 0, max: 4_000 }), yes: fc.boolean() })
    fc.assert(
      fc.property(rawRules, preset, fc.array(step, { maxLength: 25 }), (rules, name, steps) => {
        const begin = sessionPolicy(withPreset(rules, name), NOW)
        let policy: JsonValue | null = begin
        let now = NOW
        const log: AuditRecord[] = []
        const refused: string[] = []
        for (const { asked, wait, yes } of steps) {
          now += wait
          const request = ask(asked, policy, { now })
          const found = judge.judge(request)
          const why = judge.explain(request)
          expect([why.effect, why.rule]).toEqual([found.effect, found.rule])
          expect(why.words.length).toBeGreaterThan(0)
          log.push(recordOf(asked, now, found.effect, found.rule, yes))
          if (found.effect === 'allow') policy = found.policy
          else if (found.effect === 'ask' && yes) policy = judge.approve(request, null)
          if (found.effect !== 'allow') refused.push(found.rule)
          // What a store would keep.
          policy = JSON.parse(JSON.stringify(policy)) as JsonValue
        }
        const again = judge.replay(log, begin)
        if (again.undecided === 0) expect(again.flips).toEqual([])
        expect(again.judged + again.undecided + again.skipped).toBe(log.length)
      }),
      { numRuns: 300 },
    )
  })

  it('nothing that a client sends throws, nor any state', () => {
    fc.assert(
      fc.property(operation, fc.jsonValue(), fc.jsonValue(), (asked, state, remember) => {
        const request = ask(asked, state as JsonValue)
        expect(judge.judge(request).effect).toBe('deny')
        judge.explain(request)
        judge.approve(request, remember as JsonValue)
        judge.approve(ask(asked, stateOf('')), remember as JsonValue)
        JSON.stringify(judge.facts(asked))
      }),
      { numRuns: 500 },
    )
  })
})

function recordOf(asked: Operation, at: number, was: string, rule: string, yes: boolean): AuditRecord {
  const base = { at, signerPubkey: PEERS[3], userPubkey: USER, clientPubkey: APP }
  const facts = JSON.parse(JSON.stringify(judge.facts(asked))) as JsonValue
  const subject =
    asked.method === 'sign_event'
      ? { method: asked.method, kind: asked.template.kind, facts }
      : { method: asked.method, peer: asked.peer, facts }
  if (was === 'allow') return { ...base, type: 'performed', subject, error: null, delivered: true, rule }
  if (was === 'deny') return { ...base, type: 'refused', subject, error: 'denied', rule }
  return { ...base, type: 'decided', subject, allow: yes, granted: [] } as AuditRecord
}

describe('Explanations', () => {
  it('name the rule, the limit and what would change it', () => {
    const once = judge.judge(ask(event(1), stateOf('sign_event:1[max=1]')))
    if (once.effect !== 'allow') throw new Error('not allowed')
    expect(judge.explain(ask(event(1), once.policy))).toMatchObject({
      effect: 'ask',
      limits: [{ rule: 'allow:sign_event:1[max=1]', caveat: 'maxUses', text: 'max=1', used: 1, at: null }],
      changes: [{ grant: 'sign_event:1' }],
    })
    expect(judge.explain(ask(event(14), stateOf(''))).words).toContain('Nothing changes that.')
  })
  it('name the guard that makes a question of a grant, and no ceiling', () => {
    const key: Operation = { method: 'nip44_get_key', peer: FRIEND }
    const early = event(1, { created_at: NOW_SECONDS + limits.FUTURE_ASK_SECONDS + 1 })
    const keyWords = 'Nothing changes that: a person decides each time.'
    const earlyWords = 'A created_at that is not ahead would change it.'
    const granted = stateOf('nip44_get_key,sign_event:1')
    for (const [asked, name, words] of [
      [key, 'guard: hands out a key', keyWords],
      [early, 'guard: ahead of time', earlyWords],
    ] as const) {
      const why = judge.explain(ask(asked, granted))
      expect(why).toMatchObject({
        effect: 'ask',
        stage: 'guard',
        rule: name,
        changes: [{ words, grant: null }],
      })
      expect(why.words.join(' ')).not.toContain('Raising')
      expect(why.words[0]).toBe(`Asked about: no policy can allow this (${name}).`)
      // Without any grant, none is suggested: it would be asked about all the same.
      const bare = judge.explain(ask(asked, stateOf('')))
      expect(bare).toMatchObject({ stage: 'default', changes: [{ grant: null }, { words, grant: null }] })
    }
  })
  it('suggest a grant only if it would allow the request', () => {
    const capped = createJudge({ ceilings: [{ effect: 'ask', category: 'social' }] })
    const asked = ask(event(1), stateOf(''))
    expect(judge.explain(asked).changes).toEqual([
      { words: 'The grant sign_event:1 would allow it.', grant: 'sign_event:1' },
    ])
    const [first, second] = capped.explain(asked).changes
    expect(first?.words).toContain('The grant sign_event:1 alone would not allow it: a ceiling')
    expect([first?.grant, second?.grant]).toEqual([null, null])
    expect(second?.words).toContain('Raising the ceiling of the host')
    const full = parse({
      rules: Array.from({ length: limits.RULES }, (_, i) => ({ method: 'sign_event', kinds: [40_000 + i] })),
    })
    expect(judge.explain(ask(event(1), sessionPolicy(full, NOW))).changes).toMatchObject([{ grant: null }])
  })
  it('suggest grants that hold, on random policies', () => {
    fc.assert(
      fc.property(rawRules, operation, (rules, asked) => {
        const policy = parse({ rules })
        for (const { grant } of judge.explain(ask(asked, sessionPolicy(policy, NOW))).changes) {
          if (grant === null) continue
          const more = parse({ rules: [...policy.rules, ...rulesOf(grant)] })
          expect(effect(asked, sessionPolicy(more, NOW))).toBe('allow')
        }
      }),
      { numRuns: 500 },
    )
  })
  it('keep no content in what they store', () => {
    const facts = JSON.stringify(
      judge.facts(
        event(27_235, {
          content: 'SECRET',
          tags: [
            ['u', 'https://a.b/SECRET?SECRET'],
            ['x', 'SECRET'],
          ],
        }),
      ),
    )
    expect(facts).not.toContain('SECRET')
  })
  it('tell which uses the owner wants to hear of', () => {
    expect(
      [
        'allow:sign_event:1[max=3;notify]',
        'preset full: @profile',
        'preset full: @social',
        'allow:sign_event:1',
      ].map(wantsNotice),
    ).toEqual([true, true, false, false])
  })
  it('still tell it by names that are cut', () => {
    const nameOf = (grants: string): string => judge.judge(ask(event(1), stateOf(grants))).rule
    const long = (chars: number, more = ''): string =>
      `sign_event:1[tag.t<=1;content="",${'a'.repeat(chars)}${more}]`
    for (let chars = 1; chars <= 200; chars++) {
      const name = nameOf(long(chars, ';notify'))
      expect([name.length <= limits.RULE_NAME_CHARS - 24, wantsNotice(name)]).toEqual([true, true])
      expect(wantsNotice(nameOf(long(chars)))).toBe(false)
    }
    expect(nameOf(long(200, ';notify'))).not.toBe(nameOf(long(201, ';notify')))
  })
})

it('a log shows what a draft would flip, and which grants were never used', () => {
  const rules = rulesOf('sign_event:1|7,nip44_decrypt')
  const log = [recordOf(event(1), NOW, 'allow', 'allow:sign_event:1|7', true)]
  expect(judge.replay(log, stateOf('deny:sign_event:1'))).toMatchObject({
    judged: 1,
    flipped: 1,
    flips: [{ was: 'allow', would: 'deny' }],
  })
  expect(trim(log, rules)).toEqual([
    { grant: 'sign_event:1|7', instead: 'sign_event:1', why: 'Of all it covers, only kind 1 was used.' },
    { grant: 'nip44_decrypt', instead: null, why: 'It was never used.' },
  ])
})
