import type { EventTemplate, JsonValue, RelayUrl } from '@nip46/core'
import { describe, expect, it } from 'vitest'
import { createJudge, limits } from '../src/index.ts'
import { decrypt, event, NOW, NOW_SECONDS, stateOf, ask as toRequest } from './world.ts'

const judge = createJudge({ list: (id) => (id === 'relays' ? ['wss://relay.two'] : undefined) })

function effect(grants: string, more: Partial<EventTemplate> = {}, now = NOW): string {
  return judge.judge(toRequest(event(1, more), stateOf(grants), { now })).effect
}

/** A point in time; the first of January 2026 is a Thursday. */
function at(iso: string): number {
  return Date.parse(iso)
}

describe('Hours and days', () => {
  it.each([
    ['hours=09:00-17:30', '2026-01-01T08:59:59.999Z', 'ask'],
    ['hours=09:00-17:30', '2026-01-01T09:00:00Z', 'allow'],
    ['hours=09:00-17:30', '2026-01-01T17:29:59.999Z', 'allow'],
    ['hours=09:00-17:30', '2026-01-01T17:30:00Z', 'ask'],
    ['hours=22:00-06:00', '2026-01-01T21:59:59Z', 'ask'],
    ['hours=22:00-06:00', '2026-01-01T22:00:00Z', 'allow'],
    ['hours=22:00-06:00', '2026-01-01T00:00:00Z', 'allow'],
    ['hours=22:00-06:00', '2026-01-01T05:59:59Z', 'allow'],
    ['hours=22:00-06:00', '2026-01-01T06:00:00Z', 'ask'],
    ['hours=20:00-24:00', '2026-01-01T23:59:59Z', 'allow'],
    ['hours=20:00-24:00', '2026-01-02T00:00:00Z', 'ask'],
    // Two hours ahead of UTC, nine o'clock is seven in UTC.
    ['hours=09:00-17:30@+02:00', '2026-01-01T06:59:59Z', 'ask'],
    ['hours=09:00-17:30@+02:00', '2026-01-01T07:00:00Z', 'allow'],
    ['hours=22:00-06:00@-05:00', '2026-01-01T03:00:00Z', 'allow'],
    ['hours=22:00-06:00@-05:00', '2026-01-01T11:00:00Z', 'ask'],
    ['days=thu', '2026-01-01T00:00:00Z', 'allow'],
    ['days=thu', '2026-01-01T23:59:59Z', 'allow'],
    ['days=thu', '2026-01-02T00:00:00Z', 'ask'],
    ['days=sun,sat', '2026-01-04T12:00:00Z', 'allow'],
    ['days=sun,sat', '2026-01-05T12:00:00Z', 'ask'],
    ['days=fri@+02:00', '2026-01-01T21:59:59Z', 'ask'],
    ['days=fri@+02:00', '2026-01-01T22:00:00Z', 'allow'],
    ['days=wed@-05:00', '2026-01-01T04:59:59Z', 'allow'],
    ['days=wed@-05:00', '2026-01-01T05:00:00Z', 'ask'],
    ['hours=09:00-17:00@+02:00;days=fri@+02:00', '2026-01-02T07:00:00Z', 'allow'],
    ['hours=09:00-17:00@+02:00;days=fri@+02:00', '2026-01-01T07:00:00Z', 'ask'],
  ])('%s at %s: %s', (caveat, time, expected) => {
    const now = at(time)
    expect(effect(`sign_event:1[${caveat}]`, { created_at: Math.floor(now / 1_000) }, now)).toBe(expected)
  })

  it('end and begin to the second', () => {
    const until = `sign_event:1[until=${new Date(NOW).toISOString().replace('.000', '')}]`
    expect([effect(until, {}, NOW - 1), effect(until)]).toEqual(['allow', 'ask'])
    const span = 'sign_event:1[for=10s]'
    expect([effect(span, {}, NOW + 9_999), effect(span, {}, NOW + 10_000)]).toEqual(['allow', 'ask'])
  })
})

describe('Links', () => {
  it.each([
    ['links<=0', 'no link here. Really, none: 1.5 or a..b', 'allow'],
    ['links<=0', 'see https://a.example/x', 'ask'],
    ['links<=0', 'see a.example', 'ask'],
    ['links<=0', 'nostr://x', 'ask'],
    ['links<=1', 'https://a.example', 'allow'],
    ['links<=1', 'https://a.example,https://b.example', 'ask'],
    ['links<=1', 'https://a.examplehttps://b.example', 'ask'],
  ])('%s: %s: %s', (caveat, content, expected) => {
    expect(effect(`sign_event:1[${caveat}]`, { content })).toBe(expected)
  })
})

describe('created_at', () => {
  it('may be off by the skew, either way, and no second more', () => {
    const grants = 'sign_event:1[skew<=60s]'
    const found = [-61, -60, 0, 60, 61].map((off) => effect(grants, { created_at: NOW_SECONDS + off }))
    expect(found).toEqual(['ask', 'allow', 'allow', 'allow', 'ask'])
  })

  it('that is ahead is asked about after an hour, and refused after a year', () => {
    const ahead = (seconds: number): string => effect('sign_event:1', { created_at: NOW_SECONDS + seconds })
    const { FUTURE_ASK_SECONDS: hour, FUTURE_DENY_SECONDS: year } = limits
    expect([hour, hour + 1, year, year + 1].map(ahead)).toEqual(['allow', 'ask', 'ask', 'deny'])
    expect(effect('sign_event:1', { created_at: 0 })).toBe('allow')
  })
})

describe('The relay that a request came over', () => {
  it.each([
    ['via=wss://relay.one', 'wss://relay.one/', 'allow'],
    ['via=wss://relay.one', 'wss://relay.two/', 'ask'],
    ['via=wss://RELAY.one:443,wss://relay.three', 'wss://relay.one/', 'allow'],
    ['via=list:relays', 'wss://relay.two/', 'allow'],
    ['via=list:relays', 'wss://relay.one/', 'ask'],
    ['via=list:nobody', 'wss://relay.one/', 'ask'],
  ])('%s over %s: %s', (caveat, relay, expected) => {
    const request = toRequest(event(1), stateOf(`sign_event:1[${caveat}]`), { relay: relay as RelayUrl })
    expect(judge.judge(request).effect).toBe(expected)
    const read = toRequest(decrypt(), stateOf(`nip44_decrypt[${caveat}]`), { relay: relay as RelayUrl })
    expect(judge.judge(read).effect).toBe(expected)
  })
})

describe('Tags and content', () => {
  const tags = (...values: string[]): string[][] => values.map((value) => ['t', value])
  it.each([
    // One tag that fits is not enough to allow, and every one must fit.
    ['sign_event:1[tag.t=a,b]', tags('a'), 'allow'],
    ['sign_event:1[tag.t=a,b]', tags('a', 'b'), 'allow'],
    ['sign_event:1[tag.t=a,b]', tags('a', 'c'), 'ask'],
    ['sign_event:1[tag.t=a,b]', [], 'ask'],
    ['sign_event:1[tag.t=a]', [['t']], 'ask'],
    ['sign_event:1[tag.t~ell]', tags('hello'), 'allow'],
    ['sign_event:1[tag.t~ell]', tags('hello', 'x'), 'ask'],
    ['sign_event:1[tag.t<=1]', [], 'allow'],
    ['sign_event:1[tag.t<=1]', tags('a'), 'allow'],
    ['sign_event:1[tag.t<=1]', tags('a', 'b'), 'ask'],
    ['sign_event:1[notag.t]', [['e', 'x']], 'allow'],
    ['sign_event:1[notag.t]', tags('a'), 'ask'],
    // One that fits is enough to deny.
    ['sign_event:1,deny:sign_event:1[tag.t=a]', tags('b', 'a'), 'deny'],
    ['sign_event:1,deny:sign_event:1[tag.t=a]', tags('b'), 'allow'],
    ['sign_event:1,deny:sign_event:1[tag.t~ell]', tags('x', 'hello'), 'deny'],
    ['sign_event:1,deny:sign_event:1[tag.t<=1]', tags('a', 'b'), 'deny'],
    ['sign_event:1,deny:sign_event:1[tag.t<=1]', tags('a'), 'allow'],
  ])('%s with %j: %s', (grants, list, expected) => {
    expect(effect(grants, { tags: list })).toBe(expected)
  })
  it.each([
    ['sign_event:1[content=+,-]', '+', 'allow'],
    ['sign_event:1[content=+,-]', '++', 'ask'],
    ['sign_event:1[content=""]', '', 'allow'],
    ['sign_event:1[content=""]', ' ', 'ask'],
    ['sign_event:1[content~a,b]', 'b a', 'allow'],
    ['sign_event:1[content~a,b]', 'a', 'ask'],
    ['sign_event:1,deny:sign_event:1[content~a,b]', 'a', 'deny'],
    ['sign_event:1,deny:sign_event:1[content~a,b]', 'c', 'allow'],
    ['sign_event:1[len<=3]', 'abc', 'allow'],
    ['sign_event:1[len<=3]', 'abcd', 'ask'],
  ])('%s with the content %j: %s', (grants, content, expected) => {
    expect(effect(grants, { content })).toBe(expected)
  })
})

describe('Bounds of what is remembered and reported', () => {
  it('LISTS: the one signed longest ago goes first, and is asked about again', () => {
    const list = (i: number) =>
      event(30_000, {
        tags: [
          ['d', `d${i}`],
          ['p', 'x'],
        ],
      })
    const signed = (count: number): JsonValue => {
      let state: JsonValue | null = stateOf('sign_event:30000[shrink<=5%]')
      for (let i = 0; i < count; i++) state = judge.approve(toRequest(list(i), state), null)
      return state as JsonValue
    }
    const full = signed(limits.LISTS)
    const over = signed(limits.LISTS + 1)
    const found = (state: JsonValue, i: number): string => judge.judge(toRequest(list(i), state)).effect
    expect([found(full, 0), found(full, limits.LISTS - 1)]).toEqual(['allow', 'allow'])
    expect([found(over, 0), found(over, 1), found(over, limits.LISTS)]).toEqual(['ask', 'allow', 'allow'])
    const { lists } = over as { lists: JsonValue[] }
    expect(lists).toHaveLength(limits.LISTS)
    const state = { ...(over as object), lists: [...lists, lists[0] ?? null] }
    expect(judge.judge(toRequest(event(1), state)).rule).toBe('guard: no readable policy')
  })

  const withCounts = (keys: readonly string[], grants = 'sign_event:1[max=5]'): JsonValue => ({
    ...(stateOf(grants) as object),
    counts: Object.fromEntries(keys.map((key) => [key, { uses: 1 }])),
  })
  const keys = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `gone ${i}`)

  it('COUNTED_RULES: what was counted for rules that are gone makes room, and a state with more is refused', () => {
    const counted = (state: JsonValue): readonly string[] => {
      const found = judge.judge(toRequest(event(1), state))
      if (found.effect !== 'allow') return [found.rule]
      return Object.keys((found.policy as { counts: object }).counts)
    }
    const { COUNTED_RULES: most } = limits
    expect(counted(withCounts(keys(most - 1)))).toHaveLength(most)
    expect(counted(withCounts(keys(most)))).toEqual(['sign_event:1'])
    expect(counted(withCounts(['sign_event:1', ...keys(most - 1)]))).toHaveLength(most)
    expect(counted(withCounts(keys(most + 1)))).toEqual(['guard: no readable policy'])
  })

  it('RULE_NAME_CHARS: no name in a state is longer, nor in a record', () => {
    const { RULE_NAME_CHARS: most } = limits
    const found = (chars: number): string =>
      judge.judge(toRequest(event(1), withCounts(['x'.repeat(chars)]))).effect
    expect([found(most), found(most + 1)]).toEqual(['allow', 'deny'])
    const content = 'a'.repeat(limits.VALUE_CHARS)
    const grants = `sign_event:1[content=${content};notify]`
    const once = toRequest(event(1, { content }), stateOf(''))
    const decided = judge.approve(once, { effect: 'allow', for: 'session', scope: 'kind' })
    const names = [
      judge.judge(toRequest(event(1, { content }), stateOf(grants))).rule,
      judge.judge(toRequest(event(1), decided)).rule,
    ]
    expect(names.every((name) => name.length <= most)).toBe(true)
  })

  it('FACT_TAGS: as many names of tags are counted, and more are only said to be there', () => {
    const facts = (count: number): { tags: object; moreTags?: true } =>
      judge.facts(event(1, { tags: Array.from({ length: count }, (_, i) => [`t${i}`, 'x']) })) as never
    const full = facts(limits.FACT_TAGS)
    const over = facts(limits.FACT_TAGS + 1)
    expect([Object.keys(full.tags).length, full.moreTags]).toEqual([limits.FACT_TAGS, undefined])
    expect([Object.keys(over.tags).length, over.moreTags]).toEqual([limits.FACT_TAGS, true])
  })

  it('REPLAY_LISTED: as many flips are listed, and all are counted', () => {
    const { clientPubkey, userPubkey, operation } = toRequest(event(1), null)
    const facts = judge.facts(operation)
    const log = Array.from({ length: limits.REPLAY_LISTED + 1 }, (_, i) => ({
      type: 'refused' as const,
      at: NOW + i,
      signerPubkey: userPubkey,
      userPubkey,
      clientPubkey,
      subject: { method: 'sign_event', kind: 1, facts },
      error: 'denied',
      rule: 'default',
    }))
    for (const count of [limits.REPLAY_LISTED, limits.REPLAY_LISTED + 1]) {
      const { flipped, flips } = judge.replay(log.slice(0, count) as never, stateOf('sign_event:1'))
      expect([flipped, flips.length]).toEqual([count, limits.REPLAY_LISTED])
    }
  })
})
