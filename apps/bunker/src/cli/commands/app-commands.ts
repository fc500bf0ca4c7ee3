/**
 * `app …`: apps that are connected, and what they may do.
 */

import type { AppDetail, PolicyView } from '../../api/shapes.ts'
import { chooseApp, nameOfApp } from '../choose.ts'
import { type Command, usageProblem } from '../command.ts'
import { readDuration } from '../options.ts'
import { describePolicy, POLICY_OPTIONS, readPolicyChoice } from '../policy-options.ts'
import { facts, npub, plural, short, table, when } from '../text.ts'

const APP = ['APP is its label, its name or the beginning of its key, as "app list" shows them.'] as const

export const APP_COMMANDS: readonly Command[] = [
  {
    name: 'app list',
    words: 'Apps that are connected.',
    operands: [],
    options: {},
    example: 'app list',
    operations: ['app.list'],
    async run(context) {
      const { apps } = await (await context.api()).call('app.list')
      const rows = apps.map((app) => [
        short(app.clientPubkey),
        nameOfApp(app),
        app.suspended ? 'suspended' : app.phase,
        String(app.pending),
        when(app.pairedAt),
      ])
      const text = table(
        ['APP', 'NAME', 'STATE', 'WAITING', 'SINCE'],
        rows,
        'no apps: let one in with "link new"',
      )
      return { json: { apps }, text }
    },
  },
  {
    name: 'app show',
    words: 'One app: its policy, and what it used.',
    operands: ['APP'],
    options: {},
    example: 'app show coracle',
    notes: APP,
    operations: ['app.list', 'app.show'],
    async run(context, call) {
      const api = await context.api()
      const app = await api.call('app.show', {
        clientPubkey: (await chooseApp(api, call.need(0))).clientPubkey,
      })
      return { json: app, text: describeApp(app) }
    },
  },
  {
    name: 'app rename',
    words: 'Your own name for an app.',
    operands: ['APP', 'LABEL'],
    options: {},
    example: 'app rename 5f2a9c coracle',
    notes: APP,
    operations: ['app.list', 'app.rename'],
    async run(context, call) {
      const api = await context.api()
      const { clientPubkey } = await chooseApp(api, call.need(0))
      const app = await api.call('app.rename', { clientPubkey, label: call.need(1) })
      return { json: app, text: `${short(clientPubkey)} is now ${nameOfApp(app)}` }
    },
  },
  {
    name: 'app origins',
    words: "Says which web addresses are an app's, for policies that name list:origins.",
    operands: ['APP', '[ORIGIN…]'],
    options: { none: { type: 'flag', words: 'it has none' } },
    example: 'app origins coracle https://app.coracle.social',
    notes: [...APP, 'They take the place of those it had. What an app says of itself is never believed.'],
    operations: ['app.list', 'app.origins'],
    async run(context, call) {
      const named = call.operands().slice(1)
      if ((named.length === 0) !== call.flag('none'))
        throw usageProblem(call, 'name its origins, or give --none')
      const api = await context.api()
      const { clientPubkey } = await chooseApp(api, call.need(0))
      const { origins } = await api.call('app.origins', { clientPubkey, origins: named })
      return { json: { origins }, text: origins.length === 0 ? 'it has none' : origins.join('\n') }
    },
  },
  {
    name: 'app policy',
    words: 'What an app may do; with options, what it may do from now on.',
    operands: ['APP'],
    options: POLICY_OPTIONS,
    example: 'app policy coracle --preset standard --grant sign_event:30023',
    notes: APP,
    operations: ['app.list', 'app.policy.get', 'app.policy.set'],
    async run(context, call) {
      const api = await context.api()
      const { clientPubkey } = await chooseApp(api, call.need(0))
      const policy = await readPolicyChoice(call)
      const view: PolicyView =
        policy === undefined
          ? await api.call('app.policy.get', { clientPubkey })
          : await api.call('app.policy.set', { clientPubkey, policy })
      return { json: view, text: describePolicy(view) }
    },
  },
  {
    name: 'app suspend',
    words: 'Denies the app everything, for a time or until it is resumed.',
    operands: ['APP'],
    options: { for: { type: 'text', value: 'TIME', words: 'ends by itself after this time, such as 1h' } },
    example: 'app suspend coracle --for 1h',
    notes: APP,
    operations: ['app.list', 'app.suspend'],
    async run(context, call) {
      const forText = call.text('for')
      const forMs = forText === undefined ? undefined : readDuration('--for', forText)
      const api = await context.api()
      const { clientPubkey } = await chooseApp(api, call.need(0))
      const policy = await api.call('app.suspend', { clientPubkey, ...(forMs !== undefined && { forMs }) })
      return {
        json: policy,
        text: `${short(clientPubkey)} is suspended until ${when(policy.suspendedUntil, 'it is resumed')}`,
      }
    },
  },
  {
    name: 'app resume',
    words: 'Ends a suspension.',
    operands: ['APP'],
    options: {},
    example: 'app resume coracle',
    notes: APP,
    operations: ['app.list', 'app.resume'],
    async run(context, call) {
      const api = await context.api()
      const { clientPubkey } = await chooseApp(api, call.need(0))
      return { json: await api.call('app.resume', { clientPubkey }), text: `${short(clientPubkey)} goes on` }
    },
  },
  {
    name: 'app revoke',
    words: 'Ends the connection of an app, for good and at once.',
    operands: ['APP'],
    options: {},
    example: 'app revoke coracle',
    notes: APP,
    operations: ['app.list', 'app.revoke'],
    async run(context, call) {
      const api = await context.api()
      const { clientPubkey } = await chooseApp(api, call.need(0))
      const ended = await api.call('app.revoke', { clientPubkey })
      return {
        json: { clientPubkey, ...ended },
        text: `${short(clientPubkey)} is out: ${plural(ended.ended, 'connection')} ended`,
      }
    },
  },
  {
    name: 'app trim',
    words: 'Proposes to take away grants that were never used.',
    operands: ['APP'],
    options: { apply: { type: 'flag', words: 'take them away' } },
    example: 'app trim coracle --apply',
    notes: APP,
    operations: ['app.list', 'app.trim'],
    async run(context, call) {
      const api = await context.api()
      const { clientPubkey } = await chooseApp(api, call.need(0))
      const trimmed = await api.call('app.trim', { clientPubkey, ...(call.flag('apply') && { apply: true }) })
      const rows = trimmed.proposals.map(({ grant, why }) => [grant, why])
      const list = table(['GRANT', 'WHY'], rows, 'nothing to take away')
      const more = trimmed.applied ? 'taken away' : 'take them away with --apply'
      return { json: trimmed, text: rows.length === 0 ? list : `${list}\n${more}` }
    },
  },
]

function describeApp(app: AppDetail): string {
  const used = Object.entries(app.used).map(([what, count]) => [what, String(count)])
  return [
    facts([
      ['app', app.clientPubkey],
      ['label', app.label === '' ? undefined : app.label],
      ['says it is', app.claims.name === null ? undefined : `"${app.claims.name}" (unverified)`],
      ['says it is from', app.claims.url === null ? undefined : `${app.claims.url} (unverified)`],
      ['user', npub(app.userPubkey)],
      ['state', app.suspended ? 'suspended' : app.phase],
      ['encryption', app.legacyEncryption ? 'NIP-04: anybody can alter its messages unnoticed' : undefined],
      ['relays', app.relays.join(' ')],
      ['since', when(app.pairedAt)],
      ['expires', when(app.expiresAt)],
      ['waiting', String(app.pending)],
      ['web addresses', app.origins.length === 0 ? undefined : app.origins.join(' ')],
      ['asked for', app.requested.length === 0 ? undefined : app.requested.join(',')],
      ['granted', app.granted.length === 0 ? undefined : app.granted.join(',')],
    ]),
    '',
    describePolicy(app.policy),
    '',
    table(['USED', 'TIMES'], used, 'nothing used since the daemon started'),
  ].join('\n')
}
