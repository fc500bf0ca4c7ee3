/**
 * What durability costs: our bunker on SQLite and in memory, and NDK's backend, on the same requests in the same run.
 * Never measures two at once.
 */

import { type LoadPlan, type LoadRun, ourBunker, peerBunkers, runLoads } from '../src/load/loads.ts'
import { NDK_BUNKER } from '../src/load/names.ts'
import { spreadOf } from '../src/statistics.ts'
import { makePlace, type Place, type StoreName } from './places.ts'
import type { StressOptions } from './run.ts'
import { always, type Check, fixed, speed, type Verdict } from './verdict.ts'

export async function durable(
  store: StoreName,
  plan: LoadPlan,
  { backend, onProgress }: StressOptions,
): Promise<Verdict> {
  const places: Place[] = []
  const make = async (): Promise<void> => {
    for (let i = 0; i <= plan.rounds; i++) places.push(await makePlace(store))
  }
  await make()
  let next = 0
  const memory = ourBunker(backend.name)
  const onDisk = {
    ...memory,
    name: `${memory.name}, ${store}`,
    createStore: () => places[next++ % places.length]?.choice ?? { type: 'memory' as const },
  }
  const ndk = peerBunkers(backend.name)
    .filter(({ name }) => name === NDK_BUNKER)
    .map((spec) => ({ ...spec, rounds: 1 }))
  try {
    const { loads, runs, notRun } = await runLoads({
      plan,
      bunkers: [memory, onDisk, ...ndk],
      backend,
      onProgress: (label) => onProgress(label),
    })
    const rounds = roundsOf(runs, memory.name, onDisk.name)
    const ratio = medianOf(rounds.map(({ stored, inMemory }) => stored / inMemory))
    const spread = medianOf(rounds.map(({ p50, p99 }) => p99 / p50))
    const stored = medianOf(rounds.map((round) => round.stored))
    const theirs = Math.max(0, ...runs.filter(isWindowOf(NDK_BUNKER)).map(({ throughput }) => throughput))
    const lost = loads
      .filter(({ bunker }) => bunker === onDisk.name)
      .reduce((sum, load) => sum + load.lost, 0)
    const checks: Check[] = [
      always('requests lost: 0', lost === 0, lost),
      always(
        'ran to the end',
        stored > 0,
        notRun.map(({ subject, reason }) => `${subject}: ${reason}`).join('; '),
      ),
      speed(`${store} over memory at least 0.6, median`, ratio >= 0.6, fixed(ratio, 2)),
      speed('p99/p50 at half load at most 8, median', spread <= 8, fixed(spread)),
      speed('at least 15 times NDK', stored / theirs >= 15, fixed(stored / theirs)),
    ]
    return {
      scenario: `durable: ${store} with its audit log, memory and NDK's backend, one process each`,
      figures: [
        ...rounds.map((round, i) => [`round ${i + 1}`, renderRound(round)] as const),
        ['requests a second of NDK', fixed(theirs)],
      ],
      checks,
    }
  } finally {
    await Promise.all(places.map((place) => place.dispose()))
  }
}

interface Round {
  /** Requests a second: the best window of each. */
  readonly inMemory: number
  readonly stored: number
  /** Of what is stored, at half of its own throughput in this round, in milliseconds. */
  readonly p50: number
  readonly p99: number
}

/** Each round beside itself: a noisy one meets both. One that did not run to its end counts as nothing stored. */
function roundsOf(runs: readonly LoadRun[], memory: string, onDisk: string): readonly Round[] {
  const count = 1 + Math.max(-1, ...runs.map(({ round }) => round))
  return Array.from({ length: count }, (_, i) => {
    const own = runs.filter(({ round }) => round === i)
    const best = (name: string): number =>
      Math.max(0, ...own.filter(isWindowOf(name)).map(({ throughput }) => throughput))
    const open = own.find(({ bunker, kind }) => bunker === onDisk && kind === 'open')
    return {
      inMemory: best(memory),
      stored: best(onDisk),
      p50: open?.p50 ?? Number.NaN,
      p99: open?.p99 ?? Number.NaN,
    }
  })
}

function isWindowOf(name: string): (run: LoadRun) => boolean {
  return ({ bunker, kind }) => bunker === name && kind === 'window'
}

function medianOf(values: readonly number[]): number {
  return spreadOf(values).median
}

function renderRound({ inMemory, stored, p50, p99 }: Round): string {
  const rates = `${fixed(stored, 0)} /s over ${fixed(inMemory, 0)} /s in memory: ${fixed(stored / inMemory, 2)}`
  return `${rates}; at half load ${fixed(p50)} and ${fixed(p99)} ms: ${fixed(p99 / p50)}`
}
