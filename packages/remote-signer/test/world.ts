/**
 * A remote signer with everything around it in one process: relays in memory, a clock that stands still, clients.
 * Never used outside tests.
 */

import {
  type Approver,
  type Crypto,
  type KeyHandle,
  open,
  type Permission,
  type Pubkey,
  type RelayUrl,
  type Scheme,
  type SignedEvent,
  seal,
  type UserSigner,
} from '@nip46/core'
import { addOffer, EMPTY_ADMISSION } from '@nip46/core/remote-signer'
import { hexToBytes } from '@nip46/crypto'
import { tinyCrypto } from '@nip46/crypto/tiny'
import {
  createFakeClock,
  createMemoryRelay,
  type FakeClock,
  type MemoryRelay,
  seededRandom,
} from '@nip46/testing'
import {
  createRemoteSigner,
  denyAll,
  localUserSigner,
  type MemoryStore,
  memoryStore,
  type RemoteSigner,
  type RemoteSignerEvent,
  type RemoteSignerOptions,
  type SignerStore,
} from '../src/index.ts'

/** The corpus' virtual now. */
export const NOW_SECONDS = 1_767_225_600
export const RELAY = 'wss://relay.example/' as RelayUrl
export const RELAY_2 = 'wss://relay-two.example/' as RelayUrl
export const RELAY_3 = 'wss://relay-three.example/' as RelayUrl

export const EVERYTHING: readonly Permission[] = [
  'sign_event',
  'nip04_encrypt',
  'nip04_decrypt',
  'nip44_encrypt',
  'nip44_decrypt',
].map((method) => ({ method }))

export const crypto: Crypto = tinyCrypto({ sendExtended: true })

/** A secret key that depends on a name only. */
export function keyOf(name: string): KeyHandle {
  return crypto.importKey(seededRandom(`key ${name}`).bytes(32))
}

export function keyOfHex(hex: string): KeyHandle {
  return crypto.importKey(hexToBytes(hex))
}

export interface World {
  readonly clock: FakeClock
  readonly net: MemoryRelay
  readonly store: SignerStore
  readonly signer: RemoteSigner
  readonly events: RemoteSignerEvent[]
  readonly user: KeyHandle
  readonly options: RemoteSignerOptions
  /** Operations that reached the user's key. */
  readonly performed: () => number
  readonly client: (key: KeyHandle, at?: { readonly relays?: readonly RelayUrl[] }) => TestClient
  /** A new engine over the same store and relays. */
  readonly restart: (change?: Partial<RemoteSignerOptions>) => Promise<World>
}

export interface WorldOptions extends Partial<Omit<RemoteSignerOptions, 'userSigner'>> {
  readonly user?: KeyHandle
  readonly userSigner?: UserSigner | ((own: UserSigner) => UserSigner)
  readonly net?: MemoryRelay
  readonly fakeClock?: FakeClock
  readonly seed?: string
  readonly start?: boolean
}

let worlds = 0

export async function createWorld(given: WorldOptions = {}): Promise<World> {
  const { user = keyOf('user'), net: givenNet, fakeClock, seed, start, userSigner: wrap, ...options } = given
  const clock = fakeClock ?? createFakeClock(NOW_SECONDS * 1_000)
  const net = givenNet ?? createMemoryRelay({ clock })
  const random = seededRandom(seed ?? `world ${worlds++}`)
  const events: RemoteSignerEvent[] = []
  let performed = 0
  const local = localUserSigner(user, { crypto, random: (length) => random.bytes(length) })
  const inner = typeof wrap === 'function' ? wrap(local) : (wrap ?? local)
  const userSigner: UserSigner = {
    userPubkey: user.pubkey,
    perform(operation) {
      performed += 1
      return inner.perform(operation)
    },
  }
  const made: RemoteSignerOptions = {
    crypto,
    transport: net.connect(),
    userSigner,
    approver: denyAll,
    relays: [RELAY],
    store: memoryStore(),
    random: (length) => random.bytes(length),
    clock,
    onEvent: (event) => events.push(event),
    ...options,
  }
  const signer = createRemoteSigner(made)
  if (start !== false) await signer.start()
  const world: World = {
    clock,
    net,
    store: made.store as SignerStore,
    signer,
    events,
    user,
    options: made,
    performed: () => performed,
    client: (key, at) => createTestClient(key, net, clock, at?.relays ?? [RELAY]),
    restart: (change = {}) =>
      createWorld({
        ...options,
        ...change,
        user,
        userSigner: inner,
        store: made.store as SignerStore,
        net,
        fakeClock: clock,
        seed: `${seed ?? 'world'} again ${worlds++}`,
      }),
  }
  return world
}

export interface TestClient {
  readonly key: KeyHandle
  readonly pubkey: Pubkey
  /** Every response, oldest first, by carrier: `{id, result, error}` with the scheme it came in. */
  readonly answers: Answered[]
  sealed(text: string, to: Pubkey, scheme?: Scheme, createdAt?: number): SignedEvent
  /** Publishes a request and lets everything settle. */
  send(request: object | string, to: Pubkey, scheme?: Scheme): Promise<SignedEvent>
  publish(event: SignedEvent): Promise<void>
  /** {@link TestClient.send}, and what came back for this id since. */
  ask(request: Asked, to: Pubkey, scheme?: Scheme): Promise<Answered | undefined>
  close(): void
}

export interface Asked {
  readonly id: string
  readonly method: string
  readonly params: readonly string[]
}

export interface Answered {
  readonly id: string
  readonly result: unknown
  readonly error?: string
  readonly scheme: Scheme
  readonly from: Pubkey
  readonly eventId: string
}

let serial = 0

function createTestClient(
  key: KeyHandle,
  net: MemoryRelay,
  clock: FakeClock,
  relays: readonly RelayUrl[],
): TestClient {
  const transport = net.connect()
  const answers: Answered[] = []
  const seen = new Set<string>()
  const random = seededRandom(`client ${serial++}`)
  const subscription = transport.subscribe({
    relays,
    filters: [{ kinds: [24133], '#p': [key.pubkey] }],
    onEvent(event) {
      // A test that injects hands its event to every subscription.
      const tags = JSON.stringify((event as { tags?: unknown } | null)?.tags ?? null)
      if (!tags.includes(key.pubkey)) return
      const opened = open(event, {
        crypto,
        key: (pubkey) => (pubkey === key.pubkey ? key : undefined),
        scheme: () => 'either',
        now: Math.floor(clock.now() / 1_000),
      })
      if (!opened.ok) throw new Error(`the remote signer sent what cannot be opened: ${opened.error}`)
      const { eventId, scheme, from, text } = opened.value
      if (seen.has(eventId)) return
      seen.add(eventId)
      answers.push({ ...JSON.parse(text), scheme, from, eventId })
    },
  })
  const client: TestClient = {
    key,
    pubkey: key.pubkey,
    answers,
    sealed(text, to, scheme = 'nip44', createdAt = Math.floor(clock.now() / 1_000)) {
      const sealed = seal(
        { text, to, key, scheme, createdAt },
        { crypto, random: (length) => random.bytes(length) },
      )
      if (!sealed.ok) throw new Error(sealed.error)
      return sealed.value
    },
    async publish(event) {
      await transport.publish(relays, event)
      await clock.settle()
    },
    async send(request, to, scheme) {
      const event = client.sealed(typeof request === 'string' ? request : JSON.stringify(request), to, scheme)
      await client.publish(event)
      return event
    },
    async ask(request, to, scheme) {
      const before = answers.length
      await client.send(request, to, scheme)
      return answers.slice(before).find(({ id }) => id === request.id)
    },
    close: () => subscription.close(),
  }
  return client
}

/** A token with this very secret in a store, as `offer()` makes it with a random one. */
export async function plantOffer(
  store: SignerStore,
  facts: {
    readonly secret: string | null
    readonly signerPubkey: Pubkey
    readonly userPubkey: Pubkey
    readonly granted?: readonly Permission[]
    readonly approval?: 'secret' | 'ask'
    readonly at?: number
  },
): Promise<string> {
  const at = facts.at ?? NOW_SECONDS * 1_000
  const { signerPubkey, userPubkey, granted = [], approval = 'secret', secret } = facts
  const admission = addOffer(EMPTY_ADMISSION, secret, {
    signerPubkey,
    userPubkey,
    relays: [RELAY],
    granted,
    approval,
    createdAt: at,
    expiresAt: at + 900_000,
  })
  const [[token, offer] = ['', undefined]] = Object.entries(admission.offers)
  if (offer === undefined) throw new Error('no offer')
  await store.commit([{ offers: [{ token, revision: 0, after: offer }] }], at)
  return token
}

/** A client connected over an offer of its own. */
export async function connect(
  world: World,
  name: string,
  granted: readonly Permission[] = EVERYTHING,
  scheme: Scheme = 'nip44',
): Promise<{ readonly client: TestClient; readonly to: Pubkey }> {
  const { uri, remoteSigner } = await world.signer.offer({ granted })
  const secret = new URLSearchParams(uri.split('?')[1]).get('secret') ?? ''
  const client = world.client(keyOf(name))
  const answer = await client.ask(
    { id: `connect ${name}`, method: 'connect', params: [remoteSigner, secret] },
    remoteSigner,
    scheme,
  )
  if (answer?.result !== 'ack') throw new Error(`not connected: ${JSON.stringify(answer)}`)
  return { client, to: remoteSigner }
}

export function secretOf(uri: string): string {
  return new URLSearchParams(uri.split('?')[1]).get('secret') ?? ''
}

/** An approver by a function. */
export function approver(decide: Approver['decide']): Approver {
  return { decide }
}

export type { MemoryStore }
