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

export type WorkerPlan = Pick<WorkersArgument, 'rounds' | 'count' | 'inFlight' | 'clients' | 'bareMs'>

const WORKERS = [1, 2] as const
const MEASURE_MS = 600_000

/** `requests a second over workers, tiny`. */
function workersScenario(backend: string): string {
  return `requests a second over workers, ${backend}`
}

/** Of two workers to one, in each round. */
function gainScenario(backend: string): string {
  return `two workers to one, ${backend}`
}

/** The ceiling: threads that know nothing of each other. */
function bareScenario(backend: string): string {
  return `requests a second in bare threads, ${backend}`
}

function workersSubject(workers: number): string {
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
      figures.push(...gains(backend, tracks))
      for (const { workers, perSecond, cpu, bare } of tracks) {
        const subject = workersSubject(workers)
        const base = { group: 'workers', subject, samples: perSecond.length } as const
        figures.push({ ...base, scenario, unit: '1/s', value: spreadOf(perSecond), note: 'wall time' })
        figures.push({
          ...base,
          scenario: bareScenario(backend),
          unit: '1/s',
          value: spreadOf(bare),
          note: 'wall time',
        })
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

/** Ratios of neighbours in time: what else the machine does changes more slowly than that. */
function gains(backend: string, tracks: WorkersResult): readonly Figure[] {
  const [one, two] = tracks
  if (one === undefined || two === undefined) return []
  const gain = (subject: string, more: readonly number[], less: readonly number[]): Figure => {
    const ratios = more.map((rate, round) => rate / (less[round] ?? Number.NaN))
    const value = spreadOf(ratios)
    return {
      group: 'workers',
      scenario: gainScenario(backend),
      subject,
      unit: 'x',
      value,
      samples: ratios.length,
    }
  }
  return [
    gain('sharded remote signer', two.perSecond, one.perSecond),
    gain('bare threads', two.bare, one.bare),
  ]
}
