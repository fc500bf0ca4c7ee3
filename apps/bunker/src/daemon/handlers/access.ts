/**
 * The operations on who may use the API: tokens of programs, invitations of browsers.
 * Never shows a token twice.
 */

import { UsageError } from '@nip46/core'
import { Fault } from '../../api/fault.ts'
import type { Handlers } from '../../api/operations.ts'
import type { Host } from '../host.ts'

type Names = 'token.create' | 'token.list' | 'token.revoke' | 'browser.invite'

export function accessHandlers(host: Host): Pick<Handlers, Names> {
  const { tokens, browsers, log } = host
  return {
    'token.create': async ({ label, scopes, forMs }, caller) => {
      if (scopes.length === 0)
        throw new Fault(400, 'token/scopes', 'say what the token may do: read, approve, manage, keys, admin')
      try {
        const made = await tokens.create(label, scopes, forMs)
        log.write('info', 'token-made', { caller: caller.name, code: made.info.id })
        return made
      } catch (cause) {
        if (cause instanceof UsageError) throw new Fault(503, 'token/unstored', cause.message)
        throw cause
      }
    },
    'token.list': () => ({ tokens: tokens.list() }),
    'token.revoke': async ({ id }, caller) => {
      if (!(await tokens.revoke(id)))
        throw new Fault(404, 'token/unknown', 'there is no such token: see "token list"')
      log.write('info', 'token-revoked', { caller: caller.name, code: id })
      return { id }
    },
    'browser.invite': (_input, caller) => {
      if (host.pagesUrl === null) return { url: null, expiresAt: 0 }
      const { code, expiresAt } = browsers.invite()
      log.write('info', 'browser-invited', { caller: caller.name })
      // Good once, and not by being looked at: a proxy's log or a program that follows links uses nothing up.
      return { url: `${host.pagesUrl}/enter?code=${code}`, expiresAt }
    },
  }
}
