/**
 * A remote signer that follows a script: by default a correct one, and any method's answer can be replaced by any text.
 * Uses the real envelope and the real crypto; never holds a policy.
 */

import {
  type Authenticate,
  type Clock,
  type Crypto,
  type EventTemplate,
  encodeResponse,
  type KeyHandle,
  open,
  type Pubkey,
  parseRequest,
  type RandomBytes,
  type RelayUrl,
  type Request,
  type Scheme,
  type SignedEvent,
  seal,
  sealAuth,
  type Transport,
} from '@nip46/core'

/** The texts to send, in order; nothing at all; or later. */
export type Answer = string | readonly string[] | undefined
export type Script = (request: Request, from: Pubkey) => Answer | Promise<Answer>

export interface Heard extends Request {
  readonly from: Pubkey
  readonly relay: RelayUrl
  readonly event: SignedEvent
}

export interface ScriptedSigner {
  readonly key: KeyHandle
  readonly user: KeyHandle
  /** Every request understood, in order; repeats by several relays are heard once. */
  readonly heard: Heard[]
  /** Replaces the answer to one method. */
  script(method: string, script: Script): void
  /** Listens on more relays. */
  listen(relays: readonly RelayUrl[]): void
  /** Where answers go. Default: all relays listened to. */
  answerOn(relays: readonly RelayUrl[]): void
  /** Sends a text of its own accord. */
  say(to: Pubkey, text: string, relays?: readonly RelayUrl[]): Promise<void>
  sign(template: EventTemplate, by?: KeyHandle): SignedEvent
  methods(): readonly string[]
  close(): void
}

export interface SignerParts {
  readonly crypto: Crypto
  readonly random: RandomBytes
  readonly clock: Clock
  readonly transport: Transport
  readonly relays: readonly RelayUrl[]
  readonly key: KeyHandle
  readonly user: KeyHandle
  readonly scheme?: Scheme
}

export function createScriptedSigner(parts: SignerParts): ScriptedSigner {
  const { crypto, random, clock, transport, key, user, scheme = 'nip44' } = parts
  const heard: Heard[] = []
  const seen = new Set<string>()
  const scripts = new Map<string, Script>()
  const listening: RelayUrl[] = []
  const subscriptions: { close(): void }[] = []
  let answerRelays: readonly RelayUrl[] | undefined

  const seconds = (): number => Math.floor(clock.now() / 1_000)

  const authenticate: Authenticate = (relay, challenge) =>
    sealAuth({ relay, challenge, key, createdAt: seconds() }, { crypto, random })

  const say = async (to: Pubkey, text: string, relays = answerRelays ?? listening): Promise<void> => {
    const sealed = seal({ text, to, key, scheme, createdAt: seconds() }, { crypto, random })
    if (!sealed.ok) throw new Error(`the answer could not be sealed: ${sealed.error}`)
    await transport.publish(relays, sealed.value, { authenticate })
  }

  const sign = (template: EventTemplate, by = user): SignedEvent => {
    const { kind, content, tags, created_at } = template
    const unsigned = { kind, content, tags, created_at, pubkey: by.pubkey }
    const id = crypto.eventId(unsigned)
    return { ...unsigned, id, sig: by.sign(id, random(32)) }
  }

  const hear = async (value: unknown, relay: RelayUrl): Promise<void> => {
    const opened = open(value, {
      crypto,
      key: (pubkey) => (pubkey === key.pubkey ? key : undefined),
      scheme: () => scheme,
      now: seconds(),
      seen: (id) => seen.has(id),
    })
    if (!opened.ok) return
    seen.add(opened.value.eventId)
    const request = parseRequest(opened.value.text)
    if (!request.ok) return
    const { from } = opened.value
    heard.push({ ...request.value, from, relay, event: value as SignedEvent })
    const script = scripts.get(request.value.method) ?? usual
    const answer = await script(request.value, from)
    const texts = answer === undefined ? [] : typeof answer === 'string' ? [answer] : answer
    for (const text of texts) await say(from, text)
  }

  /** What a correct remote signer of today answers. */
  const usual: Script = (request) => {
    const { id, params } = request
    const [first = '', second = ''] = params
    const peer = () => {
      const conversation = user.conversation(first)
      if (!conversation.ok) throw new Error('the peer of a request is no pubkey')
      return conversation.value
    }
    switch (request.method) {
      case 'connect':
      case 'logout':
        return okay(id, 'ack')
      case 'ping':
        return okay(id, 'pong')
      case 'get_public_key':
        return okay(id, user.pubkey)
      case 'switch_relays':
        return okay(id, 'null')
      case 'describe':
        return okay(id, JSON.stringify(['ping', 'sign_event']))
      case 'sign_event':
        return okay(id, JSON.stringify(sign(JSON.parse(first) as EventTemplate)))
      case 'nip44_encrypt':
        return okay(id, peer().nip44Encrypt(second, random(32)))
      case 'nip04_encrypt':
        return okay(id, peer().nip04Encrypt(second, random(16)))
      case 'nip44_decrypt':
      case 'nip04_decrypt': {
        const plain =
          request.method === 'nip44_decrypt' ? peer().nip44Decrypt(second) : peer().nip04Decrypt(second)
        return plain.ok ? okay(id, plain.value) : failed(id, 'invalid: payload')
      }
      default:
        return failed(id, `unsupported: ${request.method}`)
    }
  }

  const listen = (relays: readonly RelayUrl[]): void => {
    listening.push(...relays)
    const filters = [{ kinds: [24133], '#p': [key.pubkey], since: seconds() - 60 }]
    const onEvent = (value: unknown, relay: RelayUrl): void => {
      hear(value, relay).catch((error: unknown) => {
        queueMicrotask(() => {
          throw error
        })
      })
    }
    subscriptions.push(transport.subscribe({ relays, filters, onEvent, authenticate }))
  }
  listen(parts.relays)

  return {
    key,
    user,
    heard,
    script: (method, script) => void scripts.set(method, script),
    listen,
    answerOn(relays) {
      answerRelays = relays
    },
    say,
    sign,
    methods: () => heard.map(({ method }) => method),
    close() {
      for (const subscription of subscriptions.splice(0)) subscription.close()
    },
  }
}

export function okay(id: string, result: string): string {
  return encodeResponse({ type: 'result', id, result })
}

export function failed(id: string, error: string): string {
  return encodeResponse({ type: 'error', id, error })
}

export function authUrl(id: string, url: string): string {
  return encodeResponse({ type: 'auth-url', id, url })
}
