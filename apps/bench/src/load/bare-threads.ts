/**
 * What this machine gives to threads at all: whole requests in one thread, and in several that know nothing of each other.
 * Never anything of ours but the crypto: it is the ceiling of what workers can add.
 */

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { sourcePath } from '../process/child.ts'

export interface BareThreads {
  /** Requests a second of so many threads together. */
  run(threads: number, ms: number): Promise<number>
  close(): Promise<void>
}

export async function createBareThreads(backend: string, most: number): Promise<BareThreads> {
  const workers = Array.from(
    { length: most },
    () => new Worker(sourcePath('load/bare-entry'), { workerData: { backend } }),
  )
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  return {
    async run(threads, ms) {
      const rates = workers.slice(0, threads).map(async (worker) => {
        worker.postMessage(ms)
        const [rate] = (await once(worker, 'message')) as [number]
        return rate
      })
      return (await Promise.all(rates)).reduce((sum, rate) => sum + rate, 0)
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()))
    },
  }
}
