/**
 * Questions that wait for the owner.
 * Never decides on anything but exactly what was shown.
 */

import { choice, list, nullable, object, optional, type Schema, text } from '../schema.ts'
import type { Decided, Nothing, QuestionDetail, QuestionView, Remember, RememberChoices } from '../shapes.ts'
import { amount, claims, hash, label, line, nothing, pubkey, time, words } from './fields.ts'
import type { OperationTable } from './operation.ts'

export interface RequestOperations {
  'request.list': { input: Nothing; output: { requests: readonly QuestionView[] } }
  'request.show': { input: { id: string }; output: QuestionDetail }
  /**
   * `hash` of what was shown. 409 `request/changed` if something else waits under this id, 409 `request/decided` if it was
   * decided before (`error.decision` says how), 410 `request/gone` if its time is over: nothing is signed.
   */
  'request.approve': { input: { id: string; hash: string; remember?: Remember }; output: Decided }
  'request.deny': { input: { id: string; hash: string; remember?: Remember }; output: Decided }
}

const questionId = text(32, 'the id of a request', /^[0-9a-f]{1,32}$/)
const rememberFor = choice(['5m', '1h', 'today', 'session', 'always'], 'how long a decision holds')
const rememberScope = choice(['exact', 'kind', 'peer', 'method', 'category'], 'what else it holds for')
const rememberChoices = object<RememberChoices>({ for: list(rememberFor), scopes: list(rememberScope) })
const remember: Schema<Remember> = object<Remember>({ for: rememberFor, scope: rememberScope })
const questionFields = {
  id: questionId,
  hash,
  group: hash,
  type: choice(['connect', 'operation'], 'what is asked about'),
  clientPubkey: pubkey,
  label,
  claims,
  userPubkey: nullable(pubkey),
  method: line,
  kind: nullable(amount),
  peer: nullable(pubkey),
  title: words,
  lines: list(words),
  times: amount,
  askedAt: time,
  expiresAt: nullable(time),
  choices: object<QuestionView['choices']>({ allow: rememberChoices, deny: rememberChoices }),
} as const
const questionView: Schema<QuestionView> = object<QuestionView>(questionFields)
const questionDetail: Schema<QuestionDetail> = object<QuestionDetail>({
  ...questionFields,
  event: nullable(
    object<NonNullable<QuestionDetail['event']>>({
      kind: amount,
      content: text(Number.MAX_SAFE_INTEGER, 'the content'),
      tags: list(list(text(Number.MAX_SAFE_INTEGER, 'an item'), 100_000), 100_000),
      created_at: amount,
    }),
  ),
  text: nullable(text(Number.MAX_SAFE_INTEGER, 'the text to encrypt')),
})
const decisionInput = object<RequestOperations['request.approve']['input']>({
  id: questionId,
  hash,
  remember: optional(remember),
})
const decided: Schema<Decided> = object<Decided>({
  id: questionId,
  decision: choice(['allow', 'deny'], 'what was decided'),
  also: list(questionId),
})

export const REQUEST_OPERATIONS: OperationTable<RequestOperations> = {
  'request.list': {
    method: 'GET',
    path: '/requests',
    scope: 'read',
    words: 'Questions that wait for the owner, the oldest first.',
    input: nothing,
    output: object<RequestOperations['request.list']['output']>({ requests: list(questionView) }),
  },
  'request.show': {
    method: 'GET',
    path: '/requests/{id}',
    scope: 'approve',
    words: 'One question with everything that would be signed or encrypted.',
    input: object<RequestOperations['request.show']['input']>({ id: questionId }),
    output: questionDetail,
  },
  'request.approve': {
    method: 'POST',
    path: '/requests/{id}/approve',
    scope: 'approve',
    words: 'Says yes to exactly what was shown.',
    input: decisionInput,
    output: decided,
  },
  'request.deny': {
    method: 'POST',
    path: '/requests/{id}/deny',
    scope: 'approve',
    words: 'Says no.',
    input: decisionInput,
    output: decided,
  },
}
