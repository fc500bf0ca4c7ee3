/**
 * A remote signer's machines on a bench, as a small host: tokens, one session for each client, readmission.
 * Never decides a question or performs an operation by itself; every state it reaches must survive JSON.
 */

import { expect } from 'vitest'
import {
  type Admission,
  type AdmissionStep,
  addOffer,
  admit,
  decidePairing,
  EMPTY_ADMISSION,
  type Offer,
} from '../src/admission.ts'
import type { Permission } from '../src/permission.ts'
import type { Verdict } from '../src/port.ts'
import {
  type Arrival,
  outstanding,
  type SignerContext,
  type SignerInput,
  type SignerOutput,
  type SignerSession,
  type SignerWants,
  step,
  wants,
} from '../src/remote-signer.ts'
import type { Millis, Pubkey, RelayUrl, RequestId, Scheme } from '../src/value.ts'
import { CLIENT, ONE, SECRET, SIGNER, START, USER } from './cast.ts'

const WAKES = 1_000

export interface Carrier {
  readonly from?: Pubkey
  readonly to?: Pubkey
  readonly relay?: RelayUrl
  readonly scheme?: Scheme
  /** When it says it was made, in milliseconds. Default now. */
  readonly at?: Millis
}

export interface SignerBench {
  admission: Admission
  context: SignerContext
  readonly now: Millis
  readonly wants: SignerWants
  /** The session of a client, by default of the usual one. */
  session(client?: Pubkey): SignerSession
  readonly sessions: Map<Pubkey, SignerSession>
  /** What the last admission said, beside its outputs. */
  readonly last: AdmissionStep | undefined
  arrival(body: unknown, carrier?: Carrier): Arrival
  hear(body: unknown, carrier?: Carrier): readonly SignerOutput[]
  request(
    id: RequestId,
    method: string,
    params?: readonly string[],
    carrier?: Carrier,
  ): readonly SignerOutput[]
  feed(input: Exclude<SignerInput, { type: 'message' }>, client?: Pubkey): readonly SignerOutput[]
  decide(id: RequestId, verdict: Verdict, client?: Pubkey): readonly SignerOutput[]
  pair(verdict: Verdict, client?: Pubkey): readonly SignerOutput[]
  complete(id: RequestId, result: string): readonly SignerOutput[]
  wait(ms: number): readonly SignerOutput[]
  sleep(ms: number): void
  /** Through JSON, as into another process; gives what is handed out again. */
  restart(): readonly SignerOutput[]
}

export function benchSigner(context: Partial<SignerContext> = {}): SignerBench {
  let now = START
  let events = 0
  let last: AdmissionStep | undefined
  const sessions = new Map<Pubkey, SignerSession>()
  const keep = (client: Pubkey, session: SignerSession) => {
    expect(JSON.parse(JSON.stringify(session))).toEqual(session)
    sessions.set(client, session)
  }
  const session = (client: Pubkey = CLIENT): SignerSession => {
    const found = sessions.get(client)
    if (found === undefined) throw new Error('this client has no session')
    return found
  }
  const enter = (arrival: Arrival): readonly SignerOutput[] => {
    last = admit(bench.admission, arrival, now, bench.context, sessions.get(arrival.from))
    expect(JSON.parse(JSON.stringify(last.admission))).toEqual(last.admission)
    bench.admission = last.admission
    if (last.session !== undefined) keep(arrival.from, last.session)
    return last.outputs
  }
  const advance = (client: Pubkey, input: SignerInput): readonly SignerOutput[] => {
    const next = step(session(client), input, now, bench.context)
    keep(client, next.session)
    return next.outputs.flatMap((output) => (output.type === 'readmit' ? enter(output.arrival) : [output]))
  }
  const bench: SignerBench = {
    admission: EMPTY_ADMISSION,
    context: { preferredRelays: [], isClientPubkey: (pubkey) => sessions.has(pubkey), ...context },
    sessions,
    session,
    get now() {
      return now
    },
    get wants() {
      return wants(session())
    },
    get last() {
      return last
    },
    arrival(body, { from = CLIENT, to = SIGNER, relay = ONE, scheme = 'nip44', at = now } = {}) {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      const eventId = (++events).toString(16).padStart(64, '0')
      return { from, to, relay, scheme, createdAt: Math.floor(at / 1_000), text, eventId }
    },
    hear(body, carrier) {
      const arrival = bench.arrival(body, carrier)
      last = undefined
      return sessions.has(arrival.from) ? advance(arrival.from, { type: 'message', arrival }) : enter(arrival)
    },
    request: (id, method, params = [], carrier) => bench.hear({ id, method, params }, carrier),
    feed: (input, client = CLIENT) => advance(client, input),
    decide: (id, verdict, client = CLIENT) => advance(client, { type: 'decide', id, verdict }),
    pair(verdict, client = CLIENT) {
      const decided = decidePairing(bench.admission, session(client), verdict, now, bench.context)
      bench.admission = decided.admission
      keep(client, decided.session)
      return decided.outputs
    },
    complete: (id, value) => advance(CLIENT, { type: 'complete', id, outcome: { ok: true, value } }),
    wait(ms) {
      const end = now + ms
      const outputs: SignerOutput[] = []
      for (let wakes = 0; ; wakes++) {
        const due = [...sessions]
          .map(([client, entry]) => ({ client, at: wants(entry).wakeAt ?? Number.POSITIVE_INFINITY }))
          .filter(({ at }) => at <= end)
          .sort((a, b) => a.at - b.at)[0]
        if (due === undefined) break
        if (wakes > WAKES) throw new Error('a session asks to be woken again and again')
        now = Math.max(now, due.at)
        outputs.push(...advance(due.client, { type: 'wake' }))
      }
      now = end
      return outputs
    },
    sleep(ms) {
      now += ms
    },
    restart() {
      bench.admission = JSON.parse(JSON.stringify(bench.admission)) as Admission
      const outputs: SignerOutput[] = []
      for (const [client, entry] of sessions) {
        const restored = JSON.parse(JSON.stringify(entry)) as SignerSession
        sessions.set(client, restored)
        outputs.push(...outstanding(restored))
      }
      return outputs
    },
  }
  return bench
}

export function offerOf(
  facts: Partial<Omit<Offer, 'usedBy' | 'revoked'>> = {},
): Omit<Offer, 'usedBy' | 'revoked'> {
  return {
    ...{ signerPubkey: SIGNER, userPubkey: USER, relays: [ONE], granted: [], approval: 'secret' },
    ...{ createdAt: START, expiresAt: START + 86_400_000 },
    ...facts,
  }
}

/** A bench with one token. */
export function offeringBench(
  facts: Partial<Omit<Offer, 'usedBy' | 'revoked'>> = {},
  context: Partial<SignerContext> = {},
  secret: string | null = SECRET,
): SignerBench {
  const bench = benchSigner(context)
  bench.admission = addOffer(bench.admission, secret, offerOf(facts))
  return bench
}

export const SIGN_ANYTHING: readonly Permission[] = [{ method: 'sign_event' }]

/** A session that is open, with these grants. */
export function openBench(
  granted: readonly Permission[] = SIGN_ANYTHING,
  context: Partial<SignerContext> = {},
  carrier: Carrier = {},
): SignerBench {
  const bench = offeringBench({ granted }, context)
  expect(answers(bench.request('c', 'connect', [SIGNER, SECRET], carrier))).toEqual(['c: ack'])
  return bench
}

/** Answers that went out, as `id: result` or `id! error`. */
export function answers(outputs: readonly SignerOutput[]): readonly string[] {
  return outputs.flatMap((output) => (output.type === 'send' ? [answerText(output.text)] : []))
}

export function answerText(text: string): string {
  const { id, result, error } = JSON.parse(text) as { id: string; result: string; error?: string }
  return error === undefined
    ? `${id}: ${result}`
    : result === 'auth_url'
      ? `${id}? ${error}`
      : `${id}! ${error}`
}

/** Kinds of outputs in order, answers as {@link answers} writes them. */
export function signerKinds(outputs: readonly SignerOutput[]): readonly string[] {
  return outputs.map((output) => {
    if (output.type === 'send') return answerText(output.text)
    if (output.type === 'ignored' || output.type === 'ended') return `${output.type} ${output.reason}`
    if (output.type === 'ask') return `ask ${output.question.type}`
    if (output.type === 'perform' || output.type === 'refused')
      return `${output.type} ${output.operation.method}`
    return output.type
  })
}
