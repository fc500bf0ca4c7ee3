/**
 * What a client says about itself: name, url, image. Display text, cleaned for display.
 * Never authority: anybody can claim any name. Never fetched here.
 */

import { cleanText } from './display-text.ts'
import { parseWebUrl } from './host.ts'
import { isObject, parseJson } from './json.ts'
import { METADATA_CHARS, METADATA_URL_CHARS, NAME_CHARS } from './limits.ts'
import { dropLoneSlash } from './url.ts'

/** What an app says of itself when it connects. Nobody checks it: show it as unverified. */
export interface ClientMetadata {
  /** One line, cut after {@link NAME_CHARS} characters. */
  readonly name?: string
  /** Where the app is: a web address of at most {@link METADATA_URL_CHARS} characters, or it is left out. */
  readonly url?: string
  /** Likewise, of a picture. */
  readonly image?: string
}

/**
 * The fourth connect param, or the `metadata` of an older nostrconnect:// URI. NIP-46: "a JSON-stringified object".
 * Null if it is not a JSON object or has more than {@link METADATA_CHARS} characters; members that cannot be shown are left out.
 */
export function parseMetadata(text: string): ClientMetadata | null {
  const object = parseMetadataObject(text)
  return object === undefined ? null : readMetadata([object])
}

/** The members of a metadata object, own ones only; undefined if the text is none. */
export function parseMetadataObject(text: string): ReadonlyMap<string, unknown> | undefined {
  if (text.length > METADATA_CHARS) return undefined
  const value = parseJson(text)
  return isObject(value) ? new Map(Object.entries(value)) : undefined
}

/**
 * Picks and cleans what can be shown; an earlier source wins. `icon` and `icons` are how texts before 2024-11 name
 * the image.
 */
export function readMetadata(sources: readonly ReadonlyMap<string, unknown>[]): ClientMetadata {
  return present({
    name: firstClean(sources, ['name'], cleanName),
    url: firstClean(sources, ['url'], cleanUrl),
    image: firstClean(sources, ['image', 'icon', 'icons'], cleanUrl),
  })
}

/** What a client says of itself, as far as it can be shown: a long name is cut, a url or image that is none is left out. */
export function cleanMetadata({ name, url, image }: ClientMetadata): ClientMetadata {
  // Hosts without types may say null.
  return present({
    name: cleanName(`${name ?? ''}`),
    url: cleanUrl(`${url ?? ''}`),
    image: cleanUrl(`${image ?? ''}`),
  })
}

/** A name as one visible line of at most {@link NAME_CHARS} code points; undefined if nothing is left of it. */
export function cleanName(text: string): string | undefined {
  const name = cleanText(text, NAME_CHARS)
  return name === '' ? undefined : name
}

/**
 * An `https://` URL (`http://` on loopback hosts only) without user, password and fragment, in its one spelling;
 * undefined if it is none or longer than {@link METADATA_URL_CHARS}.
 */
export function cleanUrl(text: string): string | undefined {
  if (text.length > METADATA_URL_CHARS) return undefined
  const url = parseWebUrl(text, true)
  if (url === undefined) return undefined
  const href = dropLoneSlash(url.href)
  return href.length > METADATA_URL_CHARS ? undefined : href
}

/** Metadata is kept with sessions, as JSON. */
function present(members: { readonly [Name in keyof ClientMetadata]: string | undefined }): ClientMetadata {
  return JSON.parse(JSON.stringify(members)) as ClientMetadata
}

function firstClean(
  sources: readonly ReadonlyMap<string, unknown>[],
  members: readonly string[],
  clean: (text: string) => string | undefined,
): string | undefined {
  for (const source of sources) {
    for (const member of members) {
      const value = source.get(member)
      const text: unknown = member === 'icons' && Array.isArray(value) ? value[0] : value
      const cleaned = typeof text === 'string' ? clean(text) : undefined
      if (cleaned !== undefined) return cleaned
    }
  }
  return undefined
}
