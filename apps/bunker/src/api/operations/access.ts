/**
 * Who may use the API and the pages.
 * Never shows a token twice.
 */

import { choice, list, nullable, object, optional, type Schema, text } from '../schema.ts'
import type { Nothing, Scope, TokenView } from '../shapes.ts'
import { duration, label, line, nothing, time } from './fields.ts'
import type { OperationTable } from './operation.ts'

export interface AccessOperations {
  /** A token for the API, shown once. */
  'token.create': {
    input: { label: string; scopes: readonly Scope[]; forMs?: number }
    output: { token: string; info: TokenView }
  }
  'token.list': { input: Nothing; output: { tokens: readonly TokenView[] } }
  'token.revoke': { input: { id: string }; output: { id: string } }
  /** A page, good once and for five minutes, that signs a browser in for approvals. Null if no page is served. */
  'browser.invite': { input: Nothing; output: { url: string | null; expiresAt: number } }
}

const scopes = list(choice(['read', 'approve', 'manage', 'keys', 'admin'], 'what a token may do'), 5)

const tokenView: Schema<TokenView> = object<TokenView>({
  id: line,
  label,
  scopes,
  createdAt: time,
  expiresAt: nullable(time),
  lastUsedAt: nullable(time),
})

export const ACCESS_OPERATIONS: OperationTable<AccessOperations> = {
  'token.create': {
    method: 'POST',
    path: '/tokens',
    scope: 'admin',
    words: 'A token for the API, shown once.',
    input: object<AccessOperations['token.create']['input']>({ label, scopes, forMs: optional(duration) }),
    output: object<AccessOperations['token.create']['output']>({ token: line, info: tokenView }),
  },
  'token.list': {
    method: 'GET',
    path: '/tokens',
    scope: 'admin',
    words: 'Tokens that are out, without their secrets.',
    input: nothing,
    output: object<AccessOperations['token.list']['output']>({ tokens: list(tokenView) }),
  },
  'token.revoke': {
    method: 'DELETE',
    path: '/tokens/{id}',
    scope: 'admin',
    words: 'The token is no longer good.',
    input: object<AccessOperations['token.revoke']['input']>({
      id: text(64, 'the id of a token', /^[0-9a-f]{1,64}$/),
    }),
    output: object<AccessOperations['token.revoke']['output']>({ id: line }),
  },
  'browser.invite': {
    method: 'POST',
    path: '/browser/invite',
    scope: 'approve',
    words: 'A page that signs one browser in for approvals.',
    input: nothing,
    output: object<AccessOperations['browser.invite']['output']>({ url: nullable(line), expiresAt: time }),
  },
}
