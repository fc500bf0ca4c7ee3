/**
 * Whole bunkers under load: each with a relay of its own, all asked by one generator, in interleaved rounds.
 * Never measures two bunkers at once, and never an old one: each begins every round anew, since not all of them keep their
 * subscription for long.
 */

import { randomBytes } from 'node:crypto'
import type { Crypto } from '@nip46/core'
import { reasonOf } from '../must.ts'
import { type Child, startChild } from '../process/child.ts'
import type { Usage } from '../process/serve.ts'
import type { Load, NotRun } from '../report/data.ts'
import { quantile, spreadOf } from '../statistics.ts'
import type { Backend } from '../subject/backends.ts'
import type { RunResult } from './generator.ts'
import { APPLESAUCE_BUNKER, NDK_BUNKER, OUR_BUNKER } from './names.ts'
import { type BunkerReady, type Parties, toHex } from './parties.ts'
import type { StoreChoice } from './store-choice.ts'

export interface LoadPlan {
  readonly rounds: number
  /** Requests in flight. */
  readonly windows: readonly number[]
  readonly windowMs: number
  /** Open loads, as shares of what the bunker itself managed. */
  readonly shares: readonly number[]
  readonly openMs: number
  readonly clients: number
  /** How long each bunker of a round works before it is measured, in milliseconds. Default: not at all. */
  readonly warmMs?: number
}

export interface BunkerSpec {
  readonly name: string
  /** Relative to `src`. */
  readonly file: string
  readonly backend: string
  /** Of ours. Default: memory. Made anew for each start. */
  readonly createStore?: () => StoreChoice
  /** In so many rounds only, the first ones. Default: in all. */
  readonly rounds?: number
}

/** One load on one bunker, once. */
export interface LoadRun {
  readonly bunker: string
  readonly kind: Load['kind']
  readonly inFlight: number | null
  readonly round: number
  /** Answers a second. */
  readonly throughput: number
  /** Microseconds of the bunker's processor time for each answer. */
  readonly cpu: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}

export interface LoadOptions {
  readonly plan: LoadPlan
  readonly bunkers: readonly BunkerSpec[]
  /** For the generator and the relays: the fastest there is. */
  readonly backend: Backend
  readonly onProgress?: (label: string, done: number) => void
}

export interface LoadOutcome {
  readonly loads: readonly Load[]
  /** In the order in which they were made. */
  readonly runs: readonly LoadRun[]
  readonly notRun: readonly NotRun[]
  readonly remarks: readonly string[]
}

/** Frames that are signed beforehand for one round, at most. */
const FRAMES = 100_000
const CALIBRATION_FRAMES = 3_000
const CALIBRATION_MS = 400
/** Throughput may be this much better than in the calibration. */
const HEADROOM = 2
/** Requests in flight while a bunker warms up. */
const WARM_WINDOW = 64
const CURVE_SHARES = [0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1] as const
/** The bunker has a core of its own where there are two; relay and generator share the other. */
const BUNKER_CORE = 0
const OTHER_CORE = 1

export function ourBunker(backend: string): BunkerSpec {
  return { name: `${OUR_BUNKER} (${backend})`, file: 'load/bunker/own-process', backend }
}

export function peerBunkers(backend: string): readonly BunkerSpec[] {
  return [
    { name: NDK_BUNKER, file: 'load/bunker/ndk-process', backend },
    { name: APPLESAUCE_BUNKER, file: 'load/bunker/applesauce-process', backend },
  ]
}

interface Stage {
  readonly spec: BunkerSpec
  bunker: Child
  relay: Child
  /** Answers a second, the best of all rounds. */
  rate: number
  /** Of this round; 0 before the first window. */
  roundRate: number
  /** Why it is out of the race. */
  failure: string | undefined
}

/** What one kind of load found, over the rounds. */
interface Track {
  readonly stage: Stage
  readonly kind: Load['kind']
  readonly inFlight: number | null
  readonly share: number | null
  readonly offered: number[]
  readonly throughput: number[]
  readonly cpu: number[]
  readonly latencies: number[]
  readonly busy: { readonly bunker: number; readonly relay: number; readonly generator: number }[]
  answered: number
  lost: number
}

export async function runLoads(options: LoadOptions): Promise<LoadOutcome> {
  const { plan, bunkers, backend, onProgress } = options
  const parties = makeParties(await backend.create(), plan.clients)
  const generator = startChild('load/generator-process', { core: OTHER_CORE })
  const stages: Stage[] = []
  const runs: LoadRun[] = []
  const notRun: NotRun[] = []
  const remarks: string[] = []
  const open = async ({ spec, bunker, relay }: Stage): Promise<string | null> => {
    const { url } = await relay.ask<{ readonly url: string }>('start', { backend: backend.name })
    const store = spec.createStore?.()
    const argument = { relay: url, backend: spec.backend, parties, ...(store !== undefined && { store }) }
    const { tokens, remark } = await bunker.ask<BunkerReady>('start', argument)
    await generator.ask('connect', { name: spec.name, relay: url, tokens })
    return remark
  }
  const begin = async (stage: Stage): Promise<void> => {
    await generator.ask('disconnect', { name: stage.spec.name })
    await Promise.all([stage.bunker.stop(), stage.relay.stop()])
    Object.assign(stage, startPair(stage.spec))
    await open(stage)
  }
  const leaveOut = ({ name }: BunkerSpec, cause: unknown): void => {
    notRun.push({ group: 'relay', scenario: 'end to end', subject: name, reason: reasonOf(cause) })
  }
  try {
    await generator.ask('start', { backend: backend.name, parties })
    await generator.ask('prepare', { count: CALIBRATION_FRAMES })
    for (const [i, spec] of bunkers.entries()) {
      onProgress?.(`starting ${spec.name}`, (0.1 * i) / bunkers.length)
      const stage: Stage = { spec, ...startPair(spec), rate: 0, roundRate: 0, failure: undefined }
      stages.push(stage)
      try {
        const remark = await open(stage)
        if (remark !== null) remarks.push(remark)
        const window = { name: spec.name, inFlight: 16, ms: CALIBRATION_MS }
        const { steady, seconds } = await generator.ask<RunResult>('window', window)
        stage.rate = steady / seconds
      } catch (cause) {
        stage.failure = reasonOf(cause)
        leaveOut(spec, cause)
      }
    }
    // The same load on all of them one after the other, so that a noisy minute meets all alike.
    const inRace = stages.filter(({ failure }) => failure === undefined)
    const heats = loadsOf(plan).map((load) => inRace.map((stage) => trackOf(stage, load)))
    const tracks = heats.flat()
    let done = 0
    for (let round = 0; round < plan.rounds; round++) {
      for (const stage of stages) {
        stage.roundRate = 0
        if (stage.failure !== undefined || round === 0) continue
        if (isOver(stage, round)) {
          await Promise.all([stage.bunker.stop(), stage.relay.stop()])
          continue
        }
        try {
          await begin(stage)
        } catch (cause) {
          stage.failure = reasonOf(cause)
          leaveOut(stage.spec, `round ${round + 1}: ${stage.failure}`)
        }
      }
      onProgress?.('signing requests', 0.1 + (0.9 * done) / (tracks.length * plan.rounds))
      await generator.ask('prepare', { count: framesFor(stages, plan) })
      // In every other round the other way round.
      for (const stage of stages) {
        if (stage.failure !== undefined || isOver(stage, round)) continue
        try {
          await warm(stage, generator, plan)
        } catch (cause) {
          stage.failure = reasonOf(cause)
          leaveOut(stage.spec, `warming up: ${stage.failure}`)
        }
      }
      for (const track of heats.flatMap((heat) => (round % 2 === 0 ? heat : heat.toReversed()))) {
        const { stage } = track
        onProgress?.(
          `${labelOf(track)}, ${stage.spec.name}`,
          0.1 + (0.9 * done++) / (tracks.length * plan.rounds),
        )
        if (stage.failure !== undefined || isOver(stage, round)) continue
        try {
          runs.push(await runOne(track, round, generator, plan))
        } catch (cause) {
          stage.failure = reasonOf(cause)
          leaveOut(stage.spec, `${labelOf(track)}: ${stage.failure}`)
        }
      }
    }
    return { loads: tracks.filter(({ answered }) => answered > 0).map(toLoad), runs, notRun, remarks }
  } finally {
    await Promise.all(
      [generator, ...stages.flatMap(({ bunker, relay }) => [bunker, relay])].map((child) => child.stop()),
    )
  }
}

function startPair({ file }: BunkerSpec): Pick<Stage, 'bunker' | 'relay'> {
  return {
    relay: startChild('load/relay-process', { core: OTHER_CORE }),
    bunker: startChild(file, { core: BUNKER_CORE }),
  }
}

type LoadKind = Pick<Track, 'kind' | 'inFlight' | 'share'>

function loadsOf({ windows, shares }: LoadPlan): readonly LoadKind[] {
  return [
    ...windows.map((inFlight) => ({ kind: 'window', inFlight, share: null }) as const),
    ...shares.map((share) => ({ kind: 'open', inFlight: null, share }) as const),
  ]
}

function trackOf(stage: Stage, load: LoadKind): Track {
  return {
    stage,
    ...load,
    offered: [],
    throughput: [],
    cpu: [],
    latencies: [],
    busy: [],
    answered: 0,
    lost: 0,
  }
}

/** Code that was not compiled yet is no measure of a process that runs for years. */
async function warm(stage: Stage, generator: Child, { warmMs = 0 }: LoadPlan): Promise<void> {
  if (warmMs === 0) return
  const { steady, seconds } = await generator.ask<RunResult>('window', {
    name: stage.spec.name,
    inFlight: WARM_WINDOW,
    ms: warmMs,
  })
  stage.rate = Math.max(stage.rate, steady / seconds)
}

function isOver({ spec }: Stage, round: number): boolean {
  return spec.rounds !== undefined && round >= spec.rounds
}

function labelOf({ inFlight, share }: Track): string {
  return inFlight === null ? `open load at ${Math.round(100 * (share ?? 0))} %` : `${inFlight} in flight`
}

async function runOne(track: Track, round: number, generator: Child, plan: LoadPlan): Promise<LoadRun> {
  const { stage, kind, inFlight } = track
  const { name } = stage.spec
  const children = [stage.bunker, stage.relay, generator]
  const measured = (): Promise<readonly Usage[]> =>
    Promise.all(children.map((child) => child.ask<Usage>('usage')))
  const before = await measured()
  const began = performance.now()
  const result =
    kind === 'window'
      ? await generator.ask<RunResult>('window', { name, inFlight, ms: plan.windowMs })
      : await generator.ask<RunResult>('open', openArgument(track, plan))
  const elapsed = (performance.now() - began) * 1_000
  const after = await measured()
  const spent = after.map(({ cpu }, i) => cpu - (before[i]?.cpu ?? 0))
  const [bunker = 0, relay = 0, generating = 0] = spent
  const throughput = result.steady / result.seconds
  const cpuEach = bunker / Math.max(1, result.answered)
  track.throughput.push(throughput)
  track.cpu.push(cpuEach)
  track.latencies.push(...result.latencies)
  track.busy.push({ bunker: bunker / elapsed, relay: relay / elapsed, generator: generating / elapsed })
  track.answered += result.answered
  track.lost += result.lost
  if (kind === 'window') {
    stage.rate = Math.max(stage.rate, throughput)
    stage.roundRate = Math.max(stage.roundRate, throughput)
  }
  const sorted = result.latencies.toSorted((a, b) => a - b)
  const [p50, p99] = [quantile(sorted, 0.5), quantile(sorted, 0.99)]
  return { bunker: name, kind, inFlight, round, throughput, cpu: cpuEach, p50, p99 }
}

function openArgument(track: Track, { openMs }: LoadPlan): object {
  const { rate, roundRate } = track.stage
  const perSecond = Math.max(1, (roundRate > 0 ? roundRate : rate) * (track.share ?? 1))
  track.offered.push(perSecond)
  return { name: track.stage.spec.name, perSecond, ms: openMs }
}

function framesFor(stages: readonly Stage[], plan: LoadPlan): number {
  const { windows, windowMs, shares, openMs, warmMs = 0 } = plan
  const fastest = Math.max(1, ...stages.map(({ rate }) => rate))
  const open = shares.reduce((sum, share) => sum + share, 0)
  const seconds = (warmMs + windows.length * windowMs + open * openMs) / 1_000
  const least = windows.reduce((sum, inFlight) => sum + 4 * inFlight, 0)
  return Math.min(FRAMES, Math.ceil(least + fastest * HEADROOM * seconds))
}

function toLoad(track: Track): Load {
  const { stage, kind, inFlight, share, offered, throughput, cpu, answered, lost, busy } = track
  const sorted = track.latencies.toSorted((a, b) => a - b)
  const median = (values: readonly number[]): number => spreadOf(values).median
  return {
    bunker: stage.spec.name,
    kind,
    inFlight,
    offered: offered.length === 0 ? null : median(offered),
    share,
    answered,
    lost,
    throughput: spreadOf(throughput),
    cpu: spreadOf(cpu),
    latency: {
      p50: quantile(sorted, 0.5),
      p90: quantile(sorted, 0.9),
      p99: quantile(sorted, 0.99),
      p999: quantile(sorted, 0.999),
      max: quantile(sorted, 1),
      curve: CURVE_SHARES.map((at) => ({ share: at, ms: quantile(sorted, at) })),
    },
    busy: {
      bunker: median(busy.map((shares) => shares.bunker)),
      relay: median(busy.map((shares) => shares.relay)),
      generator: median(busy.map((shares) => shares.generator)),
    },
  }
}

export function makeParties(crypto: Crypto, clients: number): Parties {
  return {
    signer: toHex(randomBytes(32)),
    user: toHex(randomBytes(32)),
    clients: Array.from({ length: clients }, () => {
      const secret = randomBytes(32)
      return { secretKey: toHex(secret), pubkey: crypto.importKey(secret).pubkey }
    }),
  }
}
