/**
 * The stress scenarios by name, each in a long and a short version.
 * Never judges one by another: each begins with everything anew.
 */

import type { Backend } from '../src/subject/backends.ts'
import { crash } from './crash.ts'
import { durable } from './durable.ts'
import { floods } from './floods.ts'
import { missingPlace, type StoreName } from './places.ts'
import { races } from './races.ts'
import { replicas } from './replicas.ts'
import type { Verdict } from './verdict.ts'

export interface StressOptions {
  /** Of those scenarios that go in rounds. */
  readonly rounds: number
  readonly backend: Backend
  readonly onProgress: (label: string) => void
}

export interface Scenario {
  readonly name: string
  readonly store: StoreName
  run(options: StressOptions, short: boolean): Promise<Verdict>
}

const DURABLE = { windows: [64, 256], shares: [0.5], clients: 16 } as const

export const SCENARIOS: readonly Scenario[] = [
  { name: 'crash', store: 'sqlite', run: (options) => crash('sqlite', options) },
  { name: 'crash', store: 'postgres', run: (options) => crash('postgres', options) },
  {
    name: 'replicas',
    store: 'postgres',
    run: (options, short) =>
      replicas(
        short ? { requests: 200, windowMs: 1_000, leaseMs: 15_000 } : { requests: 2_000, windowMs: 5_000 },
        options,
      ),
  },
  {
    name: 'durable',
    store: 'sqlite',
    run: (options, short) =>
      durable(
        'sqlite',
        short
          ? { ...DURABLE, windows: [16], rounds: 1, windowMs: 200, openMs: 300 }
          : { ...DURABLE, rounds: 5, warmMs: 3_000, windowMs: 2_000, openMs: 3_000 },
        options,
      ),
  },
  {
    name: 'floods',
    store: 'memory',
    run: (options, short) =>
      floods(
        short ? { windowMs: 300, rounds: 1, warmUp: 1 } : { windowMs: 1_500, rounds: 3, warmUp: 70_000 },
        options,
      ),
  },
  { name: 'races', store: 'sqlite', run: (options) => races('sqlite', options) },
  { name: 'races', store: 'postgres', run: (options) => races('postgres', options) },
]

/** Why a scenario cannot run here; undefined if it can. */
export function missingFor({ store }: Scenario): Promise<string | undefined> {
  return missingPlace(store)
}
