/**
 * One client machine on a bench: it is fed inputs by name, its time goes on only when told, and every state it reaches
 * must survive JSON.
 * Never answers by itself.
 */

import { expect } from 'vitest'
import {
  type ClientFacts,
  type ClientInput,
  type ClientOutput,
  type ClientState,
  type ClientWants,
  fromBunker,
  fromOffer,
  fromSession,
  restart,
  step,
  wants,
} from '../src/client.ts'
import type { RelayRefusal } from '../src/port.ts'
import { clientProfile } from '../src/profile.ts'
import type { Millis, Pubkey, RelayUrl, RequestId, Result, Scheme } from '../src/value.ts'
import { CLIENT, ONE, SECRET, SEED, SIGNER, START, USER } from './cast.ts'

/** Wakes that one wait may take before it counts as going round in circles. */
const WAKES = 1_000

export type Sent = Extract<ClientOutput, { type: 'send' }> & {
  readonly method: string
  readonly params: readonly string[]
}

export interface ClientBench {
  readonly state: ClientState
  readonly now: Millis
  readonly wants: ClientWants
  feed(input: ClientInput): readonly ClientOutput[]
  live(...relays: readonly RelayUrl[]): readonly ClientOutput[]
  down(...relays: readonly RelayUrl[]): readonly ClientOutput[]
  request(
    id: RequestId,
    method: string,
    params?: readonly string[],
    timeoutMs?: number,
  ): readonly ClientOutput[]
  /** A message as JSON text, by default from the remote signer, now, in the session's scheme. */
  hear(
    body: unknown,
    from?: { readonly by?: Pubkey; readonly scheme?: Scheme; readonly at?: Millis },
  ): readonly ClientOutput[]
  answer(id: RequestId, result: unknown): readonly ClientOutput[]
  fail(id: RequestId, error: string): readonly ClientOutput[]
  /** Has the machine ask for the relays by itself, as if a day had passed. */
  askRelays(): readonly ClientOutput[]
  published(id: RequestId, outcome: 'ok' | readonly string[]): readonly ClientOutput[]
  /** Lets time pass; wakes the machine whenever it asked for it. */
  wait(ms: number): readonly ClientOutput[]
  /** Lets time pass as in a suspended process: nothing wakes. */
  sleep(ms: number): void
  /** Through JSON, as into another process. */
  restart(): void
}

export function benchClient(start: ClientState, at: Millis = START): ClientBench {
  let state = start
  let now = at
  const feed = (input: ClientInput): readonly ClientOutput[] => {
    const next = step(state, input, now)
    state = next.state
    expect(JSON.parse(JSON.stringify(state))).toEqual(state)
    return next.outputs
  }
  const bench: ClientBench = {
    get state() {
      return state
    },
    get now() {
      return now
    },
    get wants() {
      return wants(state)
    },
    feed,
    live: (...relays) => relays.flatMap((relay) => feed({ type: 'live', relay })),
    down: (...relays) => relays.flatMap((relay) => feed({ type: 'down', relay })),
    request(id, method, params = [], timeoutMs) {
      const input = { type: 'request', id, method, params } as const
      return feed(timeoutMs === undefined ? input : { ...input, timeoutMs })
    },
    hear(body, { by = SIGNER, scheme = state.profile.scheme, at: createdAt = now } = {}) {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      return feed({ type: 'message', from: by, scheme, createdAt: Math.floor(createdAt / 1_000), text })
    },
    answer: (id, result) => bench.hear({ id, result }),
    fail: (id, error) => bench.hear({ id, result: '', error }),
    askRelays() {
      state = { ...state, lastSwitchAt: 0 }
      return feed({ type: 'wake' })
    },
    published(id, said) {
      const outcome: Result<{ readonly relay: RelayUrl }, readonly RelayRefusal[]> =
        said === 'ok'
          ? { ok: true, value: { relay: ONE } }
          : { ok: false, error: said.map((reason) => ({ relay: ONE, reason })) }
      return feed({ type: 'published', id, outcome })
    },
    wait(ms) {
      const end = now + ms
      const outputs: ClientOutput[] = []
      for (let wakes = 0; ; wakes++) {
        const { wakeAt } = wants(state)
        if (wakeAt === undefined || wakeAt > end) break
        if (wakes > WAKES) throw new Error('the machine asks to be woken again and again')
        now = Math.max(now, wakeAt)
        outputs.push(...feed({ type: 'wake' }))
      }
      now = end
      return outputs
    },
    sleep(ms) {
      now += ms
    },
    restart() {
      state = restart(JSON.parse(JSON.stringify(state)) as ClientState, now)
    },
  }
  return bench
}

/** Facts of a session over one relay in today's dialect. */
export function clientFacts(facts: Partial<ClientFacts> = {}): ClientFacts {
  return {
    clientPubkey: CLIENT,
    profile: clientProfile('E'),
    relays: [ONE],
    secret: SECRET,
    seed: SEED,
    ...facts,
  }
}

export function bunkerBench(
  facts: Partial<ClientFacts> & { readonly userPubkey?: Pubkey } = {},
): ClientBench {
  const { userPubkey, ...rest } = facts
  const named = { ...clientFacts(rest), remoteSigner: SIGNER }
  return benchClient(fromBunker(userPubkey === undefined ? named : { ...named, userPubkey }, START))
}

export function offerBench(facts: Partial<ClientFacts> = {}): ClientBench {
  return benchClient(fromOffer({ ...clientFacts(facts), secret: SECRET }, START))
}

/** A session that is ready, by the short way: stored, and resumed with its relays live. Its `lastSwitchAt` is now. */
export function readyBench(
  facts: Partial<ClientFacts> = {},
  changes: Partial<ClientState> = {},
): ClientBench {
  const { clientPubkey, profile, relays } = clientFacts(facts)
  const session = {
    ...{ v: 1 as const, clientPubkey, profile, relays, remoteSigner: SIGNER, userPubkey: USER },
    ...{ originRelays: relays, lastSwitchAt: START },
  }
  const bench = benchClient({ ...fromSession(session, SEED, START), ...changes })
  bench.live(...relays)
  return bench
}

/** What went out, with its method and params. */
export function sent(outputs: readonly ClientOutput[]): readonly Sent[] {
  return outputs.flatMap((output) => {
    if (output.type !== 'send') return []
    const { method, params } = JSON.parse(output.text) as { method: string; params: readonly string[] }
    return [{ ...output, method, params }]
  })
}

/** The one request of this method that went out. */
export function sentOne(outputs: readonly ClientOutput[], method: string): Sent {
  const [found, ...more] = sent(outputs).filter((output) => output.method === method)
  if (found === undefined || more.length > 0)
    throw new Error(`not one ${method} went out, but ${sent(outputs).map((output) => output.method)}`)
  return found
}

/** How requests ended, as `ok:<value>` or the failure's code. */
export function settled(outputs: readonly ClientOutput[]): { readonly [id: RequestId]: string } {
  const ends: Record<RequestId, string> = {}
  for (const output of outputs) {
    if (output.type !== 'settle') continue
    if (Object.hasOwn(ends, output.id)) throw new Error(`${output.id} was settled twice`)
    ends[output.id] = output.outcome.ok
      ? `ok:${JSON.stringify(output.outcome.value)}`
      : output.outcome.error.code
  }
  return ends
}

/** Kinds of outputs in order, with their codes. */
export function kinds(outputs: readonly ClientOutput[]): readonly string[] {
  return outputs.map((output) => {
    if (output.type === 'alert' || output.type === 'ignored') return `${output.type} ${output.code}`
    if (output.type === 'ended') return `ended ${output.failure.code}`
    if (output.type === 'settle') return `settle ${output.outcome.ok ? 'ok' : output.outcome.error.code}`
    if (output.type === 'send') return `send ${sent([output])[0]?.method ?? 'answer'}`
    return output.type
  })
}
