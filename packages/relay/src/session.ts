/**
 * One client's side of the protocol: its messages, its subscriptions, its budget, what it has authenticated.
 * Never touches a socket: it is given a way to send, and a way to hang up.
 */

import { err, ok, type Result } from '@nip46/core'
import { type ClientFrame, type FrameProblem, parseClientFrame } from './client-frame.ts'
import { parseFilter, type RelayFilter } from './filter.ts'
import {
  checkAuth,
  checkEvent,
  eventFrame,
  type Hub,
  type OpenSubscription,
  type Refusal,
  spreadEvent,
} from './hub.ts'
import { BYTES_PER_TOKEN, STORED_CHECKS_PER_TOKEN } from './limits.ts'
import { countDrop, type DropCode } from './stats.ts'
import { createTokenBucket } from './token-bucket.ts'

/** The connection as the session sees it. */
export interface SessionLink {
  send(text: string): void
  /** Ends the connection; `end()` of the session follows. */
  close(code: number, reason: string): void
  /** Bytes sent that the peer has not yet read. */
  waiting(): number
}

export interface Session {
  /** Takes one text message. Never throws for what it says. */
  receive(text: string, bytes: number): void
  /** Answers a binary message: Nostr has none. */
  receiveBinary(bytes: number): void
  /** Takes one ping or pong into account; false if it is to be ignored. */
  receiveControl(): boolean
  /** Forgets everything of this client. Further calls do nothing. */
  end(): void
  readonly subscriptions: number
}

export function createSession(hub: Hub, link: SessionLink): Session {
  const { limits, clock, counters } = hub
  const subscriptions = new Map<string, OpenSubscription>()
  const pubkeys = new Set<string>()
  const rate = createTokenBucket(limits.messageBurst, limits.messagesPerSecond, clock.now())
  const patience = createTokenBucket(limits.rateRefusals, limits.rateRefusals / 60, clock.now())
  const challenge = hub.auth === undefined ? undefined : toHex(hub.randomBytes(16))
  let values = 0
  let ended = false

  const send = (message: readonly unknown[]): void => {
    if (!ended) link.send(JSON.stringify(message))
  }
  const sendText = (text: string): void => {
    if (!ended) link.send(text)
  }

  const end = (): void => {
    ended = true
    for (const subscription of subscriptions.values()) hub.subscriptions.remove(subscription)
    subscriptions.clear()
    pubkeys.clear()
  }

  const hangUp = (code: number, drop: DropCode, reason: string): void => {
    if (ended) return
    countDrop(counters, drop)
    end()
    link.close(code, reason)
  }

  /** Whether the rate allows one more; if not, whether it is still answered. */
  const admit = (bytes: number): 'allowed' | 'refused' | 'ended' => {
    const now = clock.now()
    if (rate.take(now, 1 + Math.floor(bytes / BYTES_PER_TOKEN))) return 'allowed'
    countDrop(counters, 'rate-limited')
    if (patience.take(now)) return 'refused'
    hangUp(1008, 'flood', 'rate-limited: too many messages')
    return 'ended'
  }

  // -- subscriptions ---------------------------------------------------------------------------

  const removeSubscription = (id: string): void => {
    const subscription = subscriptions.get(id)
    if (subscription === undefined) return
    subscriptions.delete(id)
    hub.subscriptions.remove(subscription)
    values -= countValues(subscription.filters)
  }

  /** Opens what a REQ asks for, or says why not. */
  const openSubscription = (id: string, rawFilters: readonly unknown[]): Refusal | undefined => {
    // A REQ replaces the subscription of its id, and a CLOSED says that there is none any more.
    removeSubscription(id)
    if (needsAuth()) return AUTH_REQUIRED
    if (subscriptions.size >= limits.subscriptions) {
      return { code: 'subscriptions', reason: `error: more than ${limits.subscriptions} subscriptions` }
    }
    const parsed = parseFilters(rawFilters)
    if (!parsed.ok) return parsed.error
    const filters = parsed.value
    sendStored(id, filters)
    send(['EOSE', id])
    // Sending may have shown this reader to be too slow to keep.
    if (ended) return undefined
    const subscription: OpenSubscription = { id, filters, send: sendText }
    subscriptions.set(id, subscription)
    hub.subscriptions.add(subscription)
    values += countValues(filters)
    return undefined
  }

  const parseFilters = (rawFilters: readonly unknown[]): Result<readonly RelayFilter[], Refusal> => {
    if (rawFilters.length === 0) return err({ code: 'filters', reason: 'invalid: a REQ needs a filter' })
    if (rawFilters.length > limits.filters) {
      return err({ code: 'filters', reason: `error: more than ${limits.filters} filters` })
    }
    const filters: RelayFilter[] = []
    let wanted = values
    for (const raw of rawFilters) {
      const filter = parseFilter(raw, limits)
      if (!filter.ok) return err({ code: 'filter', reason: filter.error })
      filters.push(filter.value)
      wanted += filter.value.values
      if (wanted > limits.filterValues) {
        return err({
          code: 'filter-values',
          reason: `error: more than ${limits.filterValues} values in filters`,
        })
      }
    }
    return ok(filters)
  }

  /** Newest first, as far as half of the room this reader has left: a catch-up must not look like a slow reader. */
  const sendStored = (id: string, filters: readonly RelayFilter[]): void => {
    const { retention } = hub
    if (retention === undefined) return
    const checks = retention.size * filters.reduce((sum, { tags }) => sum + 1 + tags.size, 0)
    rate.charge(Math.floor(checks / STORED_CHECKS_PER_TOKEN))
    const stored = retention.find(filters, clock.now())
    let room = (limits.outgoingBytes - link.waiting()) / 2
    for (const { json } of stored) {
      const frame = eventFrame(id, json)
      room -= Buffer.byteLength(frame)
      if (room < 0 || ended) return
      counters.delivered += 1
      sendText(frame)
    }
  }

  // -- events ----------------------------------------------------------------------------------

  const acceptEvent = (value: unknown): Refusal | undefined => {
    if (needsAuth()) return AUTH_REQUIRED
    const checked = checkEvent(hub, value)
    const spread = checked.ok ? spreadEvent(hub, checked.value) : checked
    return spread.ok ? undefined : spread.error
  }

  // -- authentication --------------------------------------------------------------------------

  const needsAuth = (): boolean => hub.auth !== undefined && pubkeys.size === 0

  const acceptAuth = (value: unknown): Refusal | undefined => {
    if (hub.auth === undefined || challenge === undefined) {
      return { code: 'auth-invalid', reason: 'invalid: this relay sent no challenge' }
    }
    const checked = checkAuth(hub, value, challenge)
    if (!checked.ok) return checked.error
    const { pubkey } = checked.value
    if (!hub.auth.allows(pubkey)) {
      return { code: 'auth-restricted', reason: 'restricted: this key may not use this relay' }
    }
    if (!pubkeys.has(pubkey) && pubkeys.size >= limits.authPubkeys) {
      return { code: 'auth-restricted', reason: `restricted: more than ${limits.authPubkeys} keys` }
    }
    pubkeys.add(pubkey)
    return undefined
  }

  // -- messages --------------------------------------------------------------------------------

  const take = (frame: ClientFrame): void => {
    switch (frame.type) {
      case 'event':
        answerEvent(frame.id, acceptEvent(frame.event))
        break
      case 'auth':
        answerEvent(frame.id, acceptAuth(frame.event))
        break
      case 'req':
        answerRequest(frame.id, openSubscription(frame.id, frame.filters))
        break
      case 'close':
        removeSubscription(frame.id)
    }
  }

  /** What is over the rate but still answered. */
  const refuse = (frame: ClientFrame): void => {
    if (frame.type === 'event' || frame.type === 'auth') {
      send(['OK', frame.id, false, RATE_LIMITED])
      return
    }
    // Closing takes load away: it is done even now.
    removeSubscription(frame.id)
    if (frame.type === 'req') send(['CLOSED', frame.id, RATE_LIMITED])
  }

  const answerEvent = (id: string, refusal: Refusal | undefined): void => {
    if (refusal === undefined) {
      send(['OK', id, true, ''])
      return
    }
    const { code, reason } = refusal
    countDrop(counters, code)
    if (code === 'event-id' || code === 'event-signature') rate.charge(limits.forgeryTokens)
    // A duplicate is no failure: the relay has the event.
    send(['OK', id, code === 'event-duplicate', reason])
  }

  const answerRequest = (id: string, refusal: Refusal | undefined): void => {
    if (refusal === undefined) return
    countDrop(counters, refusal.code)
    send(['CLOSED', id, refusal.reason])
  }

  const answerNonsense = (code: DropCode, reason: string): void => {
    countDrop(counters, code)
    send(['NOTICE', reason])
  }

  if (challenge !== undefined) send(['AUTH', challenge])

  return {
    receive(text, bytes) {
      if (ended) return
      counters.received += 1
      const admitted = admit(bytes)
      if (admitted === 'ended') return
      const frame = parseClientFrame(text, limits.subscriptionIdChars)
      if (!frame.ok) answerNonsense(frame.error, noticeOf(frame.error, limits.subscriptionIdChars))
      else if (admitted === 'refused') refuse(frame.value)
      else take(frame.value)
    },
    receiveBinary(bytes) {
      if (ended) return
      counters.received += 1
      if (admit(bytes) !== 'ended') answerNonsense('binary', 'invalid: binary messages mean nothing here')
    },
    receiveControl: () => !ended && admit(0) === 'allowed',
    end,
    get subscriptions() {
      return subscriptions.size
    },
  }
}

const AUTH_REQUIRED: Refusal = { code: 'auth-required', reason: 'auth-required: prove a key first' }
const RATE_LIMITED = 'rate-limited: slow down'

function noticeOf(problem: FrameProblem, idChars: number): string {
  switch (problem) {
    case 'json':
      return 'invalid: not JSON'
    case 'message':
      return 'unsupported: send EVENT, REQ, CLOSE or AUTH'
    case 'event-shape':
      return 'invalid: an event needs an id of 64 lowercase hex characters'
    case 'subscription-id':
      return `invalid: a subscription id is a string of 1 to ${idChars} characters`
  }
}

function countValues(filters: readonly RelayFilter[]): number {
  return filters.reduce((sum, filter) => sum + filter.values, 0)
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
