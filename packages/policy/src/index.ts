/**
 * @nip46/policy: what each app may do with a key: grants with caveats, presets, explained.
 * Never does I/O, reads a clock, rolls dice or holds a secret key.
 */

export {
  CATEGORIES,
  type Category,
  type CategoryName,
  carriesAuthority,
  categoriesOfKind,
} from './category.ts'
export type { Stage } from './decide.ts'
export type { Change, Explanation, LimitExplained } from './explain.ts'
export { formatGrants, formatRule, parseCeilings, parseGrants } from './grant-text.ts'
export { createJudge, type JudgeOptions, type PolicyJudge, wantsNotice } from './judge.ts'
export * as limits from './limits.ts'
export { type Finding, type FindingCode, lint } from './lint.ts'
export { parsePolicy, parseRule } from './policy-json.ts'
export { type Consent, PRESETS, type Preset, type PresetEntry } from './preset.ts'
export type { PolicyProblem, PolicyProblemCode } from './problem.ts'
export type { Remember, RememberChoices, RememberFor, RememberScope } from './remember.ts'
export type { Flip, Replay, ReplayOptions } from './replay.ts'
export type {
  Amount,
  Caveats,
  Ceiling,
  ContentCaveat,
  Effect,
  KindTerm,
  PeerTerm,
  Policy,
  PresetName,
  Quota,
  Rate,
  Rates,
  Rule,
  TagCaveat,
} from './rule.ts'
export {
  expireAt,
  forgetDecisions,
  readSessionPolicy,
  replacePolicy,
  resume,
  type SessionPolicy,
  type SessionPolicyView,
  sessionPolicy,
  suspend,
  viewSessionPolicy,
} from './session-policy.ts'
export { type TrimProposal, trim } from './trim.ts'
