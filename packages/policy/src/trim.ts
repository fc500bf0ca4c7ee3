/**
 * Grants that an app never used, or uses less of than it holds: what could be taken away without anybody noticing.
 * Never takes anything away by itself.
 */

import type { Permission, Pubkey } from '@nip46/core'
import type { AuditRecord } from '@nip46/core/remote-signer'
import { ruleName } from './compile.ts'
import { formatRule } from './grant-text.ts'
import type { Rule } from './rule.ts'

/** A grant that could be narrower, or go. */
export interface TrimProposal {
  /** The grant as it is held. */
  readonly grant: string
  /** What to hold instead; null for nothing. */
  readonly instead: string | null
  readonly why: string
}

/**
 * What the log says was never used. The log should reach back as far as the grants do: what is older is not seen.
 * `granted` are permissions in NIP-46's own terms, beside the rules.
 */
export function trim(
  log: Iterable<AuditRecord>,
  rules: readonly Rule[],
  options: { readonly clientPubkey?: Pubkey; readonly granted?: readonly Permission[] } = {},
): readonly TrimProposal[] {
  const kinds = new Map<string, Set<number>>()
  const used = new Set<string>()
  for (const record of log) {
    if (record.type !== 'performed' || typeof record.rule !== 'string') continue
    if (options.clientPubkey !== undefined && record.clientPubkey !== options.clientPubkey) continue
    const { method, kind } = record.subject
    used.add(record.rule)
    if (record.rule === 'granted') used.add(kind === undefined ? method : `${method}:${kind}`)
    if (kind !== undefined) kinds.set(record.rule, (kinds.get(record.rule) ?? new Set()).add(kind))
  }
  const proposals: TrimProposal[] = []
  for (const rule of rules) {
    if (rule.effect !== 'allow') continue
    const name = ruleName(rule)
    if (!used.has(name)) proposals.push({ grant: formatRule(rule), instead: null, why: 'It was never used.' })
    else proposals.push(...narrower(rule, [...(kinds.get(name) ?? [])]))
  }
  for (const { method, kind } of options.granted ?? []) {
    const grant = kind === undefined ? method : `${method}:${kind}`
    const touched =
      method === 'sign_event' && kind === undefined
        ? [...used].some((name) => name.startsWith('sign_event:'))
        : used.has(grant)
    if (!touched) proposals.push({ grant, instead: null, why: 'It was never used.' })
  }
  return proposals
}

/** A grant that names more kinds than were used. */
function narrower(rule: Rule, used: readonly number[]): readonly TrimProposal[] {
  if (rule.method !== 'sign_event' || used.length === 0) return []
  const named = rule.kinds
  const exact = named?.every((term) => typeof term === 'number' && used.includes(term)) === true
  if (exact) return []
  const kinds = [...used].sort((a, b) => a - b)
  const instead = formatRule({ ...rule, kinds })
  return [
    { grant: formatRule(rule), instead, why: `Of all it covers, only kind ${kinds.join(', ')} was used.` },
  ]
}
