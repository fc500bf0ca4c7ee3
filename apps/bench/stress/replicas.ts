/**
 * Two signers on one PostgreSQL, asked over one relay: together, against one alone, and after one was killed.
 * Their key takes a fixed time for a signature, so that signing is the bottleneck also where two processes share one core.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { makeParties } from '../src/load/loads.ts'
import type { BunkerReady } from '../src/load/parties.ts'
import type { Performed } from '../src/load/store-choice.ts'
import { type Child, startChild } from '../src/process/child.ts'
import { makePlace } from './places.ts'
import type { StressOptions } from './run.ts'
import { always, fixed, speed, type Verdict } from './verdict.ts'
import { createWitness, type Tally } from './witness.ts'

const BUNKER = 'load/bunker/own-process'
const CLIENTS = 64
const IN_FLIGHT = 64
const SIGN_MS = 8
/** What does not come in this time does not come, however busy the machine. */
const SETTLE_MS = 120_000

export interface ReplicasPlan {
  readonly requests: number
  /** How long one and two are measured, and how long the survivor goes on. */
  readonly windowMs: number
  /** Default: the store's. A member that is slower than that to give a sign of life is taken for dead, and what it sent is sent again. */
  readonly leaseMs?: number
}

export async function replicas(
  { requests, windowMs, leaseMs }: ReplicasPlan,
  { backend, onProgress }: StressOptions,
): Promise<Verdict> {
  const crypto = await backend.create()
  const parties = makeParties(crypto, CLIENTS)
  const place = await makePlace('postgres')
  const relay = startChild('load/relay-process')
  const witness = createWitness(crypto, parties)
  const bunkers: Child[] = []
  try {
    const { url } = await relay.ask<{ readonly url: string }>('start', { backend: backend.name })
    const store = leaseMs === undefined ? place.choice : { ...place.choice, leaseMs }
    const argument = { relay: url, backend: backend.name, parties, store, signMs: SIGN_MS }
    const open = async (offers: boolean): Promise<BunkerReady> => {
      const bunker = startChild(BUNKER)
      bunkers.push(bunker)
      return await bunker.ask<BunkerReady>('start', { ...argument, offers })
    }
    const measure = async (): Promise<number> => {
      witness.load(IN_FLIGHT)
      await sleep(windowMs / 4)
      const before = witness.tally().signed.length
      const began = performance.now()
      await sleep(windowMs)
      const rate = (witness.tally().signed.length - before) / ((performance.now() - began) / 1_000)
      witness.pause()
      await witness.settle(SETTLE_MS)
      return rate
    }

    onProgress('one daemon')
    const { tokens } = await open(true)
    await witness.connect(url, tokens)
    const one = await measure()
    onProgress('two daemons')
    await open(false)
    const two = await measure()
    onProgress(`${requests} requests to both`)
    const before = witness.tally()
    const [signedBefore, copiesBefore] = [before.signed.length, before.copies]
    for (let sent = 0; sent < requests; sent += IN_FLIGHT) {
      witness.burst(Math.min(IN_FLIGHT, requests - sent))
      await witness.settle(SETTLE_MS)
    }
    const both = witness.tally()
    const answered = both.signed.length - signedBefore
    const copies = both.copies - copiesBefore
    const shares = await Promise.all(
      bunkers.map((bunker) => bunker.ask<{ readonly performed: number; readonly opened: number }>('stats')),
    )

    onProgress('one is killed')
    witness.load(IN_FLIGHT)
    await sleep(windowMs / 2)
    const killedAt = performance.now()
    await bunkers[0]?.stop()
    await sleep(Math.max(windowMs, 8_000))
    witness.pause()
    await witness.settle(SETTLE_MS)
    const tally = witness.tally()
    const audit = (await bunkers[1]?.ask<Performed>('audit')) as Performed
    return judge({ requests, one, two, answered, copies, tally, audit, killedAt, shares })
  } finally {
    witness.close()
    await Promise.all([relay.stop(), ...bunkers.map((bunker) => bunker.stop())])
    await place.dispose()
  }
}

interface Found {
  readonly requests: number
  readonly one: number
  readonly two: number
  readonly answered: number
  readonly copies: number
  readonly tally: Tally
  readonly audit: Performed
  readonly killedAt: number
  readonly shares: readonly { readonly performed: number; readonly opened: number }[]
}

function judge({ requests, one, two, answered, copies, tally, audit, killedAt, shares }: Found): Verdict {
  const recorded = new Set(audit.eventIds)
  const lost = tally.signed.filter((id) => !recorded.has(id)).length
  const doubled = audit.eventIds.length - recorded.size
  const after = tally.times.filter((at) => at >= killedAt)
  const gap = after.reduce((most, at, i) => Math.max(most, at - (after[i - 1] ?? killedAt)), 0)
  return {
    scenario: `replicas: two daemons on one PostgreSQL, one relay, ${SIGN_MS} ms for a signature`,
    figures: [
      ['signatures a second, one and two', `${fixed(one)} and ${fixed(two)}`],
      ['performed by each', shares.map(({ performed }) => performed).join(' and ')],
      ['events opened by each', shares.map(({ opened }) => opened).join(' and ')],
      ['signed for nobody (a result that came after another)', String(audit.undelivered)],
      ['slowest answer of all', `${fixed(tally.slowestMs, 0)} ms`],
      ['the same answer again after the kill', String(tally.copies - copies)],
      ['errors', JSON.stringify(tally.errors)],
    ],
    checks: [
      always(`${requests} requests answered`, answered === requests, answered),
      always('answers to them that came twice: 0', copies === 0, copies),
      always('requests unanswered, the kill included: 0', tally.waiting === 0, tally.waiting),
      always('requests with two different answers: 0', tally.different === 0, tally.different),
      always('acknowledged effects lost: 0', lost === 0, lost),
      always('effects doubled: 0', doubled === 0, doubled),
      speed('two over one at least 1.5', two / one >= 1.5, fixed(two / one, 2)),
      speed('gap after the kill at most 5,000 ms', gap <= 5_000, `${fixed(gap, 0)} ms`),
      speed('slowest answer at most 5,000 ms', tally.slowestMs <= 5_000, `${fixed(tally.slowestMs, 0)} ms`),
    ],
  }
}
