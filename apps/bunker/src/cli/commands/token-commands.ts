/**
 * `token …`: who else may use the API. Never shows a token again.
 */

import type { Scope } from '../../api/shapes.ts'
import { chooseToken } from '../choose.ts'
import type { Command } from '../command.ts'
import { readChoice, readDuration } from '../options.ts'
import { CommandProblem } from '../problem.ts'
import { clean, table, when } from '../text.ts'

const SCOPES: readonly Scope[] = ['read', 'approve', 'manage', 'keys', 'admin']

export const TOKEN_COMMANDS: readonly Command[] = [
  {
    name: 'token create',
    words: 'Makes a token for the API over HTTP, and shows it this once.',
    operands: ['LABEL'],
    options: {
      scope: { type: 'list', value: 'SCOPE', words: `what it may do, at least one: ${SCOPES.join(', ')}` },
      expires: {
        type: 'text',
        value: 'TIME',
        words: 'how long it is good, such as 90d; else until it is revoked',
      },
    },
    example: 'token create phone --scope read --scope approve --expires 90d',
    notes: [
      'read: look at everything. approve: decide requests; suspend, revoke, lock, panic. manage: links, apps, policies, relays.',
      'keys: make, import, export, unlock, delete them. admin: tokens, backups, and going on after a panic. None includes another.',
    ],
    operations: ['token.create'],
    async run(context, call) {
      const scopes = call
        .list('scope')
        .flatMap((text) => text.split(','))
        .map((text) => readChoice('--scope', text, SCOPES))
      if (scopes.length === 0)
        throw new CommandProblem('usage', `give --scope: nip46-bunker ${call.command.example}`)
      const expires = call.text('expires')
      const made = await (await context.api()).call('token.create', {
        label: call.need(0),
        scopes: [...new Set(scopes)],
        ...(expires !== undefined && { forMs: readDuration('--expires', expires) }),
      })
      return {
        json: made,
        text: `${clean(made.token)}\ngood until ${when(made.info.expiresAt, 'it is revoked')}`,
      }
    },
  },
  {
    name: 'token list',
    words: 'Tokens that are out, without their secrets.',
    operands: [],
    options: {},
    example: 'token list',
    operations: ['token.list'],
    async run(context) {
      const { tokens } = await (await context.api()).call('token.list')
      const rows = tokens.map((token) => [
        token.id,
        token.label,
        token.scopes.join(','),
        when(token.expiresAt),
        when(token.lastUsedAt),
      ])
      return {
        json: { tokens },
        text: table(['TOKEN', 'LABEL', 'SCOPES', 'EXPIRES', 'LAST USED'], rows, 'no tokens'),
      }
    },
  },
  {
    name: 'token revoke',
    words: 'The token is no longer good.',
    operands: ['TOKEN'],
    options: {},
    example: 'token revoke phone',
    operations: ['token.list', 'token.revoke'],
    async run(context, call) {
      const api = await context.api()
      const { id } = await chooseToken(api, call.need(0))
      return { json: await api.call('token.revoke', { id }), text: `${clean(id)} is no longer good` }
    },
  },
]
