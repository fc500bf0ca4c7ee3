/**
 * What a remote signer announces about itself: a kind 31990 event with `k` 24133 (NIP-89, NIP-46 "Remote signer discovery").
 * Never authority: anybody can announce any name and any domain. Its texts are cleaned for display, its pictures never loaded here.
 */

import {
  type Crypto,
  cleanText,
  cleanUrl,
  isForbiddenAddress,
  limits,
  type Pubkey,
  parsePubkey,
  parseSignedEvent,
  type RelayUrl,
  type SignedEvent,
} from '@nip46/core'
import { type LinkOptions, readConnectTemplate } from './connect-link.ts'
import { ABOUT_CHARS, ANNOUNCEMENT_CHARS } from './limits.ts'
import { membersOf, readJson } from './outside-json.ts'
import { readDomain, readRelays } from './signer-domain.ts'

/** NIP-89, "Handler information". */
export const ANNOUNCEMENT_KIND = 31_990

/** What an announcement of a remote signer says of it (NIP-89, kind 31990), cleaned. A claim, not a fact. */
export interface SignerAnnouncement {
  readonly pubkey: Pubkey
  /** Unix time in seconds. */
  readonly createdAt: number
  readonly name?: string
  /** One line. */
  readonly about?: string
  /** An https URL to a public host. */
  readonly picture?: string
  /** Likewise. */
  readonly website?: string
  /** That it says to be of: worth nothing until the domain says the same. */
  readonly domain?: string
  readonly relays: readonly RelayUrl[]
  readonly connectTemplate?: string
}

/** An announcement whose signature is right, or undefined, whatever it is given. */
export function parseAnnouncement(
  event: unknown,
  crypto: Pick<Crypto, 'eventId' | 'verify'>,
  options: LinkOptions = {},
): SignerAnnouncement | undefined {
  const parsed = parseEvent(event)
  if (parsed === undefined) return undefined
  const { kind, tags, content, created_at: createdAt } = parsed
  const pubkey = parsePubkey(parsed.pubkey)
  if (kind !== ANNOUNCEMENT_KIND || !pubkey.ok || content.length > ANNOUNCEMENT_CHARS) return undefined
  if (!tags.some(([name, value]) => name === 'k' && value === '24133')) return undefined
  if (crypto.eventId(parsed) !== parsed.id || !crypto.verify(parsed)) return undefined
  const valuesOf = (tag: string): readonly string[] =>
    tags.flatMap(([name, value]) => (name === tag && value !== undefined ? [value] : []))
  const facts = membersOf(readJson(content))
  const optional = {
    name: readLine(facts['display_name'], limits.NAME_CHARS) ?? readLine(facts['name'], limits.NAME_CHARS),
    about: readLine(facts['about'], ABOUT_CHARS),
    picture: readPublicUrl(facts['picture']),
    website: readPublicUrl(facts['website']),
    domain: readDomain(facts['nip05']),
    connectTemplate: readConnectTemplate(valuesOf('nostrconnect_url')[0], options),
  }
  const known = Object.entries(optional).filter(([, value]) => value !== undefined)
  return {
    pubkey: pubkey.value,
    createdAt,
    relays: readRelays(valuesOf('relay')),
    ...Object.fromEntries(known),
  }
}

function parseEvent(event: unknown): SignedEvent | undefined {
  try {
    const parsed = parseSignedEvent(event)
    return parsed.ok ? parsed.value : undefined
  } catch {
    // An object that throws when it is read.
    return undefined
  }
}

function readLine(value: unknown, max: number): string | undefined {
  const line = typeof value === 'string' ? cleanText(value.slice(0, 4 * max), max) : ''
  return line === '' ? undefined : line
}

/** A page loads pictures with the user's own network: addresses in there are none of a stranger's business. */
function readPublicUrl(value: unknown): string | undefined {
  const url = typeof value === 'string' ? cleanUrl(value) : undefined
  const host = /^https:\/\/(\[[^\]]*\]|[^/?#:]+)/.exec(url ?? '')?.[1]
  return host === undefined || isForbiddenAddress(host) ? undefined : url
}
