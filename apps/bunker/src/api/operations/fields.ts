/**
 * What the inputs and outputs of several subjects are made of.
 * Never without a bound.
 */

import { GRANTS_CHARS, LABEL_CHARS, LONGEST_MS } from '../limits.ts'
import {
  anyJson,
  choice,
  type Fields,
  flag,
  integer,
  list,
  nullable,
  object,
  optional,
  type Schema,
  text,
} from '../schema.ts'
import type {
  AppView,
  Effect,
  Finding,
  KeyView,
  Nothing,
  PolicyChoice,
  PolicyView,
  RelayView,
} from '../shapes.ts'

export const time: Schema<number> = integer(0, Number.MAX_SAFE_INTEGER, 'a Unix time in milliseconds')
export const duration: Schema<number> = integer(1, LONGEST_MS, 'a duration in milliseconds')
export const amount: Schema<number> = integer(0, Number.MAX_SAFE_INTEGER, 'a count')
export const pubkey: Schema<string> = text(64, 'a pubkey of 64 lowercase hex characters', /^[0-9a-f]{64}$/)
export const hash: Schema<string> = text(64, 'a sha256 of 64 lowercase hex characters', /^[0-9a-f]{64}$/)
export const line: Schema<string> = text(1_024, 'a line of text')
export const words: Schema<string> = text(16_384, 'text')
export const label: Schema<string> = text(LABEL_CHARS, 'a name for people')

export const keyName: Schema<string> = text(
  64,
  'the name of a key: letters, digits, dots, dashes',
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
)

export const nothing: Schema<Nothing> = object<Nothing>({})
export const path: Schema<string> = text(4_096, 'an absolute path', /^\//)
export const effect: Schema<Effect> = choice(['allow', 'ask', 'deny'], 'what happens')

export const claims: Schema<AppView['claims']> = object<AppView['claims']>({
  name: nullable(line),
  url: nullable(line),
})

export const policyChoice: Schema<PolicyChoice> = object<PolicyChoice>({
  preset: optional(text(32, 'the name of a preset')),
  grants: optional(text(GRANTS_CHARS, 'grants in the grammar of the policy package')),
  json: optional(anyJson('instead of both, a policy in its canonical form')),
})

export const policyView: Schema<PolicyView> = object<PolicyView>({
  preset: nullable(line),
  grants: list(text(GRANTS_CHARS, 'a grant')),
  suspended: flag('nothing is done for this app at the moment'),
  suspendedUntil: nullable(time),
  json: anyJson('the canonical policy, with its counters'),
})

export const finding: Schema<Finding> = object<Finding>({
  level: choice(['ok', 'warning', 'error'], 'how bad it is'),
  what: line,
  words,
  fix: words,
})

export const keyView: Schema<KeyView> = object<KeyView>({
  name: keyName,
  pubkey,
  npub: line,
  state: choice(['locked', 'unlocked'], 'whether it can be used'),
  createdAt: time,
  locksAt: nullable(time),
  apps: amount,
})

export const appFields: Fields<AppView> = {
  clientPubkey: pubkey,
  label,
  claims,
  userPubkey: pubkey,
  signerPubkey: pubkey,
  phase: line,
  legacyEncryption: flag('encrypted with NIP-04'),
  relays: list(line),
  pairedAt: time,
  expiresAt: nullable(time),
  pending: amount,
  suspended: flag('nothing is done for it at the moment'),
}

export const appView: Schema<AppView> = object<AppView>(appFields)
export const relayView: Schema<RelayView> = object<RelayView>({
  url: line,
  state: choice(['live', 'connecting', 'down'], 'whether it delivers'),
  own: flag('named in new links'),
  served: flag('run by this daemon'),
  reason: nullable(line),
})
