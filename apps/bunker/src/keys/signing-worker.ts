/**
 * The thread that the user's keys live in. Its only way out is the port to the thread that started it.
 * Never takes a message before its network is gone, and never prints anything.
 */

import { parentPort, type Transferable } from 'node:worker_threads'
import { autoCrypto } from '@nip46/crypto/auto'
import { hostRandom } from '../host-random.ts'
import { createKeyHolder } from './key-holder.ts'
import type { FromWorker, ToWorker } from './key-message.ts'
import { closeNetwork, findNetwork } from './network-free.ts'

const port = parentPort
if (port === null) throw new Error('this is the entry of a worker thread')
const send = (message: FromWorker, moved: Transferable[] = []): void => port.postMessage(message, moved)

// A fault between key and signature would leak the key: for a key that people keep, each signature is verified.
const { crypto, chosen } = await autoCrypto({ verifyAfterSign: true })
const holder = createKeyHolder(crypto, hostRandom, send)
closeNetwork()
const open = await findNetwork()
if (open.length > 0) throw new Error('the signing worker still has a network')
port.on('message', (message: ToWorker) => {
  // Never rejects but for what is not an Error, which ends this thread, and with it every key.
  holder.take(message).catch((cause: unknown) => {
    queueMicrotask(() => {
      throw cause
    })
  })
})
send({ type: 'ready', backend: chosen })
