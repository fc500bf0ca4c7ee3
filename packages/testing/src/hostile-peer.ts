/**
 * A peer that speaks NIP-46 with any key and any text: as the remote signer that answers as its script says, or
 * as the client that asks what it likes. It can lie in every field of the carrier.
 * Never checks what it sends; that is the business of whoever is tested with it.
 */

import {
  CARRIER_KIND,
  type Clock,
  type Crypto,
  type KeyHandle,
  open,
  type Pubkey,
  type RandomBytes,
  type RelayUrl,
  type Scheme,
  type SignedEvent,
  type Transport,
  UsageError,
} from '@nip46/core'

export interface HostilePeerOptions {
  readonly transport: Transport
  readonly relays: readonly RelayUrl[]
  readonly crypto: Crypto
  /** Its own key; the peer does not destroy it. */
  readonly key: KeyHandle
  readonly clock: Clock
  /** Such as `seededRandom(1).bytes`. */
  readonly random: RandomBytes
  /** What it does about each message that came. Can be replaced at any time. */
  readonly script?: HostileScript
}

/** One message that reached the peer. */
export interface Heard {
  readonly from: Pubkey
  readonly text: string
  readonly scheme: Scheme
  readonly event: SignedEvent
  /** From 0, over all messages. */
  readonly turn: number
  /** The request inside, if it looks like one; unchecked. */
  readonly id: string
  readonly method: string
  readonly params: readonly unknown[]
}

/** One event to send. Everything but the text has an honest default. */
export interface Move {
  /** The message: any text, though the encryption wants at least one character. */
  readonly text: string
  /** Default: who was heard. */
  readonly to?: string
  /** Default: the scheme that was heard, or NIP-44. */
  readonly scheme?: Scheme
  /** Signs, encrypts and sends with another key. Default: the peer's own. */
  readonly by?: KeyHandle
  /** Claims this author; the signature stays the sender's. */
  readonly author?: string
  /** Seconds to add to `created_at`; negative is older. Default 0. */
  readonly shiftSeconds?: number
  /** Replaces all tags. Default: one `p`. */
  readonly tags?: readonly (readonly string[])[]
  readonly kind?: number
  /** Changes the encrypted content before signing. */
  readonly spoilContent?: (content: string) => string
  /** Changes the finished event, past its signature. */
  readonly spoilEvent?: (event: SignedEvent) => SignedEvent
  /** Publishes the same event so many times. Default 1. */
  readonly copies?: number
  /** Milliseconds to wait before it is sent. Default 0. */
  readonly afterMs?: number
}

export type HostileScript = (heard: Heard, peer: HostilePeer) => readonly Move[]

export interface HostilePeer {
  readonly pubkey: Pubkey
  /** Another key, of nobody in particular. */
  readonly stranger: KeyHandle
  /** Everything heard, the latest {@link HEARD_MESSAGES}. */
  readonly heard: readonly Heard[]
  /** The first message heard, or still to come, that passes. Rejects when the peer closes. */
  next(passes?: (heard: Heard) => boolean): Promise<Heard>
  setScript(script: HostileScript): void
  /** Sends one move; resolves with the event once relays took or refused it, or the peer closed. `to` must be given. */
  send(move: Move & { readonly to: string }): Promise<SignedEvent>
  close(): void
}

/** Messages the peer remembers. */
export const HEARD_MESSAGES = 10_000

/**
 * Starts a hostile peer; it listens at once.
 *
 * ```ts
 * const peer = createHostilePeer({ transport, relays, crypto, key, clock, random: seededRandom(1).bytes })
 * peer.setScript(({ id }) => [{ text: JSON.stringify({ id, result: null }) }])
 * ```
 */
export function createHostilePeer(options: HostilePeerOptions): HostilePeer {
  const { transport, relays, crypto, key, clock, random } = options
  const stranger = crypto.importKey(random(32))
  const heard: Heard[] = []
  const seen = new Set<string>()
  const delays = new Map<unknown, () => void>()
  const waiting = new Set<{
    passes: (heard: Heard) => boolean
    resolve: (heard: Heard) => void
    reject: (error: Error) => void
  }>()
  let script: HostileScript = options.script ?? (() => [])
  let turn = 0
  let closed = false

  /** Waits, but no longer than the peer lives. */
  const later = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = clock.setTimer(() => {
        delays.delete(timer)
        resolve()
      }, ms)
      delays.set(timer, resolve)
    })

  const send = async (move: Move & { readonly to: string }): Promise<SignedEvent> => {
    const event = buildMove(move, options)
    const { afterMs = 0, copies = 1 } = move
    if (afterMs > 0) await later(afterMs)
    if (closed) return event
    await Promise.all(Array.from({ length: copies }, () => transport.publish(relays, event)))
    return event
  }

  const hear = (value: unknown): void => {
    const opened = open(value, {
      crypto,
      key: (pubkey) => (pubkey === key.pubkey ? key : undefined),
      scheme: () => 'either',
      now: Math.floor(clock.now() / 1_000),
      seen: (id) => seen.has(id),
    })
    if (!opened.ok || closed) return
    const { eventId, from, text, scheme } = opened.value
    seen.add(eventId)
    const message: Heard = { from, text, scheme, event: value as SignedEvent, turn, ...readRequest(text) }
    turn += 1
    heard.push(message)
    if (heard.length > HEARD_MESSAGES) seen.delete(heard.shift()?.event.id ?? '')
    for (const waiter of waiting) {
      if (!waiter.passes(message)) continue
      waiting.delete(waiter)
      waiter.resolve(message)
    }
    for (const move of script(message, peer)) void send({ to: from, scheme, ...move })
  }

  const peer: HostilePeer = {
    pubkey: key.pubkey,
    stranger,
    heard,
    next(passes = () => true) {
      const already = heard.find(passes)
      if (already !== undefined) return Promise.resolve(already)
      if (closed) return Promise.reject(new Error('the hostile peer is closed'))
      return new Promise((resolve, reject) => waiting.add({ passes, resolve, reject }))
    },
    setScript(next) {
      script = next
    },
    send,
    close() {
      closed = true
      subscription.close()
      for (const [timer, resolve] of delays) {
        clock.clearTimer(timer)
        resolve()
      }
      delays.clear()
      for (const { reject } of waiting) reject(new Error('the hostile peer is closed'))
      waiting.clear()
      stranger.destroy()
    },
  }

  const subscription = transport.subscribe({
    relays,
    filters: [{ kinds: [CARRIER_KIND], '#p': [key.pubkey] }],
    onEvent: hear,
  })
  return peer
}

/** The event of one move. */
export function buildMove(
  move: Move & { readonly to: string },
  { crypto, key, clock, random }: Pick<HostilePeerOptions, 'crypto' | 'key' | 'clock' | 'random'>,
): SignedEvent {
  const { text, to, scheme = 'nip44', by = key } = move
  const conversation = by.conversation(to)
  if (!conversation.ok) throw new UsageError('to must be a public key, since the message is encrypted for it')
  const content =
    scheme === 'nip44'
      ? conversation.value.nip44Encrypt(text, random(32))
      : conversation.value.nip04Encrypt(text, random(16))
  const unsigned = {
    pubkey: move.author ?? by.pubkey,
    created_at: Math.floor((clock.now() + (move.afterMs ?? 0)) / 1_000) + (move.shiftSeconds ?? 0),
    kind: move.kind ?? CARRIER_KIND,
    tags: move.tags ?? [['p', to]],
    content: move.spoilContent?.(content) ?? content,
  }
  const id = crypto.eventId(unsigned)
  const event = { ...unsigned, id, sig: by.sign(id, random(32)) }
  return move.spoilEvent?.(event) ?? event
}

function readRequest(text: string): Pick<Heard, 'id' | 'method' | 'params'> {
  const { id, method, params } = parseObject(text)
  return {
    id: typeof id === 'string' ? id : '',
    method: typeof method === 'string' ? method : '',
    params: Array.isArray(params) ? params : [],
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch (cause) {
    if (cause instanceof SyntaxError || cause instanceof RangeError) return {}
    throw cause
  }
}
