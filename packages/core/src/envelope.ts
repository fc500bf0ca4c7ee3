/**
 * Seals and opens the carrier, kind 24133: the only module that sees ciphertext.
 * Never decrypts before the id was recomputed and the signature verified; never throws on what a peer sent.
 */

import { AUTH_KIND, CARRIER_KIND, parseSignedEvent, type SignedEvent, type UnsignedEvent } from './event.ts'
import { CARRIER_HORIZON_SECONDS, MESSAGE_BYTES_OUT } from './limits.ts'
import type { Crypto, KeyHandle, PayloadError, RandomBytes } from './port.ts'
import { isLongerThan } from './utf8.ts'
import { err, ok, type Pubkey, type RelayUrl, type Result, type Scheme, type Seconds } from './value.ts'

/** A carrier that is authentic and readable. */
export interface Opened {
  readonly from: Pubkey
  /** Our key it was addressed to. */
  readonly to: Pubkey
  readonly eventId: string
  readonly createdAt: Seconds
  readonly scheme: Scheme
  /** The decrypted JSON text of one request or response. */
  readonly text: string
}

/** Why an event was dropped. Each is counted under this name; none is answered. */
export type OpenProblem =
  | 'event/shape'
  | 'event/too-large'
  | 'event/kind'
  | 'event/not-addressed'
  | 'event/multi-p'
  | 'event/self'
  | 'event/author'
  | 'event/expired'
  | 'event/seen'
  | 'event/budget'
  | 'event/id'
  | 'event/sig'
  | 'payload/nip44'
  | 'transport/nip04'
  | 'transport/nip44'
  | PayloadError

/** What opening an event needs: our keys, whom we listen to, and what was seen. */
export interface OpenContext {
  readonly crypto: Crypto
  /** The key behind one of our pubkeys, or undefined if it is not ours. */
  readonly key: (pubkey: string) => KeyHandle | undefined
  /** The scheme that this author may use: one, or either while none is fixed. `undefined`: this author is not listened to. */
  readonly scheme: (from: string, to: string) => Scheme | 'either' | undefined
  readonly now: Seconds
  /**
   * Whether this event was verified and handled before. Only verified ids may be in that memory. Asked before the id is
   * recomputed: go by the id alone, the rest may be forged.
   */
  readonly seen?: (eventId: string, event: SignedEvent) => boolean
  /** Asked just before the signature is checked: the costly part. False drops the event as `event/budget`. */
  readonly allow?: (event: SignedEvent) => boolean
}

/**
 * Opens one event from a relay (any JSON value). Cheapest checks first: shape, kind, size, addressee, author, age, repeat, scheme,
 * own id hash, signature, then decryption (NIP-44: the MAC before anything else).
 */
export function open(event: unknown, context: OpenContext): Result<Opened, OpenProblem> {
  const screened = screen(event, context)
  if (!screened.ok) return screened
  if (!context.crypto.verify(screened.value.event)) return err('event/sig')
  return decrypt(screened.value)
}

/** {@link open} for many events: one batch verification. Results are in the order of the events. */
export function openBatch(
  events: readonly unknown[],
  context: OpenContext,
): readonly Result<Opened, OpenProblem>[] {
  const screened = events.map((event) => screen(event, context))
  const claims = screened.flatMap((result) => (result.ok ? [result.value.event] : []))
  const verified = context.crypto.verifyBatch(claims)
  let next = 0
  return screened.map((result) => {
    if (!result.ok) return result
    return verified[next++] === true ? decrypt(result.value) : err('event/sig')
  })
}

interface Screened {
  readonly event: SignedEvent
  readonly key: KeyHandle
  readonly scheme: Scheme
}

function screen(value: unknown, context: OpenContext): Result<Screened, OpenProblem> {
  const parsed = parseSignedEvent(value)
  if (!parsed.ok) return parsed
  const event = parsed.value
  if (event.kind !== CARRIER_KIND) return err('event/kind')
  if (event.content === '') return err('payload/nip44')

  const addressees = new Set<string>()
  let key: KeyHandle | undefined
  for (const [name, addressee] of event.tags) {
    if (name !== 'p' || addressee === undefined) continue
    addressees.add(addressee)
    key ??= context.key(addressee)
  }
  if (key === undefined) return err('event/not-addressed')
  // Other software reads another p tag than we do: what is addressed to two is addressed to nobody.
  if (addressees.size > 1) return err('event/multi-p')

  if (context.key(event.pubkey) !== undefined) return err('event/self')
  const allowed = context.scheme(event.pubkey, key.pubkey)
  if (allowed === undefined) return err('event/author')
  const [, expiration] = event.tags.find(([name]) => name === 'expiration') ?? []
  if (
    Math.abs(context.now - event.created_at) > CARRIER_HORIZON_SECONDS ||
    Number(expiration || Infinity) <= context.now
  )
    return err('event/expired')
  if (context.seen?.(event.id, event) === true) return err('event/seen')
  const scheme = sniffScheme(event.content)
  if (allowed !== 'either' && allowed !== scheme) return err<OpenProblem>(`transport/${scheme}`)
  if (context.crypto.eventId(event) !== event.id) return err('event/id')
  if (context.allow?.(event) === false) return err('event/budget')
  return ok({ event, key, scheme })
}

function decrypt({ event, key, scheme }: Screened): Result<Opened, OpenProblem> {
  const conversation = key.conversation(event.pubkey)
  if (!conversation.ok) return err('event/sig')
  const text = conversation.value[`${scheme}Decrypt`](event.content)
  if (!text.ok) return text
  return ok({
    from: conversation.value.peer,
    to: key.pubkey,
    eventId: event.id,
    createdAt: event.created_at,
    scheme,
    text: text.value,
  })
}

/** NIP-04 exactly if `?iv=` stands 28 characters before the end: 24 base64 characters hold a 16-byte iv. */
export function sniffScheme(content: string): Scheme {
  return content.slice(-28, -24) === '?iv=' ? 'nip04' : 'nip44'
}

/** One message to be encrypted, put into a kind 24133 event and signed. */
export interface SealRequest {
  /** JSON text of one request or response. */
  readonly text: string
  readonly to: Pubkey
  readonly key: KeyHandle
  readonly scheme: Scheme
  readonly createdAt: Seconds
}

/** What sealing an event is done with. */
export interface SealContext {
  readonly crypto: Crypto
  /** Called for the nonce (32 bytes, or 16 for NIP-04) and then for 32 bytes of signing randomness. */
  readonly random: RandomBytes
}

export type SealProblem = 'event/too-large' | 'bad-pubkey'

/**
 * Encrypts and signs one message: exactly one tag, `["p", to]`, and nothing else that could tell sessions apart.
 * Errors: `bad-pubkey`, and `event/too-large` past {@link MESSAGE_BYTES_OUT}.
 */
export function seal(request: SealRequest, context: SealContext): Result<SignedEvent, SealProblem> {
  const drafted = draft(request, context)
  return drafted.ok ? ok(sign(drafted.value, request.key, context)) : drafted
}

/** {@link seal} for many messages: signatures are made in one batch for each key. Results are in order. */
export function sealBatch(
  requests: readonly SealRequest[],
  context: SealContext,
): readonly Result<SignedEvent, SealProblem>[] {
  const drafts = requests.map((request) => draft(request, context))
  const byKey = new Map<KeyHandle, number[]>()
  requests.forEach((request, index) => {
    if (drafts[index]?.ok !== true) return
    const group = byKey.get(request.key)
    if (group === undefined) byKey.set(request.key, [index])
    else group.push(index)
  })
  const signed: (Pick<SignedEvent, 'id' | 'sig'> | undefined)[] = []
  for (const [key, indexes] of byKey) {
    const ids = indexes.map((index) => {
      const drafted = drafts[index]
      return drafted?.ok === true ? context.crypto.eventId(drafted.value) : ''
    })
    const made = key.signBatch(ids, context.random(32 * ids.length))
    indexes.forEach((index, position) => {
      signed[index] = { id: ids[position] ?? '', sig: made[position] ?? '' }
    })
  }
  return drafts.map((drafted, index) => {
    if (!drafted.ok) return drafted
    const { id = '', sig = '' } = signed[index] ?? {}
    return ok({ ...drafted.value, id, sig })
  })
}

function draft(
  { text, to, key, scheme, createdAt }: SealRequest,
  { random }: SealContext,
): Result<UnsignedEvent, SealProblem> {
  if (isLongerThan(text, MESSAGE_BYTES_OUT)) return err('event/too-large')
  const conversation = key.conversation(to)
  if (!conversation.ok) return conversation
  const content = conversation.value[`${scheme}Encrypt`](text, random(scheme === 'nip44' ? 32 : 16))
  return ok(unsigned(key, CARRIER_KIND, [['p', to]], content, createdAt))
}

function unsigned(
  key: KeyHandle,
  kind: number,
  tags: string[][],
  content: string,
  createdAt: Seconds,
): UnsignedEvent {
  return { pubkey: key.pubkey, created_at: createdAt, kind, tags, content }
}

function sign(event: UnsignedEvent, key: KeyHandle, { crypto, random }: SealContext): SignedEvent {
  const id = crypto.eventId(event)
  return { ...event, id, sig: key.sign(id, random(32)) }
}

/** The NIP-42 answer to a relay's challenge, signed by a transport key. `relay` is the URL that was dialled. */
export function sealAuth(
  request: {
    readonly relay: RelayUrl
    readonly challenge: string
    readonly key: KeyHandle
    readonly createdAt: Seconds
  },
  context: SealContext,
): SignedEvent {
  const { relay, challenge, key, createdAt } = request
  const tags = [
    ['relay', relay],
    ['challenge', challenge],
  ]
  return sign(unsigned(key, AUTH_KIND, tags, '', createdAt), key, context)
}
