/**
 * The rules file of `up`: which questions are answered without a person, and how.
 * Never widens by accident: an unknown field is an error, and what no rule names is asked.
 */

import type { Permission, Question, Verdict } from '@nip46/core'
import { covers, encodePermissions, isCriticalKind, isHex64, parsePermissions } from '@nip46/core'

/** One line of the rules file. All given fields must fit; the first rule that fits decides. */
export interface Rule {
  readonly decision: 'allow' | 'deny' | 'ask'
  /** Perms as NIP-46 writes them (`sign_event:1,nip44_encrypt`), or `connect`. Needed to allow; else absent is everything but connect. */
  readonly perms?: string
  /** Client pubkeys, 64 hex characters. Absent: every client. */
  readonly clients?: readonly string[]
}

export interface Rules {
  /** What a newly connected client may do without being asked. */
  readonly grant: readonly Permission[]
  readonly rules: readonly ParsedRule[]
}

interface ParsedRule {
  readonly decision: Rule['decision']
  readonly connect: boolean
  readonly permissions: readonly Permission[] | null
  readonly clients: ReadonlySet<string> | null
}

/** Reads the JSON text of a rules file. Throws an Error that names the place and the mend. */
export function parseRules(text: string): Rules {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new Error(`the rules file is not JSON: ${cause instanceof Error ? cause.message : 'unreadable'}`)
  }
  const file = fields(value, 'the rules file', ['grant', 'rules'])
  const rules = file['rules'] ?? []
  if (!Array.isArray(rules)) throw new Error('"rules" must be a list of rules')
  return {
    grant: file['grant'] === undefined ? [] : permissionsOf(file['grant'], '"grant"'),
    rules: rules.map((rule, index) => parseRule(rule, `rule ${index + 1}`)),
  }
}

function parseRule(value: unknown, place: string): ParsedRule {
  const rule = fields(value, place, ['decision', 'perms', 'clients'])
  const { decision, perms, clients } = rule
  if (decision !== 'allow' && decision !== 'deny' && decision !== 'ask') {
    throw new Error(`${place}: "decision" must be "allow", "deny" or "ask"`)
  }
  if (clients !== undefined && !(Array.isArray(clients) && clients.every(isHex64))) {
    throw new Error(`${place}: "clients" must be a list of pubkeys, 64 lowercase hex characters each`)
  }
  // One word would allow everything, the keys of conversations too: what is allowed is named.
  if (decision === 'allow' && perms === undefined) {
    throw new Error(
      `${place}: say what is allowed: "perms" such as "sign_event:1,nip44_encrypt", or "connect"`,
    )
  }
  const connect = perms === 'connect'
  return {
    decision,
    connect,
    permissions: perms === undefined || connect ? null : permissionsOf(perms, `${place}: "perms"`),
    clients: clients === undefined ? null : new Set(clients),
  }
}

function permissionsOf(value: unknown, place: string): readonly Permission[] {
  const parsed = typeof value === 'string' ? parsePermissions(value) : undefined
  if (parsed?.ok !== true) throw new Error(`${place} must be perms such as "sign_event:1,nip44_encrypt"`)
  const { permissions, rejected } = parsed.value
  if (rejected.length > 0) throw new Error(`${place}: unknown entry "${rejected.join('", "')}"`)
  return permissions
}

function fields(value: unknown, place: string, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${place} must be an object`)
  const unknown = Object.keys(value).filter((field) => !known.includes(field))
  if (unknown.length > 0)
    throw new Error(`${place}: unknown field "${unknown[0]}"; known are ${known.join(', ')}`)
  return { ...value }
}

/** What the rules say to a question: a verdict, or `ask`. */
export function applyRules(rules: Rules, question: Question): Verdict | 'ask' {
  for (const rule of rules.rules) {
    if (rule.clients !== null && !rule.clients.has(question.clientPubkey)) continue
    if (!fits(rule, question)) continue
    if (rule.decision === 'ask') return 'ask'
    if (rule.decision === 'deny') return { allow: false, reason: 'by the rules of this remote signer' }
    return question.type === 'connect' ? { allow: true, grant: rules.grant } : { allow: true }
  }
  return 'ask'
}

function fits(rule: ParsedRule, question: Question): boolean {
  if (question.type === 'connect') return rule.connect
  if (rule.connect) return false
  if (rule.permissions === null) return true
  const { operation } = question
  const kind = operation.method === 'sign_event' ? operation.template.kind : undefined
  const coverage = covers(rule.permissions, operation.method, kind)
  // "sign_event" without a kind denies every kind, but never allows one that carries authority.
  if (coverage === 'bare' && rule.decision === 'allow') return kind !== undefined && !isCriticalKind(kind)
  return coverage !== 'none'
}

/** For people: what new clients get. */
export function describeGrant(rules: Rules): string {
  return rules.grant.length === 0 ? 'nothing without asking' : encodePermissions(rules.grant)
}
