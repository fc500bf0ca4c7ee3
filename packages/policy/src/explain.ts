/**
 * A decision in words and as data: what decided, which limit, and what would change it.
 * Never guesses: it says what `decide` found, and suggests a grant only if `decide` then allows the request.
 */

import type { Millis } from '@nip46/core'
import type { CaveatName } from './caveat.ts'
import { compileRules } from './compile.ts'
import { type Case, type Decision, decide, type Stage, thingOf } from './decide.ts'
import { formatCaveats, parseGrants } from './grant-text.ts'
import { RULES } from './limits.ts'
import type { Effect } from './rule.ts'

/** Why a request is decided as it is, for people and for programs. */
export interface Explanation {
  readonly effect: Effect
  /** What decided, as audit records name it. */
  readonly rule: string
  readonly stage: Stage
  /** Plain sentences, the first one about what decided. */
  readonly words: readonly string[]
  /** Grants that name the request and do not hold. */
  readonly limits: readonly LimitExplained[]
  readonly changes: readonly Change[]
  /** When waiting would help, in Unix milliseconds; null if it would not. */
  readonly retryAt: Millis | null
}

/** A caveat that does not hold, and how far it is used up. */
export interface LimitExplained {
  readonly rule: string
  readonly caveat: CaveatName
  /** The caveat as a grant says it, such as `max=3`. */
  readonly text: string
  /** Uses, or millisatoshis, that count against it; null if it counts nothing. */
  readonly used: number | null
  /** When there is room again, in Unix milliseconds; null if waiting changes nothing. */
  readonly at: Millis | null
}

/** `grant` is what to add to the policy; null if that would not do it. */
export interface Change {
  readonly words: string
  readonly grant: string | null
}

const STAGES: { readonly [stage in Stage]: string } = {
  guard: 'no policy can allow this',
  ceiling: 'a ceiling stands above the policy',
  deny: 'a rule denies it',
  allow: 'a grant allows it',
  ask: 'a rule wants a person to decide',
  preset: 'no rule names it, so the preset decides',
  default: 'nothing allows it',
  rate: 'a rate is used up',
}
const EFFECTS: { readonly [effect in Effect]: string } = {
  allow: 'Allowed',
  ask: 'Asked about',
  deny: 'Refused',
}

export function explainDecision(decision: Decision, input: Case): Explanation {
  const { effect, name: rule, stage, retryAt } = decision
  const limits = decision.missed.flatMap(({ name, misses, caveats }) =>
    misses.map(
      ({ caveat, used, at }): LimitExplained => ({
        rule: name,
        caveat,
        text: formatCaveats({ [caveat]: caveats[caveat] }).join(';'),
        used: used ?? null,
        at: at ?? null,
      }),
    ),
  )
  const changes = effect === 'allow' ? [] : changesOf(decision, input)
  const words = [
    `${EFFECTS[effect]}: ${STAGES[stage]} (${rule}).`,
    ...(decision.capped === null ? [] : [`Without that it would be allowed by ${decision.capped}.`]),
    ...limits.map(wordsOf),
    ...changes.map((change) => change.words),
  ]
  return { effect, rule, stage, words, limits, changes, retryAt }
}

function wordsOf({ rule, text, used, at }: LimitExplained): string {
  const count = used === null ? '' : `, ${used} used`
  const until = at === null ? '' : `, free again at ${new Date(at).toISOString()}`
  return `${rule} names it, but ${text} does not hold${count}${until}.`
}

function changesOf({ stage, name, retryAt }: Decision, input: Case): readonly Change[] {
  const changes: Change[] = []
  if (retryAt !== null)
    changes.push({ words: `Waiting until ${new Date(retryAt).toISOString()} would change it.`, grant: null })
  if (stage === 'guard') changes.push({ words: guardChange(name), grant: null })
  else if (stage === 'ceiling') changes.push({ words: `Raising the ${name} would change it.`, grant: null })
  else if (stage === 'deny') changes.push({ words: `Removing ${name} would change it.`, grant: null })
  else if (stage === 'rate' && name === 'rate: sign')
    changes.push({ words: 'A higher rates.sign would change it.', grant: null })
  else if (stage === 'rate' && name === 'rate: crypt')
    changes.push({ words: 'A higher rates.crypt would change it.', grant: null })
  else changes.push(...grantChange(input))
  return changes
}

/** The narrowest grant that covers the request, if it helps; else what else stands in its way. */
function grantChange(input: Case): readonly Change[] {
  const { subject, policy, allow } = input
  const peer = subject.peer === null ? '' : `:${subject.self ? 'self' : subject.peer}`
  const grant = `${thingOf(subject)}${peer}`
  const rules = parseGrants(grant)
  if (!rules.ok || policy.rules.length + rules.value.length > RULES)
    return [{ words: 'The policy has no room for a grant that would allow it.', grant: null }]
  const then = decide({ ...input, allow: [...allow, ...compileRules(rules.value, true)] })
  if (then.effect === 'allow') return [{ words: `The grant ${grant} would allow it.`, grant }]
  const words = `The grant ${grant} alone would not allow it: ${STAGES[then.stage]} (${then.name}).`
  return [{ words, grant: null }, ...changesOf(then, input)]
}

function guardChange(name: string): string {
  if (name.endsWith('suspended')) return 'Resuming the app would change it.'
  if (name.endsWith('expired')) return 'A later expiry would change it.'
  if (name.endsWith('hands out a key')) return 'Nothing changes that: a person decides each time.'
  if (name.endsWith('far ahead') || name.endsWith('ahead of time'))
    return 'A created_at that is not ahead would change it.'
  return 'Nothing changes that.'
}
