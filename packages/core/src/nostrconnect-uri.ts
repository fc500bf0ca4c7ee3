/**
 * `nostrconnect://` URIs: the offer with which a client invites a remote signer.
 * Never grants what an offer asks for, and never believes what it says about its sender.
 */

import { escapeParam, readUri, type UriParam, type UriProblem, writeUri } from './connection-uri.ts'
import { cleanText } from './display-text.ts'
import { NAME_CHARS_OUT, PERMS_CHARS_OUT } from './limits.ts'
import { type ClientMetadata, parseMetadataObject, readMetadata } from './metadata.ts'
import { type Permission, parsePermissions } from './permission.ts'
import type { RelayUrlOptions } from './relay-url.ts'
import { err, ok, type Pubkey, type RelayUrl, type Result, UsageError } from './value.ts'

/** What a nostrconnect:// URI says (NIP-46, "Direct connection initiated by the client"). */
export interface NostrConnectOffer {
  readonly clientPubkey: Pubkey
  /** In order of preference, without repeats. */
  readonly relays: readonly RelayUrl[]
  /** What the answer must prove to have seen. Null only with `allowMissingSecret`. */
  readonly secret: string | null
  /** Asked for, never a grant. */
  readonly permissions: readonly Permission[]
  /** Entries that can never be granted, cleaned for display. */
  readonly rejectedPerms: readonly string[]
  /** Asks for `sign_event` with every kind. */
  readonly wildcard: boolean
  /** Display text only. */
  readonly metadata: ClientMetadata
  /** Parameters that NIP-46 does not name, as they came: text from a stranger. */
  readonly extras: readonly UriParam[]
}

/** What a remote signer takes of a nostrconnect:// URI. */
export interface NostrConnectUriOptions extends RelayUrlOptions {
  /** Keys of ours; an offer that names one is refused with `uri/self`. */
  readonly ownPubkeys?: readonly Pubkey[]
  /**
   * Take offers without a secret, as texts before 2024-08 made them. Default false. Whoever answers such an offer first
   * is believed by its client, so say so to the person who scans it.
   */
  readonly allowMissingSecret?: boolean
}

/** A nostrconnect:// URI of any era: flat parameters win over the members of an older `metadata=` JSON. */
export function parseNostrConnectUri(
  text: string,
  options: NostrConnectUriOptions = {},
): Result<NostrConnectOffer, UriProblem> {
  const uri = readUri(text, 'nostrconnect', options, spaceOut)
  if (!uri.ok) return uri
  const { pubkey, relays, secret, params } = uri.value
  if (options.ownPubkeys?.includes(pubkey) === true) return err('uri/self')
  if (secret === null && options.allowMissingSecret !== true) return err('uri/secret')

  const flat = new Map([...params].reverse())
  const legacy = parseMetadataObject(flat.get('metadata') ?? '') ?? new Map<string, unknown>()
  const perms = parsePermissions(flat.get('perms') ?? permsText(legacy.get('perms')))
  if (!perms.ok) return err('uri/too-many-perms')
  return ok({
    clientPubkey: pubkey,
    relays,
    secret,
    permissions: perms.value.permissions,
    rejectedPerms: perms.value.rejected,
    wildcard: perms.value.wildcard,
    metadata: readMetadata([flat, legacy]),
    extras: params.filter(([name]) => !NAMED_PARAMS.includes(name)),
  })
}

/** What {@link encodeNostrConnectUri} writes. */
export interface NewOffer extends Pick<NostrConnectOffer, 'clientPubkey' | 'relays'> {
  /** Printable, of at least 128 random bits: 32 hex characters. */
  readonly secret: string
  /** As `encodePermissions` writes them. */
  readonly perms?: string
  /** As `cleanMetadata` gives it. */
  readonly metadata?: ClientMetadata | null
}

/**
 * An offer that every deployed remote signer can read, which is at times less than was given: a name loses `&`, `=`, `#`
 * and what is over `limits.NAME_CHARS_OUT`, a url with a query is cut to its origin, an image with one is left out.
 * Throws `UsageError` on no relay or more than `limits.URI_RELAYS_OUT`, no secret, or more than `limits.PERMS_CHARS_OUT` of perms.
 */
export function encodeNostrConnectUri({
  clientPubkey,
  relays,
  secret,
  perms = '',
  metadata,
}: NewOffer): string {
  if (secret === '') throw new UsageError('a nostrconnect:// offer needs a secret: 32 random hex characters')
  if (perms.length > PERMS_CHARS_OUT)
    throw new UsageError(`ask for permissions in at most ${PERMS_CHARS_OUT} characters`)
  // One remote signer decodes the whole query before it splits it at `&` and `=`, so values must not hold them.
  const name = cleanText((metadata?.name ?? '').replace(/[&=#]/g, ' '), NAME_CHARS_OUT)
  const url = metadata?.url?.replace(/^(\w+:\/\/[^/?#]+).*[?&=].*$/, '$1')
  const image = metadata?.image?.replace(/^.*[?&=].*$/, '')
  return writeUri('nostrconnect', clientPubkey, relays, escapeParam, {
    secret,
    perms,
    name,
    url,
    image,
    // One widespread remote signer reads nothing else.
    metadata: JSON.stringify({ name, url }),
  })
}

const NAMED_PARAMS: readonly string[] = ['perms', 'name', 'url', 'image', 'icon', 'metadata']

/** NIP-46's own example has name=My+Client. */
function spaceOut(uri: string): string {
  return uri.replace(/[?&](?:name|metadata)=[^&#]*/g, (param) => param.replaceAll('+', '%20'))
}

function permsText(perms: unknown): string {
  if (typeof perms === 'string') return perms
  return Array.isArray(perms) ? perms.filter((entry) => typeof entry === 'string').join(',') : ''
}
