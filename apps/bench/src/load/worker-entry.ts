/**
 * One shard of our remote signer, in a worker thread.
 * Never sees another shard's keys.
 */

import { parentPort, workerData } from 'node:worker_threads'
import type { RelayUrl } from '@nip46/core'
import { createRemoteSigner, denyAll, limits, localUserSigner } from '@nip46/remote-signer'
import { serveShard } from '@nip46/remote-signer/sharded'
import { loadBackend } from '../subject/backends.ts'

export interface ShardData {
  readonly backend: string
  readonly relay: string
  readonly userSecret: Uint8Array
}

serveShard(parentPort, async (transport) => {
  const { backend, relay, userSecret } = workerData as ShardData
  const crypto = await (await loadBackend(backend)).create()
  return createRemoteSigner({
    crypto,
    transport,
    userSigner: localUserSigner(crypto.importKey(userSecret), { crypto }),
    approver: denyAll,
    relays: [relay as RelayUrl],
    rates: limits.UNLIMITED_RATES,
  })
})
