/**
 * Known sessions while strangers flood: garbage, wrong signatures, valid events of unknown keys, at ten times capacity.
 * The flood comes over a relay that checks nothing, beside the one that the sessions use.
 */

import type { RunResult } from '../src/load/generator.ts'
import { makeParties } from '../src/load/loads.ts'
import type { BunkerReady } from '../src/load/parties.ts'
import { type Child, startChild } from '../src/process/child.ts'
import type { Usage } from '../src/process/serve.ts'
import type { Flood } from './flood-process.ts'
import type { StressOptions } from './run.ts'
import { always, type Check, fixed, speed, type Verdict } from './verdict.ts'

/**
 * A heap that has to be cleaned up now: without a bound Node lets it grow for as long as there is memory, and nothing is shown.
 * With room for the answers that the memory store keeps meanwhile: a heap that is full of these measures the collector.
 */
const HEAP = '--max-old-space-size=1024'
const NAME = 'bunker'
const CLIENTS = 16
const IN_FLIGHT = 16
/** The least of the calm throughput that has to remain. */
const REMAINS: readonly (readonly [Flood, number])[] = [
  ['garbage', 0.8],
  ['bad signatures', 0.6],
  ['valid strangers', 0.5],
]
const TIMES_CAPACITY = 10
const FRAMES_PER_SECOND = 4_000

export async function floods(windowMs: number, { backend, onProgress }: StressOptions): Promise<Verdict> {
  const crypto = await backend.create()
  const parties = makeParties(crypto, CLIENTS)
  const to = crypto.importKey(Uint8Array.from(Buffer.from(parties.signer, 'hex'))).pubkey
  const [bunker, relay, careless] = [
    startChild('load/bunker/own-process', { core: 0, nodeOptions: [HEAP] }),
    startChild('load/relay-process', { core: 1 }),
    startChild('../stress/careless-relay-process', { core: 1 }),
  ]
  const [generator, flooder] = [
    startChild('load/generator-process', { core: 1 }),
    startChild('../stress/flood-process', { core: 1 }),
  ]
  const children: readonly Child[] = [bunker, relay, careless, generator, flooder]
  const figures: [string, string][] = []
  const checks: Check[] = []
  try {
    const { url } = await relay.ask<{ readonly url: string }>('start', { backend: backend.name })
    const { url: open } = await careless.ask<{ readonly url: string }>('start')
    const { tokens } = await bunker.ask<BunkerReady>('start', {
      relay: url,
      moreRelays: [open],
      backend: backend.name,
      parties,
    })
    await generator.ask('start', { backend: backend.name, parties })
    await generator.ask('prepare', { count: 100 })
    await generator.ask('connect', { name: NAME, relay: url, tokens })
    await flooder.ask('connect', { relay: open })
    const measure = async (): Promise<number> => {
      await generator.ask('prepare', { count: Math.ceil((FRAMES_PER_SECOND * windowMs) / 1_000) })
      const { steady, seconds } = await generator.ask<RunResult>('window', {
        name: NAME,
        inFlight: IN_FLIGHT,
        ms: windowMs,
      })
      return steady / seconds
    }
    onProgress('warming up')
    let capacity = await measure()
    for (const [kind, share] of REMAINS) {
      onProgress(`calm, before ${kind}`)
      const before = await measure()
      capacity = Math.max(capacity, before)
      const flood = {
        backend: backend.name,
        to,
        kind,
        perSecond: TIMES_CAPACITY * capacity,
        ms: 3 * windowMs + 5_000,
      }
      onProgress(kind)
      const flooding = flooder.ask<{ readonly sent: number; readonly seconds: number }>('flood', flood)
      // Memory is looked at once the flood has filled whatever it can fill.
      await measure()
      const { rssBytes: early } = await bunker.ask<Usage>('usage')
      const during = await measure()
      const { rssBytes: late } = await bunker.ask<Usage>('usage')
      const { sent, seconds } = await flooding
      const calm = (before + (await measure())) / 2
      figures.push([
        `${kind}: calm, and under ${fixed(sent / seconds, 0)} events a second`,
        `${fixed(calm, 0)} and ${fixed(during, 0)} requests a second`,
      ])
      checks.push(
        speed(`${kind}: at least ${share} of calm`, during / calm >= share, fixed(during / calm, 2)),
        speed(
          `${kind}: memory within 5 %`,
          late <= 1.05 * early,
          `${fixed(early / 1e6)} MB, then ${fixed(late / 1e6)} MB`,
        ),
      )
    }
    const stats = await bunker.ask<{ readonly dropped: object; readonly failures: object }>('stats')
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
