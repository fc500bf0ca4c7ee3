/**
 * Requests that remote signers of a single era know, as functions of a session.
 * Never needed with today's remote signers.
 */

import type { MethodResults } from '@nip46/core'
import type { BunkerSession } from './bunker-session.ts'
import type { CallOptions } from './calls.ts'

/** What `create_account` asks for. */
export interface NewAccount {
  readonly username: string
  readonly domain: string
  readonly email?: string
  /** As NIP-46 writes them: `sign_event:1,nip04_encrypt`. */
  readonly perms?: string
}

/**
 * Asks a remote signer of era B (the text of 2024-02-20) to make a new account; resolves with its pubkey. Rejects as every request does.
 *
 * ```ts
 * const pubkey = await createAccount(session, { username: 'ada', domain: 'bunker.example' })
 * ```
 */
export function createAccount(
  session: Pick<BunkerSession, 'request'>,
  { username, domain, email, perms }: NewAccount,
  options?: CallOptions,
): Promise<MethodResults['create_account']> {
  const optional = perms === undefined ? [email] : [email ?? '', perms]
  const params = [username, domain, ...optional.filter((param) => param !== undefined)]
  return session.request('create_account', params, options)
}

/**
 * DANGER: the user's NIP-44 conversation key with `peer`, 64 hex characters: permanent power to read and forge
 * that conversation. Only remote signers of the text of 2024-02-06 (`SEED`) know it, and few users should grant it.
 *
 * ```ts
 * const conversationKey = await nip44GetKey(session, peer)
 * ```
 */
export function nip44GetKey(
  session: Pick<BunkerSession, 'request'>,
  peer: string,
  options?: CallOptions,
): Promise<string> {
  return session.request('nip44_get_key', [peer], options)
}
