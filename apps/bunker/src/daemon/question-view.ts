/**
 * Questions as the API and the pages show them: what is asked, its hash, and text for people.
 * Never shows a stranger's text uncleaned, but for the full data that somebody asked for by name.
 */

import { createHash } from 'node:crypto'
import { encodePermissions, type JsonValue, type Pubkey, type Question } from '@nip46/core'
import type { QuestionDetail, QuestionView } from '../api/shapes.ts'
import { describeQuestion } from '../question-text.ts'

/** What is asked, by whom, of whose key. */
export interface Asked {
  readonly question: Question
  /** Null if nobody knows before it is decided. */
  readonly user: Pubkey | null
}

/** sha256 of exactly what is asked: equal hashes are one question. */
export function questionHash({ question, user }: Asked): string {
  const { clientPubkey } = question
  return sha256(
    question.type === 'connect'
      ? [
          'connect',
          clientPubkey,
          user,
          encodePermissions(question.requested),
          question.metadata,
          question.relays,
          question.legacyEncryption,
        ]
      : ['operation', clientPubkey, user, question.operation],
  )
}

/** Equal for questions that differ in content only. */
function questionGroup({ question, user }: Asked): string {
  const facts = questionFacts(question)
  return sha256(['group', question.type, question.clientPubkey, user, facts.method, facts.kind, facts.peer])
}

function questionFacts(question: Question): {
  readonly method: string
  readonly kind: number | null
  readonly peer: Pubkey | null
} {
  if (question.type === 'connect') return { method: 'connect', kind: null, peer: null }
  const { operation } = question
  return operation.method === 'sign_event'
    ? { method: operation.method, kind: operation.template.kind, peer: null }
    : { method: operation.method, kind: null, peer: operation.peer }
}

export interface ViewFacts {
  readonly id: string
  readonly hash: string
  readonly label: string
  readonly claims: { readonly name: string | null; readonly url: string | null }
  readonly times: number
  readonly askedAt: number
  readonly expiresAt: number | null
  readonly choices: QuestionView['choices']
}

export function viewQuestion(asked: Asked, facts: ViewFacts): QuestionView {
  const { question, user } = asked
  const [title = '', ...lines] = describeQuestion(question).split('\n')
  return {
    ...facts,
    group: questionGroup(asked),
    type: question.type,
    clientPubkey: question.clientPubkey,
    userPubkey: user,
    ...questionFacts(question),
    title,
    lines,
  }
}

export function detailQuestion(asked: Asked, facts: ViewFacts): QuestionDetail {
  const view = viewQuestion(asked, facts)
  const { question } = asked
  if (question.type === 'connect') return { ...view, event: null, text: null }
  const { operation } = question
  return {
    ...view,
    event: operation.method === 'sign_event' ? operation.template : null,
    text: 'plaintext' in operation ? operation.plaintext : null,
  }
}

/** Over JSON with the members of every object sorted by name. */
function sha256(value: unknown): string {
  return createHash('sha256')
    .update(canonical(value as JsonValue))
    .digest('hex')
}

function canonical(value: JsonValue | undefined): string {
  if (value === null || value === undefined || typeof value !== 'object') return JSON.stringify(value ?? null)
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  const members = Object.entries(value as { readonly [name: string]: JsonValue })
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`
}
