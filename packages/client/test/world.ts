/**
 * A client, a scripted remote signer and relays in memory, on one fake clock, with real crypto.
 * Never touches the network or the real time.
 */

import {
  type Crypto,
  encodeBunkerUri,
  type KeyHandle,
  type Pubkey,
  type RandomBytes,
  type RelayUrl,
  type Scheme,
  type Transport,
} from '@nip46/core'
import { createCrypto, hexToBytes } from '@nip46/crypto'
import { tinyBackend } from '@nip46/crypto/tiny'
import {
  createFakeClock,
  createMemoryRelay,
  type FakeClock,
  type MemoryRelay,
  type MemoryRelayOptions,
  seededRandom,
} from '@nip46/testing'
import {
  type AuthUrl,
  type BunkerSession,
  type ConnectOptions,
  connect,
  Nip46Error,
  type OfferOptions,
  offer,
  type SessionEvent,
} from '../src/index.ts'
import { createScriptedSigner, type ScriptedSigner } from './scripted-signer.ts'

export const ONE = 'wss://one.example/' as RelayUrl
export const TWO = 'wss://two.example/' as RelayUrl
export const THREE = 'wss://three.example/' as RelayUrl
export const SECRET = 's3cret-of-the-token'
export const START = 1_767_225_600_000

/** Plaintexts of up to 2 MB, so that hostile peers can be larger than we allow. */
const seeded = seededRandom('client tests')
export const random: RandomBytes = (length) => seeded.bytes(length)
export const crypto: Crypto = createCrypto(tinyBackend(random), {
  random,
  maxPlaintextBytes: 2_000_000,
  sendExtended: true,
})

export interface WorldOptions extends Omit<MemoryRelayOptions, 'clock'> {
  readonly relays?: readonly RelayUrl[]
  /** Relays that the remote signer listens on. Default: `relays`. */
  readonly signerRelays?: readonly RelayUrl[]
  readonly secret?: string | null
  readonly scheme?: Scheme
  readonly signerKey?: string
  readonly userKey?: string
}

export interface World {
  readonly clock: FakeClock
  readonly network: MemoryRelay
  readonly transport: Transport
  readonly signer: ScriptedSigner
  readonly uri: string
  readonly events: SessionEvent[]
  readonly authUrls: AuthUrl[]
  /** The options of a client in this world. */
  options(changes?: Partial<ConnectOptions>): ConnectOptions
  /** Logs in and waits for it; fails the test if it does not come within a minute. */
  login(changes?: Partial<ConnectOptions>): Promise<BunkerSession>
  connect(changes?: Partial<ConnectOptions>): Promise<BunkerSession>
  offer(changes?: Partial<OfferOptions>): ReturnType<typeof offer>
  /** Lets time pass until the promise has settled; an error if it has not within `limitMs`. */
  settled<T>(promise: Promise<T>, limitMs?: number): Promise<T>
  /** The same for a promise that must reject: its `Nip46Error`. */
  failure(promise: Promise<unknown>, limitMs?: number): Promise<Nip46Error>
  codes(type: 'alert' | 'ignored'): readonly string[]
}

export function createWorld(options: WorldOptions = {}): World {
  const clock = createFakeClock(START)
  const network = createMemoryRelay({ clock, ...options })
  const transport = network.connect()
  const relays = options.relays ?? [ONE]
  const key = newKey(options.signerKey)
  const user = newKey(options.userKey)
  const { scheme = 'nip44', secret = SECRET } = options
  const signer = createScriptedSigner({
    crypto,
    random,
    clock,
    transport: network.connect(),
    relays: options.signerRelays ?? relays,
    key,
    user,
    scheme,
  })
  const uri = encodeBunkerUri({ remoteSigner: key.pubkey, relays, secret })
  const events: SessionEvent[] = []
  const authUrls: AuthUrl[] = []

  const clientOptions = (changes: Partial<ConnectOptions> = {}): ConnectOptions => ({
    crypto,
    transport,
    random,
    clock,
    onEvent: (event) => void events.push(event),
    onAuthUrl: (auth) => void authUrls.push(auth),
    ...changes,
  })

  const settled = async <T>(promise: Promise<T>, limitMs = 60_000): Promise<T> => {
    let done = false
    const mark = (): void => {
      done = true
    }
    promise.then(mark, mark)
    if (!(await clock.runUntil(() => done, limitMs))) throw new Error(`not settled after ${limitMs} ms`)
    return promise
  }

  const world: World = {
    clock,
    network,
    transport,
    signer,
    uri,
    events,
    authUrls,
    options: clientOptions,
    login: (changes) => settled(connect(uri, clientOptions(changes))),
    connect: (changes) => connect(uri, clientOptions(changes)),
    offer: (changes = {}) => offer({ ...clientOptions(), relays, ...changes }),
    settled,
    async failure(promise, limitMs) {
      const outcome = await settled(
        promise.then(
          (value) => ({ value }),
          (error: unknown) => ({ error }),
        ),
        limitMs,
      )
      if ('error' in outcome && outcome.error instanceof Nip46Error) return outcome.error
      throw new Error('expected a Nip46Error', { cause: 'error' in outcome ? outcome.error : outcome.value })
    },
    codes: (type) => events.flatMap((event) => (event.type === type ? [String(event.code)] : [])),
  }
  return world
}

export function newKey(hex?: string): KeyHandle {
  return crypto.importKey(hex === undefined ? random(32) : hexToBytes(hex))
}

/** A kind 24133 event of any text, with no look at its size: what a peer without manners can send. */
export function carrier(
  by: KeyHandle,
  to: Pubkey,
  text: string,
  createdAt: number,
  scheme: Scheme = 'nip44',
): Record<string, unknown> {
  const conversation = by.conversation(to)
  if (!conversation.ok) throw new Error('no pubkey')
  const content =
    scheme === 'nip44'
      ? conversation.value.nip44Encrypt(text, random(32))
      : conversation.value.nip04Encrypt(text, random(16))
  return signed(by, { kind: 24133, created_at: createdAt, tags: [['p', to]], content })
}

export function signed(
  by: KeyHandle,
  parts: { kind: number; created_at: number; tags: string[][]; content: string },
): Record<string, unknown> {
  const unsigned = { ...parts, pubkey: by.pubkey }
  const id = crypto.eventId(unsigned)
  return { ...unsigned, id, sig: by.sign(id, random(32)) }
}

/** A crypto that keeps what it was given, so that a test can see whether it was wiped. */
export function watchCrypto(): {
  readonly crypto: Crypto
  readonly keys: { destroyed: boolean; readonly secret: Uint8Array }[]
} {
  const keys: { destroyed: boolean; readonly secret: Uint8Array }[] = []
  const importKey: Crypto['importKey'] = (secret) => {
    const handle = crypto.importKey(secret)
    const record = { destroyed: false, secret }
    keys.push(record)
    return {
      ...handle,
      pubkey: handle.pubkey,
      destroy() {
        record.destroyed = true
        handle.destroy()
      },
    }
  }
  return { crypto: { ...crypto, importKey }, keys }
}
