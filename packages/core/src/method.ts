/**
 * The table of methods of every era: what their params mean, and which results are believed.
 * Never signs or decrypts; a signature is checked through the crypto port given.
 */

import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import {
  type EventTemplate,
  isHex64,
  isWellFormed,
  parseSignedEvent,
  type SignedEvent,
  serializeEvent,
} from './event.ts'
import { bytesToHex } from './hex.ts'
import { isObject, type Json, parseJson } from './json.ts'
import { KIND_MAX, SWITCH_RELAYS, TEMPLATE_TAGS } from './limits.ts'
import type { Request } from './message.ts'
import type { Crypto } from './port.ts'
import { isPubkey } from './pubkey.ts'
import { parseRelayUrl, type RelayUrlOptions } from './relay-url.ts'
import { err, ok, type Pubkey, type RelayUrl, type Result } from './value.ts'

/** What the user's key is asked to do, once parsed. */
export type Operation =
  | { readonly method: 'sign_event'; readonly template: EventTemplate }
  | { readonly method: 'nip44_encrypt' | 'nip04_encrypt'; readonly peer: Pubkey; readonly plaintext: string }
  | { readonly method: 'nip44_decrypt' | 'nip04_decrypt'; readonly peer: Pubkey; readonly ciphertext: string }
  | { readonly method: 'nip44_get_key'; readonly peer: Pubkey }

/** Methods that the remote signer answers itself. */
export type ControlMethod =
  | 'connect'
  | 'get_public_key'
  | 'ping'
  | 'get_relays'
  | 'switch_relays'
  | 'logout'
  | 'describe'
  | 'disconnect'

export type OperationMethod = Operation['method']
export type Method = ControlMethod | OperationMethod | 'create_account'

/** Read and write marks of a user's relays, as `get_relays` answers them. */
export type UserRelays = { readonly [url: string]: { readonly read: boolean; readonly write: boolean } }

/** The typed result of each method. */
export interface MethodResults {
  connect: string
  get_public_key: Pubkey
  ping: 'pong'
  get_relays: UserRelays
  switch_relays: readonly RelayUrl[] | null
  logout: 'ack'
  describe: readonly string[]
  disconnect: 'ack'
  create_account: Pubkey
  sign_event: SignedEvent
  nip44_encrypt: string
  nip44_decrypt: string
  nip04_encrypt: string
  nip04_decrypt: string
  nip44_get_key: string
}

const OPERATION_METHODS: readonly OperationMethod[] = [
  'sign_event',
  'nip44_encrypt',
  'nip44_decrypt',
  'nip04_encrypt',
  'nip04_decrypt',
  'nip44_get_key',
]
const OPERATIONS: ReadonlySet<string> = /* @__PURE__ */ new Set(OPERATION_METHODS)

const METHODS: ReadonlySet<string> = new Set<Method>([
  'connect',
  'get_public_key',
  'ping',
  'get_relays',
  'switch_relays',
  'logout',
  'describe',
  'disconnect',
  'create_account',
  ...OPERATION_METHODS,
])

/** Whether any era of NIP-46 names this method. */
export function isMethod(method: string): method is Method {
  return METHODS.has(method)
}

/** Whether the method uses the user's key. */
export function isOperationMethod(method: string): method is OperationMethod {
  return OPERATIONS.has(method)
}

const REPEATABLE: ReadonlySet<string> = new Set<Method>([
  'ping',
  'get_public_key',
  'switch_relays',
  'describe',
  'get_relays',
  'logout',
  'nip44_encrypt',
  'nip44_decrypt',
  'nip04_encrypt',
  'nip04_decrypt',
])

/** Whether it can be sent again under the same id without harm if no answer came. */
export function isRepeatable(method: string): boolean {
  return REPEATABLE.has(method)
}

// -- params, as the remote signer reads them ----------------------------------------------------

/**
 * The params of a request for the user's key as an {@link Operation}, or the error text to answer with.
 * Extra params are ignored; some drafts add a kind hint.
 */
export function parseOperation(
  method: OperationMethod,
  params: readonly string[],
  userPubkey: Pubkey,
): Result<Operation, string> {
  switch (method) {
    case 'sign_event': {
      if (params[0] === undefined) return err('invalid: sign_event needs an event')
      const template = parseTemplate(params[0], userPubkey)
      return template.ok ? ok({ method, template: template.value }) : template
    }
    case 'nip44_get_key': {
      const peer = params[0]
      if (!isThirdParty(peer)) return err('invalid: third-party pubkey is not a valid key')
      return ok({ method, peer })
    }
    default: {
      const [peer, text] = params
      if (peer === undefined || text === undefined) return err(`invalid: ${method} needs a pubkey and a text`)
      if (!isThirdParty(peer)) return err('invalid: third-party pubkey is not a valid key')
      if (method === 'nip44_decrypt' || method === 'nip04_decrypt')
        return ok({ method, peer, ciphertext: text })
      if (!isWellFormed(text)) return err('invalid: text is not valid Unicode')
      if (method === 'nip44_encrypt' && text === '') return err('invalid: text is empty')
      return ok({ method, peer, plaintext: text })
    }
  }
}

/**
 * The one canonical template of a sign_event param: what policy sees is what is shown, hashed and signed.
 * `id`, `sig` and unknown members do not travel on; a given `pubkey` must be the user's and a given `id` must fit.
 */
export function parseTemplate(text: string, userPubkey: Pubkey): Result<EventTemplate, string> {
  const read = readTemplate(text, userPubkey)
  if (!read.ok) return read
  const { template, id } = read.value
  if (id !== undefined && id !== '' && id !== null && id !== templateId(template, userPubkey)) {
    return err('invalid: id does not match the event')
  }
  return ok(template)
}

/** The same for who gives no `id`: hashes nothing, and leaves one that is there unread. */
export function readTemplate(
  text: string,
  userPubkey: Pubkey,
): Result<{ readonly template: EventTemplate; readonly id: unknown }, string> {
  const value = parseJson(text)
  if (value === undefined) return err('invalid: event is not JSON')
  if (!isObject(value)) return err('invalid: event must be an object')
  const own: Record<string, unknown> = Object.assign(Object.create(null), value)
  for (const member of ['kind', 'content', 'tags', 'created_at'] as const) {
    if (own[member] === undefined) return err(`invalid: ${member} is missing`)
  }
  const { kind, content, tags, created_at, pubkey, id } = own
  if (!isInteger(kind) || kind < 0 || kind > KIND_MAX) {
    return err(`invalid: kind must be an integer from 0 to ${KIND_MAX}`)
  }
  if (!isInteger(created_at) || created_at < 0)
    return err('invalid: created_at must be an integer number of seconds')
  if (typeof content !== 'string') return err('invalid: content must be a string')
  if (!isWellFormed(content)) return err('invalid: content is not valid Unicode')
  const canonicalTags = parseTags(tags)
  if (!canonicalTags.ok) return canonicalTags
  const template: EventTemplate = { kind, content, tags: canonicalTags.value, created_at }
  if (pubkey !== undefined && pubkey !== '' && pubkey !== null) {
    if (!isHex64(pubkey)) return err('invalid: pubkey must be 64 lower-case hex digits')
    if (pubkey !== userPubkey) return err('invalid: pubkey is not the user of this session')
  }
  return ok({ template, id })
}

function parseTags(tags: unknown): Result<string[][], string> {
  const shape = 'invalid: tags must be arrays of strings, each with a name'
  if (!Array.isArray(tags)) return err(shape)
  if (tags.length > TEMPLATE_TAGS) return err(`too-large: more than ${TEMPLATE_TAGS} tags`)
  const copy: string[][] = []
  for (const tag of tags) {
    if (!Array.isArray(tag) || tag.length === 0 || tag[0] === '') return err(shape)
    for (const item of tag) {
      if (typeof item !== 'string') return err(shape)
      if (!isWellFormed(item)) return err('invalid: tags are not valid Unicode')
    }
    copy.push([...(tag as string[])])
  }
  return ok(copy)
}

/** The event id a template will have under a user's key, as 64 hex characters. */
export function templateId(template: EventTemplate, userPubkey: Pubkey): string {
  return bytesToHex(sha256(utf8ToBytes(serializeEvent({ ...template, pubkey: userPubkey }))))
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

function isThirdParty(value: string | undefined): value is Pubkey {
  return value !== undefined && isPubkey(value)
}

// -- results, as the client believes them -------------------------------------------------------

/** Why a result was not believed. */
export type ResultProblem =
  | 'response/shape'
  | 'response/pubkey'
  | 'response/relays'
  | 'response/event-mismatch'
  | 'response/event-invalid'
  | 'session/identity-changed'

/** What a result is checked against. */
export interface AcceptContext {
  readonly crypto: Crypto
  /** The user's pubkey pinned for this session, once known. */
  readonly userPubkey?: Pubkey | undefined
  /** Take a signed event whose `created_at` differs from what was asked for. */
  readonly allowCreatedAtChange?: boolean | undefined
  readonly relayUrls?: RelayUrlOptions | undefined
}

/**
 * The only way from a raw result to a typed one. `value` is the result as it came: a string, or (2023 dialect,
 * and a few signers for some methods) another JSON value.
 *
 * For `sign_event` the event must be the one that was asked for: kind, content, tags and created_at unchanged,
 * by the pinned user, with a correct id and signature.
 */
export function acceptResult<M extends Method>(
  request: { readonly method: M; readonly params: readonly string[] },
  value: Json,
  context: AcceptContext,
): Result<MethodResults[M], ResultProblem> {
  // One cast for the whole table: TypeScript does not narrow M by switching on `method`.
  return acceptByMethod(request, value, context) as Result<MethodResults[M], ResultProblem>
}

function acceptByMethod(
  request: { readonly method: Method; readonly params: readonly string[] },
  value: Json,
  context: AcceptContext,
): Result<MethodResults[Method], ResultProblem> {
  switch (request.method) {
    case 'ping':
      return value === 'pong' ? ok(value) : typeof value === 'string' ? ok('pong') : err('response/shape')
    case 'connect':
      return typeof value === 'string' ? ok(value) : value === null ? ok('ack') : err('response/shape')
    case 'logout':
    case 'disconnect':
      return typeof value === 'string' || value === null ? ok('ack') : err('response/shape')
    case 'get_public_key':
    case 'create_account':
      return acceptPubkey(value, request.method === 'get_public_key' ? context.userPubkey : undefined)
    case 'switch_relays':
      return parseRelayList(value, context.relayUrls)
    case 'get_relays':
      return acceptUserRelays(value)
    case 'describe':
      return acceptNames(value)
    case 'sign_event':
      return acceptEvent(request.params[0] ?? '', value, context)
    case 'nip44_get_key':
      return isHex64(value) ? ok(value) : err('response/shape')
    case 'nip04_decrypt': {
      // The 2023 dialect answers ["plaintext"] as real JSON; a string that looks like it is a plaintext.
      if (Array.isArray(value) && value.length === 1 && typeof value[0] === 'string') return ok(value[0])
      return typeof value === 'string' ? ok(value) : err('response/shape')
    }
    case 'nip04_encrypt':
    case 'nip44_encrypt':
      return typeof value === 'string' && value !== '' ? ok(value) : err('response/shape')
    case 'nip44_decrypt':
      return typeof value === 'string' ? ok(value) : err('response/shape')
  }
}

function acceptPubkey(value: Json, pinned: Pubkey | undefined): Result<Pubkey, ResultProblem> {
  if (!isHex64(value) || !isPubkey(value)) return err('response/pubkey')
  if (pinned !== undefined && value !== pinned) return err('session/identity-changed')
  return ok(value)
}

/**
 * The result of switch_relays: relays, or null for "no change". Deployed signers send a stringified array, `"null"`,
 * null, `""` or nothing.
 */
export function parseRelayList(
  value: Json,
  options?: RelayUrlOptions,
): Result<readonly RelayUrl[] | null, 'response/relays'> {
  const list = typeof value === 'string' && value !== '' ? parseJson(value) : value
  if (list === null || list === '') return ok(null)
  if (!Array.isArray(list) || list.length === 0 || list.length > SWITCH_RELAYS) return err('response/relays')
  const relays: RelayUrl[] = []
  for (const item of list) {
    const url = typeof item === 'string' ? parseRelayUrl(item, options) : undefined
    if (url?.ok !== true) return err('response/relays')
    if (!relays.includes(url.value)) relays.push(url.value)
  }
  return ok(relays)
}

function acceptUserRelays(value: Json): Result<UserRelays, ResultProblem> {
  const object = typeof value === 'string' ? parseJson(value) : value
  if (!isObject(object)) return err('response/shape')
  const relays: Record<string, { read: boolean; write: boolean }> = Object.create(null)
  for (const [url, marks] of Object.entries(object)) {
    if (!isObject(marks)) return err('response/shape')
    const { read, write } = marks
    relays[url] = { read: read === true, write: write === true }
  }
  return ok(relays)
}

function acceptNames(value: Json): Result<readonly string[], ResultProblem> {
  const list = typeof value === 'string' ? parseJson(value) : value
  if (!Array.isArray(list) || !list.every((item): item is string => typeof item === 'string'))
    return err('response/shape')
  return ok(list)
}

function acceptEvent(
  askedText: string,
  value: Json,
  context: AcceptContext,
): Result<SignedEvent, ResultProblem> {
  const raw = typeof value === 'string' ? parseJson(value) : value
  const parsed = parseReturnedEvent(raw)
  if (parsed === undefined) return err('response/shape')
  const asked = parseJson(askedText) as { readonly [member in keyof EventTemplate]?: Json } | null | undefined
  const askedTags = parseReturnedTags(asked?.tags)
  const sameTime = parsed.created_at === asked?.created_at || context.allowCreatedAtChange === true
  if (
    askedTags === undefined ||
    parsed.kind !== asked?.kind ||
    parsed.content !== asked.content ||
    !sameTime ||
    !sameTags(parsed.tags, askedTags) ||
    (context.userPubkey !== undefined && parsed.pubkey !== context.userPubkey)
  ) {
    return err('response/event-mismatch')
  }
  if (context.crypto.eventId(parsed) !== parsed.id || !context.crypto.verify(parsed))
    return err('response/event-invalid')
  return ok(parsed)
}

/** Like `parseSignedEvent`, with the larger bounds of what may be signed. */
function parseReturnedEvent(raw: Json | undefined): SignedEvent | undefined {
  if (!isObject<Json>(raw)) return undefined
  const { tags, ...rest } = raw
  const bare = parseSignedEvent({ ...rest, tags: [] })
  const parsedTags = parseReturnedTags(tags)
  return bare.ok && parsedTags !== undefined ? { ...bare.value, tags: parsedTags } : undefined
}

function parseReturnedTags(tags: Json | undefined): string[][] | undefined {
  if (!Array.isArray(tags) || tags.length > TEMPLATE_TAGS) return undefined
  const copy: string[][] = []
  for (const tag of tags) {
    if (!Array.isArray(tag) || !tag.every((item): item is string => typeof item === 'string'))
      return undefined
    copy.push([...tag])
  }
  return copy
}

function sameTags(a: readonly (readonly string[])[], b: readonly (readonly string[])[]): boolean {
  return (
    a.length === b.length &&
    a.every((tag, i) => {
      const other = b[i]
      return other !== undefined && tag.length === other.length && tag.every((item, j) => item === other[j])
    })
  )
}

export type { Request }
