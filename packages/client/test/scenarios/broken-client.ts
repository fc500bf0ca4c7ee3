/**
 * A small client of NIP-46, written on its own, with one thing wrong with it: the mistakes that deployed libraries make.
 * Shows that a row can fail. Never imports the client it stands beside.
 */

import {
  type EventTemplate,
  encodeNostrConnectUri,
  type KeyHandle,
  open,
  type Pubkey,
  parseBunkerUri,
  type RelayUrl,
  seal,
  sealAuth,
} from '@nip46/core'
import { tinyCrypto } from '@nip46/crypto/tiny'
import type { ClientUnderTest, HostedClient } from '@nip46/testing/client-scenarios'

export type Mistake =
  | 'wants switch_relays to work'
  | 'takes nothing but ack'
  | 'sends no target'
  | 'waits for switch_relays'
  | 'chokes on NIP-04'
  | 'loses the reason'
  | 'takes error: null for an error'
  | 'takes error: "" for an error'
  | 'takes an empty result for none'
  | 'unwraps lists'
  | 'rejects with the URL'
  | 'believes every event'
  | 'checks no author'
  | 'checks no signature'
  | 'believes every stranger'
  | 'dies of junk'
  | 'waits for ever'
  | 'ignores refusals'
  | 'never reconnects'
  | 'forgets what is in flight'
  | 'waits for every relay'
  | 'stays where it is'
  | 'waits for a list of relays'
  | 'knows no NIP-42'
  | 'wants a secret'
  | 'expects ack for an offer'
  | 'takes ack for an offer'
  | 'ends its offer at junk'
  | 'does ten at once'
  | 'collects for 200 ms'
  | 'nothing'

interface Pending {
  readonly resolve: (result: string) => void
  readonly reject: (cause: unknown) => void
}

const crypto = tinyCrypto()
const random = (length: number): Uint8Array => globalThis.crypto.getRandomValues(new Uint8Array(length))
const seconds = (): number => Math.floor(Date.now() / 1_000)
const hex = (length: number): string => Buffer.from(random(length)).toString('hex')
const PATIENT: readonly Mistake[] = [
  'waits for ever',
  'chokes on NIP-04',
  'ignores refusals',
  'waits for a list of relays',
]
const RECONNECT_MS = 200

/** It gives a request so many milliseconds, unless its mistake is to wait for ever. */
export function createBrokenClient(mistake: Mistake, patienceMs: number): HostedClient {
  const has = (one: Mistake): boolean => mistake === one
  const key: KeyHandle = crypto.importKey(random(32))
  const sockets = new Map<RelayUrl, WebSocket>()
  const pending = new Map<string, Pending>()
  const pages: string[] = []
  const timers = new Set<NodeJS.Timeout>()
  let remote: Pubkey | undefined
  let user: string | undefined
  let relays: readonly RelayUrl[] = []
  let closed = false
  let offerSecret: string | undefined
  let taken: { resolve: () => void; reject: (cause: unknown) => void } | undefined
  let wait: Promise<void> | undefined

  const later = (ms: number, run: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      run()
    }, ms)
    timers.add(timer)
  }

  const dial = (relay: RelayUrl): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(relay)
      const subscribe = (): void =>
        socket.send(JSON.stringify(['REQ', 'answers', { kinds: [24133], '#p': [key.pubkey] }]))
      sockets.set(relay, socket)
      socket.addEventListener('error', () => reject(new Error('refused to connect')))
      socket.addEventListener('open', subscribe)
      socket.addEventListener('message', ({ data }) => {
        const [verb, first, second, third] = JSON.parse(String(data)) as [string, unknown, unknown, string]
        if (verb === 'EOSE') resolve()
        if (verb === 'EVENT') hear(second)
        if (verb === 'OK' && second === false) refused(third)
        if (verb === 'AUTH' && !has('knows no NIP-42')) {
          const login = sealAuth(
            { relay, challenge: String(first), key, createdAt: seconds() },
            { crypto, random },
          )
          socket.send(JSON.stringify(['AUTH', login]))
          subscribe()
        }
      })
      socket.addEventListener('close', () => {
        if (closed || !relays.includes(relay) || has('never reconnects')) return
        if (has('forgets what is in flight')) pending.clear()
        later(RECONNECT_MS, () => void dial(relay).catch(() => undefined))
      })
    })

  const reach = async (urls: readonly RelayUrl[]): Promise<void> => {
    relays = urls
    const all = urls.map(dial)
    if (has('waits for every relay')) await Promise.all(all)
    else await Promise.any(all)
  }

  const hear = (event: unknown): void => {
    const { content = '', pubkey } = event as { readonly content?: string; readonly pubkey?: string }
    const trusting = has('believes every stranger') || has('dies of junk')
    if (remote !== undefined && pubkey !== remote && !trusting) return
    if (content.includes('?iv=')) {
      if (has('chokes on NIP-04')) return
      for (const { reject } of pending.values()) reject(new Error('an answer in NIP-04'))
      return
    }
    const opened = open(event, {
      crypto,
      key: (to) => (to === key.pubkey ? key : undefined),
      scheme: () => 'either',
      now: seconds(),
    })
    if (!opened.ok) {
      junk()
      return
    }
    const { from, text } = opened.value
    const message = parse(text)
    if (message === undefined) {
      junk()
      return
    }
    if (remote === undefined) hearOffer(from, message)
    else settle(message)
  }

  const junk = (): void => {
    if (has('dies of junk')) for (const { reject } of pending.values()) reject(new Error('junk'))
    if (has('ends its offer at junk')) taken?.reject(new Error('junk'))
  }

  const hearOffer = (from: Pubkey, { result }: Message): void => {
    const proof = has('expects ack for an offer') ? 'ack' : offerSecret
    if (result !== proof && !(has('takes ack for an offer') && result === 'ack')) {
      junk()
      return
    }
    remote = from
    taken?.resolve()
  }

  const settle = ({ id, result, error }: Message): void => {
    const request = pending.get(String(id))
    if (request === undefined) return
    if (result === 'auth_url') {
      if (has('rejects with the URL')) request.reject(error)
      else pages.push(String(error))
      return
    }
    const isError =
      (typeof error === 'string' && error !== '') ||
      (error === null && has('takes error: null for an error')) ||
      (error === '' && has('takes error: "" for an error'))
    if (isError) {
      request.reject(has('loses the reason') ? undefined : new Error(String(error)))
      return
    }
    const isNull = (result ?? null) === null
    if (isNull && has('waits for a list of relays')) return
    if (result === '' && has('takes an empty result for none')) return
    request.resolve(isNull ? 'null' : String(result))
  }

  const refused = (reason: string): void => {
    if (has('ignores refusals') || reason.startsWith('auth-required')) return
    for (const { reject } of pending.values()) reject(new Error(reason))
  }

  const ask = async (method: string, params: readonly string[]): Promise<string> => {
    if (has('collects for 200 ms')) await pause()
    if (has('does ten at once') && pending.size >= 10) throw new Error('too many requests')
    if (remote === undefined) throw new Error('not logged in')
    const id = hex(8)
    const text = JSON.stringify({ id, method, params })
    const sealed = seal({ text, to: remote, key, scheme: 'nip44', createdAt: seconds() }, { crypto, random })
    if (!sealed.ok) throw new Error(sealed.error)
    const frame = JSON.stringify(['EVENT', sealed.value])
    return new Promise<string>((resolve, reject) => {
      pending.set(id, { resolve, reject })
      const patient = PATIENT.some(has)
      if (!patient) later(patienceMs, () => reject(new Error('no answer')))
      for (const socket of sockets.values()) {
        if (socket.readyState === WebSocket.OPEN) socket.send(frame)
      }
    }).finally(() => pending.delete(id))
  }

  const pause = (): Promise<void> => {
    wait ??= new Promise((resolve) =>
      later(200, () => {
        wait = undefined
        resolve()
      }),
    )
    return wait
  }

  const moveOn = async (): Promise<unknown> => {
    const answer = parse(await ask('switch_relays', [])) as unknown
    if (!Array.isArray(answer) || has('stays where it is')) return null
    const old = [...sockets.values()]
    sockets.clear()
    await reach(answer as RelayUrl[])
    for (const socket of old) socket.close()
    return answer
  }

  const begin = async (): Promise<void> => {
    const asked = moveOn()
    if (has('wants switch_relays to work')) await asked
    if (has('waits for switch_relays')) await asked.catch(() => undefined)
    asked.catch(() => undefined)
    user = await ask('get_public_key', [])
  }

  const crypt = async (method: string, peer: string, text: string): Promise<string> => {
    const result = await ask(method, [peer, text])
    const list = parse(result) as unknown
    return has('unwraps lists') && Array.isArray(list) ? String(list[0]) : result
  }

  const client: ClientUnderTest = {
    async connect(uri) {
      const parsed = parseBunkerUri(uri)
      if (!parsed.ok) throw new Error(parsed.error)
      const { remoteSigner, secret } = parsed.value
      if (secret === null && has('wants a secret')) throw new Error('no secret')
      await reach(parsed.value.relays)
      remote = remoteSigner
      const target = has('sends no target') ? '' : remoteSigner
      const result = await ask('connect', [target, secret ?? ''])
      if (result !== 'ack' && (result !== secret || has('takes nothing but ack'))) throw undefined
      await begin()
    },
    async offer(urls) {
      offerSecret = hex(16)
      await reach(urls as readonly RelayUrl[])
      return encodeNostrConnectUri({ clientPubkey: key.pubkey, relays, secret: offerSecret })
    },
    async taken() {
      if (remote === undefined) {
        await new Promise<void>((resolve, reject) => {
          taken = { resolve, reject }
        })
      }
      await begin()
    },
    getPublicKey: async () => user,
    async signEvent(template: EventTemplate) {
      const event = JSON.parse(await ask('sign_event', [JSON.stringify(template)])) as Record<string, string>
      if (has('believes every event')) return event
      if (!has('checks no author') && event['pubkey'] !== user) throw new Error('not by the user')
      if (event['content'] !== template.content) throw new Error('another event')
      const { pubkey = '', id = '', sig = '' } = event
      if (!has('checks no signature') && !crypto.verify({ pubkey, id, sig })) throw new Error('bad signature')
      return event
    },
    nip44Encrypt: (peer, text) => crypt('nip44_encrypt', peer, text),
    nip44Decrypt: (peer, text) => crypt('nip44_decrypt', peer, text),
    nip04Encrypt: (peer, text) => crypt('nip04_encrypt', peer, text),
    nip04Decrypt: (peer, text) => crypt('nip04_decrypt', peer, text),
    ping: () => ask('ping', []),
    switchRelays: moveOn,
    pages: async () => pages,
    async close() {
      closed = true
      for (const socket of sockets.values()) socket.close()
      for (const timer of timers) clearTimeout(timer)
      for (const { reject } of pending.values()) reject(new Error('closed'))
    },
  }
  return { ...client, ended: () => undefined, stop: () => client.close() }
}

interface Message {
  readonly id?: unknown
  readonly result?: unknown
  readonly error?: unknown
}

function parse(text: string): Message | undefined {
  try {
    const value = JSON.parse(text) as unknown
    return typeof value === 'object' && value !== null ? value : undefined
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined
    throw cause
  }
}
