/**
 * The table of methods of every era: what their params mean, and which results are believed.
 * Never signs or decrypts; a signature is checked through the crypto port given.
 */

import { type EventTemplate, isHex64, isWellFormed, parseSignedEvent, type SignedEvent } from './event.ts'
import { isObject, isTextList, type Json, parseJson } from './json.ts'
import { SWITCH_RELAYS, TEMPLATE_TAGS } from './limits.ts'
import type { Request } from './message.ts'
import type { Crypto } from './port.ts'
import { isPubkey } from './pubkey.ts'
import { parseRelayUrl, type RelayUrlOptions } from './relay-url.ts'
import { parseTemplate } from './template.ts'
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

/** Methods that use the key of the user. */
export type OperationMethod = Operation['method']
/** Every method of every era. */
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
  logout: string
  describe: readonly string[]
  disconnect: string
  create_account: Pubkey
  sign_event: SignedEvent
  nip44_encrypt: string
  nip44_decrypt: string
  nip04_encrypt: string
  nip04_decrypt: string
  nip44_get_key: string
}

const OPERATIONS: ReadonlySet<string> = /* @__PURE__ */ new Set<OperationMethod>([
  'sign_event',
  'nip44_encrypt',
  'nip44_decrypt',
  'nip04_encrypt',
  'nip04_decrypt',
  'nip44_get_key',
])

/** Whether any era of NIP-46 names this method. */
export function isMethod(method: string): method is Method {
  return Object.hasOwn(RESULTS, method)
}

/** Whether the method uses the user's key. */
export function isOperationMethod(method: string): method is OperationMethod {
  return OPERATIONS.has(method)
}

/** Whether it can be sent again under the same id without harm if no answer came. */
export function isRepeatable(method: string): boolean {
  return /^(?:ping|get_public_key|switch_relays|describe|get_relays|logout|nip(?:44|04)_(?:en|de)crypt)$/.test(
    method,
  )
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
  const read: ReadResult<M> = RESULTS[request.method]
  return read(value, context, request.params)
}

type ReadResult<M extends Method> = (
  value: Json,
  context: AcceptContext,
  params: readonly string[],
) => Result<MethodResults[M], ResultProblem>

const BAD_SHAPE: Result<never, ResultProblem> = /* @__PURE__ */ err('response/shape')

/** How each method's result is read. */
const RESULTS: { readonly [M in Method]: ReadResult<M> } = {
  connect: acceptAck,
  ping: (value) => (typeof value === 'string' ? ok('pong') : BAD_SHAPE),
  logout: acceptAck,
  disconnect: acceptAck,
  get_public_key: (value, { userPubkey }) => acceptPubkey(value, userPubkey),
  create_account: (value) => acceptPubkey(value),
  switch_relays: (value, { relayUrls }) => parseRelayList(value, relayUrls),
  get_relays: acceptUserRelays,
  describe: acceptNames,
  sign_event: acceptEvent,
  nip44_encrypt: (value) => acceptText(value || null),
  nip04_encrypt: (value) => acceptText(value || null),
  nip44_decrypt: acceptText,
  // The 2023 dialect answers ["plaintext"] as real JSON; a string that looks like it is a plaintext.
  nip04_decrypt: (value) => acceptText(Array.isArray(value) && value.length === 1 ? value[0] : value),
  nip44_get_key: (value) => (isHex64(value) ? ok(value) : BAD_SHAPE),
}

function acceptText(value: Json): Result<string, ResultProblem> {
  return typeof value === 'string' ? ok(value) : BAD_SHAPE
}

function acceptAck(value: Json): Result<string, ResultProblem> {
  return acceptText(value ?? 'ack')
}

function acceptPubkey(value: Json, pinned = value): Result<Pubkey, ResultProblem> {
  if (!isPubkey(value)) return err('response/pubkey')
  return value === pinned ? ok(value) : err('session/identity-changed')
}

/**
 * The result of switch_relays: relays, or null for "no change". Deployed signers send a stringified array, `"null"`,
 * null, `""` or nothing.
 */
export function parseRelayList(
  value: Json,
  options?: RelayUrlOptions,
): Result<readonly RelayUrl[] | null, 'response/relays'> {
  const list = value === '' ? null : unwrap(value)
  if (list === null || list === '') return ok(null)
  if (!isTextList(list) || list.length === 0 || list.length > SWITCH_RELAYS) return err('response/relays')
  const relays = new Set<RelayUrl>()
  for (const item of list) {
    const url = parseRelayUrl(item, options)
    if (!url.ok) return err('response/relays')
    relays.add(url.value)
  }
  return ok([...relays])
}

function acceptUserRelays(value: Json): Result<UserRelays, ResultProblem> {
  const object = unwrap(value)
  if (!isObject(object)) return BAD_SHAPE
  const relays: Record<string, { read: boolean; write: boolean }> = Object.create(null)
  for (const [url, marks] of Object.entries(object)) {
    if (!isObject(marks)) return BAD_SHAPE
    const { read, write } = marks
    relays[url] = { read: read === true, write: write === true }
  }
  return ok(relays)
}

function acceptNames(value: Json): Result<readonly string[], ResultProblem> {
  const list = unwrap(value)
  return isTextList(list) ? ok(list) : BAD_SHAPE
}

function acceptEvent(
  value: Json,
  { crypto, userPubkey, allowCreatedAtChange }: AcceptContext,
  [asked = '']: readonly string[],
): Result<SignedEvent, ResultProblem> {
  const parsed = parseSignedEvent(unwrap(value), TEMPLATE_TAGS)
  if (!parsed.ok) return BAD_SHAPE
  const event = parsed.value
  const { kind, content, tags, created_at } = Object(parseJson(asked)) as EventTemplate
  const isAsked =
    event.pubkey === (userPubkey ?? event.pubkey) &&
    event.kind === kind &&
    event.content === content &&
    (event.created_at === created_at || allowCreatedAtChange === true) &&
    JSON.stringify(event.tags) === JSON.stringify(tags)
  if (!isAsked) return err('response/event-mismatch')
  return crypto.eventId(event) === event.id && crypto.verify(event) ? parsed : err('response/event-invalid')
}

/** Most results that are no text come as the JSON of it. */
function unwrap(value: Json): Json | undefined {
  return typeof value === 'string' ? parseJson(value) : value
}

export type { Request }
