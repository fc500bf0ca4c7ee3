/**
 * What each machine does in each phase with each kind of input, found by running the machines.
 * Never written by hand: the snapshot and the diagrams of ARCHITECTURE.md come from here.
 */

import { acceptOffer, addOffer, admit, decidePairing, EMPTY_ADMISSION } from '../src/admission.ts'
import {
  type ClientInput,
  type ClientOutput,
  type ClientPhase,
  type ClientState,
  step as clientStep,
  wants as clientWants,
  fromBunker,
  fromOffer,
  fromSession,
} from '../src/client.ts'
import type { Permission } from '../src/permission.ts'
import { clientProfile } from '../src/profile.ts'
import {
  type Arrival,
  type SignerContext,
  type SignerInput,
  type SignerOutput,
  type SignerPhase,
  type SignerSession,
  step as signerStep,
  wants as signerWants,
} from '../src/remote-signer.ts'
import type { Millis, RequestId } from '../src/value.ts'
import {
  CLIENT,
  FRIEND,
  hexId,
  ONE,
  SECRET,
  SEED,
  SIGNER,
  START,
  STRANGER,
  TWO,
  templateText,
  USER,
} from './cast.ts'

/** One cell of the matrix. */
export interface Transition {
  readonly phase: string
  readonly input: string
  readonly next: string
  /** Kinds of outputs in order, with their codes. */
  readonly outputs: readonly string[]
}

export interface TransitionTable {
  readonly machine: string
  /** How each first phase comes about. */
  readonly starts: readonly { readonly by: string; readonly phase: string }[]
  readonly phases: readonly string[]
  readonly transitions: readonly Transition[]
}

// -- the client --------------------------------------------------------------------------------

const CALL = hexId(1)
const FACTS = {
  ...{ clientPubkey: CLIENT, profile: clientProfile('E'), relays: [ONE, TWO], secret: SECRET },
  seed: SEED,
}

/** The machine's own request of the present phase. */
function ownRequest(state: ClientState): RequestId {
  const own = Object.entries(state.pending).find(([, { own }]) => own)
  return own?.[0] ?? 'none'
}

function message(state: ClientState, body: unknown, from = state.remoteSigner ?? SIGNER): ClientInput {
  return { type: 'message', from, scheme: 'nip44', createdAt: START / 1_000, text: JSON.stringify(body) }
}

function feedClient(
  state: ClientState,
  ...inputs: readonly ((state: ClientState) => ClientInput)[]
): ClientState {
  let next = state
  for (const input of inputs) next = clientStep(next, input(next), START).state
  return next
}

const live = (): ClientInput => ({ type: 'live', relay: ONE })
const answer = (result: unknown) => (state: ClientState) => message(state, { id: ownRequest(state), result })
const call = (): ClientInput => ({ type: 'request', id: CALL, method: 'ping', params: [] })

/** One state of each phase: a relay is live, and a caller waits for an answer to `ping`. */
function clientStates(): readonly ClientState[] {
  const awaiting = feedClient(fromOffer(FACTS, START), live, call)
  const connecting = feedClient(fromBunker({ ...FACTS, remoteSigner: SIGNER }, START), live, call)
  const switching = feedClient(connecting, answer('ack'))
  const identifying = feedClient(switching, answer('null'))
  const ready = feedClient(identifying, answer(USER))
  const unpaired = feedClient(ready, (state) =>
    message(state, { id: CALL, error: 'unauthorized: not connected' }),
  )
  const loggingOut = feedClient(ready, () => ({ type: 'logout' }))
  const closed = feedClient(ready, () => ({ type: 'close' }))
  return [awaiting, connecting, switching, identifying, ready, unpaired, loggingOut, closed]
}

const wake: ClientInput = { type: 'wake' }

/** Each kind of input, and when it comes, in milliseconds from the state's moment. */
const CLIENT_INPUTS: readonly (readonly [string, (state: ClientState) => ClientInput, Millis?])[] = [
  ['a call', () => ({ type: 'request', id: hexId(2), method: 'describe', params: [] })],
  ['a call is cancelled', () => ({ type: 'cancel', id: CALL })],
  ['the answer to a call', (state) => message(state, { id: CALL, result: 'pong' })],
  [
    'a call is told that nobody knows us',
    (state) => message(state, { id: CALL, error: 'unauthorized: not connected' }),
  ],
  ['the offer’s secret', (state) => message(state, { id: 'x', result: SECRET })],
  [
    'connect with the offer’s secret',
    (state) => message(state, { id: 'x', method: 'connect', params: [SIGNER, SECRET] }),
  ],
  ['a stranger with the secret', (state) => message(state, { id: 'x', result: SECRET }, STRANGER)],
  ['a stranger', (state) => message(state, { id: 'x', result: 'x' }, STRANGER)],
  ['answer: ack', answer('ack')],
  ['answer: null', answer('null')],
  ['answer: a list of relays', answer('["wss://three.example"]')],
  ['answer: a pubkey', answer(USER)],
  ['answer: another text', answer('nonsense')],
  ['answer: an error', (state) => message(state, { id: ownRequest(state), error: 'denied: no' })],
  [
    'answer: a page to visit',
    (state) => message(state, { id: ownRequest(state), result: 'auth_url', error: 'https://bunker.example' }),
  ],
  [
    'answer: a page that must not be opened',
    (state) => message(state, { id: ownRequest(state), result: 'auth_url', error: 'javascript:x' }),
  ],
  ['a request', (state) => message(state, { id: 'x', method: 'ping', params: [] })],
  ['junk', (state) => ({ ...message(state, ''), text: 'junk' }) as ClientInput],
  [
    'a message in the other scheme',
    (state) => ({ ...message(state, { id: 'x' }), scheme: 'nip04' }) as ClientInput,
  ],
  ['another relay is live', () => ({ type: 'live', relay: TWO })],
  ['the last relay is down', () => ({ type: 'down', relay: ONE })],
  [
    'a relay took its request',
    (state) => ({ type: 'published', id: ownRequest(state), outcome: { ok: true, value: { relay: ONE } } }),
  ],
  [
    'every relay refused its request',
    (state) => ({
      ...{ type: 'published', id: ownRequest(state) },
      outcome: { ok: false, error: [{ relay: ONE, reason: 'blocked: no' }] },
    }),
  ],
  [
    'nobody listens for its request',
    (state) => ({
      ...{ type: 'published', id: ownRequest(state) },
      outcome: { ok: false, error: [{ relay: ONE, reason: 'mute: nobody' }] },
    }),
  ],
  ['logout', () => ({ type: 'logout' })],
  ['close', () => ({ type: 'close' })],
  ['wake: nothing is due', () => wake, 0],
  ['wake: 1.5 s later', () => wake, 1_500],
  ['wake: 3 s later', () => wake, 3_000],
  ['wake: 30 s later', () => wake, 30_000],
  ['wake: 65 s later', () => wake, 65_000],
  ['wake: 5 min later', () => wake, 300_000],
]

/** Every phase of a client with every kind of input. */
export function clientTransitions(): TransitionTable {
  const transitions: Transition[] = []
  const states = clientStates()
  for (const state of states) {
    for (const [input, make, ms = 0] of CLIENT_INPUTS) {
      const next = clientStep(state, make(state), START + ms)
      const outputs = next.outputs.map(clientOutput)
      transitions.push({ phase: state.phase, input, next: next.state.phase, outputs })
    }
    // A whole login without any relay, which no single wake above can show.
    const dark = clientStep(state, { type: 'down', relay: ONE }, START).state
    const woken = clientStep(dark, wake, START + 15_000)
    const outputs = woken.outputs.map(clientOutput)
    transitions.push({
      phase: state.phase,
      input: '15 s without a relay',
      next: woken.state.phase,
      outputs,
    })
  }
  const session = {
    ...{ v: 1 as const, clientPubkey: CLIENT, remoteSigner: SIGNER, userPubkey: USER, relays: [ONE] },
    ...{ originRelays: [ONE], profile: clientProfile('E'), lastSwitchAt: START },
  }
  const starts = [
    { by: 'fromOffer', phase: fromOffer(FACTS, START).phase },
    { by: 'fromBunker', phase: fromBunker({ ...FACTS, remoteSigner: SIGNER }, START).phase },
    { by: 'fromSession', phase: fromSession(session, SEED, START).phase },
  ]
  return { machine: 'client', starts, phases: states.map(({ phase }): ClientPhase => phase), transitions }
}

function clientOutput(output: ClientOutput): string {
  switch (output.type) {
    case 'send':
      return output.kind === 'response' ? 'send an answer' : `send ${methodOf(output.text)}`
    case 'settle':
      return `settle ${output.outcome.ok ? 'ok' : output.outcome.error.code}`
    case 'ended':
      return `ended ${output.failure.code}`
    case 'alert':
    case 'ignored':
      return `${output.type} ${output.code}`
    default:
      return output.type
  }
}

function methodOf(text: string): string {
  return (JSON.parse(text) as { readonly method: string }).method
}

// -- the remote signer -------------------------------------------------------------------------

const CONTEXT: SignerContext = { preferredRelays: [TWO], isClientPubkey: (pubkey) => pubkey === STRANGER }
const GRANTED: readonly Permission[] = [{ method: 'sign_event', kind: 1 }]
const OFFER = {
  ...{ signerPubkey: SIGNER, userPubkey: USER, relays: [ONE], granted: GRANTED },
  ...{ createdAt: START, expiresAt: START + 86_400_000 },
}

function arrival(body: unknown, atMs: Millis = START): Arrival {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return {
    ...{
      from: CLIENT,
      to: SIGNER,
      eventId: '0'.repeat(64),
      createdAt: atMs / 1_000,
      scheme: 'nip44',
      relay: ONE,
    },
    text,
  }
}

const request = (method: string, params: readonly string[] = [], id: RequestId = 'r') => ({
  id,
  method,
  params,
})
const hear = (body: unknown, atMs?: Millis): SignerInput => ({
  type: 'message',
  arrival: arrival(body, atMs),
})

function enter(approval: 'secret' | 'ask', secret = SECRET): ReturnType<typeof admit> {
  const admission = addOffer(EMPTY_ADMISSION, SECRET, { ...OFFER, approval })
  return admit(admission, arrival(request('connect', [SIGNER, secret], 'c')), START, CONTEXT)
}

function feedSigner(session: SignerSession, ...inputs: readonly SignerInput[]): SignerSession {
  let next = session
  for (const input of inputs) next = signerStep(next, input, START, CONTEXT).session
  return next
}

function accepted(): SignerSession {
  const offer = {
    ...{
      clientPubkey: CLIENT,
      relays: [ONE],
      secret: SECRET,
      permissions: [],
      rejectedPerms: [],
      wildcard: false,
    },
    ...{ metadata: {}, extras: [] },
  }
  return acceptOffer(
    { offer, signerPubkey: SIGNER, userPubkey: USER, relays: [], granted: GRANTED, id: hexId(9) },
    START,
  )
}

/** One state of each phase; in `open` one request waits for a decision (`d`) and one for the key (`k`). */
function signerStates(): readonly SignerSession[] {
  const pairing = enter('ask').session
  const opened = enter('secret').session
  if (pairing === undefined || opened === undefined) throw new Error('the token opens nothing')
  const open = feedSigner(
    opened,
    hear(request('sign_event', [templateText(4)], 'd')),
    hear(request('sign_event', [templateText(1)], 'k')),
  )
  const ending = feedSigner(open, hear(request('logout', [], 'o')))
  const revoked = feedSigner(open, { type: 'revoke' })
  return [pairing, feedSigner(accepted(), { type: 'wake' }), open, ending, revoked]
}

const SIGNER_INPUTS: readonly (readonly [string, SignerInput, Millis?])[] = [
  ['request: connect with its token', hear(request('connect', [SIGNER, SECRET]))],
  ['request: connect with another token', hear(request('connect', [SIGNER, 'other']))],
  ['request: ping', hear(request('ping'))],
  ['request: get_public_key', hear(request('get_public_key'))],
  ['request: switch_relays', hear(request('switch_relays'))],
  ['request: logout', hear(request('logout'))],
  ['request: an operation that is granted', hear(request('sign_event', [templateText(1, 'x')]))],
  ['request: an operation that is not granted', hear(request('sign_event', [templateText(4, 'x')]))],
  ['request: an operation that never is', hear(request('nip44_decrypt', [STRANGER, 'x']))],
  ['request: an operation with bad params', hear(request('nip44_decrypt', [FRIEND]))],
  ['request: an unknown method', hear(request('unheard_of'))],
  ['request: the same again', hear(request('sign_event', [templateText(1)], 'k'))],
  ['request: another under an id in use', hear(request('ping', [], 'k'))],
  ['request: from another time', hear(request('ping'), START - 3_600_000)],
  ['a response', hear({ id: 'x', result: 'ack' })],
  ['junk', hear('junk')],
  ['repeat', { type: 'repeat', requestId: 'k', relay: ONE }],
  ['decide: yes', { type: 'decide', id: 'd', verdict: { allow: true } }],
  ['decide: no', { type: 'decide', id: 'd', verdict: { allow: false } }],
  ['challenge', { type: 'challenge', id: 'd', url: 'https://bunker.example' }],
  ['challenge of the pairing', { type: 'challenge', id: '', url: 'https://bunker.example' }],
  ['complete: a result', { type: 'complete', id: 'k', outcome: { ok: true, value: 'signed' } }],
  ['complete: an error', { type: 'complete', id: 'k', outcome: { ok: false, error: 'unavailable: locked' } }],
  ['a relay took the answer to logout', { type: 'published', id: 'o' }],
  ['a relay took another answer', { type: 'published', id: 'c' }],
  ['set-policy', { type: 'set-policy', policy: { notes: 'yes' } }],
  ['revoke', { type: 'revoke' }],
  ['wake: nothing is due', { type: 'wake' }, 0],
  ['wake: 2 s later', { type: 'wake' }, 2_000],
  ['wake: 5 s later', { type: 'wake' }, 5_000],
  ['wake: 60 s later', { type: 'wake' }, 60_000],
  ['wake: 5 min later', { type: 'wake' }, 300_000],
]

/** A stranger at the door, and every phase of a session with every kind of input. */
export function signerTransitions(): TransitionTable {
  const transitions: Transition[] = []
  const strangers = [
    ['connect with a good token', enter('secret')],
    ['connect with a token to decide on', enter('ask')],
    ['connect with a bad token', enter('secret', 'nope')],
  ] as const
  for (const [input, { session, outputs, reply }] of strangers) {
    const said = reply === undefined ? [] : [`send ${resultOf(reply)}`]
    transitions.push({
      ...{ phase: 'stranger', input, next: session?.phase ?? 'stranger' },
      outputs: [...outputs.map(signerOutput), ...said],
    })
  }
  const states = signerStates()
  for (const session of states) {
    const add = (
      input: string,
      next: { readonly session: SignerSession; readonly outputs: readonly SignerOutput[] },
    ) => {
      const outputs = next.outputs.map(signerOutput)
      transitions.push({ phase: session.phase, input, next: next.session.phase, outputs })
    }
    for (const [input, value, ms = 0] of SIGNER_INPUTS)
      add(input, signerStep(session, value, START + ms, CONTEXT))
    const { admission } = enter('ask')
    add('pairing: yes', decidePairing(admission, session, { allow: true }, START, CONTEXT))
    add('pairing: no', decidePairing(admission, session, { allow: false }, START, CONTEXT))
    const expiring = { ...session, expiresAt: START + 1 }
    add('its time is over', signerStep(expiring, { type: 'wake' }, START + 1, CONTEXT))
  }
  const starts = [
    { by: 'a message', phase: 'stranger' },
    { by: 'acceptOffer', phase: accepted().phase },
  ]
  const phases = ['stranger', ...states.map(({ phase }): SignerPhase => phase)]
  return { machine: 'remote signer', starts, phases, transitions }
}

function signerOutput(output: SignerOutput): string {
  switch (output.type) {
    case 'send':
      return `send ${resultOf(output.text)}`
    case 'ask':
      return `ask ${output.question.type}`
    case 'perform':
      return `perform ${output.operation.method}`
    case 'refused':
      return `refused ${output.operation.method}`
    case 'ended':
    case 'ignored':
      return `${output.type} ${output.reason}`
    case 'readmit':
      return output.type
  }
}

function resultOf(text: string): string {
  const { result, error } = JSON.parse(text) as { readonly result: string; readonly error?: string }
  if (error !== undefined) return result === 'auth_url' ? 'auth_url' : `error “${error}”`
  return result === USER ? 'the user’s pubkey' : result === SECRET ? 'the secret' : `“${result}”`
}

/** Whether a phase still wants anything of its host. */
export function isOver(table: TransitionTable, phase: string): boolean {
  const client = clientStates().find((state) => state.phase === phase)
  const session = signerStates().find((state) => state.phase === phase)
  const wanted = table.machine === 'client' ? client && clientWants(client) : session && signerWants(session)
  return wanted !== undefined && Object.keys(wanted).length === 0
}
