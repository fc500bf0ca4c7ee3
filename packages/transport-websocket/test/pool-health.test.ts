import { createFakeClock } from '@nip46/testing'
import { describe, expect, test } from 'vitest'
import { createPoolHealth, SKEW_REFUSALS, SKEW_WINDOW_MS } from '../src/pool-health.ts'
import { RELAY, relayUrl, START } from './fixture.ts'

const OTHER = relayUrl('wss://other.example.com')

describe('the health of a pool', () => {
  test('is what was told of each relay that it has a link to', () => {
    const clock = createFakeClock(START)
    const health = createPoolHealth(clock)
    expect(health.read()).toEqual([])
    health.hear(RELAY, 'connecting', '')
    health.hear(OTHER, 'connecting', '')
    health.hear(RELAY, 'down', 'unreachable: no')
    health.hear(RELAY, 'connecting', '')
    clock.advance(1_000)
    health.hear(RELAY, 'down', 'unreachable: not yet')
    const never = { lastFailure: undefined, lastNotice: undefined, drops: {}, clockSkew: false }
    expect(health.read()).toEqual([
      {
        ...never,
        relay: RELAY,
        state: 'down',
        since: START + 1_000,
        failures: 2,
        lastFailure: 'unreachable: not yet',
      },
      { ...never, relay: OTHER, state: 'connecting', since: START, failures: 0 },
    ])
    health.hear(OTHER, 'closed', '')
    health.hear(RELAY, 'open', '')
    health.hear(RELAY, 'notice', 'maintenance at noon')
    health.hear(RELAY, 'dropped', 'frame/json')
    health.hear(RELAY, 'dropped', 'frame/json')
    health.hear(RELAY, 'dropped', 'frame/shape')
    health.hear(RELAY, 'date', 'soon')
    expect(health.read()).toEqual([
      {
        ...never,
        relay: RELAY,
        state: 'open',
        since: START + 1_000,
        failures: 0,
        lastFailure: 'unreachable: not yet',
        lastNotice: 'maintenance at noon',
        drops: { 'frame/json': 2, 'frame/shape': 1 },
      },
    ])
  })

  test('says nothing of a relay that was let go, or never had a link', () => {
    const health = createPoolHealth(createFakeClock(START))
    health.hear(RELAY, 'refused', 'too-many-relays')
    health.hear(RELAY, 'closed', '')
    health.hear(RELAY, 'dropped', 'frame/json')
    expect(health.read()).toEqual([])
  })

  test('takes three refusals of our time in five minutes as a sign of a wrong clock, until one is taken or the clock is set', () => {
    const clock = createFakeClock(START)
    const health = createPoolHealth(clock)
    health.hear(RELAY, 'connecting', '')
    const isSkewed = (): boolean | undefined => health.read()[0]?.clockSkew
    for (let i = 1; i < SKEW_REFUSALS; i += 1) health.hear(RELAY, 'refused', 'invalid: created_at too late')
    health.hear(RELAY, 'refused', 'invalid: id')
    health.hear(RELAY, 'notice', 'invalid: created_at too late')
    expect(isSkewed()).toBe(false)
    health.hear(RELAY, 'refused', 'invalid: bad timestamp')
    expect(isSkewed()).toBe(true)
    health.hear(RELAY, 'accepted', '')
    expect(isSkewed()).toBe(false)
    for (let i = 1; i <= SKEW_REFUSALS; i += 1) health.hear(RELAY, 'refused', 'invalid: created_at too late')
    expect(isSkewed()).toBe(true)
    clock.advance(SKEW_WINDOW_MS - 1)
    expect(isSkewed()).toBe(true)
    clock.advance(1)
    expect(isSkewed()).toBe(false)
    clock.jump(3_600_000)
    for (let i = 1; i <= SKEW_REFUSALS; i += 1) health.hear(RELAY, 'refused', 'invalid: created_at too late')
    expect(isSkewed()).toBe(true)
    clock.jump(-3_600_000)
    expect(isSkewed()).toBe(false)
  })
})
