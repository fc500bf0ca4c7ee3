/**
 * One situation a client is put in, as data, and how it is played: real sockets, a scripted remote signer, a verdict in
 * words. Never lets a client that hangs or dies hold up whoever asked.
 */

import {
  bytesToHex,
  type Clock,
  type Crypto,
  type EventTemplate,
  encodeBunkerUri,
  type Pubkey,
  type RandomBytes,
  type RelayUrl,
} from '@nip46/core'
import { describeRejection, type HostedClient, type Settled } from './client-under-test.ts'
import { deadRelayUrl, type ScenarioRelay, startScenarioRelay } from './scenario-relay.ts'
import { createScenarioSigner, type ScenarioSigner, type SignerReply } from './scenario-signer.ts'

/** What is there before the client comes. By default one live relay and a correct signer that knows the plain methods. */
export interface ScenarioSetUp {
  /** The relay asks for a login (NIP-42). */
  readonly auth?: boolean
  /** The token also names a relay that refuses connections, first. */
  readonly dead?: boolean
  /** The token holds no secret. */
  readonly secret?: null
  /** What the signer answers instead, by method. */
  readonly replies?: Readonly<Record<string, SignerReply>>
}

export interface ClientScenario {
  /** The row of the table, from 1. */
  readonly row: number
  readonly name: string
  /** What a client must do, with its time limit. */
  readonly wanted: string
  readonly setUp: ScenarioSetUp
  /** `process`: needs a process of its own. `old-node`: and Node 20. `quiet`: counts time, so nothing should run beside it. */
  readonly needs?: 'process' | 'old-node' | 'quiet'
  /** Plays it. Resolves with what happened, or throws what `fail` made. */
  readonly act: (stage: Stage) => Promise<string>
}

export interface Verdict {
  /** Null where the library does not offer what the scenario is about. */
  readonly passed: boolean | null
  /** What the client did, in a few words. */
  readonly what: string
  readonly ms: number
  /** It failed by a time limit, which a busy machine can make a good client miss. */
  readonly late: boolean
}

export interface PlayOptions {
  readonly crypto: Crypto
  readonly random: RandomBytes
  readonly clock: Clock
  readonly startClient: () => Promise<HostedClient>
  /** The client's own clock runs so many times as fast as `clock`: its patience is waited for accordingly. Default 1. */
  readonly pace?: number
  /** Time limits are so many times as long. Beside other work a row then says what a client does, and nothing of how fast. Default 1. */
  readonly slack?: number
  /** The longest wait for any call, in milliseconds: for clients that are known to hang. */
  readonly patienceMs?: number
}

/** What a scenario has at hand. */
export interface Stage {
  readonly client: HostedClient
  readonly signer: ScenarioSigner
  /** The live relay of the token. */
  readonly relay: ScenarioRelay
  /** The token; the dead relay and the missing secret are in it if the set-up says so. */
  readonly uri: string
  readonly secret: string
  /** Somebody else with keys of their own, on the same relay. */
  readonly stranger: ScenarioSigner
  /** The third party that texts are encrypted for. */
  readonly peer: Pubkey
  /** Another relay, on which the signer listens too. */
  addRelay(): Promise<ScenarioRelay>
  /** A note that was not asked for before. */
  note(content?: string): EventTemplate
  wait(ms: number): Promise<void>
  /** Waits for a state, at most so long (with the slack). False if it did not come. */
  until(is: () => boolean, ms: number): Promise<boolean>
  /** A time limit with the slack, in milliseconds. */
  limit(ms: number): number
  /** Milliseconds since the play began. */
  elapsed(): number
  /** How a call ended, or that it did not within `ms`. */
  within<T>(call: Promise<T>, ms: number): Promise<Settled<T>>
  /** The same on the client's own clock: for what its own deadlines must end. */
  withinPatience<T>(call: Promise<T>, ms: number): Promise<Settled<T>>
  /** The value of a call; the scenario fails if there is none within `ms`. */
  value<T>(doing: string, call: Promise<T>, ms?: number): Promise<T>
  /** What a call was refused with; the scenario fails if it was not. A process that died refused nothing. */
  refusal(doing: string, call: Promise<unknown>, ms: number): Promise<string>
  /** Logs in with the token; the scenario fails if that takes longer than {@link LOGIN_MS}. */
  login(): Promise<void>
  /** Signs a note and looks whether it is the one asked for, by the signer's user. */
  sign(ms?: number): Promise<void>
  /** Whether this is the event that was asked for, rightly signed by the signer's user. */
  isRight(event: unknown, asked: EventTemplate): boolean
}

/** What a login may take in a scenario that is about something else. */
export const LOGIN_MS = 15_000
/** What a call may take in a scenario that is about something else. */
export const CALL_MS = 8_000

/** How often a state is looked at that is waited for. */
const LOOK_EVERY_MS = 25

/** The scenario came to its verdict: not passed. */
export class ScenarioFailure extends Error {
  override readonly name = 'ScenarioFailure'
  readonly late: boolean
  constructor(what: string, late = false) {
    super(what)
    this.late = late
  }
}

export function fail(what: string): never {
  throw new ScenarioFailure(what)
}

/** As {@link fail}, where nothing was wrong but the time it took. */
export function tooLate(what: string): never {
  throw new ScenarioFailure(what, true)
}

class ScenarioNotOffered extends Error {
  override readonly name = 'ScenarioNotOffered'
}

/** The library does not offer what this scenario is about. */
export function notOffered(what: string): never {
  throw new ScenarioNotOffered(what)
}

/** Milliseconds as people read them. */
export function span(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}

/**
 * Plays one scenario with a client of its own. Rejects only if the client could not even be started, or the scenario
 * itself is broken.
 *
 * ```ts
 * const { passed, what } = await playScenario(clientScenarios[0], { crypto, random, clock: systemClock, startClient })
 * ```
 */
export async function playScenario(scenario: ClientScenario, options: PlayOptions): Promise<Verdict> {
  const { clock } = options
  const { stage, leave } = await setStage(scenario.setUp, options)
  const began = clock.now()
  const verdict = (passed: boolean | null, what: string, late = false): Verdict => ({
    passed,
    what,
    ms: clock.now() - began,
    late,
  })
  try {
    const what = await scenario.act(stage)
    const ended = stage.client.ended()
    return ended === undefined || scenario.needs === 'process'
      ? verdict(true, what)
      : verdict(false, `the process died: ${ended}`)
  } catch (cause) {
    if (cause instanceof ScenarioNotOffered) return verdict(null, cause.message)
    if (!(cause instanceof ScenarioFailure)) throw cause
    const ended = stage.client.ended()
    return ended === undefined
      ? verdict(false, cause.message, cause.late)
      : verdict(false, `the process died: ${ended}`)
  } finally {
    await leave()
  }
}

export interface Play {
  readonly stage: Stage
  leave(): Promise<void>
}

/** Everybody in place, and how to send them home. */
export async function setStage(setUp: ScenarioSetUp, options: PlayOptions): Promise<Play> {
  const { crypto, random, clock, pace = 1, slack = 1, patienceMs = Number.POSITIVE_INFINITY } = options
  const newKey = () => crypto.importKey(random(32))
  const parties = { crypto, random, clock }
  const signer = createScenarioSigner({ ...parties, key: newKey(), user: newKey() })
  const stranger = createScenarioSigner({ ...parties, key: newKey(), user: newKey() })
  const third = newKey()
  const relay = await startScenarioRelay({ auth: setUp.auth === true })
  const relays = [relay]
  signer.join(relay)
  stranger.join(relay)
  for (const [method, reply] of Object.entries(setUp.replies ?? {})) signer.reply(method, reply)
  const secret = bytesToHex(random(16))
  const urls: readonly RelayUrl[] = setUp.dead === true ? [await deadRelayUrl(), relay.url] : [relay.url]
  const uri = encodeBunkerUri({
    remoteSigner: signer.key.pubkey,
    relays: urls,
    secret: setUp.secret === null ? null : secret,
  })
  const client = await options.startClient()
  const began = clock.now()
  let notes = 0

  const wait = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimer(resolve, ms))

  const limit = (ms: number): number => ms * slack

  const until = async (is: () => boolean, ms: number): Promise<boolean> => {
    const end = clock.now() + limit(ms)
    while (!is() && clock.now() < end) await wait(LOOK_EVERY_MS)
    return is()
  }

  const within = async <T>(call: Promise<T>, ms: number): Promise<Settled<T>> => {
    const start = clock.now()
    const passed = (): number => clock.now() - start
    let timer: unknown
    const hang = new Promise<Settled<T>>((resolve) => {
      timer = clock.setTimer(() => resolve({ type: 'hang', ms: passed() }), Math.min(limit(ms), patienceMs))
    })
    const end = call.then(
      (value): Settled<T> => ({ type: 'value', value, ms: passed() }),
      (cause: unknown): Settled<T> => ({ type: 'error', error: describeRejection(cause), ms: passed() }),
    )
    const settled = await Promise.race([end, hang])
    clock.clearTimer(timer)
    return settled
  }

  const value = async <T>(doing: string, call: Promise<T>, ms = CALL_MS): Promise<T> => {
    const settled = await within(call, ms)
    if (settled.type === 'value') return settled.value
    if (settled.type === 'hang') return tooLate(`${doing}: no end within ${span(settled.ms)}`)
    return fail(`${doing} rejects after ${span(settled.ms)}: ${settled.error}`)
  }

  const isRight = (event: unknown, asked: EventTemplate): boolean => {
    const { id, pubkey, kind, content, created_at, tags, sig } = (event ?? {}) as Record<string, unknown>
    const expected = { ...asked, pubkey: signer.user.pubkey }
    return (
      pubkey === expected.pubkey &&
      kind === asked.kind &&
      content === asked.content &&
      created_at === asked.created_at &&
      JSON.stringify(tags) === JSON.stringify(asked.tags) &&
      id === crypto.eventId(expected) &&
      typeof sig === 'string' &&
      crypto.verify({ id, pubkey: expected.pubkey, sig })
    )
  }

  const note = (content = `note ${++notes}`): EventTemplate => ({
    kind: 1,
    content,
    tags: [['t', 'scenario']],
    created_at: Math.floor(clock.now() / 1_000),
  })

  const stage: Stage = {
    client,
    signer,
    stranger,
    relay,
    uri,
    secret,
    peer: third.pubkey,
    async addRelay() {
      const added = await startScenarioRelay()
      relays.push(added)
      signer.join(added)
      return added
    },
    note,
    wait,
    until,
    limit,
    elapsed: () => clock.now() - began,
    within,
    async withinPatience(call, ms) {
      const settled = await within(call, ms / pace)
      return { ...settled, ms: settled.ms * pace }
    },
    value,
    async refusal(doing, call, ms) {
      const settled = await within(call, ms)
      if (settled.type === 'error') return settled.error
      if (settled.type === 'hang') return tooLate(`${doing}: no end within ${span(settled.ms)}`)
      return fail(`${doing} is accepted`)
    },
    login: () => value('login', client.connect(uri), LOGIN_MS),
    async sign(ms) {
      const asked = note()
      const event = await value('signing', client.signEvent(asked), ms)
      if (!isRight(event, asked)) fail('the signed event is not the one asked for')
    },
    isRight,
  }
  return {
    stage,
    async leave() {
      signer.close()
      stranger.close()
      await client.stop()
      await Promise.all(relays.map((one) => one.close()))
      for (const key of [signer.key, signer.user, stranger.key, stranger.user, third]) key.destroy()
    },
  }
}
