/**
 * `status`, `doctor`, `panic`, `lock-all`, `resume`: the daemon as a whole.
 */

import type { Status } from '../../api/shapes.ts'
import { confirmOrStop } from '../ask.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { describeFindings, isWell } from '../findings.ts'
import { examineHost } from '../host-checks.ts'
import { clean, facts, plural, when } from '../text.ts'

export const HOST_COMMANDS: readonly Command[] = [
  {
    name: 'status',
    words: 'How the daemon is doing.',
    operands: [],
    options: { ready: { type: 'flag', words: 'only whether requests are answered; ends with 6 if not' } },
    example: 'status',
    operations: ['status.get', 'health.get'],
    async run(context, call) {
      const api = await context.api()
      if (call.flag('ready')) {
        const health = await api.call('health.get')
        const bad = health.checks.filter(({ ok }) => !ok).map(({ name, words }) => `${name}: ${clean(words)}`)
        return {
          json: health,
          text: health.ready ? 'ready' : ['not ready', ...bad].join('\n'),
          exit: health.ready ? EXIT.done : EXIT.notWell,
        }
      }
      const status = await api.call('status.get')
      return { json: status, text: describeStatus(status) }
    },
  },
  {
    name: 'doctor',
    words: 'Looks at this machine and at the daemon: what could be better, and how.',
    operands: [],
    options: { all: { type: 'flag', words: 'also what is well' } },
    example: 'doctor',
    notes: ['Ends with 6 if something is wrong. Works without a daemon too.'],
    operations: ['doctor.get'],
    async run(context, call) {
      const findings = await examineHost(context)
      const shown = call.flag('all') ? findings : findings.filter(({ level }) => level !== 'ok')
      return {
        json: { findings },
        text: shown.length === 0 ? 'all is well' : describeFindings(shown),
        exit: isWell(findings) ? EXIT.done : EXIT.notWell,
      }
    },
  },
  {
    name: 'panic',
    words: 'Stops everything at once: keys locked, links withdrawn, apps suspended, requests denied.',
    operands: [],
    options: {},
    example: 'panic',
    notes: [
      'Does not ask. It stays like that, also after a restart, until "resume".',
      'On PostgreSQL it stops every daemon on the database before it returns; keys are counted of this one.',
    ],
    operations: ['host.panic'],
    async run(context) {
      const done = await (await context.api()).call('host.panic')
      const text = `stopped: ${plural(done.keys, 'key')} locked, ${plural(done.links, 'link')} withdrawn, ${plural(done.apps, 'app')} suspended, ${plural(done.requests, 'request')} denied`
      return { json: done, text: `${text}\ngo on with: nip46-bunker resume` }
    },
  },
  {
    name: 'lock-all',
    words: 'Locks every key.',
    operands: [],
    options: {},
    example: 'lock-all',
    notes: ['On PostgreSQL on every daemon on the database; those of this one are counted.'],
    operations: ['host.lock-all'],
    async run(context) {
      const done = await (await context.api()).call('host.lock-all')
      return { json: done, text: `${plural(done.keys, 'key')} locked` }
    },
  },
  {
    name: 'resume',
    words: 'Ends a panic: apps go on; keys stay locked until they are unlocked.',
    operands: [],
    options: { yes: { type: 'flag', words: 'do not ask' } },
    example: 'resume',
    operations: ['host.resume'],
    async run(context, call) {
      await confirmOrStop(context, call, 'Let every app that was suspended by the panic go on?')
      const done = await (await context.api()).call('host.resume')
      return { json: done, text: `${plural(done.apps, 'app')} go on; unlock the keys with "key unlock"` }
    },
  },
]

function describeStore({ kind, place, server, schema, daemons }: Status['store']): string {
  if (kind !== 'postgres') return `${kind} ${place}`
  return `PostgreSQL ${clean(server ?? '')} ${clean(place)}, tables of version ${schema}, ${plural(daemons.length, 'daemon')}: ${clean(daemons.join(', '))}`
}

function describeStatus(status: Status): string {
  const unlocked = status.keys.filter(({ state }) => state === 'unlocked').length
  const live = status.relays.filter(({ state }) => state === 'live').length
  const bad = status.checks.filter(({ ok }) => !ok)
  return [
    facts([
      ['state', status.ready ? 'running, ready' : `${status.state}, not ready`],
      ['since', `${when(status.startedAt)}, process ${status.pid}, version ${status.version}`],
      ['keys', `${unlocked} of ${status.keys.length} unlocked`],
      ['relays', `${live} of ${status.relays.length} live`],
      ['store', describeStore(status.store)],
      ['apps', String(status.apps)],
      ['links', `${status.links} open`],
      ['requests', `${status.questions} wait for you, ${status.performed} done`],
      ['answers', `${status.published} sent, ${status.publishFailures} refused by every relay`],
      [
        'crashes',
        status.crashRefusals === 0 ? undefined : `${status.crashRefusals} requests refused after two`,
      ],
      ['memory', `${Math.round(status.memoryBytes / 1_048_576)} MiB`],
      ['trouble', status.ailments.length === 0 ? undefined : status.ailments.join(', ')],
    ]),
    ...bad.map(({ name, words }) => `not well: ${name}: ${clean(words)}`),
  ].join('\n')
}
