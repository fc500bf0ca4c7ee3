/**
 * One worker against several, in a process of their own that may use every core, beside bare threads.
 * Never runs two of them at once.
 */

import { serve } from '../process/serve.ts'
import { loadBackend } from '../subject/backends.ts'
import { createBareThreads } from './bare-threads.ts'
import { createShardRig, type ShardRig } from './shard-rig.ts'

export interface WorkersArgument {
  /** The clients' backend, and the shards'. */
  readonly clientBackend: string
  readonly backend: string
  readonly workers: readonly number[]
  readonly clients: number
  readonly rounds: number
  readonly count: number
  readonly inFlight: number
  /** Of the bare threads, for each number of them in each round. */
  readonly bareMs: number
}

/** Of each number of workers, a figure a round. */
export type WorkersResult = readonly {
  readonly workers: number
  readonly perSecond: readonly number[]
  readonly cpu: readonly number[]
  /** The same number of threads, each for itself. */
  readonly bare: readonly number[]
}[]

serve({
  async measure(argument: WorkersArgument): Promise<WorkersResult> {
    const { clientBackend, backend, workers, clients, rounds, count, inFlight, bareMs } = argument
    const crypto = await (await loadBackend(clientBackend)).create()
    const bareThreads = await createBareThreads(backend, Math.max(...workers))
    await bareThreads.run(Math.max(...workers), bareMs)
    const tracks: { workers: number; rig: ShardRig; perSecond: number[]; cpu: number[]; bare: number[] }[] =
      []
    for (const size of workers) {
      const rig = await createShardRig(crypto, backend, size, clients)
      tracks.push({ workers: size, rig, perSecond: [], cpu: [], bare: [] })
      // Warm: the first requests run in code that was not compiled yet.
      await rig.run(count, inFlight)
    }
    for (let round = 0; round < rounds; round++) {
      for (const { workers: size, rig, perSecond, cpu, bare } of round % 2 === 0
        ? tracks
        : tracks.toReversed()) {
        const run = await rig.run(count, inFlight)
        perSecond.push(run.perSecond)
        cpu.push(run.cpu)
        bare.push(await bareThreads.run(size, bareMs))
      }
    }
    await Promise.all([bareThreads.close(), ...tracks.map(({ rig }) => rig.close())])
    return tracks.map(({ workers: size, perSecond, cpu, bare }) => ({ workers: size, perSecond, cpu, bare }))
  },
})
