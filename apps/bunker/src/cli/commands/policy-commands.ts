/**
 * `policy …`: what a policy means before it decides anything. Never changes one.
 */

import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Fault } from '../../api/fault.ts'
import { OPERATIONS } from '../../api/operations.ts'
import type { Explanation, RequestDraft } from '../../api/shapes.ts'
import { chooseApp } from '../choose.ts'
import type { Call, Command, Context, OptionSpecs } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { describeFindings, isWell } from '../findings.ts'
import { readChoice, readDuration, readNumber } from '../options.ts'
import { askPolicies } from '../policies.ts'
import { needPolicyChoice, POLICY_OPTIONS, readPolicyChoice } from '../policy-options.ts'
import { CommandProblem } from '../problem.ts'
import { clean, facts, plural, short, table, when } from '../text.ts'

const METHODS = [
  'sign_event',
  'nip44_encrypt',
  'nip44_decrypt',
  'nip04_encrypt',
  'nip04_decrypt',
  'nip44_get_key',
] as const

const DRAFT_OPTIONS: OptionSpecs = {
  app: { type: 'text', value: 'APP', words: 'judge by the policy of this app' },
  ...POLICY_OPTIONS,
  method: { type: 'text', value: 'METHOD', words: 'sign_event unless said otherwise' },
  kind: { type: 'text', value: 'KIND', words: 'kind of the event' },
  content: { type: 'text', value: 'TEXT', words: 'its content' },
  peer: { type: 'text', value: 'PUBKEY', words: 'peer of an encryption, 64 hex characters' },
  request: { type: 'text', value: 'FILE', words: 'JSON instead: {"method":"sign_event","event":{"kind":1}}' },
}

const OFFLINE = ['Works while no daemon runs too.'] as const
const DRAFT_NOTES = ['Works while no daemon runs too, unless it is about an app.'] as const

export const POLICY_COMMANDS: readonly Command[] = [
  {
    name: 'policy presets',
    words: 'The presets that a policy can begin with.',
    operands: [],
    options: {},
    example: 'policy presets',
    notes: OFFLINE,
    operations: ['policy.presets'],
    async run(context, call) {
      const { presets } = await askPolicies(context, call, 'policy.presets', {})
      const rows = presets.map((preset) => [preset.name, preset.default ? 'yes' : '', preset.words])
      return { json: { presets }, text: table(['PRESET', 'DEFAULT', 'MEANS'], rows, 'no presets') }
    },
  },
  {
    name: 'policy lint',
    words: 'Reads a policy and warns of what is probably not meant.',
    operands: [],
    options: POLICY_OPTIONS,
    example: 'policy lint --grant sign_event:1',
    notes: [...OFFLINE, 'Ends with 6 if something is wrong.'],
    operations: ['policy.lint'],
    async run(context, call) {
      const policy = await needPolicyChoice(call)
      const { findings, policy: view } = await askPolicies(context, call, 'policy.lint', { policy })
      return {
        json: { findings, policy: view },
        text: describeFindings(findings),
        exit: isWell(findings) ? EXIT.done : EXIT.notWell,
      }
    },
  },
  {
    name: 'policy test',
    words: 'What a policy, or that of an app, would do with a request. Counts nothing.',
    operands: [],
    options: DRAFT_OPTIONS,
    example: 'policy test --app coracle --kind 3',
    notes: DRAFT_NOTES,
    operations: ['app.list', 'policy.test'],
    async run(context, call) {
      const explanation = await judge(context, call, 'policy.test')
      return { json: explanation, text: `${explanation.effect}  by ${clean(explanation.rule)}` }
    },
  },
  {
    name: 'policy explain',
    words: 'What it would do and why: the rule, the limit, and what would change it. Counts nothing.',
    operands: [],
    options: DRAFT_OPTIONS,
    example: 'policy explain --app coracle --kind 3',
    notes: DRAFT_NOTES,
    operations: ['app.list', 'policy.explain'],
    async run(context, call) {
      const explanation = await judge(context, call, 'policy.explain')
      const lines = [
        `${explanation.effect}  by ${clean(explanation.rule)}`,
        ...explanation.words.map((line) => `  ${clean(line, 2_000)}`),
      ]
      return { json: explanation, text: lines.join('\n') }
    },
  },
  {
    name: 'policy replay',
    words: 'Which past decisions another policy would have turned around.',
    operands: [],
    options: {
      ...POLICY_OPTIONS,
      app: { type: 'text', value: 'APP', words: 'only those about this app' },
      last: { type: 'text', value: 'TIME', words: 'only those of this time, such as 7d' },
    },
    example: 'policy replay --preset paranoid --last 7d',
    operations: ['app.list', 'policy.replay'],
    async run(context, call) {
      const policy = await needPolicyChoice(call)
      const last = call.text('last')
      const api = await context.api()
      const app = call.text('app')
      const clientPubkey = app === undefined ? undefined : (await chooseApp(api, app)).clientPubkey
      const replay = await api.call('policy.replay', {
        policy,
        ...(clientPubkey !== undefined && { clientPubkey }),
        ...(last !== undefined && { sinceMs: Math.max(0, context.io.now() - readDuration('--last', last)) }),
      })
      const rows = replay.flips.map((flip) => [
        when(flip.at),
        short(flip.clientPubkey),
        flip.kind === null ? flip.method : `${flip.method}:${flip.kind}`,
        `${flip.was} → ${flip.would}`,
        flip.rule,
      ])
      const summary = facts([
        ['judged', plural(replay.judged, 'decision')],
        ['skipped', `${replay.skipped} that hold too little`],
        ['would differ', String(replay.flips.length)],
      ])
      const list = table(['WHEN', 'APP', 'WHAT', 'CHANGE', 'RULE'], rows, '')
      return { json: replay, text: list === '' ? summary : `${summary}\n\n${list}` }
    },
  },
]

async function judge(
  context: Context,
  call: Call,
  operation: 'policy.test' | 'policy.explain',
): Promise<Explanation> {
  const request = await readDraft(call)
  const policy = await readPolicyChoice(call)
  const app = call.text('app')
  if (policy === undefined && app === undefined)
    throw new CommandProblem('usage', 'say by which policy: --app APP, or --preset, --grant or --policy')
  if (policy !== undefined && app !== undefined)
    throw new CommandProblem('usage', 'give --app, or a policy, not both')
  const clientPubkey =
    app === undefined ? undefined : (await chooseApp(await context.api(), app)).clientPubkey
  return askPolicies(context, call, operation, {
    request,
    ...(clientPubkey !== undefined && { clientPubkey }),
    ...(policy !== undefined && { policy }),
  })
}

async function readDraft(call: Call): Promise<RequestDraft> {
  const file = call.text('request')
  if (file !== undefined) {
    const path = resolve(file)
    const read = OPERATIONS['policy.test'].input.read(
      { request: parse(await readFile(path, 'utf8'), path) },
      path,
    )
    if (read.ok) return read.value.request
    throw new CommandProblem('usage', read.error)
  }
  const method = readChoice('--method', call.text('method') ?? 'sign_event', METHODS)
  const kind = call.text('kind')
  const content = call.text('content')
  const peer = call.text('peer')
  if (method === 'sign_event') {
    if (kind === undefined)
      throw new CommandProblem('usage', `give --kind: nip46-bunker ${call.command.example}`)
    return {
      method,
      event: { kind: readNumber('--kind', kind, 0, 65_535), ...(content !== undefined && { content }) },
    }
  }
  return { method, ...(peer !== undefined && { peer }), ...(content !== undefined && { text: content }) }
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
    throw new Fault(400, 'input/json', `${path} is not JSON: it begins {"method":"sign_event"`)
  }
}
