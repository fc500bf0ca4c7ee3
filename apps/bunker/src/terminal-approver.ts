/**
 * The approver of `up`: rules first, then a person at the terminal, one question at a time.
 * Never says yes because nobody is there, and never keeps more than a bounded number of questions waiting.
 */

import { confirm, isCancel, log, select } from '@clack/prompts'
import type { Approver, Permission, Pubkey, Question, Verdict } from '@nip46/core'
import { describeQuestion } from './question-text.ts'
import { applyRules, describeGrant, type Rules } from './rules.ts'

/** Questions that may wait for the person; the next one is denied. */
export const WAITING_QUESTIONS = 20
/** Of these, questions of one app, so that none keeps the others from being asked about. */
export const WAITING_OF_ONE_APP = 5

/** Puts one question to a person, and takes it away when the signal says so. */
export type Ask = (question: Question, rules: Rules, signal: AbortSignal) => Promise<Verdict>

/** `ask` is null when there is no terminal: what no rule decides is denied then. */
export function createTerminalApprover(rules: Rules, ask: Ask | null): Approver {
  const waiting: Pubkey[] = []
  let previous: Promise<unknown> = Promise.resolve()
  return {
    decide: async (question, { signal }) => {
      const ruled = applyRules(rules, question)
      if (ruled !== 'ask') return ruled
      if (ask === null) return { allow: false, reason: 'nobody is there to decide' }
      const { clientPubkey } = question
      const ofThisApp = waiting.filter((pubkey) => pubkey === clientPubkey).length
      if (waiting.length >= WAITING_QUESTIONS || ofThisApp >= WAITING_OF_ONE_APP)
        return { allow: false, reason: 'too many questions are waiting' }
      waiting.push(clientPubkey)
      const gone = new AbortController()
      const withdraw = (): void => gone.abort()
      const withdrawn = new Promise<Verdict>((resolve) =>
        gone.signal.addEventListener('abort', () => resolve({ allow: false })),
      )
      const turn = previous.then(() =>
        gone.signal.aborted ? { allow: false } : ask(question, rules, gone.signal),
      )
      previous = turn.catch(() => undefined)
      signal.addEventListener('abort', withdraw, { once: true })
      if (signal.aborted) withdraw()
      try {
        return await Promise.race([turn, withdrawn])
      } finally {
        signal.removeEventListener('abort', withdraw)
        waiting.splice(waiting.indexOf(clientPubkey), 1)
      }
    },
  }
}

/** Asks with arrow keys. Escape or Ctrl-C is a no. */
export async function askAtTerminal(question: Question, rules: Rules, signal: AbortSignal): Promise<Verdict> {
  log.message(describeQuestion(question))
  if (question.type === 'connect') {
    const message = `Let it connect? It may then do: ${describeGrant(rules)}`
    const allowed = await confirm({ message, signal })
    if (signal.aborted) log.message(WITHDRAWN)
    return allowed === true ? { allow: true, grant: rules.grant } : { allow: false }
  }
  const chosen = await select({
    message: 'Allow this?',
    initialValue: 'no',
    signal,
    options: [
      { value: 'no', label: 'No' },
      { value: 'once', label: 'Yes, this once' },
      ...(rememberable(question) === undefined
        ? []
        : [{ value: 'always', label: 'Yes, and do not ask this app again' }]),
    ],
  })
  if (signal.aborted) log.message(WITHDRAWN)
  if (isCancel(chosen) || chosen === 'no') return { allow: false }
  const permission = rememberable(question)
  return chosen === 'always' && permission !== undefined
    ? { allow: true, grant: [permission] }
    : { allow: true }
}

const WITHDRAWN = 'This question is no longer open: it took too long, or the app is gone.'

/** What "do not ask again" would grant: this method, this kind. The one method that hands out a key is asked each time. */
function rememberable(question: Question): Permission | undefined {
  if (question.type === 'connect') return undefined
  const { operation } = question
  if (operation.method === 'nip44_get_key') return undefined
  if (operation.method !== 'sign_event') return { method: operation.method }
  return { method: operation.method, kind: operation.template.kind }
}
