/**
 * The signers a page lists: what they are given as, and the link that carries an offer to each.
 * Never fetches anything; a name is display text, and an address is only ever opened by a click.
 */

import { cleanText } from '@nip46/core'
import { NAME_CHARS, SIGNER_URL_CHARS, SIGNERS } from './limits.ts'

export interface SignerChoice {
  readonly name: string
  /** Where an offer goes: an `https://` URL with `<nostrconnect>` in it, as NIP-46's `nostrconnect_url`. */
  readonly nostrconnectUrl: string
  /** Shown under the name, such as its checked domain. */
  readonly domain?: string
  /** `https://`, or `data:image/…`. */
  readonly picture?: string
}

/** What can be shown of a list from an attribute, a property or a discovery; the rest is left out. */
export function readSigners(list: unknown): readonly SignerChoice[] {
  if (!Array.isArray(list)) return []
  const found = new Map<string, SignerChoice>()
  for (const item of list as readonly unknown[]) {
    const choice = readSigner(item)
    if (choice !== undefined && !found.has(choice.nostrconnectUrl)) found.set(choice.nostrconnectUrl, choice)
    if (found.size === SIGNERS) break
  }
  return [...found.values()]
}

/** The page of the signer with the offer in it. Inside a query it is escaped, in a path it stands as it is. */
export function signerLink(template: string, offerUri: string): string {
  const at = template.indexOf(PLACE)
  const query = template.indexOf('?')
  const uri = query >= 0 && query < at ? encodeURIComponent(offerUri) : offerUri
  return `${template.slice(0, at)}${uri}${template.slice(at + PLACE.length)}`
}

const PLACE = '<nostrconnect>'

function readSigner(item: unknown): SignerChoice | undefined {
  if (typeof item !== 'object' || item === null) return undefined
  const { name, nostrconnectUrl, domain, picture } = item as Readonly<Record<string, unknown>>
  if (typeof name !== 'string' || typeof nostrconnectUrl !== 'string') return undefined
  const shown = cleanText(name, NAME_CHARS)
  if (shown === '' || !isPage(nostrconnectUrl) || !nostrconnectUrl.includes(PLACE)) return undefined
  return {
    name: shown,
    nostrconnectUrl,
    ...(typeof domain === 'string' && { domain: cleanText(domain, NAME_CHARS) }),
    ...(typeof picture === 'string' && isPicture(picture) && { picture }),
  }
}

/** An `https://` address, or `http://` on this machine: the only ones that ever become a link. */
export function isPage(text: string): boolean {
  if (text.length > SIGNER_URL_CHARS || !URL.canParse(text)) return false
  const { protocol, hostname } = new URL(text)
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.includes(hostname))
}

const LOOPBACK: readonly string[] = ['localhost', '127.0.0.1', '[::1]']

function isPicture(text: string): boolean {
  return /^data:image\/(?:png|jpeg|gif|webp|svg\+xml)[;,]/.test(text) || isPage(text)
}
