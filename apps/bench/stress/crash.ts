/**
 * A signer that is killed at random moments under load and started again on the same store.
 * Never ends it kindly: nothing may depend on a last word.
 */

import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeParties } from '../src/load/loads.ts'
import type { BunkerReady } from '../src/load/parties.ts'
import type { Performed } from '../src/load/store-choice.ts'
import { type Child, startChild } from '../src/process/child.ts'
import { quantile } from '../src/statistics.ts'
import { makePlace, type StoreName } from './places.ts'
import type { StressOptions } from './run.ts'
import { always, fixed, speed, type Verdict } from './verdict.ts'
import { createWitness } from './witness.ts'

const BUNKER = 'load/bunker/own-process'
const CLIENTS = 8
const IN_FLIGHT = 64
const LONGEST_LIFE_MS = 500
const SETTLE_MS = 30_000
/** How long the relay keeps what came while nobody listened. */
const RETENTION_SECONDS = 60

export async function crash(
  store: StoreName,
  { rounds, backend, onProgress }: StressOptions,
): Promise<Verdict> {
  const crypto = await backend.create()
  const parties = makeParties(crypto, CLIENTS)
  const place = await makePlace(store)
  const relay = startChild('load/relay-process')
  const witness = createWitness(crypto, parties)
  let bunker: Child | undefined
  const starts: number[] = []
  try {
    const { url } = await relay.ask<{ readonly url: string }>('start', {
      backend: backend.name,
      retentionSeconds: RETENTION_SECONDS,
    })
    const argument = { relay: url, backend: backend.name, parties, store: place.choice }
    bunker = startChild(BUNKER)
    const { tokens } = await bunker.ask<BunkerReady>('start', argument)
    await witness.connect(url, tokens)
    witness.load(IN_FLIGHT)
    for (let round = 1; round <= rounds; round++) {
      onProgress(`${store}: round ${round}`)
      await sleep(randomInt(LONGEST_LIFE_MS))
      await bunker.stop()
      const began = performance.now()
      const answered = witness.nextAnswer()
      bunker = startChild(BUNKER)
      await bunker.ask('start', { ...argument, offers: false })
      starts.push((await within(answered, SETTLE_MS)) - began)
    }
    witness.pause()
    await witness.settle(SETTLE_MS)
    const audit = await bunker.ask<Performed>('audit')
    return judge(store, rounds, witness.tally(), audit, starts)
  } finally {
    witness.close()
    await Promise.all([bunker?.stop(), relay.stop()])
    await place.dispose()
  }
}

function judge(
  store: StoreName,
  rounds: number,
  tally: ReturnType<ReturnType<typeof createWitness>['tally']>,
  { eventIds, undelivered, intact }: Performed,
  starts: readonly number[],
): Verdict {
  const recorded = new Set(eventIds)
  const lost = tally.signed.filter((id) => !recorded.has(id)).length
  const doubled = eventIds.length - recorded.size
  const sorted = starts.toSorted((a, b) => a - b)
  const slowest = sorted.at(-1) ?? 0
  return {
    scenario: `crash on ${store}: kill -9 at random moments under load, ${rounds} rounds`,
    figures: [
      ['requests sent', String(tally.sent)],
      ['signatures acknowledged', String(tally.signed.length)],
      ['signatures on record', String(eventIds.length)],
      ['signed for nobody (a result that came after another)', String(undelivered)],
      ['the same answer again', String(tally.copies)],
      ['errors', JSON.stringify(tally.errors)],
      [
        'start to first answer, median and slowest',
        `${fixed(quantile(sorted, 0.5), 0)} ms, ${fixed(slowest, 0)} ms`,
      ],
    ],
    checks: [
      always('acknowledged effects lost: 0', lost === 0, lost),
      always('effects doubled: 0', doubled === 0, doubled),
      always('requests unanswered: 0', tally.waiting === 0, tally.waiting),
      always('requests with two different answers: 0', tally.different === 0, tally.different),
      always('audit chains whole', intact !== false, intact),
      speed('start to first answer at most 2,000 ms', slowest <= 2_000, `${fixed(slowest, 0)} ms`),
    ],
  }
}

function within<T>(work: Promise<T>, ms: number): Promise<T> {
  return Promise.race([
    work,
    sleep(ms, undefined, { ref: false }).then(() => {
      throw new Error(`no answer within ${ms} ms of a start`)
    }),
  ])
}
