/**
 * The signers a page lists: what they are given as, and what of that can be shown.
 * Never fetches anything; a name is display text, and an address is only ever opened by a click.
 */

import { readConnectTemplate } from '@nip46/client/discovery'
import { cleanText } from '@nip46/core'
import { NAME_CHARS, SIGNER_URL_CHARS, SIGNERS } from './limits.ts'

/** A signer to list. What `discoverSigners` of `@nip46/client/discovery` finds is one, if it has a `connectTemplate`. */
export interface SignerChoice {
  readonly name: string
  /** Where an offer goes: NIP-46's `nostrconnect_url` with `<nostrconnect>` in it, as `readConnectTemplate` takes it. */
  readonly connectTemplate?: string
  /** Shown under the name, such as its checked domain. */
  readonly domain?: string
  /** `https://`, or `data:image/…`. Loading it tells its host of the user. */
  readonly picture?: string
}

/** One that an offer can be sent to. */
export type ListedSigner = SignerChoice & { readonly connectTemplate: string }

/** What can be shown of a list from an attribute, a property or a discovery; the rest is left out. */
export function readSigners(list: unknown): readonly ListedSigner[] {
  if (!Array.isArray(list)) return []
  const found = new Map<string, ListedSigner>()
  for (const item of list as readonly unknown[]) {
    const choice = readSigner(item)
    if (choice !== undefined && !found.has(choice.connectTemplate)) found.set(choice.connectTemplate, choice)
    if (found.size === SIGNERS) break
  }
  return [...found.values()]
}

function readSigner(item: unknown): ListedSigner | undefined {
  if (typeof item !== 'object' || item === null) return undefined
  const { name, connectTemplate, domain, picture } = item as Readonly<Record<string, unknown>>
  const template = readConnectTemplate(connectTemplate)
  const shown = typeof name === 'string' ? cleanText(name, NAME_CHARS) : ''
  if (shown === '' || template === undefined) return undefined
  return {
    name: shown,
    connectTemplate: template,
    ...(typeof domain === 'string' && { domain: cleanText(domain, NAME_CHARS) }),
    ...(typeof picture === 'string' && isPicture(picture) && { picture }),
  }
}

/** An `https://` address, or `http://` on this machine: of pages and pictures. */
export function isPage(text: string): boolean {
  if (text.length > SIGNER_URL_CHARS || !URL.canParse(text)) return false
  const { protocol, hostname } = new URL(text)
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.includes(hostname))
}

const LOOPBACK: readonly string[] = ['localhost', '127.0.0.1', '[::1]']

function isPicture(text: string): boolean {
  return /^data:image\/(?:png|jpeg|gif|webp|svg\+xml)[;,]/.test(text) || isPage(text)
}
