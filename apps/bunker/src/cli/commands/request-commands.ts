/**
 * `req …`: questions that wait for the owner. Never says yes to anything but what was shown: the hash goes with the answer.
 */

import type { Remember, RememberFor, RememberScope } from '../../api/shapes.ts'
import { cancelled } from '../ask.ts'
import { chooseQuestion, nameOfApp } from '../choose.ts'
import type { Call, Command, Context, OptionSpecs, Outcome } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { readChoice } from '../options.ts'
import { CommandProblem } from '../problem.ts'
import { describeDetail } from '../question-lines.ts'
import { watchRequests } from '../request-watch.ts'
import { clean, plural, short, table, when } from '../text.ts'

const FOR: readonly RememberFor[] = ['5m', '1h', 'today', 'session', 'always']
const SCOPES: readonly RememberScope[] = ['exact', 'kind', 'peer', 'method', 'category']
/** Characters of a hash that are enough to say which was shown. */
const HASH_CHARS = 8

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
    run: watchRequests,
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
