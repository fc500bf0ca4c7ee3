/**
 * `req watch`: questions as they come, asked one at a time at a terminal, printed elsewhere.
 * Never answers a question that is not the one on the screen: its hash goes with the answer.
 */

import type { ApiClient } from '../api/client.ts'
import { Fault } from '../api/fault.ts'
import type { Notice, QuestionView, RememberFor, RememberScope } from '../api/shapes.ts'
import { nameOfApp } from './choose.ts'
import type { Call, Context, Outcome } from './command.ts'
import { describeDetail, describeQuestion } from './question-lines.ts'
import { clean, jsonText, short, when } from './text.ts'

/** Until it is stopped. Throws if the daemon ends. */
export async function watchRequests(context: Context, call: Call): Promise<Outcome> {
  const { io } = context
  const api = await context.api()
  const asks = io.interactive && !call.json && !call.flag('no-ask')
  const asker = asks ? createAsker(api, io.signal) : undefined
  const shown = new Set<string>()
  const take = (question: QuestionView): void => {
    if (shown.has(question.id)) return
    shown.add(question.id)
    if (asker !== undefined) asker.ask(question)
    else if (call.json) io.print(jsonText({ topic: 'requests', type: 'asked', question }, 0))
    else io.print(describeQuestion(question))
  }
  // The stream first: what is asked while the list is on its way is in one of them, or in both.
  const stream = await api.follow(['requests', 'notices'], io.signal)
  let next = stream.next()
  next.catch(() => undefined)
  for (const question of (await api.call('request.list')).requests) take(question)
  if (!call.json && shown.size === 0) io.warn('nothing waits for you; Ctrl-C ends')
  for (;;) {
    const { done, value } = await next
    if (done === true) break
    next = stream.next()
    if (value.topic === 'notices') {
      if (call.json) io.print(jsonText(value, 0))
      else if (asker === undefined) io.print(describeNotice(value.notice))
      else asker.tell(() => io.warn(describeNotice(value.notice)))
      continue
    }
    if (value.topic !== 'requests') continue
    if (value.type === 'asked') take(value.question)
    else {
      shown.delete(value.id)
      asker?.withdraw(value.id)
      if (call.json) io.print(jsonText(value, 0))
      else if (asker === undefined) io.print(`${value.id.slice(0, 12)}: ${SETTLED[value.how]}`)
    }
  }
  if (io.signal.aborted) return {}
  throw new Fault(0, 'daemon/not-running', 'the daemon ended, or closed the stream')
}

const SETTLED = {
  allow: 'allowed',
  deny: 'denied',
  elsewhere: 'settled by another daemon',
  gone: 'no longer asked',
} as const

interface Asker {
  ask(question: QuestionView): void
  withdraw(id: string): void
  /** Between two questions. */
  tell(print: () => void): void
}

/** One question at a time; those that were decided elsewhere are taken away. */
function createAsker(api: ApiClient, signal: AbortSignal): Asker {
  const open = new Map<string, AbortController>()
  let previous: Promise<void> = Promise.resolve()
  return {
    ask(question) {
      const gone = new AbortController()
      open.set(question.id, gone)
      const stop = AbortSignal.any([signal, gone.signal])
      previous = previous.then(async () => {
        if (!stop.aborted) await askOne(api, question, stop)
        open.delete(question.id)
      })
      // A rejection is told where it can be seen, and the next question goes on.
      previous = previous.catch((cause: unknown) => {
        process.stderr.write(`${clean(cause instanceof Error ? cause.message : 'unknown trouble', 500)}\n`)
      })
    },
    withdraw: (id) => open.get(id)?.abort(),
    tell: (print) => {
      previous = previous.then(print)
    },
  }
}

async function askOne(api: ApiClient, { id }: QuestionView, signal: AbortSignal): Promise<void> {
  const { log, select, isCancel } = await import('@clack/prompts')
  const output = process.stderr
  const question = await api.call('request.show', { id })
  log.message(describeDetail(question), { output })
  const lasting = (answer: 'allow' | 'deny', word: string) => {
    const { for: times, scopes } = question.choices[answer]
    return scopes.flatMap((scope) =>
      times.map((how) => ({
        value: `${answer} ${how} ${scope}`,
        label: `${word}, ${FOR_WORDS[how]} for ${SCOPE_WORDS[scope]}`,
      })),
    )
  }
  const answer = await select({
    message: 'Allow this?',
    initialValue: 'later',
    signal,
    output,
    options: [
      { value: 'later', label: 'Decide later' },
      { value: 'no', label: 'No' },
      { value: 'once', label: 'Yes, this once' },
      ...lasting('allow', 'Yes'),
      ...lasting('deny', 'No'),
    ],
  })
  if (signal.aborted) log.message('This question is no longer open.', { output })
  if (isCancel(answer) || answer === 'later') return
  const hash = question.hash
  if (answer === 'no') await api.call('request.deny', { id, hash })
  else if (answer === 'once') await api.call('request.approve', { id, hash })
  else {
    const [decision, how, scope] = answer.split(' ') as ['allow' | 'deny', RememberFor, RememberScope]
    const operation = decision === 'allow' ? 'request.approve' : 'request.deny'
    await api.call(operation, { id, hash, remember: { for: how, scope } })
  }
}

const FOR_WORDS: Readonly<Record<RememberFor, string>> = {
  '5m': 'for 5 minutes',
  '1h': 'for an hour',
  today: 'until midnight',
  session: 'as long as it is connected',
  always: 'always',
}
const SCOPE_WORDS: Readonly<Record<RememberScope, string>> = {
  exact: 'this login',
  kind: 'this kind',
  peer: 'this peer',
  method: 'this method',
  category: 'all of this sort',
}

/** A use of the key that nobody was asked about, in one line. */
function describeNotice(notice: Notice): string {
  const { at, method, kind, peer, rule } = notice
  const what = [method, ...(kind === null ? [] : [`kind ${kind}`]), ...(peer === null ? [] : [short(peer)])]
  return `notice  ${when(at)}  ${nameOfApp(notice)}  ${clean(what.join(' '))}  by ${clean(rule)}`
}
