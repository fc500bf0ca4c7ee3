import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  createJudge,
  lint,
  PRESETS,
  parseGrants,
  sessionPolicy,
  trim,
  viewSessionPolicy,
} from '../src/index.ts'
import { decrypt, event, NOW, policyOf, ask as toRequest } from './world.ts'

function poisoned(name: string): () => never {
  return () => {
    throw new Error(`the policy reached for ${name}`)
  }
}

const RealDate = Date

beforeEach(() => {
  const date = new Proxy(RealDate, {
    apply: poisoned('Date()'),
    construct: (target, args) =>
      args.length === 0 ? poisoned('new Date()')() : Reflect.construct(target, args),
    get: (target, member) => (member === 'now' ? poisoned('Date.now') : Reflect.get(target, member)),
  })
  vi.stubGlobal('Date', date)
  vi.spyOn(Math, 'random').mockImplementation(poisoned('Math.random'))
  vi.spyOn(crypto, 'getRandomValues').mockImplementation(poisoned('crypto.getRandomValues'))
})

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

describe('With a poisoned clock and poisoned dice', () => {
  it('the poison works', () => {
    expect(() => Date.now()).toThrow('Date.now')
    expect(() => new Date()).toThrow('new Date()')
    expect(() => Math.random()).toThrow('Math.random')
    expect(() => crypto.getRandomValues(new Uint8Array(1))).toThrow('crypto.getRandomValues')
  })

  it.each(Object.keys(PRESETS) as (keyof typeof PRESETS)[])(
    'everything runs, with the preset %s',
    (preset) => {
      const grants =
        'sign_event:1[max=2/1d;rate=1/1m],nip44_decrypt[each=1/1d;peers<=3/1d],sign_event:3[shrink<=5%;hours=22:00-06:00],@auth.http[until=2027-01-01T00:00Z]'
      const policy = policyOf(grants, { preset })
      const judge = createJudge({ salt: 'salt' })
      const effects: string[] = []
      let state = sessionPolicy(policy, NOW)
      for (const operation of [event(1), event(1), event(3), event(27_235), decrypt(), decrypt()]) {
        const request = toRequest(operation, state)
        const found = judge.judge(request)
        effects.push(found.effect)
        judge.explain(request)
        judge.choices(request, 'allow')
        judge.facts(operation)
        const after =
          found.effect === 'allow'
            ? found.policy
            : judge.approve(request, { effect: 'allow', for: 'today', scope: 'kind' })
        if (after !== null) state = after
      }
      expect(effects).toContain('allow')
      expect(lint(policy, NOW)).toMatchObject([{ code: 'lint/any-address', where: 'rules[3]' }])
      expect(viewSessionPolicy(state, NOW).ok).toBe(true)
      expect(parseGrants(grants).ok).toBe(true)
      expect(trim([], policy.rules)).toHaveLength(policy.rules.length)
      expect(judge.replay([], state).judged).toBe(0)
    },
  )
})
