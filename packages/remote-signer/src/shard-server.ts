/**
 * What runs in a worker: an ordinary remote signer whose relays are the main thread's, and whose methods it calls.
 * Never lets a key or a plaintext out: what leaves are sealed events, and what the methods give their caller anyway.
 */

import { err, type JsonValue, ok, type Pubkey, type Transport } from '@nip46/core'
import { hostDefer } from './host.ts'
import { createPortTransport } from './port-transport.ts'
import type { RemoteSigner } from './remote-signer.ts'
import { createPoster, type FromShard, postError, type ShardPort, type ToShard } from './shard-message.ts'

/**
 * Serves one shard on the port to the main thread; the entry module of each worker calls it once.
 *
 * ```ts
 * import { parentPort, workerData } from 'node:worker_threads'
 *
 * serveShard(parentPort, (transport) =>
 *   createRemoteSigner({ crypto, transport, userSigner, approver, relays, store: openStore(workerData.shard) }),
 * )
 * ```
 *
 * `create` gets the transport that the signer must use, as it is: it also tells the main thread whose events to let through beyond
 * what strangers may send. The signer needs keys of its own for each connection (the
 * default of `keys`) and a store that no other shard uses. If it cannot be made or started the main thread is told.
 */
export function serveShard(
  port: ShardPort | null,
  create: (transport: Transport) => RemoteSigner | Promise<RemoteSigner>,
): void {
  if (port === null) throw new TypeError('serveShard() runs in a worker: pass its parentPort')
  const send = createPoster<FromShard>(port, hostDefer)
  const relays = createPortTransport(send)
  let signer: RemoteSigner | undefined

  const start = async (): Promise<void> => {
    try {
      signer = await create(relays.transport)
      await signer.start()
      send({ type: 'started' })
    } catch (cause) {
      send({ type: 'failed', error: postError(cause) })
    }
  }

  const stop = async (): Promise<void> => {
    try {
      await signer?.close()
    } finally {
      await relays.transport.close()
      send({ type: 'stopped' })
    }
  }

  const answer = async (message: Extract<ToShard, { type: 'call' }>): Promise<void> => {
    const { id } = message
    try {
      send({ type: 'answer', id, outcome: ok(await call(signer, message)) })
    } catch (cause) {
      send({ type: 'answer', id, outcome: err(postError(cause)) })
    }
  }

  port.on('message', (messages) => {
    // Only the main thread of this very program writes here.
    for (const message of messages as readonly ToShard[]) {
      if (message.type === 'stop') void stop()
      else if (message.type === 'call') void answer(message)
      else relays.take(message)
    }
  })
  void start()
}

function call(
  signer: RemoteSigner | undefined,
  { method, args }: Extract<ToShard, { type: 'call' }>,
): unknown {
  if (signer === undefined) throw new Error('the shard has not started')
  const [first, second] = args
  switch (method) {
    case 'offer':
      return signer.offer(first as Parameters<RemoteSigner['offer']>[0])
    case 'withdraw':
      return signer.withdraw(first as string)
    case 'accept':
      return signer.accept(first as string, second as Parameters<RemoteSigner['accept']>[1])
    case 'revoke':
      return signer.revoke(first as Pubkey)
    case 'setPolicy':
      return signer.setPolicy(first as Pubkey, () => second as JsonValue | null)
    case 'offers':
      return signer.offers()
    case 'sessions':
      return signer.sessions()
    case 'stats':
      return signer.stats()
  }
}
