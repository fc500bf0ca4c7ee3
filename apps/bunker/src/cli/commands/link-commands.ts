/**
 * `link …` and `connect`: how apps come in. Never shows a link again, and never answers an offer that was not shown.
 */

import type { InputOf } from '../../api/operations.ts'
import type { ConnectPreview } from '../../api/shapes.ts'
import { confirmOrStop } from '../ask.ts'
import { chooseLink } from '../choose.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { readDuration, readNumber } from '../options.ts'
import { POLICY_OPTIONS, readPolicyChoice } from '../policy-options.ts'
import { CommandProblem } from '../problem.ts'
import { clean, facts, short, table, when } from '../text.ts'

/** Characters of a URI that a QR code for a terminal is drawn of. */
const QR_CHARS = 1_000

export const LINK_COMMANDS: readonly Command[] = [
  {
    name: 'link new',
    words: 'Makes a bunker:// link: paste it into one app, or scan it.',
    operands: [],
    options: {
      key: { type: 'text', value: 'NAME', words: 'whose key; not needed if there is one' },
      label: { type: 'text', value: 'TEXT', words: 'your name for the app' },
      expires: {
        type: 'text',
        value: 'TIME',
        words: 'how long the link is good, such as 10m; else as long as "up" was told with --link-minutes',
      },
      uses: { type: 'text', value: 'COUNT', words: 'so many links, each good for one app (1 to 20)' },
      ask: { type: 'flag', words: 'you decide on the connection; otherwise who has the link is in' },
      ...POLICY_OPTIONS,
      'no-qr': { type: 'flag', words: 'no QR code' },
    },
    example: 'link new --label coracle --preset standard --expires 10m',
    notes: [
      'A link is a secret until it is used, and is shown this once.',
      'A link lets one app in, once: --uses 3 prints three links.',
    ],
    operations: ['link.create'],
    async run(context, call) {
      const expires = call.text('expires')
      const uses = call.text('uses')
      const key = call.text('key')
      const label = call.text('label')
      const policy = await readPolicyChoice(call)
      const input: InputOf<'link.create'> = {
        ...(key !== undefined && { key }),
        ...(label !== undefined && { label }),
        ...(expires !== undefined && { forMs: readDuration('--expires', expires) }),
        ...(uses !== undefined && { count: readNumber('--uses', uses, 1, 20) }),
        ...(call.flag('ask') && { approval: 'ask' as const }),
        ...(policy !== undefined && { policy }),
      }
      const { links } = await (await context.api()).call('link.create', input)
      if (call.json) return { json: { links } }
      const shown: string[] = []
      for (const link of links) {
        if (context.io.showsTerminal && !call.flag('no-qr') && link.uri.length <= QR_CHARS) {
          const { renderUnicodeCompact } = await import('uqr')
          shown.push(renderUnicodeCompact(link.uri, { border: 2 }))
        }
        shown.push(
          clean(link.uri, 8_192),
          `good for one app, until ${when(link.expiresAt)}; withdraw it: link revoke ${short(link.id)}`,
        )
      }
      return { text: shown.join('\n') }
    },
  },
  {
    name: 'link list',
    words: 'Links that are out, without their secrets.',
    operands: [],
    options: {},
    example: 'link list',
    operations: ['link.list'],
    async run(context) {
      const { links } = await (await context.api()).call('link.list')
      const rows = links.map((link) => [
        short(link.id),
        link.state,
        link.label,
        when(link.expiresAt),
        link.approval === 'ask' ? 'asks you' : 'lets in',
        link.usedBy === null ? '' : short(link.usedBy),
      ])
      const text = table(
        ['LINK', 'STATE', 'LABEL', 'EXPIRES', 'APPROVAL', 'APP'],
        rows,
        'no links: make one with "link new"',
      )
      return { json: { links }, text }
    },
  },
  {
    name: 'link revoke',
    words: 'Nobody can use the link any more; an app that used it goes on.',
    operands: ['LINK'],
    options: {},
    example: 'link revoke 5f2a9c',
    operations: ['link.list', 'link.revoke'],
    async run(context, call) {
      const api = await context.api()
      const { id } = await chooseLink(api, call.need(0))
      return { json: await api.call('link.revoke', { id }), text: `${short(id)} is withdrawn` }
    },
  },
  {
    name: 'connect',
    words: "Answers an app's nostrconnect:// URI, after showing what it would get.",
    operands: ['URI'],
    options: {
      key: { type: 'text', value: 'NAME', words: 'whose key; not needed if there is one' },
      label: { type: 'text', value: 'TEXT', words: 'your name for the app' },
      ...POLICY_OPTIONS,
      preview: { type: 'flag', words: 'only show it' },
      hash: { type: 'text', value: 'HASH', words: 'accept exactly the preview with this hash' },
      yes: { type: 'flag', words: 'do not ask' },
    },
    example: 'connect "nostrconnect://…" --preset standard',
    operations: ['connect.preview', 'connect.accept'],
    async run(context, call) {
      const api = await context.api()
      const uri = call.need(0).trim()
      if (!/^nostrconnect:\/\//i.test(uri))
        throw new CommandProblem('usage', "an app's URI begins with nostrconnect://: copy it from the app")
      const policy = await readPolicyChoice(call)
      const preview = await api.call('connect.preview', { uri, ...(policy !== undefined && { policy }) })
      if (call.flag('preview')) return { json: preview, text: describePreview(preview) }
      const expected = call.text('hash')
      if (expected !== undefined && expected !== preview.hash)
        throw new CommandProblem(
          'connect/changed',
          'this is not what was shown: look at it again with --preview',
          EXIT.changed,
        )
      if (expected === undefined && !call.flag('yes')) {
        context.io.warn(describePreview(preview))
        await confirmOrStop(context, call, 'Let it connect?')
      }
      const key = call.text('key')
      const label = call.text('label')
      const app = await api.call('connect.accept', {
        uri,
        hash: preview.hash,
        ...(key !== undefined && { key }),
        ...(label !== undefined && { label }),
        ...(policy !== undefined && { policy }),
      })
      return { json: app, text: `answered: the app is ${short(app.clientPubkey)}` }
    },
  },
]

function describePreview(preview: ConnectPreview): string {
  const { claims, clientPubkey, relays, requested, rejected, warnings, hash } = preview
  const about = facts([
    ['app says it is', claims.name === null ? 'nothing' : `"${claims.name}" (unverified)`],
    ['and comes from', claims.url ?? undefined],
    ['its key', clientPubkey],
    ['relays', relays.join(' ')],
    ['hash', hash],
  ])
  const rows = requested.map(({ permission, effect, rule }) => [permission, effect, rule])
  return [
    about,
    '',
    table(['ASKS FOR', 'GETS', 'BY'], rows, 'asks for nothing in particular'),
    ...rejected.map((entry) => `never granted: ${clean(entry)}`),
    ...warnings.map((warning) => `warning: ${clean(warning, 2_000)}`),
  ].join('\n')
}
