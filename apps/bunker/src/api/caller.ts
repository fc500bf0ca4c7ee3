/**
 * Who asks, and what they may ask for: the owner over the unix socket, or whoever shows a token.
 * Never tells a wrong token from one that was revoked, and never keeps what was shown.
 */

import type { IncomingMessage } from 'node:http'
import type { Clock } from '@nip46/core'
import { Fault } from './fault.ts'
import { WRONG_TOKENS_PER_MINUTE } from './limits.ts'
import type { Scope } from './shapes.ts'
import type { Tokens } from './tokens.ts'

/** Who asks. */
export interface Caller {
  /** `owner` over the unix socket, otherwise the id of a token. */
  readonly name: string
  readonly scopes: ReadonlySet<Scope>
}

/** Whoever may open the unix socket. */
export const OWNER: Caller = {
  name: 'owner',
  scopes: new Set<Scope>(['read', 'approve', 'manage', 'keys', 'admin']),
}

/** Throws the `Fault` to answer with if the caller may not. */
export function requireScope(caller: Caller, scope: Scope): void {
  if (!caller.scopes.has(scope))
    throw new Fault(403, 'auth/scope', `this token lacks the scope "${scope}": make one that has it`)
}

/** Knows callers over the network by their tokens. Throws the `Fault` to answer with. */
export function createTokenCheck(
  tokens: Pick<Tokens, 'check'>,
  clock: Pick<Clock, 'now'>,
): (request: IncomingMessage) => Caller {
  const wrong = createWrongTokens(clock)
  return (request: IncomingMessage): Caller => {
    if (wrong.isFull()) throw new Fault(429, 'auth/rate', 'too many wrong tokens: try again in a minute')
    const [, text] = /^Bearer ([!-~]{1,256})$/i.exec(request.headers.authorization ?? '') ?? []
    if (text === undefined) throw new Fault(401, 'auth/missing', 'send a token: authorization: Bearer nbt_…')
    const token = tokens.check(text)
    if (token === undefined) {
      wrong.count()
      throw new Fault(401, 'auth/wrong', 'this token is not good, or no longer: make one with "token create"')
    }
    return { name: token.id, scopes: new Set(token.scopes) }
  }
}

/** Wrong tokens of a minute, from everybody together. Guessing 256 bits is hopeless; this keeps the log quiet. */
function createWrongTokens(clock: Pick<Clock, 'now'>): { count(): void; isFull(): boolean } {
  let since = 0
  let count = 0
  const roll = (): void => {
    if (clock.now() - since < 60_000) return
    since = clock.now()
    count = 0
  }
  return {
    count() {
      roll()
      count += 1
    },
    isFull() {
      roll()
      return count >= WRONG_TOKENS_PER_MINUTE
    },
  }
}
