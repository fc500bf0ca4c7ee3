/**
 * What a second worker thread adds: the same remote signer over one and over two, the load costing next to nothing.
 * Never says more than the machine can: on fewer than two cores it is not run.
 */

import { availableParallelism } from 'node:os'
import type { WorkersArgument, WorkersResult } from '../load/workers-process.ts'
import { reasonOf } from '../must.ts'
import { startChild } from '../process/child.ts'
import type { Figure, NotRun } from '../report/data.ts'
import { spreadOf } from '../statistics.ts'
import type { Outcome } from './memory.ts'

export type WorkerPlan = Pick<WorkersArgument, 'rounds' | 'count' | 'inFlight' | 'clients'>

const WORKERS = [1, 2] as const
const MEASURE_MS = 600_000

/** `requests a second over workers, tiny`. */
export function workersScenario(backend: string): string {
  return `requests a second over workers, ${backend}`
}

export function workersSubject(workers: number): string {
  return workers === 1 ? '1 worker' : `${workers} workers`
}

export async function measureWorkers(
  backends: readonly string[],
  clientBackend: string,
  plan: WorkerPlan,
  onProgress?: (label: string, done: number) => void,
): Promise<Outcome> {
  const figures: Figure[] = []
  const notRun: NotRun[] = []
  for (const [i, backend] of backends.entries()) {
    const scenario = workersScenario(backend)
    onProgress?.(scenario, i / backends.length)
    const child = startChild('load/workers-process')
    try {
      if (availableParallelism() < 2) throw new Error('this machine has one core')
      const argument: WorkersArgument = { ...plan, backend, clientBackend, workers: WORKERS }
      const tracks = await child.ask<WorkersResult>('measure', argument, MEASURE_MS)
      for (const { workers, perSecond, cpu } of tracks) {
        const subject = workersSubject(workers)
        const base = { group: 'workers', subject, samples: perSecond.length } as const
        figures.push({ ...base, scenario, unit: '1/s', value: spreadOf(perSecond), note: 'wall time' })
        figures.push({
          ...base,
          scenario: `CPU a request over workers, ${backend}`,
          unit: 'us',
          value: spreadOf(cpu),
        })
      }
    } catch (cause) {
      notRun.push({ group: 'workers', scenario, subject: 'all', reason: reasonOf(cause) })
    } finally {
      await child.stop()
    }
  }
  return { figures, notRun }
}
