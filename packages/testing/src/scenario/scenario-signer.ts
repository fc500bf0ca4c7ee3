/**
 * A remote signer that answers as it is told to: by default a correct one that knows the plain methods and refuses
 * the rest. It stands behind the relays it is given, without sockets of its own, so it never loses a connection.
 * Uses the real envelope; never holds a policy. A request that comes again is answered from memory, as NIP-46's ids allow.
 */

import {
  type Clock,
  type Crypto,
  type EventTemplate,
  encodeResponse,
  type KeyHandle,
  open,
  type Pubkey,
  parseRequest,
  type RandomBytes,
  type Request,
  type Scheme,
  type SignedEvent,
  seal,
} from '@nip46/core'
import type { ScenarioRelay } from './scenario-relay.ts'

export interface ScenarioRequest extends Request {
  readonly from: Pubkey
  readonly scheme: Scheme
  /** Milliseconds of the signer's clock. */
  readonly at: number
}

/** One message to send. */
export interface SignerAnswer {
  /** Any text, at least one character. */
  readonly text: string
  /** Milliseconds from the request. Default 0. */
  readonly afterMs?: number
  /** Default: the scheme of the request. */
  readonly scheme?: Scheme
  /** Sealed and signed with another key. Default: the signer's. */
  readonly by?: KeyHandle
}

export type SignerReply = (
  request: ScenarioRequest,
  signer: ScenarioSigner,
) => readonly (string | SignerAnswer)[] | string | undefined

export interface ScenarioSigner {
  readonly key: KeyHandle
  readonly user: KeyHandle
  /** Requests understood, in order; one that came over several relays once, one that was sent again as often. */
  readonly heard: readonly ScenarioRequest[]
  /** How many requests of this method were worked on: repeats under the same id are not. */
  executions(method: string): number
  /** Replaces the answer to one method. */
  reply(method: string, reply: SignerReply): void
  /** What a correct signer answers. */
  usual(request: ScenarioRequest): string
  sign(template: EventTemplate, by?: KeyHandle): SignedEvent
  /** Sends of its own accord. */
  say(to: Pubkey, answer: SignerAnswer): void
  /** Listens and answers on one more relay. */
  join(relay: ScenarioRelay): void
  close(): void
}

export interface ScenarioSignerOptions {
  readonly crypto: Crypto
  readonly random: RandomBytes
  readonly clock: Clock
  readonly key: KeyHandle
  readonly user: KeyHandle
}

/** Requests whose answers are remembered; an older one is worked on again. */
export const SCENARIO_REQUESTS = 4_096

export function createScenarioSigner(options: ScenarioSignerOptions): ScenarioSigner {
  const { crypto, random, clock, key, user } = options
  const relays: ScenarioRelay[] = []
  const heard: ScenarioRequest[] = []
  const seen = new Set<string>()
  const answers = new Map<string, readonly SignerAnswer[]>()
  const executed = new Map<string, number>()
  const replies = new Map<string, SignerReply>()
  const timers = new Set<unknown>()

  const seconds = (): number => Math.floor(clock.now() / 1_000)

  const send = (to: Pubkey, answer: SignerAnswer): void => {
    const { text, by = key, scheme = 'nip44' } = answer
    const sealed = seal({ text, to, key: by, scheme, createdAt: seconds() }, { crypto, random })
    if (!sealed.ok) throw new Error(`the answer could not be sealed: ${sealed.error}`)
    for (const relay of relays) relay.deliver(sealed.value)
  }

  const say = (to: Pubkey, answer: SignerAnswer): void => {
    const { afterMs = 0 } = answer
    if (afterMs <= 0) {
      send(to, answer)
      return
    }
    const timer = clock.setTimer(() => {
      timers.delete(timer)
      send(to, answer)
    }, afterMs)
    timers.add(timer)
  }

  const hear = (event: SignedEvent): void => {
    const opened = open(event, {
      crypto,
      key: (pubkey) => (pubkey === key.pubkey ? key : undefined),
      scheme: () => 'either',
      now: seconds(),
      seen: (id) => seen.has(id),
    })
    if (!opened.ok) return
    remember(seen, opened.value.eventId)
    const parsed = parseRequest(opened.value.text)
    if (!parsed.ok) return
    const { from, scheme } = opened.value
    const request: ScenarioRequest = { ...parsed.value, from, scheme, at: clock.now() }
    heard.push(request)
    if (heard.length > SCENARIO_REQUESTS) heard.shift()
    for (const answer of answersTo(request)) say(from, { scheme, ...answer })
  }

  const answersTo = (request: ScenarioRequest): readonly SignerAnswer[] => {
    const place = `${request.from} ${request.id}`
    const known = answers.get(place)
    if (known !== undefined) return known
    executed.set(request.method, (executed.get(request.method) ?? 0) + 1)
    const reply = replies.get(request.method)
    const made = reply === undefined ? usual(request) : reply(request, signer)
    const list = made === undefined ? [] : typeof made === 'string' ? [made] : made
    const full = list.map((answer) => (typeof answer === 'string' ? { text: answer } : answer))
    answers.set(place, full)
    const [oldest] = answers.keys()
    if (answers.size > SCENARIO_REQUESTS && oldest !== undefined) answers.delete(oldest)
    return full
  }

  const sign = (template: EventTemplate, by = user): SignedEvent => {
    const { kind, content, tags, created_at } = template
    const unsigned = { kind, content, tags, created_at, pubkey: by.pubkey }
    const id = crypto.eventId(unsigned)
    return { ...unsigned, id, sig: by.sign(id, random(32)) }
  }

  const usual = (request: ScenarioRequest): string => {
    const { id, method, params } = request
    const [first = '', second = ''] = params
    const conversation = user.conversation(first)
    if (/^nip(?:04|44)_/.test(method) && !conversation.ok) return failed(id, 'invalid: no pubkey')
    if (conversation.ok) {
      const { nip44Encrypt, nip44Decrypt, nip04Encrypt, nip04Decrypt } = conversation.value
      if (method === 'nip44_encrypt') return okay(id, nip44Encrypt(second, random(32)))
      if (method === 'nip04_encrypt') return okay(id, nip04Encrypt(second, random(16)))
      if (method === 'nip44_decrypt' || method === 'nip04_decrypt') {
        const plain = method === 'nip44_decrypt' ? nip44Decrypt(second) : nip04Decrypt(second)
        return plain.ok ? okay(id, plain.value) : failed(id, 'invalid: payload')
      }
    }
    switch (method) {
      case 'connect':
      case 'logout':
        return okay(id, 'ack')
      case 'ping':
        return okay(id, 'pong')
      case 'get_public_key':
        return okay(id, user.pubkey)
      case 'sign_event':
        return okay(id, JSON.stringify(sign(readTemplate(first))))
      default:
        return failed(id, `unsupported: ${method}`)
    }
  }

  const signer: ScenarioSigner = {
    key,
    user,
    heard,
    executions: (method) => executed.get(method) ?? 0,
    reply: (method, reply) => void replies.set(method, reply),
    usual,
    sign,
    say,
    join(relay) {
      relays.push(relay)
      relay.listen(hear)
    },
    close() {
      relays.length = 0
      for (const timer of timers) clock.clearTimer(timer)
      timers.clear()
    },
  }
  return signer
}

export function okay(id: string, result: string): string {
  return encodeResponse({ type: 'result', id, result })
}

export function failed(id: string, error: string): string {
  return encodeResponse({ type: 'error', id, error })
}

export function readTemplate(text: string | undefined): EventTemplate {
  const {
    kind = 1,
    content = '',
    tags = [],
    created_at = 0,
  } = JSON.parse(text ?? '{}') as Partial<EventTemplate>
  return { kind, content, tags, created_at }
}

function remember(ids: Set<string>, id: string): void {
  ids.add(id)
  const [oldest] = ids
  if (ids.size > SCENARIO_REQUESTS && oldest !== undefined) ids.delete(oldest)
}
