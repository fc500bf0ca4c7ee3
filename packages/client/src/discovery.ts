/**
 * @nip46/client/discovery: which remote signers there are, by their announcements (NIP-89) and their domains (NIP-05), as a list
 * to choose from, and the links that lead to them.
 * Never contacts a remote signer, never loads a picture, and never takes a name for more than a name.
 */

import {
  type AbortSignalLike,
  type Crypto,
  encodeNpub,
  type Pubkey,
  parseRelayUrl,
  type RelayUrl,
  type Transport,
  UsageError,
} from '@nip46/core'
import { DiscoveryError } from './discovery-error.ts'
import { hostClock } from './host.ts'
import {
  ANNOUNCEMENTS_PER_RELAY,
  DISCOVERY_DOMAINS,
  DISCOVERY_DOMAINS_MS,
  DISCOVERY_FETCHES,
  DISCOVERY_RELAY_MS,
  DISCOVERY_RELAYS,
  FOUND_SIGNERS,
} from './limits.ts'
import { ANNOUNCEMENT_KIND, parseAnnouncement, type SignerAnnouncement } from './signer-announcement.ts'
import { type DomainOptions, fetchSignerDomain, readDomain, type SignerDomain } from './signer-domain.ts'

export {
  type AndroidLinkOptions,
  androidLink,
  connectLink,
  type LinkOptions,
  readConnectTemplate,
  withCallback,
} from './connect-link.ts'
export { DiscoveryError, type DiscoveryProblem } from './discovery-error.ts'
export { DOMAIN_BYTES, DOMAIN_MS, FOUND_SIGNERS } from './limits.ts'
export { parseAnnouncement, type SignerAnnouncement } from './signer-announcement.ts'
export {
  type BodyReader,
  type DomainOptions,
  type Fetch,
  type FetchedResponse,
  fetchSignerDomain,
  parseNostrJson,
  readDomain,
  type SignerDomain,
} from './signer-domain.ts'

/** A remote signer to offer to the user. Every text is cleaned for display, and still a stranger's. */
export interface FoundSigner {
  /** Of the signer's app; a connection has another key. */
  readonly pubkey: Pubkey
  /** What it calls itself, or else its domain, or the beginning of its npub. */
  readonly name: string
  /** Show it beside the name: it named this very `pubkey` (NIP-46 asks to verify that). Missing if none did. */
  readonly domain?: string
  readonly about?: string
  /** https, to a public host name. Whoever loads it tells that host about the user. */
  readonly picture?: string
  readonly website?: string
  /** To use as `relays` of the offer; empty if it names none. */
  readonly relays: readonly RelayUrl[]
  /** For `connectLink`. */
  readonly connectTemplate?: string
}

/** Where {@link discoverSigners} looks, and how far it goes. */
export interface DiscoveryOptions extends DomainOptions {
  readonly crypto: Pick<Crypto, 'eventId' | 'verify'>
  readonly transport: Pick<Transport, 'subscribe'>
  /** Where announcements are looked for: up to `DISCOVERY_RELAYS` relay URLs, or none. */
  readonly relays: readonly string[]
  /** Domains of remote signers that the app knows: always asked, announced or not, and listed first, in this order. */
  readonly domains?: readonly string[]
  /** Also list those that no domain confirms: anybody can announce any name. Default false. */
  readonly includeUnverified?: boolean
  /** Entries at most, 1 to `FOUND_SIGNERS`. Default `FOUND_SIGNERS`. */
  readonly max?: number
}

/**
 * The remote signers that relays and domains know, the best first: those of `domains`, then those confirmed by a domain, then those
 * that more relays know, then those with a link. A relay or domain that is silent, slow or lies only shortens the list.
 * Takes at most some 20 s. Rejects with `DiscoveryError` `cancelled`; throws `UsageError` on options that cannot work.
 *
 * ```ts
 * const signers = await discoverSigners({ crypto, transport, fetch, relays: ['wss://relay.example'] })
 * for (const { name, domain, connectTemplate } of signers) showChoice(name, domain, connectTemplate)
 * ```
 */
export async function discoverSigners(options: DiscoveryOptions): Promise<readonly FoundSigner[]> {
  const plan = readPlan(options)
  throwIfCancelled(options.signal)
  const announced = await readAnnouncements(plan, options)
  throwIfCancelled(options.signal)
  const known = [...announced.values()].sort((a, b) => b.seenOn.size - a.seenOn.size)
  const claimed = known.flatMap(({ announcement }) => announcement.domain ?? [])
  const domains = [...new Set([...plan.domains, ...claimed])].slice(0, DISCOVERY_DOMAINS)
  const facts = await readDomains(domains, options)
  throwIfCancelled(options.signal)

  const candidates = known.map((one) => candidateOf(one, facts, plan.domains))
  const listed = new Set(candidates.map(({ signer }) => signer.domain))
  for (const domain of plan.domains) {
    const found = facts.get(domain)
    if (found !== undefined && !listed.has(domain))
      candidates.push(candidateOf(unannounced(domain, found), facts, plan.domains))
  }
  return candidates
    .filter(({ signer }) => signer.domain !== undefined || options.includeUnverified === true)
    .sort((a, b) => compare(a.rank, b.rank))
    .slice(0, plan.max)
    .map(({ signer }) => signer)
}

interface Announced {
  readonly announcement: SignerAnnouncement
  readonly seenOn: Set<RelayUrl>
}

interface Candidate {
  readonly signer: FoundSigner
  readonly rank: readonly (number | string)[]
}

interface Plan {
  readonly relays: readonly RelayUrl[]
  readonly domains: readonly string[]
  readonly max: number
}

function readPlan({ relays, domains = [], max = FOUND_SIGNERS }: DiscoveryOptions): Plan {
  if (relays.length > DISCOVERY_RELAYS) throw new UsageError(`relays holds at most ${DISCOVERY_RELAYS} URLs`)
  if (domains.length > DISCOVERY_DOMAINS)
    throw new UsageError(`domains holds at most ${DISCOVERY_DOMAINS} names`)
  if (!Number.isInteger(max) || max < 1 || max > FOUND_SIGNERS)
    throw new UsageError(`max is a whole number from 1 to ${FOUND_SIGNERS}`)
  return {
    relays: relays.map((text) => {
      const relay = parseRelayUrl(text)
      if (!relay.ok)
        throw new UsageError(`relays holds wss:// URLs: ${JSON.stringify(text)} is none (${relay.error})`)
      return relay.value
    }),
    domains: domains.map((text) => {
      const domain = readDomain(text)
      if (domain === undefined)
        throw new UsageError(`domains holds domain names: ${JSON.stringify(text)} is none`)
      return domain
    }),
    max,
  }
}

/** The newest of each author. Ends when every relay has sent what it keeps or is down, or after `DISCOVERY_RELAY_MS`. */
async function readAnnouncements(
  { relays }: Plan,
  options: DiscoveryOptions,
): Promise<ReadonlyMap<Pubkey, Announced>> {
  const { crypto, transport, clock = hostClock, signal } = options
  const byId = new Map<string, Announced>()
  const newest = new Map<Pubkey, Announced>()
  const received = new Map<RelayUrl, number>()
  const take = (event: unknown, relay: RelayUrl): void => {
    const count = received.get(relay) ?? 0
    if (count >= ANNOUNCEMENTS_PER_RELAY) return
    received.set(relay, count + 1)
    const id = idOf(event)
    const seen = byId.get(id)
    if (seen !== undefined) return void seen.seenOn.add(relay)
    const announcement = parseAnnouncement(event, crypto, options)
    if (announcement === undefined) return
    const one: Announced = { announcement, seenOn: new Set([relay]) }
    byId.set(id, one)
    const last = newest.get(announcement.pubkey)
    if (last === undefined || last.announcement.createdAt < announcement.createdAt)
      newest.set(announcement.pubkey, one)
  }

  if (relays.length === 0 || signal?.aborted === true) return newest
  const waiting = new Set(relays)
  let done = (): void => undefined
  const isDone = new Promise<void>((resolve) => {
    done = resolve
  })
  const settle = (relay: RelayUrl): void => {
    waiting.delete(relay)
    if (waiting.size === 0) done()
  }
  const timer = clock.setTimer(done, DISCOVERY_RELAY_MS)
  signal?.addEventListener('abort', done, { once: true })
  const filters = [{ kinds: [ANNOUNCEMENT_KIND], '#k': ['24133'], limit: ANNOUNCEMENTS_PER_RELAY }]
  const subscription = transport.subscribe({ relays, filters, onEvent: take, onLive: settle, onDown: settle })
  await isDone
  subscription.close()
  clock.clearTimer(timer)
  signal?.removeEventListener('abort', done)
  return newest
}

/** What each domain says; those that say nothing usable in time are missing. */
async function readDomains(
  domains: readonly string[],
  options: DiscoveryOptions,
): Promise<ReadonlyMap<string, SignerDomain>> {
  const { clock = hostClock, signal } = options
  const found = new Map<string, SignerDomain>()
  if (domains.length === 0 || signal?.aborted === true) return found
  const ending = new AbortController()
  const end = (): void => ending.abort()
  const timer = clock.setTimer(end, DISCOVERY_DOMAINS_MS)
  signal?.addEventListener('abort', end, { once: true })
  const queue = [...domains]
  const work = async (): Promise<void> => {
    for (let domain = queue.shift(); domain !== undefined && !ending.signal.aborted; domain = queue.shift()) {
      try {
        found.set(domain, await fetchSignerDomain(domain, { ...options, signal: ending.signal }))
      } catch (error) {
        if (!(error instanceof DiscoveryError)) throw error
      }
    }
  }
  try {
    await Promise.all(Array.from({ length: DISCOVERY_FETCHES }, work))
  } finally {
    clock.clearTimer(timer)
    signal?.removeEventListener('abort', end)
  }
  return found
}

function candidateOf(
  { announcement, seenOn }: Announced,
  facts: ReadonlyMap<string, SignerDomain>,
  preferred: readonly string[],
): Candidate {
  const { pubkey, createdAt: _, domain: claimed = '', name, connectTemplate, relays, ...shown } = announcement
  const fact = facts.get(claimed)
  const confirmed = fact?.pubkey === pubkey ? fact : undefined
  // The domain speaks for itself; what it leaves out may come from the announcement of the key that it names.
  const template = confirmed?.connectTemplate ?? connectTemplate
  const signer: FoundSigner = {
    ...shown,
    pubkey,
    name: name ?? (confirmed === undefined ? `${encodeNpub(pubkey).slice(0, 12)}…` : claimed),
    relays: confirmed !== undefined && confirmed.relays.length > 0 ? confirmed.relays : relays,
    ...(confirmed !== undefined && { domain: claimed }),
    ...(template !== undefined && { connectTemplate: template }),
  }
  const place = confirmed === undefined ? -1 : preferred.indexOf(claimed)
  const rank = [
    place < 0 ? preferred.length : place,
    confirmed === undefined ? 1 : 0,
    -seenOn.size,
    template === undefined ? 1 : 0,
    signer.name.toLowerCase(),
    pubkey,
  ]
  return { signer, rank }
}

/** A domain that the app knows and nobody announced. */
function unannounced(domain: string, { pubkey }: SignerDomain): Announced {
  return { announcement: { pubkey, createdAt: 0, domain, relays: [] }, seenOn: new Set() }
}

function compare(a: Candidate['rank'], b: Candidate['rank']): number {
  const at = a.findIndex((part, index) => part !== b[index])
  const [one, other] = [a[at], b[at]]
  return one === undefined || other === undefined ? 0 : one < other ? -1 : 1
}

function idOf(event: unknown): string {
  try {
    return String((event as { readonly id?: unknown }).id)
  } catch {
    // An object that throws when it is read, or none.
    return ''
  }
}

function throwIfCancelled(signal: AbortSignalLike | undefined): void {
  if (signal?.aborted === true) throw new DiscoveryError('cancelled')
}
