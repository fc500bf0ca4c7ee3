/**
 * Policies in NIP-46's own terms: what is granted is done, what a person decided is remembered, the rest is asked.
 * Never grants by a bare `sign_event` what carries authority.
 */

import {
  covers,
  encodePermissions,
  isCriticalKind,
  type JsonValue,
  type JudgedRequest,
  type Operation,
  type Permission,
  parsePermissions,
  type Question,
} from '@nip46/core'
import { Fault } from '../api/fault.ts'
import type { PolicyChoice, Remember } from '../api/shapes.ts'
import type { OwnPolicy, PolicyBook } from './policy-book.ts'
import { questionFacts } from './question-view.ts'

interface GrantsPolicy {
  readonly grants: string
  readonly decisions: readonly Decision[]
}

interface Decision {
  readonly allow: boolean
  readonly method: string
  readonly kind: number | null
  readonly peer: string | null
  readonly until: number | null
}

/** Decisions of one session that are remembered; the oldest goes. */
const DECISIONS = 100

export function createGrantsBook(now: () => number): PolicyBook {
  const begin = ({ grants = '', preset, json }: PolicyChoice): OwnPolicy => {
    if (preset !== undefined || json !== undefined)
      throw new Fault(
        400,
        'policy/preset',
        'only grants in the terms of NIP-46 are known: sign_event:1,nip44_decrypt',
      )
    const parsed = parsePermissions(grants)
    if (!parsed.ok || parsed.value.rejected.length > 0)
      throw new Fault(400, 'policy/shape', 'grants are in the terms of NIP-46: sign_event:1,nip44_decrypt')
    return write({ grants: encodePermissions(parsed.value.permissions), decisions: [] })
  }
  const decide = (policy: GrantsPolicy, operation: Operation, at: number) => {
    const facts = factsOf(operation)
    const remembered = policy.decisions.findLast(
      (decision) =>
        decision.method === facts.method &&
        (decision.kind ?? facts.kind) === facts.kind &&
        (decision.peer ?? facts.peer) === facts.peer &&
        (decision.until === null || decision.until > at),
    )
    if (remembered !== undefined)
      return { effect: remembered.allow ? 'allow' : 'deny', rule: 'remembered' } as const
    return { effect: grants(policy, facts) ? 'allow' : 'ask', rule: 'grants' } as const
  }
  return {
    begin,
    change: (policy, choice) => write({ ...read(begin(choice)), decisions: read(policy).decisions }),
    judge(request) {
      const policy = read(request.policy)
      const { effect, rule } = decide(policy, request.operation, request.now)
      if (effect === 'allow') return { effect, rule, policy: request.policy }
      if (effect === 'ask') return { effect, rule, denial: null }
      return { effect, rule, error: 'denied: the user said no' }
    },
    approve(request: JudgedRequest, remember) {
      if (remember === null) return request.policy
      const policy = read(request.policy)
      const decisions = [...policy.decisions, remember as unknown as Decision].slice(-DECISIONS)
      return write({ ...policy, decisions })
    },
    facts: () => null,
    view: (policy) => {
      const { grants: text } = read(policy)
      return { preset: null, grants: text === '' ? [] : text.split(','), json: policy }
    },
    choices(question) {
      const { method, kind, peer } = questionFacts(question)
      if (question.type === 'connect' || method === 'nip44_get_key') return { remember: [], scopes: [] }
      if (kind !== null)
        return {
          remember: ['5m', '1h', 'today', 'session', 'always'],
          scopes: isCriticalKind(kind) ? ['kind'] : ['kind', 'method'],
        }
      return {
        remember: ['5m', '1h', 'today', 'session', 'always'],
        scopes: peer === null ? ['method'] : ['peer', 'method'],
      }
    },
    remembered(question: Question, { for: how, scope }: Remember, allow: boolean): JsonValue {
      const { method, kind, peer } = questionFacts(question)
      return {
        allow,
        method,
        kind: scope === 'kind' ? kind : null,
        peer: scope === 'peer' ? peer : null,
        until: untilFor(how, now()),
      }
    },
    presets: () => [],
    lint: (choice) => {
      begin(choice)
      return []
    },
    explain(policy, draft) {
      const operation = {
        method: draft.method,
        template: draft.event,
        peer: draft.peer,
      } as unknown as Operation
      const { effect, rule } = decide(read(policy), operation, now())
      return { effect, rule, words: [], detail: null }
    },
    preview: (policy, permission) => ({
      effect: grants(read(policy), { method: permission.method, kind: permission.kind ?? null, peer: null })
        ? 'allow'
        : 'ask',
      rule: 'grants',
    }),
    replay: (entries) => ({ judged: 0, skipped: entries.length, flips: [] }),
    trim: () => [],
    without: (policy) => policy,
  }
}

function grants({ grants: text }: GrantsPolicy, { method, kind }: ReturnType<typeof factsOf>): boolean {
  const parsed = parsePermissions(text)
  const granted: readonly Permission[] = parsed.ok ? parsed.value.permissions : []
  const coverage = covers(granted, method, kind ?? undefined)
  return coverage === 'exact' || (coverage === 'bare' && (kind === null || !isCriticalKind(kind)))
}

function factsOf(operation: Operation): {
  readonly method: string
  readonly kind: number | null
  readonly peer: string | null
} {
  return operation.method === 'sign_event'
    ? { method: operation.method, kind: operation.template.kind, peer: null }
    : { method: operation.method, kind: null, peer: operation.peer }
}

function untilFor(how: Remember['for'], at: number): number | null {
  if (how === '5m') return at + 300_000
  if (how === '1h') return at + 3_600_000
  if (how === 'today') return (Math.floor(at / 86_400_000) + 1) * 86_400_000
  return null
}

function read(policy: OwnPolicy | null): GrantsPolicy {
  const { grants: text, decisions } = (policy ?? {}) as Partial<Record<keyof GrantsPolicy, JsonValue>>
  return {
    grants: typeof text === 'string' ? text : '',
    decisions: Array.isArray(decisions) ? (decisions as unknown as readonly Decision[]) : [],
  }
}

function write(policy: GrantsPolicy): OwnPolicy {
  return policy as unknown as JsonValue
}
