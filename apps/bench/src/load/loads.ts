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
}

export interface BunkerSpec {
  readonly name: string
  /** Relative to `src`. */
  readonly file: string
  readonly backend: string
  /** Of ours. Default: memory. Made anew for each start. */
  readonly createStore?: () => StoreChoice
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
  readonly notRun: readonly NotRun[]
  readonly remarks: readonly string[]
}

/** Frames that are signed beforehand for one round, at most. */
const FRAMES = 100_000
const CALIBRATION_FRAMES = 3_000
const CALIBRATION_MS = 400
/** Throughput may be this much better than in the calibration. */
const HEADROOM = 2
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
  /** Answers a second, as last seen. */
  rate: number
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
      const stage: Stage = { spec, ...startPair(spec), rate: 0, failure: undefined }
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
    const tracks = stages.flatMap((stage) => (stage.failure === undefined ? tracksOf(stage, plan) : []))
    let done = 0
    for (let round = 0; round < plan.rounds; round++) {
      for (const stage of stages) {
        if (stage.failure !== undefined || round === 0) continue
        try {
          await begin(stage)
        } catch (cause) {
          stage.failure = reasonOf(cause)
          leaveOut(stage.spec, `round ${round + 1}: ${stage.failure}`)
        }
      }
      onProgress?.('signing requests', 0.1 + (0.9 * done) / (tracks.length * plan.rounds))
      await generator.ask('prepare', { count: framesFor(stages, plan) })
      for (const track of rotate(tracks, round * (plan.windows.length + plan.shares.length))) {
        const { stage } = track
        onProgress?.(
          `${labelOf(track)}, ${stage.spec.name}`,
          0.1 + (0.9 * done++) / (tracks.length * plan.rounds),
        )
        if (stage.failure !== undefined) continue
        try {
          await runOne(track, generator, plan)
        } catch (cause) {
          stage.failure = reasonOf(cause)
          leaveOut(stage.spec, `${labelOf(track)}: ${stage.failure}`)
        }
      }
    }
    return { loads: tracks.filter(({ answered }) => answered > 0).map(toLoad), notRun, remarks }
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

function tracksOf(stage: Stage, { windows, shares }: LoadPlan): readonly Track[] {
  const track = (kind: Load['kind'], inFlight: number | null, share: number | null): Track => ({
    stage,
    kind,
    inFlight,
    share,
    offered: [],
    throughput: [],
    cpu: [],
    latencies: [],
    busy: [],
    answered: 0,
    lost: 0,
  })
  return [
    ...windows.map((inFlight) => track('window', inFlight, null)),
    ...shares.map((share) => track('open', null, share)),
  ]
}

function labelOf({ inFlight, share }: Track): string {
  return inFlight === null ? `open load at ${Math.round(100 * (share ?? 0))} %` : `${inFlight} in flight`
}

async function runOne(track: Track, generator: Child, plan: LoadPlan): Promise<void> {
  const { stage } = track
  const { name } = stage.spec
  const children = [stage.bunker, stage.relay, generator]
  const measured = (): Promise<readonly Usage[]> =>
    Promise.all(children.map((child) => child.ask<Usage>('usage')))
  const before = await measured()
  const began = performance.now()
  const result =
    track.kind === 'window'
      ? await generator.ask<RunResult>('window', { name, inFlight: track.inFlight, ms: plan.windowMs })
      : await generator.ask<RunResult>('open', openArgument(track, plan))
  const elapsed = (performance.now() - began) * 1_000
  const after = await measured()
  const spent = after.map(({ cpu }, i) => cpu - (before[i]?.cpu ?? 0))
  const [bunker = 0, relay = 0, generating = 0] = spent
  track.throughput.push(result.steady / result.seconds)
  track.cpu.push(bunker / Math.max(1, result.answered))
  track.latencies.push(...result.latencies)
  track.busy.push({ bunker: bunker / elapsed, relay: relay / elapsed, generator: generating / elapsed })
  track.answered += result.answered
  track.lost += result.lost
  if (track.kind === 'window') stage.rate = Math.max(stage.rate, result.steady / result.seconds)
}

function openArgument(track: Track, { openMs }: LoadPlan): object {
  const perSecond = Math.max(1, track.stage.rate * (track.share ?? 1))
  track.offered.push(perSecond)
  return { name: track.stage.spec.name, perSecond, ms: openMs }
}

function framesFor(stages: readonly Stage[], { windows, windowMs, shares, openMs }: LoadPlan): number {
  const fastest = Math.max(1, ...stages.map(({ rate }) => rate))
  const open = shares.reduce((sum, share) => sum + share, 0)
  const seconds = (windows.length * windowMs + open * openMs) / 1_000
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

function rotate<T>(items: readonly T[], by: number): readonly T[] {
  const at = items.length === 0 ? 0 : by % items.length
  return [...items.slice(at), ...items.slice(0, at)]
}
