/**
 * What a policy would do and what was done.
 * Never counts a use or writes an entry.
 */

import { AUDIT_PAGE, DRAFT_CHARS } from '../limits.ts'
import {
  anyJson,
  choice,
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
  AuditEntry,
  Explanation,
  Finding,
  Nothing,
  PolicyChoice,
  PolicyView,
  Replay,
  RequestDraft,
} from '../shapes.ts'
import {
  amount,
  effect,
  finding,
  hash,
  line,
  nothing,
  policyChoice,
  policyView,
  pubkey,
  time,
  words,
} from './fields.ts'
import type { OperationTable } from './operation.ts'

export interface PolicyOperations {
  'policy.presets': {
    input: Nothing
    output: { presets: readonly { name: string; words: string; default: boolean }[] }
  }
  'policy.lint': {
    input: { policy: PolicyChoice }
    output: { findings: readonly Finding[]; policy: PolicyView }
  }
  /** What a policy, or that of an app, would do with a request. Counts nothing. */
  'policy.test': {
    input: { request: RequestDraft; clientPubkey?: string; policy?: PolicyChoice }
    output: Explanation
  }
  'policy.explain': {
    input: { request: RequestDraft; clientPubkey?: string; policy?: PolicyChoice }
    output: Explanation
  }
  'policy.replay': {
    input: { policy: PolicyChoice; clientPubkey?: string; sinceMs?: number }
    output: Replay
  }
  /** Oldest first, unless `newest` is set. `next` is the `after` of the next page, or null. */
  'audit.list': {
    input: {
      after?: number
      limit?: number
      clientPubkey?: string
      newest?: boolean
      sinceMs?: number
      untilMs?: number
    }
    output: { entries: readonly AuditEntry[]; next: number | null }
  }
  'audit.verify': {
    input: Nothing
    output: { ok: boolean; records: number; problems: readonly string[] }
  }
}

const event = object<NonNullable<RequestDraft['event']>>({
  kind: integer(0, 65_535, 'the kind of an event'),
  content: optional(text(DRAFT_CHARS, 'the content of an event')),
  tags: optional(list(list(text(DRAFT_CHARS, 'an item of a tag'), 1_000), 10_000)),
  created_at: optional(integer(0, Number.MAX_SAFE_INTEGER, 'a Unix time in seconds')),
})

const requestDraft: Schema<RequestDraft> = object<RequestDraft>({
  method: choice(
    ['sign_event', 'nip44_encrypt', 'nip44_decrypt', 'nip04_encrypt', 'nip04_decrypt', 'nip44_get_key'],
    'what an app would ask for',
  ),
  event: optional(event),
  peer: optional(pubkey),
  text: optional(text(DRAFT_CHARS, 'a text')),
})
const explanation: Schema<Explanation> = object<Explanation>({
  effect,
  rule: line,
  words: list(words),
  detail: anyJson('the same as data'),
})
const judgeInput = object<PolicyOperations['policy.test']['input']>({
  request: requestDraft,
  clientPubkey: optional(pubkey),
  policy: optional(policyChoice),
})
const auditEntry: Schema<AuditEntry> = object<AuditEntry>({
  position: amount,
  at: time,
  type: line,
  clientPubkey: nullable(pubkey),
  userPubkey: nullable(pubkey),
  record: anyJson('the record'),
  notice: flag('its rule says to tell the owner'),
  chain: line,
  hash,
})

export const POLICY_OPERATIONS: OperationTable<PolicyOperations> = {
  'policy.presets': {
    method: 'GET',
    path: '/policy/presets',
    scope: 'read',
    words: 'The presets that a policy can begin with.',
    input: nothing,
    output: object<PolicyOperations['policy.presets']['output']>({
      presets: list(
        object<PolicyOperations['policy.presets']['output']['presets'][number]>({
          name: line,
          words,
          default: flag('the one for links that name none'),
        }),
      ),
    }),
  },
  'policy.lint': {
    method: 'POST',
    path: '/policy/lint',
    scope: 'read',
    words: 'Reads a policy and warns of what is probably not meant.',
    input: object<PolicyOperations['policy.lint']['input']>({ policy: policyChoice }),
    output: object<PolicyOperations['policy.lint']['output']>({
      findings: list(finding),
      policy: policyView,
    }),
  },
  'policy.test': {
    method: 'POST',
    path: '/policy/test',
    scope: 'read',
    words: 'What a policy, or that of an app, would do with a request.',
    input: judgeInput,
    output: explanation,
  },
  'policy.explain': {
    method: 'POST',
    path: '/policy/explain',
    scope: 'read',
    words: 'Why, which limit, and what would change it.',
    input: judgeInput,
    output: explanation,
  },
  'policy.replay': {
    method: 'POST',
    path: '/policy/replay',
    scope: 'read',
    words: 'Which past decisions another policy would have turned around.',
    input: object<PolicyOperations['policy.replay']['input']>({
      policy: policyChoice,
      clientPubkey: optional(pubkey),
      sinceMs: optional(time),
    }),
    output: object<Replay>({
      judged: amount,
      skipped: amount,
      flips: list(
        object<Replay['flips'][number]>({
          at: time,
          clientPubkey: pubkey,
          method: line,
          kind: nullable(amount),
          was: effect,
          would: effect,
          rule: line,
        }),
        100_000,
      ),
    }),
  },
  'audit.list': {
    method: 'GET',
    path: '/audit',
    scope: 'read',
    words: 'What was done with the keys, page by page.',
    input: object<PolicyOperations['audit.list']['input']>({
      after: optional(integer(0, Number.MAX_SAFE_INTEGER, 'the position of an entry')),
      limit: optional(integer(1, AUDIT_PAGE, 'how many entries')),
      clientPubkey: optional(pubkey),
      newest: optional(flag('newest first')),
      sinceMs: optional(time),
      untilMs: optional(time),
    }),
    output: object<PolicyOperations['audit.list']['output']>({
      entries: list(auditEntry, AUDIT_PAGE),
      next: nullable(amount),
    }),
  },
  'audit.verify': {
    method: 'POST',
    path: '/audit/verify',
    scope: 'read',
    words: 'Whether the hash chain of the audit log is whole.',
    input: nothing,
    output: object<PolicyOperations['audit.verify']['output']>({
      ok: flag('it is whole'),
      records: amount,
      problems: list(words),
    }),
  },
}
