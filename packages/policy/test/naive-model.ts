/**
 * The evaluation order written down a second time, as plainly as possible and from the words of the documentation: no state but a list
 * of past uses, no sets, nothing compiled. It knows the small universe of the exhaustive test only.
 */

export interface NaiveRule {
  readonly effect: 'allow' | 'ask' | 'deny'
  readonly method: string
  readonly kind?: number
  readonly until?: number
  readonly maxUses?: number
  readonly max?: { readonly count: number; readonly seconds: number }
}

/** What was granted in NIP-46's own terms. */
export interface NaiveGrant {
  readonly method: string
  readonly kind?: number
}

export interface NaiveRequest {
  readonly method: string
  readonly kind: number | null
  /** Unix seconds. */
  readonly at: number
}

const AUTHORITY = [0, 3, 5, 22_242]
const NEVER = [14]

/** Decides and, if it allows, notes the use under the rule that allowed it. */
export function naive(
  rules: readonly NaiveRule[],
  ceiling: NaiveRule | undefined,
  request: NaiveRequest,
  uses: number[][],
  granted: readonly NaiveGrant[] = [],
): 'allow' | 'ask' | 'deny' {
  const about = (rule: NaiveGrant): boolean =>
    rule.method === request.method && (rule.kind === undefined || rule.kind === request.kind)
  const named = (rule: NaiveGrant): boolean =>
    about(rule) && (rule.kind !== undefined || request.kind === null || !AUTHORITY.includes(request.kind))
  const timely = (rule: NaiveRule): boolean => rule.until === undefined || request.at < rule.until
  if (request.kind !== null && NEVER.includes(request.kind)) return 'deny'
  if (ceiling?.effect === 'deny' && about(ceiling)) return 'deny'
  for (const rule of rules) if (rule.effect === 'deny' && about(rule) && timely(rule)) return 'deny'
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i]
    const past = uses[i]
    if (rule === undefined || past === undefined || rule.effect !== 'allow' || !named(rule)) continue
    if (!timely(rule)) continue
    if (rule.maxUses !== undefined && past.length >= rule.maxUses) continue
    const { max } = rule
    if (max !== undefined && past.filter((at) => at > request.at - max.seconds).length >= max.count) continue
    if (ceiling?.effect === 'ask' && about(ceiling)) return 'ask'
    past.push(request.at)
    return 'allow'
  }
  if (ceiling?.effect === 'ask' && about(ceiling)) return 'ask'
  // A grant in NIP-46's terms has a say only where no rule has one.
  const hasSay = (rule: NaiveRule): boolean =>
    rule.effect === 'allow' ? named(rule) : rule.effect === 'ask' && about(rule) && timely(rule)
  return granted.some(named) && !rules.some(hasSay) ? 'allow' : 'ask'
}
