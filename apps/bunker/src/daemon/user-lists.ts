/**
 * The newest replaceable events of each user that this daemon knows: what was signed here, and what the user's relays hold.
 * Never keeps one whose id and signature were not verified, never publishes, and never asks a relay that the owner did not name.
 */

import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Clock,
  type Crypto,
  limits as coreLimits,
  type EventTemplate,
  type Filter,
  type Pubkey,
  parsePubkey,
  parseRelayUrl,
  type RelayUrl,
  type SignedEvent,
  type Subscription,
  type Transport,
} from '@nip46/core'
import {
  LIST_AHEAD_SECONDS,
  LIST_CHARS,
  LIST_CHECKS_PER_MINUTE,
  LIST_USER_CHARS,
  LIST_USERS,
  LIST_WRITE_MS,
  LISTS_PER_USER,
  LISTS_SIGNED,
} from './limits.ts'
import { readPrivateFile, replacePrivateFile } from './private-file.ts'

/** Profile, follow list, relay list (NIP-65): what relays are asked for. */
const ASKED_KINDS: readonly number[] = [0, 3, 10_002]

export interface UserLists {
  /** `follows`: pubkeys in hex; `relays`: those of the relay list. Undefined: no such list is known. */
  list(user: Pubkey, id: 'follows' | 'relays'): readonly string[] | undefined
  /** The newest event that one like this would replace. */
  latest(user: Pubkey, template: EventTemplate): EventTemplate | undefined
  /** What the user's key signed here, as JSON text; what is no replaceable event is left alone. Not known before it is done. */
  signed(user: Pubkey, json: string): void
  /** An event that was signed here is stored, and is handed out. */
  done(eventId: string): void
  /** Listens at the user's relays for these users, and no others. */
  watch(users: readonly Pubkey[]): void
  /** What is known, for people. */
  view(user: Pubkey): readonly KnownList[]
  /** Writes what is not written yet, and stops. */
  close(): Promise<void>
}

export interface KnownList {
  readonly kind: number
  /** Unix seconds. */
  readonly createdAt: number
  readonly entries: number
}

export interface UserListsOptions {
  /** Made if it is not there. Null keeps everything in memory. */
  readonly directory: string | null
  readonly transport: Transport
  /** Relays that may be asked. None: nothing is ever asked. */
  readonly relays: readonly RelayUrl[]
  readonly crypto: Pick<Crypto, 'eventId' | 'verify'>
  readonly clock: Clock
  readonly onFault: (cause: unknown) => void
}

interface Known {
  /** By kind, and what distinguishes events of one kind; the one signed longest ago first. */
  readonly events: Map<string, SignedEvent>
  follows?: readonly string[] | undefined
  relays?: readonly string[] | undefined
  isUnwritten: boolean
}

export async function openUserLists(options: UserListsOptions): Promise<UserLists> {
  const { directory, transport, relays, crypto, clock, onFault } = options
  const users = new Map<Pubkey, Known>()
  const signed = new Map<string, { readonly user: Pubkey; readonly event: SignedEvent }>()
  let subscription: Subscription | undefined
  let watched = ''
  let timer: unknown
  let writing: Promise<void> = Promise.resolve()
  let checks = { minute: 0, count: 0 }

  const knownOf = (user: Pubkey): Known => {
    const found = users.get(user)
    if (found !== undefined) return found
    const fresh: Known = { events: new Map(), isUnwritten: false }
    users.set(user, fresh)
    const [first] = users.keys()
    if (users.size > LIST_USERS && first !== undefined) users.delete(first)
    return fresh
  }

  /** False if it is not newer than what is known. */
  const keep = (user: Pubkey, event: SignedEvent): boolean => {
    const known = knownOf(user)
    const name = nameOf(event)
    const before = known.events.get(name)
    if (before !== undefined && !isNewer(event, before)) return false
    known.events.delete(name)
    known.events.set(name, event)
    makeRoom(known.events)
    known.follows = undefined
    known.relays = undefined
    known.isUnwritten = true
    return true
  }

  /** The daemon's time is not for relays to take: past the budget nothing is looked at until the next minute. */
  const maySpend = (): boolean => {
    const minute = Math.floor(clock.now() / 60_000)
    if (checks.minute !== minute) checks = { minute, count: 0 }
    checks.count += 1
    return checks.count <= LIST_CHECKS_PER_MINUTE
  }

  const isGenuine = (event: SignedEvent): boolean =>
    crypto.eventId(event) === event.id && crypto.verify(event)

  const onEvent = (asked: ReadonlyMap<string, Pubkey>, json: unknown): void => {
    const event = readEvent(json)
    const user = asked.get(event?.pubkey ?? '')
    if (event === undefined || user === undefined || !ASKED_KINDS.includes(event.kind)) return
    if (event.created_at > Math.floor(clock.now() / 1_000) + LIST_AHEAD_SECONDS) return
    const before = users.get(user)?.events.get(nameOf(event))
    if (before !== undefined && !isNewer(event, before)) return
    if (maySpend() && isGenuine(event) && keep(user, event)) writeSoon()
  }

  const writeSoon = (): void => {
    if (directory === null) return
    timer ??= clock.setTimer(() => {
      timer = undefined
      write().catch(onFault)
    }, LIST_WRITE_MS)
  }

  const write = (): Promise<void> => {
    writing = writing.catch(() => undefined).then(writeAll)
    return writing
  }

  const writeAll = async (): Promise<void> => {
    if (directory === null) return
    for (const [user, known] of users) {
      if (!known.isUnwritten) continue
      known.isUnwritten = false
      try {
        const text = JSON.stringify({ v: 1, events: [...known.events.values()] })
        await replacePrivateFile(join(directory, `${user}.json`), `${text}\n`)
      } catch (cause) {
        known.isUnwritten = true
        throw cause
      }
    }
  }

  if (directory !== null) {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    for (const name of (await readdir(directory)).slice(0, LIST_USERS)) {
      const user = parsePubkey(name.replace(/\.json$/, ''))
      if (!user.ok || name !== `${user.value}.json`) continue
      // A list that somebody else put there would decide what is asked about.
      for (const event of readFileEvents(await readPrivateFile(join(directory, name))))
        if (event.pubkey === user.value && isGenuine(event)) keep(user.value, event)
      knownOf(user.value).isUnwritten = false
    }
  }

  return {
    list(user, id) {
      const known = users.get(user)
      if (known === undefined) return undefined
      if (id === 'follows') known.follows ??= valuesOf(known.events.get('3'), 'p', isHexKey)
      else known.relays ??= valuesOf(known.events.get('10002'), 'r', (url) => parseRelayUrl(url).ok)
      return known[id]
    },
    latest: (user, template) => users.get(user)?.events.get(nameOf(template)),
    signed(user, json) {
      const event = readEvent(parseJson(json))
      if (event === undefined || event.pubkey !== user || !isReplaceable(event.kind)) return
      signed.set(event.id, { user, event })
      const [first] = signed.keys()
      if (signed.size > LISTS_SIGNED && first !== undefined) signed.delete(first)
    },
    done(eventId) {
      const found = signed.get(eventId)
      signed.delete(eventId)
      if (found !== undefined && keep(found.user, found.event)) writeSoon()
    },
    watch(wanted) {
      const some = [...new Set(wanted)].sort().slice(0, LIST_USERS)
      const name = some.join()
      if (name === watched || relays.length === 0) return
      watched = name
      subscription?.close()
      subscription = undefined
      if (some.length === 0) return
      const asked = new Map<string, Pubkey>(some.map((user) => [user, user]))
      subscription = transport.subscribe({
        relays,
        // The port's filters are about messages to a key; what is by an author is as good a filter of NIP-01.
        filters: [{ authors: some, kinds: ASKED_KINDS } as unknown as Filter],
        onEvent: (event) => onEvent(asked, event),
      })
    },
    view: (user) =>
      [...(users.get(user)?.events.values() ?? [])].map(({ kind, created_at, tags }) => ({
        kind,
        createdAt: created_at,
        entries: tags.length,
      })),
    async close() {
      subscription?.close()
      clock.clearTimer(timer)
      timer = undefined
      await write()
    },
  }
}

/** NIP-01: of two at the same time, the lower id. */
function isNewer(event: SignedEvent, before: SignedEvent): boolean {
  if (event.created_at !== before.created_at) return event.created_at > before.created_at
  return event.id < before.id
}

/** The ones that decide on lists and profile stay; of the others, those signed longest ago go. */
function makeRoom(events: Map<string, SignedEvent>): void {
  let chars = [...events.values()].reduce((sum, event) => sum + sizeOf(event), 0)
  for (const [name, event] of events) {
    if (events.size <= LISTS_PER_USER && chars <= LIST_USER_CHARS) return
    if (ASKED_KINDS.includes(event.kind)) continue
    events.delete(name)
    chars -= sizeOf(event)
  }
}

function sizeOf({ content, tags }: EventTemplate): number {
  return (
    content.length + tags.reduce((sum, tag) => sum + tag.reduce((chars, item) => chars + item.length, 0), 0)
  )
}

function nameOf({ kind, tags }: EventTemplate): string {
  if (kind < 30_000) return String(kind)
  return `${kind}:${tags.find(([name]) => name === 'd')?.[1] ?? ''}`
}

function isReplaceable(kind: number): boolean {
  return kind === 0 || kind === 3 || (kind >= 10_000 && kind < 20_000) || (kind >= 30_000 && kind < 40_000)
}

function isHexKey(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text)
}

function valuesOf(
  event: EventTemplate | undefined,
  name: string,
  isGood: (value: string) => boolean,
): readonly string[] | undefined {
  return event?.tags.flatMap(([first, value]) =>
    first === name && value !== undefined && isGood(value) ? value : [],
  )
}

function readFileEvents(text: string | undefined): readonly SignedEvent[] {
  const json = text === undefined ? undefined : (parseJson(text) as { readonly events?: unknown } | null)
  const { events } = json ?? {}
  return Array.isArray(events)
    ? events.slice(0, LISTS_PER_USER).flatMap((event) => readEvent(event) ?? [])
    : []
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined
    throw cause
  }
}

/** Lists are longer than what carries a message of NIP-46, so they have bounds of their own. */
function readEvent(value: unknown): SignedEvent | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const { id, pubkey, created_at, kind, tags, content, sig } = value as Readonly<Record<string, unknown>>
  if (typeof pubkey !== 'string' || typeof id !== 'string' || !isHexKey(pubkey) || !isHexKey(id))
    return undefined
  if (typeof sig !== 'string' || !/^[0-9a-f]{128}$/.test(sig)) return undefined
  if (!isCount(created_at, Number.MAX_SAFE_INTEGER) || !isCount(kind, coreLimits.KIND_MAX)) return undefined
  if (typeof content !== 'string' || !Array.isArray(tags) || tags.length > coreLimits.TEMPLATE_TAGS)
    return undefined
  let chars = content.length
  const copied: string[][] = []
  for (const tag of tags) {
    if (!Array.isArray(tag) || !tag.every((item) => typeof item === 'string')) return undefined
    for (const item of tag) chars += item.length
    if (chars > LIST_CHARS) return undefined
    copied.push([...tag])
  }
  return chars > LIST_CHARS ? undefined : { id, pubkey, created_at, kind, tags: copied, content, sig }
}

function isCount(value: unknown, most: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most
}
