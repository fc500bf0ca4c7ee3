/**
 * `bunker://` URIs: the token with which a remote signer invites a client.
 * Never logs or stores one; the secret in it is good for one connection.
 */

import { escapeParam, readUri, type UriParam, type UriProblem, writeUri } from './connection-uri.ts'
import { readKey } from './pubkey.ts'
import type { RelayUrlOptions } from './relay-url.ts'
import { ok, type Pubkey, type RelayUrl, type Result } from './value.ts'

/** What a bunker:// URI says (NIP-46, "Direct connection initiated by remote-signer"). */
export interface BunkerPointer {
  readonly remoteSigner: Pubkey
  /** In order of preference, without repeats. */
  readonly relays: readonly RelayUrl[]
  readonly secret: string | null
  /** A hint that some remote signers add (`pubkey=`). Believe only `get_public_key`. */
  readonly userPubkey?: Pubkey | undefined
  /** Parameters that NIP-46 does not name, as they came: text from a stranger. */
  readonly extras: readonly UriParam[]
}

/**
 * A bunker:// URI as people paste it. Takes hex in any case, npub and nprofile as the key, and the token of 2023-11,
 * `npub1…#secret?relay=…`. `ws://` relays are taken as {@link RelayUrlOptions} says.
 */
export function parseBunkerUri(
  text: string,
  options: RelayUrlOptions = {},
): Result<BunkerPointer, UriProblem> {
  const uri = readUri(text, 'bunker', options, modernize)
  if (!uri.ok) return uri
  const { pubkey, relays, secret, params } = uri.value
  const [, hint = ''] = params.find(([name]) => name === 'pubkey') ?? []
  return ok({
    remoteSigner: pubkey,
    relays,
    secret,
    userPubkey: readKey(hint)?.pubkey,
    extras: params.filter(([name]) => name !== 'pubkey'),
  })
}

/**
 * Plain relays stay unescaped, since deployed clients look for `relay=wss://` in the text; nothing else does.
 * The user's key is never named. Throws `UsageError` on no relay, more than `limits.URI_RELAYS_OUT`, or a bad secret.
 */
export function encodeBunkerUri({
  remoteSigner,
  relays,
  secret,
}: Pick<BunkerPointer, 'remoteSigner' | 'relays' | 'secret'>): string {
  const escapeRelay = (relay: string) => (/^[A-Za-z0-9./:_-]+$/.test(relay) ? relay : escapeParam(relay))
  return writeUri('bunker', remoteSigner, relays, escapeRelay, { secret })
}

/** `<npub1...>#<secret>?relay=…` as a bunker:// URI; every other text as it is. */
function modernize(uri: string): string {
  const token = /^((?:npub|nprofile)1[^#?/]*)(?:#([^?]*))?\?(.*)$/iu.exec(uri)
  if (token === null) return uri
  const [, key, secret, query] = token
  return `bunker://${key}?${query}${secret === undefined ? '' : `&secret=${secret}`}`
}
