/**
 * A judge with a counter: notes (kind 1) are signed so many times without a question, decryption is refused, the rest is asked.
 * Never looks at the grants, so that a test sees who decided.
 */

import type { JsonValue, Judge, JudgedRequest } from '../src/port.ts'

export const NOTES_AT_FIRST = 3

/** A person's yes or no with `remember: ONE_MORE` allows one more note. */
export const ONE_MORE = 'one more'

export function countingJudge(): Judge {
  return {
    judge(request) {
      const { method } = request.operation
      if (method === 'nip44_decrypt' || method === 'nip04_decrypt')
        return { effect: 'deny', rule: 'no reading', error: 'denied: this policy lets nobody read' }
      if (method === 'nip44_get_key') return { effect: 'allow', rule: 'anything', policy: request.policy }
      const left = notesLeft(request.policy)
      if (!isNote(request) || left === 0)
        return { effect: 'ask', rule: 'the rest', denial: 'denied: ask first' }
      return { effect: 'allow', rule: 'notes', policy: { left: left - 1 } }
    },
    approve: ({ policy }, remember) => (remember === ONE_MORE ? { left: notesLeft(policy) + 1 } : policy),
    facts: ({ method }) => ({ letters: method.length }),
  }
}

function notesLeft(policy: JsonValue): number {
  const left = policy !== null && typeof policy === 'object' ? (policy as { left?: unknown }).left : undefined
  return typeof left === 'number' ? left : NOTES_AT_FIRST
}

export function isNote({ operation }: Pick<JudgedRequest, 'operation'>): boolean {
  return operation.method === 'sign_event' && operation.template.kind === 1
}
