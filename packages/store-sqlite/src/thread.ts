/**
 * The thread that waits for the disk, so that the one that signs does not.
 * Never does anything by itself: it answers requests, in their order.
 */

import { parentPort, workerData } from 'node:worker_threads'
import { storeError } from './error.ts'
import type { Opening, ThreadReply, ThreadRequest } from './message.ts'
import { type Answer, openStoreDatabase } from './store-database.ts'

const port = parentPort
if (port === null) throw new Error('this file runs as a worker thread: use `openSqliteStore`')

const post = (id: number, { value, bytes }: Answer): void => {
  const reply: ThreadReply = { id, ok: true, value, ...(bytes !== undefined && { bytes }) }
  port.postMessage(reply, bytes === undefined ? [] : [bytes])
}
const fail = (id: number, cause: unknown): void => {
  const { code, message, pid } = storeError(cause)
  const reply: ThreadReply = { id, ok: false, code, message, ...(pid !== undefined && { pid }) }
  port.postMessage(reply)
}

try {
  const { opening, steady } = workerData as { readonly opening: Opening; readonly steady: number }
  const store = openStoreDatabase(opening, steady)
  port.on('message', ({ id, request }: { readonly id: number; readonly request: ThreadRequest }) => {
    try {
      post(id, store.handle(request))
    } catch (cause) {
      fail(id, cause)
    }
    if (request.type === 'close') port.close()
    else store.tidy()
  })
  post(0, { value: store.opened })
} catch (cause) {
  fail(0, cause)
  port.close()
}
