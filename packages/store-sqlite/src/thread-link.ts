/**
 * The store's line to its thread: requests in, answers out, in order.
 * Never keeps the process alive while nothing is asked.
 */

import { Worker } from 'node:worker_threads'
import { closedError, SqliteStoreError } from './error.ts'
import type { OpenedState, Opening, ThreadReply, ThreadRequest } from './message.ts'

export interface ThreadLink {
  readonly opened: OpenedState
  /** Rejects with `SqliteStoreError`. What is in `moved` is not there any more afterwards. */
  ask<T>(request: ThreadRequest, moved?: readonly ArrayBuffer[]): Promise<Reply<T>>
  /** Ends the thread at once; what waits is rejected. */
  end(): Promise<void>
}

export interface Reply<T> {
  readonly value: T
  readonly bytes: ArrayBuffer
}

interface Waiting {
  readonly resolve: (reply: Reply<never>) => void
  readonly reject: (error: SqliteStoreError) => void
}

const NO_BYTES = new ArrayBuffer(0)

/** Starts the thread and opens the store there. */
export async function startThread(opening: Opening, steady: number): Promise<ThreadLink> {
  const entry = import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js'
  const worker = new Worker(new URL(entry, import.meta.url), {
    workerData: { opening, steady },
    execArgv: [],
    name: 'store-sqlite',
  })
  const waiting = new Map<number, Waiting>()
  let serial = 1
  let ended: SqliteStoreError | undefined

  const finish = (error: SqliteStoreError): void => {
    ended ??= error
    for (const { reject } of waiting.values()) reject(ended)
    waiting.clear()
  }
  worker.on('error', () =>
    finish(new SqliteStoreError('store/down', 'the thread of the store died: open it again')),
  )
  worker.on('exit', () =>
    finish(new SqliteStoreError('store/down', 'the thread of the store ended: open it again')),
  )
  worker.on('message', (reply: ThreadReply) => {
    const asked = waiting.get(reply.id)
    waiting.delete(reply.id)
    if (waiting.size === 0) worker.unref()
    if (reply.ok) asked?.resolve({ value: reply.value as never, bytes: reply.bytes ?? NO_BYTES })
    else asked?.reject(new SqliteStoreError(reply.code, reply.message, { pid: reply.pid }))
  })

  const opened = await new Promise<Reply<OpenedState>>((resolve, reject) => {
    waiting.set(0, { resolve, reject })
  })
  return {
    opened: opened.value,
    ask(request, moved = []) {
      if (ended !== undefined) return Promise.reject(ended)
      return new Promise((resolve, reject) => {
        const id = serial++
        if (waiting.size === 0) worker.ref()
        waiting.set(id, { resolve, reject })
        worker.postMessage({ id, request }, moved as ArrayBuffer[])
      })
    },
    async end() {
      finish(closedError())
      await worker.terminate()
    },
  }
}
