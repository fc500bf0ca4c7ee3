/**
 * What a domain says about its remote signer: `/.well-known/nostr.json?name=_` (NIP-05), read within bounds.
 * Never resolves a name: whether it leads into a private network is for the given fetch to see. Never follows a redirect.
 */

import {
  type AbortSignalLike,
  type Clock,
  isForbiddenAddress,
  isHex64,
  limits,
  type Pubkey,
  parsePubkey,
  parseRelayUrl,
  type RelayUrl,
} from '@nip46/core'
import { type LinkOptions, readConnectTemplate } from './connect-link.ts'
import { DiscoveryError, type DiscoveryProblem } from './discovery-error.ts'
import { hostClock } from './host.ts'
import { DOMAIN_BYTES, DOMAIN_MS } from './limits.ts'
import { membersOf, readJson } from './outside-json.ts'

/** What a domain's nostr.json says. */
export interface SignerDomain {
  /** The remote signer's app, for which it announces itself. Not the key of a connection. */
  readonly pubkey: Pubkey
  /** To put into an offer, as `relays`. May be empty. */
  readonly relays: readonly RelayUrl[]
  /** A template for `connectLink`. */
  readonly connectTemplate?: string
}

/** What is used of `fetch`. In servers, give one that refuses private addresses when it dials. */
export type Fetch = (
  url: string,
  init: {
    readonly redirect: 'error'
    readonly credentials: 'omit'
    readonly referrerPolicy: 'no-referrer'
    readonly headers: { readonly accept: string }
    readonly signal: AbortSignal
  },
) => Promise<FetchedResponse>

/** What is used of a `Response`. */
export interface FetchedResponse {
  readonly status: number
  readonly redirected?: boolean
  /** Missing in React Native: the text is measured once it is there. */
  readonly body?: { getReader(): BodyReader } | null
  text(): Promise<string>
}

/** What is used of a body's reader, so that a long answer is cut off. */
export interface BodyReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
  cancel(): Promise<void>
}

/** How domains are asked. */
export interface DomainOptions extends LinkOptions {
  readonly fetch: Fetch
  /** Default: the host's. */
  readonly clock?: Clock
  readonly signal?: AbortSignalLike
}

/**
 * Asks a domain for its remote signer. Rejects with a `DiscoveryError`, at the latest after `DOMAIN_MS`.
 *
 * ```ts
 * const { relays, connectTemplate } = await fetchSignerDomain('signer.example', { fetch })
 * ```
 */
export async function fetchSignerDomain(domain: string, options: DomainOptions): Promise<SignerDomain> {
  const host = readDomain(domain)
  if (host === undefined) throw new DiscoveryError('domain/name')
  const text = await fetchText(`https://${host}/.well-known/nostr.json?name=_`, options)
  const found = parseNostrJson(text, options)
  if (found === undefined) throw new DiscoveryError('domain/answer')
  return found
}

/** The domain in `_@domain`, `name@domain` or `domain`, lower case; undefined if it is no public host name. */
export function readDomain(nip05: unknown): string | undefined {
  if (typeof nip05 !== 'string' || nip05.length > 320) return undefined
  const domain = nip05.slice(nip05.lastIndexOf('@') + 1).toLowerCase()
  const labels = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/
  return labels.test(domain) && domain.length <= 253 && !isForbiddenAddress(domain) ? domain : undefined
}

/**
 * The remote signer in a nostr.json, or undefined. Both shapes of its `nip46` are read: `{relays, nostrconnect_url}` of today's text,
 * and `{<pubkey>: [relay, …]}` of 2024-02, told apart by their keys.
 */
export function parseNostrJson(text: string, options: LinkOptions = {}): SignerDomain | undefined {
  const { names, nip46 } = membersOf(readJson(text))
  const name = membersOf(names)['_']
  const pubkey = isHex64(name) ? parsePubkey(name) : undefined
  if (pubkey?.ok !== true) return undefined
  const facts = membersOf(nip46)
  const isByKey = Object.keys(facts).some(isHex64)
  const connectTemplate = isByKey ? undefined : readConnectTemplate(facts['nostrconnect_url'], options)
  return {
    pubkey: pubkey.value,
    relays: readRelays(isByKey ? facts[pubkey.value] : facts['relays']),
    ...(connectTemplate !== undefined && { connectTemplate }),
  }
}

/** Those that are encrypted and can be used, without repeats; at most as many as an offer may name. */
export function readRelays(value: unknown): readonly RelayUrl[] {
  if (!Array.isArray(value)) return []
  const urls = (value as readonly unknown[]).slice(0, limits.URI_RELAYS).flatMap((item) => {
    const relay = typeof item === 'string' ? parseRelayUrl(item) : undefined
    return relay?.ok === true && relay.value.startsWith('wss://') ? [relay.value] : []
  })
  return [...new Set(urls)].slice(0, limits.URI_RELAYS_OUT)
}

async function fetchText(url: string, options: DomainOptions): Promise<string> {
  const { fetch, clock = hostClock, signal } = options
  const ending = new AbortController()
  let end: (code: DiscoveryProblem) => void = () => undefined
  // A fetch that does not heed its signal holds nobody up.
  const ended = new Promise<never>((_, reject) => {
    end = (code) => {
      reject(new DiscoveryError(code))
      ending.abort()
    }
  })
  const cancel = (): void => end('cancelled')
  const timer = clock.setTimer(() => end('domain/timeout'), DOMAIN_MS)
  signal?.addEventListener('abort', cancel, { once: true })
  if (signal?.aborted === true) cancel()
  try {
    return await Promise.race([ended, get(url, fetch, ending.signal)])
  } catch (error) {
    if (error instanceof DiscoveryError) throw error
    throw new DiscoveryError('domain/unreachable')
  } finally {
    clock.clearTimer(timer)
    signal?.removeEventListener('abort', cancel)
    // What is still under way then is of no use to anybody.
    ending.abort()
  }
}

async function get(url: string, fetch: Fetch, signal: AbortSignal): Promise<string> {
  if (signal.aborted) throw new DiscoveryError('cancelled')
  const response = await fetch(url, {
    // NIP-05: "Fetchers MUST ignore any HTTP redirects".
    redirect: 'error',
    credentials: 'omit',
    referrerPolicy: 'no-referrer',
    headers: { accept: 'application/json' },
    signal,
  })
  if (response.redirected === true) throw new DiscoveryError('domain/unreachable')
  if (response.status !== 200) throw new DiscoveryError('domain/answer')
  const reader = response.body?.getReader()
  if (reader === undefined) {
    const text = await response.text()
    if (text.length > DOMAIN_BYTES) throw new DiscoveryError('domain/too-large')
    return text
  }
  return readBody(reader)
}

async function readBody(reader: BodyReader): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    if (value === undefined) continue
    size += value.length
    if (size > DOMAIN_BYTES) {
      reader.cancel().catch(() => undefined)
      throw new DiscoveryError('domain/too-large')
    }
    text += decoder.decode(value, { stream: true })
  }
}
