/**
 * What the corpus needs of the world around a daemon: its keys and tokens in a store on disk, a relay of ours whose clock is the
 * corpus', a relay that lies in front of it, the program in a process, and a client that reads what comes back.
 */

import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Clock, type KeyHandle, open, type Pubkey, type RelayUrl, seal } from '@nip46/core'
import { addOffer, EMPTY_ADMISSION } from '@nip46/core/remote-signer'
import { hexToBytes } from '@nip46/crypto'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { createRelay } from '@nip46/relay'
import { openSqliteStore } from '@nip46/store-sqlite'
import { CORPUS_NOW, type Corpus, type RowSeen } from '@nip46/testing/corpus'
import { startFaultyRelay } from '@nip46/testing/faulty-relay'
import { createRelayPool } from '@nip46/transport-websocket'
import { WebSocket } from 'ws'
import { createPolicyBook } from '../src/daemon/own-policy-book.ts'
import { beginPolicy } from '../src/daemon/session-policy.ts'
import { hostRandom } from '../src/host-random.ts'
import { hostClock } from '../src/keys/host-clock.ts'
import { initVault, openVault } from '../src/keys/open-vault.ts'
import { type DaemonProcess, startDaemonProcess } from './daemon-process.ts'
import { PASSPHRASE } from './daemon-world.ts'

/** Able to make what is larger than what is sent by default. */
export const roomy = tinyCrypto({ sendExtended: true, maxPlaintextBytes: 400_000 })

/** What the corpus' client may do. What a row is to be refused for carries authority, and nobody is asked about it. */
export const POLICY = {
  preset: 'bot',
  grants: 'sign_event,nip04_encrypt,nip04_decrypt,nip44_encrypt,nip44_decrypt',
}

/** The token that rows connect with, and the one that the client is connected over. */
const SECRETS = ['s3cret', 'first']

export interface CorpusWorld {
  readonly now: () => number
  readonly to: Pubkey
  /** A daemon on a fresh copy of the prepared state. */
  start(): Promise<CorpusDaemon>
  key(name: string): KeyHandle
  client(name: string): Promise<SocketClient>
  /**
   * Brings an event to the daemon: through our relay if it takes it and passes it on as it is, otherwise by the relay that lies.
   * Resolves with which of them it was.
   */
  bring(eventText: string): Promise<'relay' | 'liar'>
  close(): Promise<void>
}

export interface CorpusDaemon {
  readonly process: DaemonProcess
  /** Ends the process at once (SIGKILL), and starts another one on the same state. */
  restart(): Promise<CorpusDaemon>
  /** Everything that is stored, by table; without what only counts commits. */
  stored(): Promise<{ readonly [table: string]: readonly unknown[] }>
  close(): Promise<void>
}

export interface SocketClient {
  readonly pubkey: Pubkey
  /** Oldest first. The test takes out what it looked at. */
  readonly answers: RowSeen['answers'][number][]
  send(request: object): Promise<void>
}

export async function startCorpusWorld(corpus: Corpus): Promise<CorpusWorld> {
  const clockShiftMs = CORPUS_NOW * 1_000 - Date.now()
  const clock: Clock = { ...hostClock, now: () => Date.now() + clockShiftMs }
  const relay = createRelay({
    crypto: roomy,
    clock,
    limits: { messagesPerSecond: 10_000, messageBurst: 10_000 },
  })
  const { url } = await relay.listen()
  const liar = await startFaultyRelay({ target: url })
  const pool = createRelayPool({ clock })
  const root = await mkdtemp(join(tmpdir(), 'nip46-corpus-'))
  const key = (name: string): KeyHandle => roomy.importKey(hexToBytes(corpus.keys[name]?.sk ?? ''))
  const to = key('signer').pubkey
  const template = join(root, 'template')
  await prepare(template, corpus, liar.url, clock)
  let copies = 0

  const start = async (directory: string): Promise<CorpusDaemon> => {
    const flags = ['--unlock', 'me', '--relays', liar.url, '--signs-per-second', '100000']
    const process = await startDaemonProcess(flags, { directory, clockShiftMs })
    await whenListening(process)
    return {
      process,
      async restart() {
        await process.stop('SIGKILL')
        return start(directory)
      },
      async stored() {
        const copy = join(directory, `backup-${copies++}`)
        await process.api.call('backup.create', { directory: copy })
        return readTables(join(copy, 'store.sqlite'))
      },
      close: process.end,
    }
  }

  /** The ids of the daemon's own subscriptions for its remote-signer key. */
  const subscriptions = (): readonly string[] =>
    liar.requests.flatMap(({ id, filters }) => {
      const listens = filters.some((filter) => {
        const { '#p': to, authors } = filter as {
          readonly '#p'?: readonly string[]
          readonly authors?: unknown
        }
        return authors === undefined && to?.includes(key('signer').pubkey) === true
      })
      return listens ? [id] : []
    })

  return {
    now: clock.now,
    to,
    async start() {
      const directory = join(root, `daemon-${copies++}`)
      await cp(template, directory, { recursive: true })
      return start(directory)
    },
    key,
    client: (name) => startClient(key(name)),
    async bring(eventText) {
      if (isPlain(eventText, to) && (await publish(url, eventText))) return 'relay'
      const ids = subscriptions()
      if (ids.length === 0) throw new Error('the daemon listens to nothing')
      for (const id of ids) liar.send(`["EVENT",${JSON.stringify(id)},${eventText}]`)
      return 'liar'
    },
    async close() {
      await pool.close()
      await liar.close()
      await relay.close()
      await rm(root, { recursive: true, force: true })
    },
  }

  async function startClient(own: KeyHandle): Promise<SocketClient> {
    const answers: RowSeen['answers'][number][] = []
    const relays = [url as RelayUrl]
    const seen = new Set<string>()
    const live = new Promise<void>((resolve) => {
      pool.subscribe({
        relays,
        filters: [{ kinds: [24133], '#p': [own.pubkey] }],
        onLive: () => resolve(),
        onEvent(event) {
          const opened = open(event, {
            crypto: roomy,
            key: (pubkey) => (pubkey === own.pubkey ? own : undefined),
            scheme: () => 'either',
            now: Math.floor(clock.now() / 1_000),
          })
          if (!opened.ok) return
          const { eventId, text, from } = opened.value
          if (from !== to || seen.has(eventId)) return
          seen.add(eventId)
          answers.push(JSON.parse(text))
        },
      })
    })
    await live
    return {
      pubkey: own.pubkey,
      answers,
      async send(request) {
        const text = JSON.stringify(request)
        const createdAt = Math.floor(clock.now() / 1_000)
        const made = seal(
          { text, to, key: own, scheme: 'nip44', createdAt },
          { crypto: roomy, random: hostRandom },
        )
        if (!made.ok) throw new Error(made.error)
        await pool.publish(relays, made.value)
      },
    }
  }
}

/** True if our relay would pass this text to the daemon as it is: the members of NIP-01 as JSON has them, and for `to`. */
function isPlain(text: string, to: Pubkey): boolean {
  const event: unknown = JSON.parse(text)
  if (JSON.stringify(event) !== text) return false
  const { tags, ...rest } = event as { readonly tags?: unknown }
  const names = Object.keys(rest).sort().join()
  return names === 'content,created_at,id,kind,pubkey,sig' && JSON.stringify(tags).includes(`["p","${to}"`)
}

/** Whether a relay took this event, and takes it for news. */
function publish(url: string, eventText: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url)
    socket.on('error', reject)
    socket.on('open', () => socket.send(`["EVENT",${eventText}]`))
    socket.on('message', (data) => {
      const [verb, , accepted, words] = JSON.parse(String(data)) as readonly unknown[]
      resolve(verb === 'OK' && accepted === true && !String(words).startsWith('duplicate:'))
      socket.close()
    })
    socket.on('close', () => resolve(false))
  })
}

async function whenListening(daemon: DaemonProcess): Promise<void> {
  for (let tries = 0; tries < 1_200; tries++) {
    const { relays } = await daemon.status()
    if (relays.some(({ state }) => state === 'live')) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error('the daemon does not listen')
}

const NO_LISTS = { list: () => undefined, latest: () => undefined }

/** A vault with the corpus' user key, and a store with its remote-signer key and tokens. */
async function prepare(directory: string, corpus: Corpus, relay: RelayUrl, clock: Clock): Promise<void> {
  const data = join(directory, 'data')
  const passphrase = new TextEncoder().encode(PASSPHRASE)
  await initVault(join(data, 'vault'), passphrase, { logN: 16 })
  const vault = await openVault(join(data, 'vault'), passphrase, { logN: 16 })
  const secret = (name: string): string => corpus.keys[name]?.sk ?? ''
  const { pubkey: user } = await vault.importKey('me', new TextEncoder().encode(secret('user')), passphrase)
  const store = await openSqliteStore(join(data, 'store.sqlite'), { seal: vault.seal() })
  const book = createPolicyBook({
    now: clock.now,
    preset: 'bot',
    salt: '',
    relays: () => [],
    lists: NO_LISTS,
  })
  const at = clock.now()
  const signerPubkey = roomy.importKey(hexToBytes(secret('signer'))).pubkey
  const offers = SECRETS.flatMap((text) => {
    const admission = addOffer(EMPTY_ADMISSION, text, {
      signerPubkey,
      userPubkey: user,
      relays: [relay],
      granted: [],
      policy: beginPolicy(book.begin(POLICY)),
      approval: 'secret',
      createdAt: at,
      expiresAt: at + 900_000,
    })
    return Object.entries(admission.offers).map(([token, after]) => ({ token, revision: 0, after }))
  })
  await store.load(at)
  const keys = [{ pubkey: signerPubkey, secret: hexToBytes(secret('signer')), createdAt: at }]
  await store.commit([{ keys, offers }], at)
  await store.close()
  await vault.close()
}

function readTables(file: string): { readonly [table: string]: readonly unknown[] } {
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    const tables = ['keys', 'sessions', 'parts', 'offers', 'clients', 'claims', 'outbox', 'audit']
    return Object.fromEntries(
      tables.map((table) => [table, database.prepare(`SELECT * FROM ${table}`).all()]),
    )
  } finally {
    database.close()
  }
}
