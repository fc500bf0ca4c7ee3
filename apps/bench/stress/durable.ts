/**
 * What durability costs: our bunker on SQLite and in memory, and NDK's backend, on the same requests in the same run.
 * Never measures two at once.
 */

import { type LoadPlan, ourBunker, peerBunkers, runLoads } from '../src/load/loads.ts'
import { NDK_BUNKER } from '../src/load/names.ts'
import type { Load } from '../src/report/data.ts'
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
  const ndk = peerBunkers(backend.name).filter(({ name }) => name === NDK_BUNKER)
  try {
    const { loads, notRun } = await runLoads({
      plan,
      bunkers: [memory, onDisk, ...ndk],
      backend,
      onProgress: (label) => onProgress(label),
    })
    const best = (name: string): number =>
      Math.max(0, ...loads.filter((load) => load.bunker === name && load.kind === 'window').map(rateOf))
    const [inMemory, stored, theirs] = [best(memory.name), best(onDisk.name), best(NDK_BUNKER)]
    const open = loads.find((load) => load.bunker === onDisk.name && load.kind === 'open')
    const spread = open === undefined ? Number.NaN : open.latency.p99 / open.latency.p50
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
      speed(`${store} over memory at least 0.6`, stored / inMemory >= 0.6, fixed(stored / inMemory, 2)),
      speed('p99/p50 at half load at most 8', spread <= 8, fixed(spread)),
      speed('at least 15 times NDK', stored / theirs >= 15, fixed(stored / theirs)),
    ]
    return {
      scenario: `durable: ${store} with its audit log, memory and NDK's backend, one process each`,
      figures: [
        ['requests a second in memory', fixed(inMemory, 0)],
        [`requests a second on ${store}`, fixed(stored, 0)],
        ['requests a second of NDK', fixed(theirs)],
        [
          'at half load, p50 and p99',
          `${fixed(open?.latency.p50 ?? Number.NaN, 2)} ms, ${fixed(open?.latency.p99 ?? Number.NaN, 2)} ms`,
        ],
      ],
      checks,
    }
  } finally {
    await Promise.all(places.map((place) => place.dispose()))
  }
}

function rateOf({ throughput }: Load): number {
  return throughput.median
}
