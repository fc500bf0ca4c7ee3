/**
 * The worker of the tests of sharded signers: one shard with a store in a file of its own.
 * Not a test.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { deserialize, serialize } from 'node:v8'
import { parentPort, workerData } from 'node:worker_threads'
import type { RelayUrl } from '@nip46/core'
import { autoCrypto, type BackendName } from '@nip46/crypto/auto'
import {
  createRemoteSigner,
  denyAll,
  limits,
  localUserSigner,
  memoryStore,
  type SignerStore,
  type StoredState,
} from '../src/index.ts'
import { serveShard } from '../src/sharded.ts'

export interface ShardData {
  readonly backend: BackendName
  readonly relays: readonly RelayUrl[]
  readonly userSecret: Uint8Array
  /** Where its state is kept; nowhere if undefined. */
  readonly file?: string
  readonly fault?: 'no-start' | 'throws'
}

const data = workerData as ShardData
if (data.fault === 'throws') throw new Error('this worker is broken')

serveShard(parentPort, async (transport) => {
  if (data.fault === 'no-start') throw new Error('the safe is locked')
  const { crypto } = await autoCrypto({ backends: [data.backend] })
  return createRemoteSigner({
    crypto,
    transport,
    userSigner: localUserSigner(crypto.importKey(data.userSecret), { crypto }),
    approver: denyAll,
    relays: data.relays,
    store: data.file === undefined ? memoryStore() : await fileStore(data.file),
    rates: limits.UNLIMITED_RATES,
  })
})

parentPort?.on('message', (messages: readonly { readonly type: string }[]) => {
  const [first] = messages
  // Never comes back, as a worker in an endless loop.
  if (first?.type === 'hang') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
})

/** A memory store that is written down after each commit. */
async function fileStore(file: string): Promise<SignerStore> {
  const store = memoryStore()
  const saved = read(file)
  if (saved !== undefined) {
    const sessions = saved.sessions.map(({ value }) => {
      const { signerPubkey, clientPubkey } = value
      return { session: { signerPubkey, clientPubkey, revision: 0, before: null, after: value } }
    })
    const offers = saved.offers.map(({ value }) => ({ token: value.token, revision: 0, after: value.offer }))
    await store.commit([{ keys: saved.keys, clients: saved.clients, offers }, ...sessions], Date.now())
  }
  return {
    load: store.load,
    read: store.read,
    async commit(changes, now) {
      const outcomes = await store.commit(changes, now)
      writeFileSync(file, serialize(await store.load(now)))
      return outcomes
    },
  }
}

function read(file: string): StoredState | undefined {
  try {
    return deserialize(readFileSync(file)) as StoredState
  } catch (cause) {
    if ((cause as { readonly code?: string }).code === 'ENOENT') return undefined
    throw cause
  }
}
