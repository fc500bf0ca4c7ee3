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
import { quantile, spreadOf } from '../statistics.ts'
import type { Backend } from '../subject/backends.ts'
import type { Outcome } from './memory.ts'

export interface ClientPlan {
  readonly rounds: number
  /** Signatures one after the other, of which the median counts, in each round. */
  readonly inARow: number
  readonly atOnce: number
  /** Rounds of each library before the first that counts: their code is compiled by then. */
  readonly warmUp: number
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

interface Track {
  readonly spec: ClientSpec
  readonly child: Child
  readonly trip: number[]
  readonly perSecond: number[]
  /** Of the first ones after the login: code that never ran. */
  readonly first: number[]
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
    first: [],
    cpu: [],
    failure: undefined,
  }))
  const sign = signAndCheck(crypto, crypto.importKey(fromHex(parties.user)).pubkey)
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
        track.first.push(await together(track.child, plan, sign))
        for (let i = 0; i < plan.warmUp; i++)
          await playRound({ ...track, trip: [], perSecond: [], cpu: [] }, plan, sign)
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
        await attempt(track, () => playRound(track, plan, sign))
      }
    }
  } finally {
    await Promise.all([relay, bunker, ...tracks.map(({ child }) => child)].map((child) => child.stop()))
  }
  return report(tracks, plan)
}

async function playRound(track: Track, plan: ClientPlan, sign: Sign): Promise<void> {
  const { child, trip, perSecond, cpu } = track
  const times = await sign(child, 'inARow', plan.inARow)
  trip.push(
    quantile(
      times.toSorted((a, b) => a - b),
      0.5,
    ),
  )
  const before = await child.ask<Usage>('usage')
  perSecond.push(await together(child, plan, sign))
  const after = await child.ask<Usage>('usage')
  cpu.push((after.cpu - before.cpu) / plan.atOnce)
}

/** A second. */
async function together(child: Child, { atOnce }: ClientPlan, sign: Sign): Promise<number> {
  const [ms = Number.NaN] = await sign(child, 'atOnce', atOnce)
  return (atOnce * 1_000) / ms
}

/** Milliseconds of what a client signed. Rejects if the last event is not the one that was asked for. */
type Sign = (child: Child, deed: 'inARow' | 'atOnce', count: number) => Promise<readonly number[]>

function signAndCheck(crypto: Crypto, userPubkey: Pubkey): Sign {
  return async (child, deed, count) => {
    const argument: SignArgument = { batch: randomBytes(4).toString('hex'), count }
    const { times, asked, event } = await child.ask<SignResult>(deed, argument)
    const request = { method: 'sign_event', params: [JSON.stringify(asked)] } as const
    if (!acceptResult(request, JSON.stringify(event), { crypto, userPubkey }).ok)
      throw new Error(`not the event that was asked for: ${JSON.stringify(event)?.slice(0, 200)}`)
    return times
  }
}

function report(tracks: readonly Track[], plan: ClientPlan): Outcome {
  const figures: Figure[] = []
  const notRun: NotRun[] = []
  for (const { spec, trip, perSecond, first, cpu, failure } of tracks) {
    const subject = spec.name
    if (failure !== undefined)
      notRun.push({ group: 'client', scenario: ROUND_TRIP, subject, reason: failure })
    if (failure !== undefined || trip.length === 0) continue
    const add = (scenario: string, unit: Unit, values: readonly number[]): void =>
      void figures.push({
        group: 'client',
        scenario,
        subject,
        unit,
        value: spreadOf(values),
        samples: values.length,
      })
    add(ROUND_TRIP, 'ms', trip)
    add(togetherScenario(plan.atOnce), '1/s', perSecond)
    add(`the first ${plan.atOnce} after the login`, '1/s', first)
    add(`CPU of the client for one of ${plan.atOnce} at once`, 'us', cpu)
  }
  return { figures, notRun }
}
