/**
 * Policies as JSON: read strictly, given back in the one canonical form. A field that is not known is an error, since a typo
 * must never widen a grant.
 * Never evaluates a policy, and never guesses what was meant.
 */

import { cleanText, ok, type Result } from '@nip46/core'
import { CAVEAT_FIELDS, checkFit, readCaveats, readRate } from './caveat-json.ts'
import { asFields, asList, distinct, readTime } from './json-shape.ts'
import { CEILINGS, NAME_CHARS, PEER_COUNTING_RULES, RULES } from './limits.ts'
import { fail, type PolicyProblem, read } from './problem.ts'
import type { Ceiling, Effect, Policy, PresetName, Rate, Rates, Rule } from './rule.ts'
import { readTarget, TARGET_FIELDS } from './target-json.ts'

const PRESET_NAMES: readonly string[] = ['paranoid', 'standard', 'bot', 'full'] satisfies PresetName[]
const EFFECTS: readonly string[] = ['allow', 'ask', 'deny'] satisfies Effect[]

/**
 * A policy from JSON (already parsed). `v` and `effect` may be left out. The result is canonical: policies that say the same have
 * the same `JSON.stringify`, and reading it again changes nothing.
 */
export function parsePolicy(value: unknown): Result<Policy, PolicyProblem> {
  return read(() => {
    const fields = asFields(value, 'policy', [
      'v',
      'name',
      'preset',
      'expiresAt',
      'rules',
      'ceilings',
      'rates',
    ])
    if (fields['v'] !== undefined && fields['v'] !== 1) fail('policy/version', 'v', 'v must be 1')
    const { name, preset, expiresAt, rates } = fields
    const rules = distinct(asList(fields['rules'] ?? [], 'rules', RULES).map(readRule))
    if (
      rules.filter(({ each, breadth }) => each !== undefined || breadth !== undefined).length >
      PEER_COUNTING_RULES
    )
      fail('policy/limit', 'rules', `at most ${PEER_COUNTING_RULES} rules that count peer by peer`)
    const ceilings = distinct(asList(fields['ceilings'] ?? [], 'ceilings', CEILINGS).map(readCeiling))
    return ok({
      v: 1,
      ...(name !== undefined && { name: readName(name) }),
      ...(preset !== undefined && { preset: readPreset(preset) }),
      ...(expiresAt !== undefined && { expiresAt: readTime(expiresAt, 'expiresAt') }),
      rules,
      ...(ceilings.length > 0 && { ceilings }),
      ...(rates !== undefined && { rates: readRates(rates) }),
    })
  })
}

/** One rule from JSON; `path` is where it stands, for problems. */
export function parseRule(value: unknown, path: string): Result<Rule, PolicyProblem> {
  return read(() => ok(readRule(value, path)))
}

export function readRule(value: unknown, index: number | string): Rule {
  const path = typeof index === 'number' ? `rules[${index}]` : index
  const fields = asFields(value, path, [...TARGET_FIELDS, ...CAVEAT_FIELDS])
  const rawEffect = fields['effect'] ?? 'allow'
  if (typeof rawEffect !== 'string' || !EFFECTS.includes(rawEffect))
    fail('policy/effect', `${path}.effect`, 'effect must be allow, ask or deny')
  const effect = rawEffect as Effect
  const target = readTarget(fields, path)
  checkFit(fields, effect, target, path)
  return { effect, ...target, ...readCaveats(fields, path) }
}

export function readCeiling(value: unknown, index: number | string): Ceiling {
  const path = typeof index === 'number' ? `ceilings[${index}]` : index
  const fields = asFields(value, path, TARGET_FIELDS)
  const { effect } = fields
  if (effect !== 'ask' && effect !== 'deny')
    return fail('policy/effect', `${path}.effect`, 'effect of a ceiling must be ask or deny')
  return { effect, ...readTarget(fields, path) }
}

// -- the rest of a policy ----------------------------------------------------------------------

function readName(value: unknown): string {
  if (typeof value !== 'string') return fail('policy/shape', 'name', 'name must be a text')
  if (value.length > NAME_CHARS) fail('policy/limit', 'name', `at most ${NAME_CHARS} characters`)
  if (cleanText(value, NAME_CHARS) !== value || value === '')
    fail('policy/shape', 'name', 'name must be one line of visible characters')
  return value
}

function readPreset(value: unknown): PresetName {
  if (typeof value === 'string' && PRESET_NAMES.includes(value)) return value as PresetName
  return fail('policy/preset', 'preset', `preset must be one of ${PRESET_NAMES.join(', ')}`)
}

function readRates(value: unknown): Rates {
  const { sign, crypt } = asFields(value, 'rates', ['sign', 'crypt'])
  const rate = (part: unknown, path: string): Rate | null => (part === null ? null : readRate(part, path))
  return {
    ...(sign !== undefined && { sign: rate(sign, 'rates.sign') }),
    ...(crypt !== undefined && { crypt: rate(crypt, 'rates.crypt') }),
  }
}
