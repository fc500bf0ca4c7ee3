import type { Operation } from '@nip46/core'
import { expect, it } from 'vitest'
import { createJudge, parsePolicy, type Rule, sessionPolicy } from '../src/index.ts'
import { FRIEND } from './arbitrary.ts'
import { type NaiveGrant, type NaiveRequest, type NaiveRule, naive } from './naive-model.ts'
import { ask, event, NOW, NOW_SECONDS } from './world.ts'

const TARGETS: readonly Pick<NaiveRule, 'method' | 'kind'>[] = [
  { method: 'sign_event' },
  { method: 'sign_event', kind: 1 },
  { method: 'sign_event', kind: 3 },
  { method: 'sign_event', kind: 14 },
  { method: 'nip44_decrypt' },
]
const CAVEATS: readonly Pick<NaiveRule, 'until' | 'maxUses' | 'max'>[] = [
  {},
  { until: NOW_SECONDS + 60 },
  { maxUses: 1 },
  { max: { count: 1, seconds: 120 } },
  { until: NOW_SECONDS + 60, maxUses: 2 },
]

const RULES: readonly NaiveRule[] = TARGETS.flatMap((target) => [
  ...CAVEATS.map((caveats): NaiveRule => ({ effect: 'allow', ...target, ...caveats })),
  { effect: 'ask', ...target },
  { effect: 'deny', ...target },
  { effect: 'deny', ...target, until: NOW_SECONDS + 60 },
])
const CEILINGS: readonly (NaiveRule | undefined)[] = [
  undefined,
  { effect: 'ask', method: 'sign_event' },
  { effect: 'deny', method: 'sign_event', kind: 1 },
]
const GRANTED: readonly (readonly NaiveGrant[])[] = [
  [],
  [{ method: 'sign_event' }, { method: 'nip44_decrypt' }],
  [
    { method: 'sign_event', kind: 3 },
    { method: 'sign_event', kind: 14 },
  ],
]
/** Before and after `until`, within the window and past it; a use may be forgotten late by one part of it, 10 seconds here. */
const STEPS: readonly NaiveRequest[] = [0, 0, 59, 60, 119, 131, 270].flatMap((after) => [
  { method: 'sign_event', kind: 1, at: NOW_SECONDS + after },
  { method: 'sign_event', kind: 3, at: NOW_SECONDS + after },
  { method: 'sign_event', kind: 14, at: NOW_SECONDS + after },
  { method: 'nip44_decrypt', kind: null, at: NOW_SECONDS + after },
  { method: 'nip04_decrypt', kind: null, at: NOW_SECONDS + after },
])

function raw({ kind, ...rule }: NaiveRule): unknown {
  return kind === undefined ? rule : { ...rule, kinds: [kind] }
}

function operationOf({ method, kind }: NaiveRequest): Operation {
  if (kind !== null) return event(kind)
  return { method: method as 'nip44_decrypt', peer: FRIEND, ciphertext: 'x' }
}

it('the judge decides as a model that was written apart from it, for every pair of rules, ceiling, grants, request and time', () => {
  let decided = 0
  for (const [ceiling, granted] of CEILINGS.flatMap((one) => GRANTED.map((some) => [one, some] as const))) {
    const judge = createJudge(
      ceiling === undefined ? {} : { ceilings: [raw(ceiling) as Rule & { effect: 'ask' }] },
    )
    for (const first of RULES) {
      for (const second of RULES) {
        // The reader drops what stands there twice.
        const rules = JSON.stringify(first) === JSON.stringify(second) ? [first] : [first, second]
        const parsed = parsePolicy({ rules: rules.map(raw), rates: { sign: null, crypt: null } })
        if (!parsed.ok) throw new Error(parsed.error.message)
        let policy = sessionPolicy(parsed.value, NOW)
        const uses: number[][] = rules.map(() => [])
        for (const step of STEPS) {
          const found = judge.judge(ask(operationOf(step), policy, { granted, now: step.at * 1_000 }))
          const wanted = naive(rules, ceiling, step, uses, granted)
          if (found.effect !== wanted)
            expect.fail(
              `${JSON.stringify({ ceiling, granted, rules, step })}: ${found.effect}, not ${wanted}`,
            )
          if (found.effect === 'allow') policy = found.policy as typeof policy
          decided++
        }
      }
    }
  }
  expect(decided).toBe(CEILINGS.length * GRANTED.length * RULES.length ** 2 * STEPS.length)
})
