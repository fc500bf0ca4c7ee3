/**
 * Links that open a remote signer with an offer: `nostrconnect_url` templates, the app of a phone, and the way back.
 * Never opens one, and never makes one that a browser would run as a script.
 */

import { cleanUrl, isForbiddenAddress, UsageError } from '@nip46/core'
import { URI_CHARS } from '@nip46/core/limits'
import { TEMPLATE_CHARS } from './limits.ts'

/** What stands in a template for the offer (NIP-46, "Announcing remote-signer metadata"). */
const PLACEHOLDER = '<nostrconnect>'

/** Which schemes a link may have. */
export interface LinkOptions {
  /** Schemes of apps that may be opened beside those that {@link readConnectTemplate} takes, such as `primal`. */
  readonly appSchemes?: readonly string[]
}

/**
 * A `nostrconnect_url` as it can be used, or undefined. It holds the placeholder `<nostrconnect>` once, behind the host, and
 * is `https://` to a public host name, or of an app's own scheme: one with a dot (RFC 8252 §7.1, such as `com.example.app`), with
 * `nostr` in it, or named in `appSchemes`. No credentials, blanks or control characters; at most `TEMPLATE_CHARS`.
 */
export function readConnectTemplate(value: unknown, options: LinkOptions = {}): string | undefined {
  if (typeof value !== 'string' || value.length > TEMPLATE_CHARS) return undefined
  const parts = value.split(PLACEHOLDER)
  const [before = '', after = ''] = parts
  if (parts.length !== 2 || /[\s\p{Cc}\p{Cf}\\<>"'`]/u.test(before + after)) return undefined
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(before)?.[1]?.toLowerCase()
  if (scheme === undefined) return undefined
  if (scheme !== 'https') return isAppScheme(scheme, options) ? value : undefined
  // Behind the host: or the placeholder could become a part of it.
  // Browsers decode what is percent-encoded in it, to an address that would not be seen here.
  const host = /^https:\/\/([^/?#@:%]+)(?::\d{1,5})?[/?#]/i.exec(before)?.[1]
  if (host === undefined || isForbiddenAddress(host)) return undefined
  return canParse(before + after) ? value : undefined
}

/**
 * The link of a template for one offer: what the user follows to the remote signer. In the query or fragment of the template
 * the offer is percent-encoded, in its path it is as it is (as nsec.app expects it). Throws `UsageError` on a
 * template that {@link readConnectTemplate} does not take, or on what is no nostrconnect:// URI.
 *
 * ```ts
 * connectLink('https://signer.example/connect?uri=<nostrconnect>', uri)
 * ```
 */
export function connectLink(template: string, uri: string, options: LinkOptions = {}): string {
  checkUri(uri)
  const usable = readConnectTemplate(template, options)
  if (usable === undefined) throw new UsageError('this is no usable nostrconnect_url template')
  const [before = '', after = ''] = usable.split(PLACEHOLDER)
  return before + (/[?#]/.test(before) ? encodeURIComponent(uri) : uri) + after
}

/** Which app {@link androidLink} opens, and what if there is none. */
export interface AndroidLinkOptions {
  /** The app to open, such as `com.example.signer`; any app that takes offers if left out. */
  readonly package?: string
  /** Where the browser goes if there is no such app: an https URL. */
  readonly fallback?: string
}

/**
 * An `intent:` link for browsers on Android, which opens an app for the offer and, unlike `nostrconnect://` itself, knows where
 * to go if there is none. Throws `UsageError` on what is no offer, no package or no https URL.
 */
export function androidLink(uri: string, options: AndroidLinkOptions = {}): string {
  checkUri(uri)
  const extras = ['scheme=nostrconnect']
  if (options.package !== undefined) {
    if (!/^[a-zA-Z]\w*(?:\.[a-zA-Z]\w*)+$/.test(options.package))
      throw new UsageError('package is the id of an app')
    extras.push(`package=${options.package}`)
  }
  if (options.fallback !== undefined) {
    const fallback = cleanUrl(options.fallback)
    if (fallback?.startsWith('https://') !== true) throw new UsageError('fallback is an https URL')
    extras.push(`S.browser_fallback_url=${encodeURIComponent(fallback)}`)
  }
  return `intent:${uri.slice('nostrconnect:'.length)}#Intent;${extras.join(';')};end`
}

/**
 * The offer with `callback`, which apps on phones open when they are done, so that the user comes back to the page or app. Not
 * part of NIP-46; remote signers that do not know it pass it over. Throws `UsageError` unless it is an https URL or
 * of an app's own scheme.
 */
export function withCallback(uri: string, callback: string, options: LinkOptions = {}): string {
  checkUri(uri)
  const scheme = /^([a-z][a-z0-9+.-]*):\S*$/i.exec(callback)?.[1]?.toLowerCase() ?? ''
  const usable = scheme === 'https' ? cleanUrl(callback) : isAppScheme(scheme, options) ? callback : undefined
  if (usable === undefined) throw new UsageError("callback is an https URL or of an app's own scheme")
  const complete = `${uri}&callback=${encodeURIComponent(usable)}`
  if (complete.length > URI_CHARS) throw new UsageError('the offer gets too long with this callback')
  return complete
}

/** Never one that runs a script or reaches into the machine: those of browsers and systems have no dot. */
function isAppScheme(scheme: string, { appSchemes = [] }: LinkOptions): boolean {
  if (SYSTEM_SCHEMES.includes(scheme)) return false
  return (
    /^[a-z][a-z0-9-]*\.[a-z0-9.-]+$/.test(scheme) || scheme.includes('nostr') || appSchemes.includes(scheme)
  )
}

/** Not even where a host names them. */
const SYSTEM_SCHEMES: readonly string[] = [
  'about',
  'blob',
  'data',
  'file',
  'filesystem',
  'http',
  'https',
  'intent',
  'javascript',
  'vbscript',
  'view-source',
]

function checkUri(uri: string): void {
  const isOffer = /^nostrconnect:\/\/[0-9a-f]{64}\?[!-~]+$/.test(uri) && uri.length <= URI_CHARS
  if (!isOffer || /[#<>"`\\]/.test(uri))
    throw new UsageError('this is no nostrconnect:// URI as `offer` makes it')
}

function canParse(url: string): boolean {
  try {
    return new URL(url).username === ''
  } catch {
    return false
  }
}
