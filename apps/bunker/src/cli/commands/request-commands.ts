/**
 * `req …`: questions that wait for the owner. Never says yes to anything but what was shown: the hash goes with the answer.
 */

import type { ApiClient } from '../../api/client.ts'
import { Fault } from '../../api/fault.ts'
import type {
  Notice,
  QuestionDetail,
  QuestionView,
  Remember,
  RememberChoices,
  RememberFor,
  RememberScope,
} from '../../api/shapes.ts'
import { cancelled } from '../ask.ts'
import { chooseQuestion, nameOfApp } from '../choose.ts'
import type { Call, Command, Context, OptionSpecs, Outcome } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { readChoice } from '../options.ts'
import { CommandProblem } from '../problem.ts'
import { clean, jsonText, plural, short, table, when } from '../text.ts'

const FOR: readonly RememberFor[] = ['5m', '1h', 'today', 'session', 'always']
const SCOPES: readonly RememberScope[] = ['exact', 'kind', 'peer', 'method', 'category']
/** Characters of a hash that are enough to say which was shown. */
const HASH_CHARS = 8
/** Lines of a content that are shown in full. */
const FULL_CHARS = 20_000

const DECISION_OPTIONS: OptionSpecs = {
  for: { type: 'text', value: 'HOW-LONG', words: `and for what is alike: ${FOR.join(', ')}` },
  scope: {
    type: 'text',
    value: 'WHAT',
    words: `what is alike, from the narrowest on: ${SCOPES.join(', ')}; "req show" says which can be taken`,
  },
  hash: { type: 'text', value: 'HASH', words: 'only if it is what was shown under this hash' },
}

export const REQUEST_COMMANDS: readonly Command[] = [
  {
    name: 'req list',
    words: 'Requests that wait for you, the oldest first.',
    operands: [],
    options: {},
    example: 'req list',
    operations: ['request.list'],
    async run(context) {
      const { requests } = await (await context.api()).call('request.list')
      const rows = requests.map((question) => [
        question.id.slice(0, 12),
        short(question.hash),
        nameOfApp(question),
        question.title,
        String(question.times),
        when(question.expiresAt, 'open'),
      ])
      return {
        json: { requests },
        text: table(['REQUEST', 'HASH', 'APP', 'WHAT', 'TIMES', 'UNTIL'], rows, 'nothing waits for you'),
      }
    },
  },
  {
    name: 'req show',
    words: 'One request, with everything that would be signed or encrypted.',
    operands: ['REQUEST'],
    options: {},
    example: 'req show 5f2a9c',
    operations: ['request.list', 'request.show'],
    async run(context, call) {
      const api = await context.api()
      const { id } = await chooseQuestion(api, call.need(0))
      const question = await api.call('request.show', { id })
      return { json: question, text: describeDetail(question) }
    },
  },
  {
    name: 'req approve',
    words: 'Says yes to what was shown, once or for what is alike.',
    operands: ['REQUEST'],
    options: { ...DECISION_OPTIONS, yes: { type: 'flag', words: 'whatever it is, without showing it' } },
    example: 'req approve 5f2a9c --for 1h --scope kind',
    notes: ['At a terminal it shows the request and asks. A script says what it saw with --hash.'],
    operations: ['request.list', 'request.show', 'request.approve'],
    run: (context, call) => decide(context, call, 'request.approve'),
  },
  {
    name: 'req deny',
    words: 'Says no, once or for what is alike.',
    operands: ['REQUEST'],
    options: DECISION_OPTIONS,
    example: 'req deny 5f2a9c --for today --scope kind',
    operations: ['request.list', 'request.show', 'request.deny'],
    run: (context, call) => decide(context, call, 'request.deny'),
  },
  {
    name: 'req watch',
    words:
      'Shows requests, and uses by rules with notify, as they come; at a terminal it asks you about each.',
    operands: [],
    options: { 'no-ask': { type: 'flag', words: 'only show them' } },
    example: 'req watch',
    notes: ['With --json one line for each message of the event stream, until Ctrl-C.'],
    operations: ['request.list', 'request.show', 'request.approve', 'request.deny'],
    run: watch,
  },
  {
    name: 'req page',
    words: 'A page for your browser where you decide; its address is good once, for minutes.',
    operands: [],
    options: {},
    example: 'req page',
    operations: ['browser.invite'],
    async run(context) {
      const page = await (await context.api()).call('browser.invite')
      if (page.url === null)
        throw new CommandProblem(
          'page/off',
          'the daemon serves no pages: set "http" to 127.0.0.1:7747',
          EXIT.failed,
        )
      return { json: page, text: `${clean(page.url, 2_000)}\ngood once, until ${when(page.expiresAt)}` }
    },
  },
]

async function decide(
  context: Context,
  call: Call,
  operation: 'request.approve' | 'request.deny',
): Promise<Outcome> {
  const remember = readRemember(call)
  const expected = call.text('hash')
  if (expected !== undefined && !/^[0-9a-f]{8,64}$/.test(expected))
    throw new CommandProblem(
      'usage',
      `--hash takes ${HASH_CHARS} to 64 hex characters, as "req show" prints them`,
    )
  const api = await context.api()
  const { id } = await chooseQuestion(api, call.need(0))
  const question = await api.call('request.show', { id })
  if (expected !== undefined && !question.hash.startsWith(expected))
    throw new CommandProblem(
      'request/changed',
      'this is not what was shown: look at it again with "req show"',
      EXIT.changed,
    )
  if (operation === 'request.approve' && expected === undefined && !call.flag('yes')) {
    if (!context.io.interactive)
      throw new CommandProblem(
        'usage',
        `say what was shown: --hash ${short(question.hash)} after "req show ${id}", or --yes`,
      )
    context.io.warn(describeDetail(question))
    const { confirm } = await import('@clack/prompts')
    const answer = await confirm({
      message: 'Allow this?',
      initialValue: false,
      output: process.stderr,
      signal: context.io.signal,
    })
    if (answer !== true) throw cancelled()
  }
  const decided = await api.call(operation, {
    id,
    hash: question.hash,
    ...(remember !== undefined && { remember }),
  })
  const also = decided.also.length === 0 ? '' : `, and ${plural(decided.also.length, 'other')} with it`
  return { json: decided, text: `${decided.decision === 'allow' ? 'allowed' : 'denied'}${also}` }
}

function readRemember(call: Call): Remember | undefined {
  const forText = call.text('for')
  const scopeText = call.text('scope')
  if (forText === undefined && scopeText === undefined) return undefined
  if (forText === undefined || scopeText === undefined)
    throw new CommandProblem('usage', 'give --for and --scope together, such as --for 1h --scope kind')
  return { for: readChoice('--for', forText, FOR), scope: readChoice('--scope', scopeText, SCOPES) }
}

// -- watching ----------------------------------------------------------------------------------

async function watch(context: Context, call: Call): Promise<Outcome> {
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

// -- text --------------------------------------------------------------------------------------

function describeQuestion(question: QuestionView): string {
  return [
    `${question.id.slice(0, 12)}  ${nameOfApp(question)}  ${clean(question.title, 2_000)}`,
    ...question.lines.map((line) => `  ${keepIndent(line)}`),
    `  hash ${short(question.hash)}, until ${when(question.expiresAt, 'somebody decides')}`,
  ].join('\n')
}

function describeDetail(question: QuestionDetail): string {
  const { allow, deny } = question.choices
  const lines = [describeQuestion(question), ...choiceLines('a yes', allow), ...choiceLines('a no', deny)]
  if (question.event !== null) {
    const { kind, created_at, tags, content } = question.event
    lines.push(`  in full: kind ${kind}, created_at ${created_at}`)
    lines.push(...tags.map((tag) => `  tag     | ${clean(jsonText(tag, 0), FULL_CHARS)}`))
    lines.push(...fullText(content))
  }
  if (question.text !== null) lines.push('  in full:', ...fullText(question.text))
  return lines.join('\n')
}

function choiceLines(answer: string, { for: times, scopes }: RememberChoices): readonly string[] {
  return times.length === 0
    ? []
    : [`  ${answer} can be remembered: --for ${times.join('|')} --scope ${scopes.join('|')}`]
}

/** Each line behind a bar, so that none passes for one of ours. */
function fullText(text: string): readonly string[] {
  const cut = text.length > FULL_CHARS ? [`  (${text.length} characters; the rest: --json)`] : []
  return [
    ...text
      .slice(0, FULL_CHARS)
      .split('\n')
      .map((line) => `  content | ${clean(line, FULL_CHARS)}`),
    ...cut,
  ]
}

function keepIndent(line: string): string {
  return `${/^ {0,8}/.exec(line)?.[0] ?? ''}${clean(line, 2_000)}`
}
