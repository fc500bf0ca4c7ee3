/**
 * How long an app waits for a signature: client libraries side by side, each in its own process, over one relay and one
 * remote signer that is faster than any of them, in interleaved rounds.
 * Never counts a library whose last event of a round is not the one that was asked for.
 */

import { randomBytes } from 'node:crypto'
import { acceptResult, type Crypto, encodeBunkerUri, type Pubkey, type RelayUrl } from '@nip46/core'
import { ownClient, ROUND_TRIP, RUST_NOSTR, togetherScenario } from '../load/client/names.ts'
import type { SignArgument, SignResult } from '../load/client/serve-client.ts'
import { makeParties } from '../load/loads.ts'
import { type BunkerArgument, fromHex, TOKEN } from '../load/parties.ts'
import { reasonOf } from '../must.ts'
import { type Child, startChild } from '../process/child.ts'
import type { Usage } from '../process/serve.ts'
import type { Figure, NotRun, Unit } from '../report/data.ts'
import { quantile, type Spread, spreadOf } from '../statistics.ts'
import type { Backend } from '../subject/backends.ts'
import type { Outcome } from './memory.ts'

export interface ClientPlan {
  readonly rounds: number
  /** Signatures one after the other, of which the median counts, in each round. */
  readonly inARow: number
  readonly atOnce: number
}

interface ClientSpec {
  readonly name: string
  /** In `load/client`. */
  readonly file: string
  readonly backend: string
}

const PEERS: readonly ClientSpec[] = [
  { name: 'nostr-tools', file: 'nostr-tools-process', backend: '' },
  { name: RUST_NOSTR, file: 'rust-nostr-process', backend: '' },
  { name: 'NDK', file: 'ndk-process', backend: '' },
  { name: 'applesauce', file: 'applesauce-process', backend: '' },
]
/** Where there are two cores: the client has one of its own, relay and remote signer share the other. */
const CLIENT_CORE = 1
const OTHER_CORE = 0
/** Signatures before the first round, if the plan asks for as many. */
const WARM_UP = { inARow: 30, atOnce: 50 }

interface Track {
  readonly spec: ClientSpec
  readonly child: Child
  readonly trip: number[]
  readonly perSecond: number[]
  /** Microseconds of the client's processor time for one of many at once. */
  readonly cpu: number[]
  failure: string | undefined
}

export async function measureClients(
  backends: readonly string[],
  fastest: Backend,
  plan: ClientPlan,
  onProgress?: (label: string, done: number) => void,
): Promise<Outcome> {
  const crypto = await fastest.create()
  const warmUp = {
    rounds: 1,
    inARow: Math.min(plan.inARow, WARM_UP.inARow),
    atOnce: Math.min(plan.atOnce, WARM_UP.atOnce),
  }
  const specs = [
    ...backends.map((backend) => ({ name: ownClient(backend), file: 'own-process', backend })),
    ...PEERS,
  ]
  const parties = makeParties(crypto, 0)
  const relay = startChild('load/relay-process', { core: OTHER_CORE })
  const bunker = startChild('load/client/bare-signer-process', { core: OTHER_CORE })
  const tracks: Track[] = specs.map((spec) => ({
    spec,
    child: startChild(`load/client/${spec.file}`, { core: CLIENT_CORE }),
    trip: [],
    perSecond: [],
    cpu: [],
    failure: undefined,
  }))
  const user = crypto.importKey(fromHex(parties.user)).pubkey
  try {
    const { url } = await relay.ask<{ readonly url: RelayUrl }>('start', { backend: fastest.name })
    const argument: BunkerArgument = { relay: url, backend: fastest.name, parties }
    await bunker.ask('start', argument)
    const remoteSigner = crypto.importKey(fromHex(parties.signer)).pubkey
    const attempt = async (track: Track, run: () => Promise<unknown>): Promise<void> => {
      if (track.failure !== undefined) return
      try {
        await run()
      } catch (cause) {
        track.failure = reasonOf(cause)
        await track.child.stop()
      }
    }
    const uri = encodeBunkerUri({ remoteSigner, relays: [url], secret: TOKEN })
    for (const track of tracks) {
      await attempt(track, async () => {
        await track.child.ask('start', { backend: track.spec.backend, uri })
        await playRound({ ...track, trip: [], perSecond: [], cpu: [] }, warmUp, crypto, user)
      })
    }
    for (let round = 0; round < plan.rounds; round++) {
      for (let i = 0; i < tracks.length; i++) {
        const track = tracks[(i + round) % tracks.length]
        if (track === undefined) continue
        onProgress?.(
          `${ROUND_TRIP}, ${track.spec.name}`,
          (round * tracks.length + i) / (plan.rounds * tracks.length),
        )
        await attempt(track, () => playRound(track, plan, crypto, user))
      }
    }
  } finally {
    await Promise.all([relay, bunker, ...tracks.map(({ child }) => child)].map((child) => child.stop()))
  }
  return report(tracks, plan)
}

async function playRound(track: Track, plan: ClientPlan, crypto: Crypto, user: Pubkey): Promise<void> {
  const { child, trip, perSecond, cpu } = track
  const ask = async (deed: 'inARow' | 'atOnce', count: number): Promise<readonly number[]> => {
    const argument: SignArgument = { batch: randomBytes(4).toString('hex'), count }
    const { times, asked, event } = await child.ask<SignResult>(deed, argument)
    const request = { method: 'sign_event', params: [JSON.stringify(asked)] } as const
    if (!acceptResult(request, JSON.stringify(event), { crypto, userPubkey: user }).ok)
      throw new Error(`not the event that was asked for: ${JSON.stringify(event)?.slice(0, 200)}`)
    return times
  }
  const times = await ask('inARow', plan.inARow)
  trip.push(
    quantile(
      times.toSorted((a, b) => a - b),
      0.5,
    ),
  )
  const before = await child.ask<Usage>('usage')
  const [together = Number.NaN] = await ask('atOnce', plan.atOnce)
  const after = await child.ask<Usage>('usage')
  perSecond.push((plan.atOnce * 1_000) / together)
  cpu.push((after.cpu - before.cpu) / plan.atOnce)
}

function report(tracks: readonly Track[], plan: ClientPlan): Outcome {
  const figures: Figure[] = []
  const notRun: NotRun[] = []
  const together = togetherScenario(plan.atOnce)
  for (const { spec, trip, perSecond, cpu, failure } of tracks) {
    const subject = spec.name
    if (failure !== undefined)
      notRun.push({ group: 'client', scenario: ROUND_TRIP, subject, reason: failure })
    if (failure !== undefined || trip.length === 0) continue
    const add = (scenario: string, unit: Unit, value: Spread): void =>
      void figures.push({ group: 'client', scenario, subject, unit, value, samples: trip.length })
    add(ROUND_TRIP, 'ms', spreadOf(trip))
    add(together, '1/s', spreadOf(perSecond))
    add(`CPU of the client for one of ${plan.atOnce} at once`, 'us', spreadOf(cpu))
  }
  return { figures, notRun }
}
