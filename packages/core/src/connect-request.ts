/**
 * The connect request as a remote signer reads it: whom it means, what it wishes for.
 * Never looks at the secret's validity; admission.ts does.
 */

import type { Request } from './message.ts'
import { type ClientMetadata, parseMetadata } from './metadata.ts'
import { type Permission, parsePermissions } from './permission.ts'
import { hashSecret } from './secret.ts'
import type { Pubkey } from './value.ts'

/** Names the token a connect presents: the hash of its secret, or `open:<signer pubkey>` without one. */
export function tokenKey(secret: string | null | undefined, signerPubkey: Pubkey): string {
  return secret === undefined || secret === null || secret === ''
    ? `open:${signerPubkey}`
    : hashSecret(secret)
}

/**
 * What is wrong with a connect besides its secret, as an error text. The first param has carried four different
 * things in the field (remote signer, user, client, nothing): all are taken. Any other key means another remote signer.
 */
export function connectProblem(
  request: Request,
  parties: {
    readonly signerPubkey: Pubkey
    readonly clientPubkey: Pubkey
    readonly userPubkey: Pubkey | undefined
  },
): string | undefined {
  const target = request.params[0]?.toLowerCase()
  if (target === undefined) return 'invalid: connect needs the remote-signer pubkey'
  const { signerPubkey, clientPubkey, userPubkey } = parties
  if (target === '' || target === signerPubkey || target === clientPubkey || target === userPubkey)
    return undefined
  return 'unauthorized: not this remote signer'
}

/** What a client asks for and says of itself. Neither grants anything; what cannot be read counts as not said. */
export function readWishes(request: Request): {
  readonly requested: readonly Permission[]
  readonly metadata: ClientMetadata | null
} {
  const parsed = parsePermissions(request.params[2] ?? '')
  return {
    requested: parsed.ok ? parsed.value.permissions : [],
    metadata: parseMetadata(request.params[3] ?? ''),
  }
}
