/**
 * A signer that is killed at random moments under load and started again on the same store.
 * Never ends it kindly: nothing may depend on a last word.
 */

import { randomInt } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MILESTONES, type Milestones } from '../src/load/bunker/milestones.ts'
import { makeParties } from '../src/load/loads.ts'
import type { BunkerReady } from '../src/load/parties.ts'
import type { Performed, StoreChoice } from '../src/load/store-choice.ts'
import { type Child, startChild } from '../src/process/child.ts'
import { quantile } from '../src/statistics.ts'
import { makePlace, type StoreName } from './places.ts'
import type { StressOptions } from './run.ts'
import { always, fixed, speed, type Verdict } from './verdict.ts'
import { createWitness, type Tally } from './witness.ts'

const BUNKER = 'load/bunker/own-process'
const CLIENTS = 8
const IN_FLIGHT = 64
const LONGEST_LIFE_MS = 500
const SETTLE_MS = 120_000
/** A start without an answer in this time is noted, and the signer killed all the same. */
const SILENCE_MS = 30_000
/** How long, and how many, the relay keeps what came while nobody listened. */
const RETENTION_SECONDS = 60
const RETENTION_EVENTS = 2_000
/** No round begins after so long for each of them, and a while for the first. */
const ROUND_MS = 2_400
const FIRST_MS = 60_000

interface Life {
  /** From the start of its process to the first answer to a request that had none. Infinite if there was none. */
  readonly firstAnswerMs: number
  /** What it came to before that, in milliseconds from the start of its process. */
  readonly milestones: Milestones
  /** What the signer said of itself, where it was silent. */
  readonly said: string | null
}

export async function crash(
  store: StoreName,
  { rounds, backend, onProgress }: StressOptions,
): Promise<Verdict> {
  const crypto = await backend.create()
  const parties = makeParties(crypto, CLIENTS)
  const place = await makePlace(store)
  const compileCache = mkdtempSync(join(tmpdir(), 'nip46-compiled-'))
  const relay = startChild('load/relay-process')
  const witness = createWitness(crypto, parties)
  const lives: Life[] = []
  let bunker: Child | undefined
  try {
    const { url } = await relay.ask<{ readonly url: string }>('start', {
      backend: backend.name,
      retentionSeconds: RETENTION_SECONDS,
      retentionEvents: RETENTION_EVENTS,
    })
    const argument = { relay: url, backend: backend.name, parties, store: named(place.choice) }
    bunker = startChild(BUNKER, { compileCache })
    const { tokens } = await bunker.ask<BunkerReady>('start', argument)
    await bunker.ask('keepCompiled')
    await witness.connect(url, tokens)
    witness.load(IN_FLIGHT)
    const end = performance.now() + FIRST_MS + rounds * ROUND_MS
    while (lives.length < rounds && performance.now() < end) {
      const { sent } = witness.tally()
      onProgress(`${store}: round ${lives.length + 1} of ${rounds}, ${sent} requests`)
      await sleep(randomInt(LONGEST_LIFE_MS))
      await bunker.stop()
      witness.expire(RETENTION_SECONDS * 1_000)
      const began = performance.now()
      const answered = witness.nextAnswer()
      bunker = startChild(BUNKER, { compileCache })
      await bunker.ask('start', { ...argument, offers: false })
      const at = await Promise.race([answered, sleep(SILENCE_MS, undefined, { ref: false })])
      const milestones = sinceStart(await bunker.ask<Milestones>('milestones'), began)
      lives.push(
        at === undefined
          ? {
              firstAnswerMs: Number.POSITIVE_INFINITY,
              milestones,
              said: await describe(bunker, witness.tally()),
            }
          : { firstAnswerMs: at - began, milestones, said: null },
      )
    }
    witness.pause()
    await witness.settle(SETTLE_MS)
    const audit = await bunker.ask<Performed>('audit')
    return judge(store, rounds, witness.tally(), audit, lives)
  } finally {
    witness.close()
    await Promise.all([bunker?.stop(), relay.stop()])
    await place.dispose()
    await rm(compileCache, { recursive: true, force: true })
  }
}

/** The same daemon each time. */
function named(choice: StoreChoice): StoreChoice {
  return choice.type === 'postgres' ? { ...choice, instance: 'crash' } : choice
}

/** On the clock of this process. */
function sinceStart(milestones: Milestones, began: number): Milestones {
  const start = performance.timeOrigin + began
  return Object.fromEntries(Object.entries(milestones).map(([name, at]) => [name, at - start]))
}

async function describe(bunker: Child, { waiting }: Tally): Promise<string> {
  const { received, opened, dropped, waiting: within } = await bunker.ask<Record<string, unknown>>('stats')
  return JSON.stringify({ unanswered: waiting, received, opened, dropped, within })
}

function judge(
  store: StoreName,
  rounds: number,
  tally: Tally,
  { eventIds, undelivered, intact }: Performed,
  lives: readonly Life[],
): Verdict {
  const recorded = new Set(eventIds)
  const lost = tally.signed.filter((id) => !recorded.has(id)).length
  const doubled = eventIds.length - recorded.size
  const sorted = lives.map(({ firstAnswerMs }) => firstAnswerMs).sort((a, b) => a - b)
  const slowest = sorted.at(-1) ?? 0
  const silent = lives.flatMap(({ said }, i) => (said === null ? [] : [`round ${i + 1}: ${said}`]))
  return {
    scenario: `crash on ${store}: kill -9 at random moments under load, ${lives.length} rounds`,
    figures: [
      ['requests sent', String(tally.sent)],
      ['signatures acknowledged', String(tally.signed.length)],
      ['signatures on record', String(eventIds.length)],
      ['of these, without an answer', String(recorded.size - new Set(tally.signed).size)],
      ['signed for nobody (a result that came after another)', String(undelivered)],
      ['the same answer again', String(tally.copies)],
      ['errors', JSON.stringify(tally.errors)],
      ['start to first answer, median, 99 of 100 and slowest', spread(sorted)],
      ...MILESTONES.map((name): [string, string] => [
        `  on the way: ${name}`,
        spread(lives.flatMap(({ milestones }) => milestones[name] ?? [])),
      ]),
      ...silent.map((said): [string, string] => [`no new answer within ${SILENCE_MS} ms`, said]),
    ],
    checks: [
      always('acknowledged effects lost: 0', lost === 0, lost),
      always('effects doubled: 0', doubled === 0, doubled),
      always('requests unanswered: 0', tally.waiting === 0, tally.waiting),
      always('requests with two different answers: 0', tally.different === 0, tally.different),
      always('audit chains whole', intact !== false, intact),
      speed(
        `requests that outlived the relay's ${RETENTION_SECONDS} s: 0`,
        tally.expired === 0,
        tally.expired,
      ),
      speed(`all ${rounds} rounds in the time for them`, lives.length === rounds, lives.length),
      speed('start to first answer at most 2,000 ms', slowest <= 2_000, `${fixed(slowest, 0)} ms`),
    ],
  }
}

function spread(times: readonly number[]): string {
  const sorted = [...times].sort((a, b) => a - b)
  const figures = [quantile(sorted, 0.5), quantile(sorted, 0.99), sorted.at(-1) ?? Number.NaN]
  return `${figures.map((ms) => fixed(ms, 0)).join(' ms, ')} ms`
}
