/**
 * A decision in words and as data: what decided, which limit, and what would change it.
 * Never judges anew: it says what `decide` found.
 */

import type { Millis } from '@nip46/core'
import type { CaveatName } from './caveat.ts'
import { type Case, type Decision, type Stage, thingOf } from './decide.ts'
import { formatCaveats } from './grant-text.ts'
import type { Effect } from './rule.ts'

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

function changesOf({ stage, name, retryAt }: Decision, { subject }: Case): readonly Change[] {
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
  else {
    const peer = subject.peer === null ? '' : `:${subject.self ? 'self' : subject.peer}`
    const grant = `${thingOf(subject)}${peer}`
    changes.push({ words: `The grant ${grant} would allow it.`, grant })
  }
  return changes
}

function guardChange(name: string): string {
  if (name.endsWith('suspended')) return 'Resuming the app would change it.'
  if (name.endsWith('expired')) return 'A later expiry would change it.'
  if (name.endsWith('far ahead') || name.endsWith('ahead of time'))
    return 'A created_at that is not ahead would change it.'
  return 'Nothing changes that.'
}
