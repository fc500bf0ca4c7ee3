/**
 * The approver of `up`: rules first, then a person at the terminal, one question at a time.
 * Never says yes because nobody is there, and never keeps more than a bounded number of questions waiting.
 */

import { confirm, isCancel, log, select } from '@clack/prompts'
import type { Approver, Permission, Question, Verdict } from '@nip46/core'
import { describeQuestion } from './question-text.ts'
import { applyRules, describeGrant, type Rules } from './rules.ts'

/** Questions that may wait for the person; the next one is denied. */
export const WAITING_QUESTIONS = 20

/** Puts one question to a person. */
export type Ask = (question: Question, rules: Rules) => Promise<Verdict>

/** `ask` is null when there is no terminal: what no rule decides is denied then. */
export function createTerminalApprover(rules: Rules, ask: Ask | null): Approver {
  let waiting = 0
  let previous: Promise<unknown> = Promise.resolve()
  return {
    decide: async (question) => {
      const ruled = applyRules(rules, question)
      if (ruled !== 'ask') return ruled
      if (ask === null) return { allow: false, reason: 'nobody is there to decide' }
      if (waiting >= WAITING_QUESTIONS) return { allow: false, reason: 'too many questions are waiting' }
      waiting += 1
      const turn = previous.then(() => ask(question, rules))
      previous = turn.catch(() => undefined)
      try {
        return await turn
      } finally {
        waiting -= 1
      }
    },
  }
}

/** Asks with arrow keys. Escape or Ctrl-C is a no. */
export async function askAtTerminal(question: Question, rules: Rules): Promise<Verdict> {
  log.message(describeQuestion(question))
  if (question.type === 'connect') {
    const allowed = await confirm({ message: `Let it connect? It may then do: ${describeGrant(rules)}` })
    return allowed === true ? { allow: true, grant: rules.grant } : { allow: false }
  }
  const chosen = await select({
    message: 'Allow this?',
    initialValue: 'no',
    options: [
      { value: 'no', label: 'No' },
      { value: 'once', label: 'Yes, this once' },
      ...(rememberable(question) === undefined
        ? []
        : [{ value: 'always', label: 'Yes, and do not ask this app again' }]),
    ],
  })
  if (isCancel(chosen) || chosen === 'no') return { allow: false }
  const permission = rememberable(question)
  return chosen === 'always' && permission !== undefined
    ? { allow: true, grant: [permission] }
    : { allow: true }
}

/** What "do not ask again" would grant: this method, this kind. The one method that hands out a key is asked each time. */
function rememberable(question: Question): Permission | undefined {
  if (question.type === 'connect') return undefined
  const { operation } = question
  if (operation.method === 'nip44_get_key') return undefined
  if (operation.method !== 'sign_event') return { method: operation.method }
  return { method: operation.method, kind: operation.template.kind }
}
