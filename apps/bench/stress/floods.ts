/**
 * Known sessions while a relay floods their signer: garbage, also under the clients' own pubkeys, copies of what a client signed, wrong
 * signatures, valid events of unknown keys, at ten times capacity.
 * The flood comes over a relay that checks nothing, beside the one that the sessions use. Whoever floods shares the second core with
 * the clients and their relay, so it sends what it made beforehand, in few writes, and what each process used is printed.
 */

import type { SignerStats } from '@nip46/remote-signer'
import type { RunResult } from '../src/load/generator.ts'
import { makeParties } from '../src/load/loads.ts'
import type { BunkerReady } from '../src/load/parties.ts'
import { type Child, startChild } from '../src/process/child.ts'
import type { Usage } from '../src/process/serve.ts'
import { spreadOf } from '../src/statistics.ts'
import type { Flood } from './flood-events.ts'
import type { StressOptions } from './run.ts'
import { always, type Check, fixed, speed, type Verdict } from './verdict.ts'

export interface FloodLengths {
  readonly windowMs: number
  /** Floods of each kind, with a calm before and after each. */
  readonly rounds: number
  /** Answers before anything is measured: a session keeps its last answers, and its memory of them is to be full. */
  readonly warmUp: number
}

/**
 * A heap that has to be cleaned up now: without a bound Node lets it grow for as long as there is memory, and nothing is shown.
 * With room for what the memory store keeps meanwhile: a heap that is full of that measures the collector.
 */
const HEAP = '--max-old-space-size=1024'
const NAME = 'bunker'
const CLIENTS = 16
const IN_FLIGHT = 16
/** The least of the calm throughput that has to remain. */
const REMAINS: readonly (readonly [Flood, number])[] = [
  ['garbage', 0.8],
  ['forged clients', 0.8],
  ['copies', 0.8],
  ['bad signatures', 0.6],
  ['valid strangers', 0.5],
]
const TIMES_CAPACITY = 10
const FRAMES_PER_SECOND = 4_000
const PROCESSES = ['bunker', 'relay', 'flooding relay', 'clients'] as const

interface Poured {
  readonly sent: number
  readonly seconds: number
}

interface Window {
  /** Requests answered a second, and in all. */
  readonly rate: number
  readonly answered: number
  /** Events a second that reached the bunker. */
  readonly received: number
  /** Cores that each of the processes used. */
  readonly cores: readonly number[]
  readonly rssBytes: number
  /** What is held after a collection. */
  readonly heapBytes: number
}

export async function floods(
  lengths: FloodLengths,
  { backend, onProgress }: StressOptions,
): Promise<Verdict> {
  const { windowMs, rounds, warmUp } = lengths
  const crypto = await backend.create()
  const parties = makeParties(crypto, CLIENTS)
  const children: readonly Child[] = [
    startChild('load/bunker/own-process', { core: 0, nodeOptions: [HEAP] }),
    startChild('load/relay-process', { core: 1 }),
    startChild('../stress/flood-relay-process', { core: 1 }),
    startChild('load/generator-process', { core: 1 }),
  ]
  const [bunker, relay, flooder, generator] = children as readonly [Child, Child, Child, Child]
  const figures: [string, string][] = []
  const checks: Check[] = []

  const usages = () => Promise.all(children.map((child) => child.ask<Usage>('usage')))
  const measure = async (): Promise<Window> => {
    await generator.ask('prepare', { count: Math.ceil((FRAMES_PER_SECOND * windowMs) / 1_000) })
    const { received } = await bunker.ask<SignerStats>('stats')
    const before = await usages()
    const began = performance.now()
    const window = { name: NAME, inFlight: IN_FLIGHT, ms: windowMs }
    const { steady, seconds, answered } = await generator.ask<RunResult>('window', window)
    const elapsedMs = performance.now() - began
    const after = await usages()
    const stats = await bunker.ask<SignerStats>('stats')
    const { heapUsed, external } = await bunker.ask<NodeJS.MemoryUsage>('heap')
    return {
      rate: steady / seconds,
      answered,
      received: ((stats.received - received) / elapsedMs) * 1_000,
      cores: after.map(({ cpu }, i) => (cpu - (before[i]?.cpu ?? 0)) / elapsedMs / 1_000),
      rssBytes: after[0]?.rssBytes ?? 0,
      heapBytes: heapUsed + external,
    }
  }

  try {
    const { url } = await relay.ask<{ readonly url: string }>('start', { backend: backend.name })
    const { url: open } = await flooder.ask<{ readonly url: string }>('start')
    const { tokens } = await bunker.ask<BunkerReady>('start', {
      relay: url,
      moreRelays: [open],
      backend: backend.name,
      parties,
    })
    await generator.ask('start', { backend: backend.name, parties })
    await generator.ask('prepare', { count: 100 })
    await generator.ask('connect', { name: NAME, relay: url, tokens })
    onProgress('warming up')
    let capacity = 0
    for (let answers = 0; answers < warmUp; ) {
      const { rate, answered } = await measure()
      capacity = Math.max(capacity, rate)
      answers += answered
    }
    for (const [kind, share] of REMAINS) {
      await flooder.ask('prepare', { backend: backend.name, kind, parties })
      const calm: Window[] = []
      const flooded: Window[] = []
      let poured: Poured = { sent: 0, seconds: 1 }
      for (let round = 0; round <= rounds; round++) {
        onProgress(`calm, round ${round} of ${kind}`)
        calm.push(await measure())
        if (round === rounds) break
        capacity = Math.max(capacity, calm.at(-1)?.rate ?? 0)
        onProgress(kind)
        await flooder.ask('flood', { perSecond: TIMES_CAPACITY * capacity })
        flooded.push(await measure())
        poured = await flooder.ask<Poured>('calm')
      }
      // Each beside the mean of the calm before and after it: both drift as the process ages.
      const ratios = flooded.map(({ rate }, i) => (2 * rate) / (rateOf(calm, i) + rateOf(calm, i + 1)))
      const ratio = median(ratios)
      figures.push(
        [
          `${kind}: calm, and under ${fixed(poured.sent / poured.seconds, 0)} events a second`,
          `${fixed(median(calm.map(({ rate }) => rate)), 0)} and ${fixed(median(flooded.map(({ rate }) => rate)), 0)} requests a second; ${fixed(median(flooded.map(({ received }) => received)), 0)} events reached the bunker`,
        ],
        [`${kind}: of calm, each round`, ratios.map((each) => fixed(each, 2)).join(', ')],
        [`${kind}: cores used in calm`, coresOf(calm)],
        [`${kind}: cores used meanwhile`, coresOf(flooded)],
        [
          `${kind}: held after a collection`,
          `${fixed(heapOf(calm) / 1e6)} MB in calm, ${fixed(heapOf(flooded) / 1e6)} MB meanwhile; ${fixed(keptFor(calm, flooded), 0)} bytes more with each answer`,
        ],
      )
      checks.push(speed(`${kind}: at least ${share} of calm`, ratio >= share, fixed(ratio, 2)))
      // Memory is looked at once the flood has filled whatever it can fill.
      const [early, late] = flooded.slice(-2)
      if (early === undefined || late === undefined) continue
      checks.push(
        speed(
          `${kind}: memory within 5 %`,
          late.rssBytes <= 1.05 * early.rssBytes,
          `${fixed(early.rssBytes / 1e6)} MB, then ${fixed(late.rssBytes / 1e6)} MB`,
        ),
      )
    }
    const stats = await bunker.ask<SignerStats>('stats')
    figures.push(['dropped', JSON.stringify(stats.dropped)])
    checks.push(
      always(
        'nothing failed inside',
        Object.keys(stats.failures).length === 0,
        JSON.stringify(stats.failures),
      ),
    )
    return { scenario: `floods: ${TIMES_CAPACITY} times capacity`, figures, checks }
  } finally {
    await Promise.all(children.map((child) => child.stop()))
  }
}

function median(samples: readonly number[]): number {
  return spreadOf(samples).median
}

function rateOf(windows: readonly Window[], i: number): number {
  return windows[i]?.rate ?? Number.NaN
}

function heapOf(windows: readonly Window[]): number {
  return median(windows.map(({ heapBytes }) => heapBytes))
}

/** Bytes for each answer between the first calm and the last: what a flood held is gone in both. */
function keptFor(calm: readonly Window[], flooded: readonly Window[]): number {
  const [first, last] = [calm[0]?.heapBytes ?? Number.NaN, calm.at(-1)?.heapBytes ?? Number.NaN]
  const answers = [...calm.slice(1), ...flooded].reduce((sum, { answered }) => sum + answered, 0)
  return (last - first) / answers
}

/** The median of each process. */
function coresOf(windows: readonly Window[]): string {
  return PROCESSES.map(
    (name, i) => `${name} ${fixed(median(windows.map(({ cores }) => cores[i] ?? 0)), 2)}`,
  ).join(', ')
}
