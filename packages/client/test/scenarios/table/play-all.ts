/**
 * Plays every row with every contestant. Most of a row is waiting, so many wait side by side, but few processes start at
 * once; rows that count time come last, one by one.
 * Never judges twice what was not a matter of time: only a row that missed a time limit is played again, in a calmer moment.
 */

import { randomBytes } from 'node:crypto'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { systemClock } from '@nip46/testing'
import {
  type ClientScenario,
  type PlayOptions,
  playScenario,
  type Verdict,
} from '@nip46/testing/client-scenarios'
import type { Contestant } from './contestant.ts'

/** Rows that wait side by side. */
const SIDE_BY_SIDE = 12
/** Rows that missed a time limit and are played again side by side. */
const AGAIN = 6
/** A row that took longer did not fail because the machine was busy. */
const AGAIN_BELOW_MS = 25_000
const SECOND_CHANCES = 2
const STARTS = 2

export interface PlayAllOptions {
  readonly contestants: readonly Contestant[]
  readonly scenarios: readonly ClientScenario[]
  /** A Node 20; the rows that need one are left out without it. */
  readonly oldNode: string | undefined
  readonly onVerdict?: (contestant: Contestant, scenario: ClientScenario, verdict: Verdict) => void
}

export interface Cell {
  readonly contestant: string
  readonly row: number
  /** Undefined if the row could not be played here. */
  readonly verdict: Verdict | undefined
}

interface Job {
  readonly contestant: Contestant
  readonly scenario: ClientScenario
}

/** The parties of a scenario: fresh keys, the real clock. */
export const parties: Pick<PlayOptions, 'crypto' | 'random' | 'clock'> = {
  crypto: tinyCrypto(),
  random: (length) => new Uint8Array(randomBytes(length)),
  clock: systemClock,
}

export async function playAll(options: PlayAllOptions): Promise<readonly Cell[]> {
  const { contestants, scenarios, oldNode, onVerdict } = options
  const verdicts = new Map<Job, Verdict>()
  const starting = createGate(STARTS)
  const jobs = scenarios.flatMap((scenario) => contestants.map((contestant) => ({ contestant, scenario })))

  const play = async (job: Job): Promise<void> => {
    const { contestant, scenario } = job
    const isOld = scenario.needs === 'old-node'
    if (isOld && oldNode === undefined) return
    const startClient = () => starting(() => contestant.start(isOld ? oldNode : undefined))
    const verdict = await playScenario(scenario, { ...parties, startClient })
    verdicts.set(job, verdict)
    onVerdict?.(contestant, scenario, verdict)
  }

  const quiet = jobs.filter(({ scenario }) => scenario.needs === 'quiet')
  const others = jobs.filter((job) => !quiet.includes(job))
  await playSideBySide(others.toSorted(longestFirst), SIDE_BY_SIDE, play)
  const missed = (job: Job): boolean => {
    const verdict = verdicts.get(job)
    return verdict?.late === true && verdict.ms < AGAIN_BELOW_MS
  }
  for (let again = 0; again < SECOND_CHANCES; again++)
    await playSideBySide(others.filter(missed), AGAIN, play)
  await playSideBySide(quiet, 1, play)
  await playSideBySide(quiet.filter(missed), 1, play)

  return jobs.map((job) => ({
    contestant: job.contestant.name,
    row: job.scenario.row,
    verdict: verdicts.get(job),
  }))
}

/** Rows that wait out a minute where a client hangs begin first. */
function longestFirst(a: Job, b: Job): number {
  const rank = ({ scenario: { row } }: Job): number => (row === 5 || row === 17 ? 0 : 1)
  return rank(a) - rank(b)
}

async function playSideBySide(
  jobs: readonly Job[],
  lanes: number,
  play: (job: Job) => Promise<void>,
): Promise<void> {
  const left = [...jobs]
  const lane = async (): Promise<void> => {
    for (let job = left.shift(); job !== undefined; job = left.shift()) await play(job)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

/** Lets so many run at once; the rest wait in order. */
function createGate(places: number): <T>(run: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = []
  let free = places
  return async (run) => {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => void waiting.push(resolve))
    try {
      return await run()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}
