import { isDeepStrictEqual } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import {
  acceptOffer,
  addOffer,
  admit,
  decidePairing,
  EMPTY_ADMISSION,
  revokeOffer,
} from '../src/admission.ts'
import {
  type ClientInput,
  type ClientState,
  step as clientStep,
  wants as clientWants,
  fromBunker,
  fromOffer,
  fromSession,
  restart,
} from '../src/client.ts'
import { type OpenContext, open, openBatch, seal } from '../src/envelope.ts'
import type { SignedEvent } from '../src/event.ts'
import { CLIENT_PENDING, SESSION_PENDING, SESSION_RELAYS } from '../src/limits.ts'
import type { Permission } from '../src/permission.ts'
import type { Verdict } from '../src/port.ts'
import { clientProfile, type Era } from '../src/profile.ts'
import {
  type Arrival,
  outstanding,
  type SignerContext,
  type SignerInput,
  type SignerOutput,
  type SignerSession,
  step as signerStep,
  wants as signerWants,
} from '../src/remote-signer.ts'
import { hashSecret } from '../src/secret.ts'
import { type Millis, type RequestId, UsageError } from '../src/value.ts'
import {
  CLIENT,
  FRIEND,
  hexId,
  ONE,
  relay,
  SECRET,
  SEED,
  SIGNER,
  START,
  STRANGER,
  THREE,
  TWO,
  templateText,
  USER,
} from './cast.ts'
import { countingJudge, isNote, NOTES_AT_FIRST, ONE_MORE } from './counting-judge.ts'
import { countingRandom, fakeCrypto } from './fake-crypto.ts'
import { type Chance, chanceOf } from './link.ts'
import { mutations } from './mutation.ts'

const ODD_IDS = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '',
  '0',
  '7',
  'x'.repeat(129),
  '\ud800',
] as const
const RELAYS = [ONE, TWO, THREE, relay('four'), relay('five')] as const
const figures: Record<string, number> = {}

function count(name: string, times = 1): void {
  figures[name] = (figures[name] ?? 0) + times
}

afterAll(() => {
  const words = Object.entries(figures).map(([name, times]) => `${times} ${name}`)
  process.stdout.write(`machine fuzz: ${words.join(', ')}\n`)
})

/** Damaged texts without end, from whole ones. */
function damaged(texts: readonly string[], seed: number): () => string {
  const source = mutations(texts, Number.POSITIVE_INFINITY, seed)
  return () => String(source.next().value)
}

// -- the client --------------------------------------------------------------------------------

const RESPONSES = [
  '{"id":"ID","result":"ack"}',
  `{"id":"ID","result":"${SECRET}"}`,
  `{"id":"ID","result":"${USER}"}`,
  `{"id":"ID","result":"${FRIEND}"}`,
  '{"id":"ID","result":"pong"}',
  '{"id":"ID","result":"null"}',
  '{"id":"ID","result":null}',
  '{"id":"ID","result":"","error":"unsupported: unknown method"}',
  '{"id":"ID","error":{"message":"no"}}',
  '{"id":"ID","result":"auth_url","error":"https://bunker.example/a"}',
  '{"id":"ID","result":"auth_url","error":"https://bunker.example/b?c#d"}',
  '{"id":"ID","result":"auth_url","error":"javascript:alert(1)"}',
  '{"id":"ID","result":"auth_required","auth_url":"https://bunker.example/c"}',
  '{"id":"ID","result":"[\\"wss://two.example\\"]"}',
  '{"id":"ID","result":["wss://three.example","wss://four.example"]}',
  '{"id":"ID","result":"[]"}',
  `{"id":"ID","method":"connect","params":["${SIGNER}","${SECRET}"]}`,
  '{"id":"ID","method":"disconnect","params":[]}',
  '{"id":"ID","result":{"a":[{"b":{}}]}}',
]

function clientInput(chance: Chance, state: ClientState, number: number, damage: () => string): ClientInput {
  const pending = Object.keys(state.pending)
  const known = pending[chance.below(pending.length + 1)] ?? chance.pick(ODD_IDS)
  const relay = chance.pick(RELAYS)
  switch (
    chance.pick([
      'request',
      'request',
      'message',
      'message',
      'message',
      'message',
      'live',
      'down',
      'published',
      'other',
    ])
  ) {
    case 'request': {
      const method = chance.pick([
        'sign_event',
        'ping',
        'switch_relays',
        'get_public_key',
        'unheard_of',
        '__proto__',
      ])
      const id = chance.of(0.05) ? known : hexId(number)
      const params = chance.of(0.1) ? [damage()] : [templateText()]
      return {
        type: 'request',
        id,
        method,
        params,
        ...(chance.of(0.3) && { timeoutMs: chance.below(90_000) }),
      }
    }
    case 'message': {
      const whole = (RESPONSES[chance.below(RESPONSES.length)] ?? '').replace('"ID"', JSON.stringify(known))
      const text = chance.of(0.5) ? whole : damage().replace('"ID"', JSON.stringify(known))
      const from = chance.of(0.85) ? (state.remoteSigner ?? SIGNER) : STRANGER
      const scheme = chance.of(0.97) ? state.profile.scheme : chance.pick(['nip44', 'nip04'])
      return { type: 'message', from, scheme, createdAt: START / 1_000 + chance.below(4_000) - 500, text }
    }
    case 'live':
      return { type: 'live', relay }
    case 'down':
      return { type: 'down', relay }
    case 'published': {
      const reason = chance.pick([
        'timeout',
        'unreachable',
        'mute: x',
        'blocked: x',
        'rate-limited: x',
        '',
        damage(),
      ])
      const error = Array.from({ length: chance.below(3) }, () => ({ relay, reason }))
      return {
        type: 'published',
        id: known,
        outcome: chance.of(0.5) ? { ok: true, value: { relay } } : { ok: false, error },
      }
    }
    default:
      return chance.pick([
        { type: 'cancel', id: known },
        { type: 'wake' },
        ...(chance.of(0.03) ? ([{ type: 'logout' }, { type: 'close' }] as const) : []),
      ])
  }
}

function startClient(chance: Chance): ClientState {
  const era: Era = chance.pick(['A0', 'A1', 'SEED', 'B', 'C', 'D', 'E', 'E', 'E'])
  const profile = clientProfile(era, { allowLegacyAck: chance.of(0.2) })
  const facts = { clientPubkey: CLIENT, profile, relays: [ONE, TWO], secret: SECRET, seed: SEED }
  const session = {
    ...{
      v: 1 as const,
      clientPubkey: CLIENT,
      remoteSigner: SIGNER,
      userPubkey: USER,
      relays: [ONE],
      profile,
    },
    ...{ originRelays: [TWO], lastSwitchAt: 0 },
  }
  return chance.pick([
    fromBunker({ ...facts, remoteSigner: SIGNER }, START),
    fromOffer(facts, START),
    fromSession(session, SEED, START),
  ])
}

describe('The client machine under 50,000 inputs in random order, half of the messages damaged', () => {
  it('throws at nobody but a careless caller, settles once, stays bounded, and is JSON all along', () => {
    const damage = damaged(RESPONSES, 1)
    let inputs = 0
    for (let seed = 0; inputs < 50_000; seed++) {
      const chance = chanceOf(seed)
      let state = startClient(chance)
      let now: Millis = START
      const open = new Set<RequestId>()
      const settled = new Set<RequestId>()
      for (let number = 0; number < 150 && inputs < 50_000; number++, inputs++) {
        const input = clientInput(chance, state, number + 1, damage)
        if (chance.of(0.3)) now += chance.below(chance.pick([10, 1_000, 20_000, 400_000]))
        let next: ReturnType<typeof clientStep>
        try {
          next = clientStep(state, input, now)
        } catch (cause) {
          if (!(cause instanceof UsageError) || input.type !== 'request') throw cause
          count('careless requests')
          continue
        }
        if (input.type === 'request') open.add(input.id)
        for (const output of next.outputs) {
          if (output.type === 'settle') {
            if (!open.has(output.id) || settled.has(output.id))
              throw new Error(`seed ${seed}: settled ${output.id} twice`)
            settled.add(output.id)
          }
          if (output.type === 'ready' && output.userPubkey === CLIENT)
            throw new Error('the client is no user')
          if (output.type === 'settle' || output.type === 'ended') count(`client ${output.type}`)
          if (
            output.type === 'auth-url' &&
            !/^https:\/\/|^http:\/\/(localhost|127\.|\[::1\])/i.test(output.url)
          ) {
            throw new Error(`seed ${seed}: ${output.url} was shown`)
          }
        }
        state = next.state
        checkClient(state, now, seed)
        if (chance.of(0.02)) state = restart(state, now)
      }
      const last = clientStep(state, { type: 'close' }, now)
      for (const output of last.outputs) if (output.type === 'settle') settled.add(output.id)
      expect([...open].filter((id) => !settled.has(id))).toEqual([])
      count(`clients that ended ${state.phase}`)
    }
    count('client inputs', inputs)
    for (const phase of ['ready', 'closed']) {
      expect(figures[`clients that ended ${phase}`], phase).toBeGreaterThan(50)
    }
  })
})

function checkClient(state: ClientState, now: Millis, seed: number): void {
  const { listen } = clientWants(state)
  if (Object.keys(state.pending).length > CLIENT_PENDING + 8)
    throw new Error(`seed ${seed}: too many pending`)
  if ((listen?.relays.length ?? 0) > 2 * SESSION_RELAYS) throw new Error(`seed ${seed}: too many relays`)
  if (!isDeepStrictEqual(JSON.parse(JSON.stringify(state)), state))
    throw new Error(`seed ${seed}: the state is no JSON`)
  let woken = state
  for (let wakes = 0; (clientWants(woken).wakeAt ?? Number.POSITIVE_INFINITY) <= now; wakes++) {
    if (wakes > 5) throw new Error(`seed ${seed}: it wants to be woken for ever`)
    woken = clientStep(woken, { type: 'wake' }, now).state
  }
}

// -- the remote signer -------------------------------------------------------------------------

const TEMPLATE = JSON.stringify(templateText())
const REQUESTS = [
  `{"id":"ID","method":"connect","params":["${SIGNER}","${SECRET}","sign_event:1","{\\"name\\":\\"x\\"}"]}`,
  `{"id":"ID","method":"connect","params":["${SIGNER}","other"]}`,
  `{"id":"ID","method":"connect","params":["${SIGNER}"]}`,
  `{"id":"ID","method":"sign_event","params":[${TEMPLATE}]}`,
  `{"id":"ID","method":"sign_event","params":[${JSON.stringify(templateText(24_133))}]}`,
  `{"id":"ID","method":"nip44_encrypt","params":["${FRIEND}","text"]}`,
  `{"id":"ID","method":"nip44_decrypt","params":["${FRIEND}","payload"]}`,
  `{"id":"ID","method":"nip04_decrypt","params":["${STRANGER}","payload"]}`,
  `{"id":"ID","method":"nip44_get_key","params":["${FRIEND}"]}`,
  '{"id":"ID","method":"ping","params":[]}',
  '{"id":"ID","method":"get_public_key","params":[]}',
  '{"id":"ID","method":"switch_relays","params":[]}',
  '{"id":"ID","method":"describe"}',
  '{"id":"ID","method":"get_relays","params":null}',
  '{"id":"ID","method":"logout","params":[]}',
  '{"id":"ID","method":"disconnect","params":[]}',
  '{"id":"ID","method":"__proto__","params":["__proto__"]}',
  '{"id":"ID","result":"ack"}',
  '{"id":7,"method":"sign_event","params":[{"kind":1,"content":"","tags":[],"created_at":1}]}',
]

const GRANTS: readonly [readonly Permission[], ...(readonly Permission[])[]] = [
  [],
  [{ method: 'sign_event' }],
  [{ method: 'sign_event', kind: 1 }, { method: 'nip44_encrypt' }, { method: 'nip44_get_key' }],
]

function arrival(chance: Chance, now: Millis, text: string, number: number): Arrival {
  return {
    ...{
      from: CLIENT,
      to: chance.of(0.97) ? SIGNER : STRANGER,
      eventId: hexId(number).padStart(64, '0'),
      text,
    },
    createdAt: Math.floor(now / 1_000) + (chance.of(0.9) ? 0 : chance.below(4_000) - 2_000),
    ...{ scheme: chance.of(0.8) ? 'nip44' : 'nip04', relay: chance.pick(RELAYS) },
  }
}

function signerInput(
  chance: Chance,
  session: SignerSession,
  now: Millis,
  number: number,
  damage: () => string,
): SignerInput {
  const pending = Object.keys(session.pending)
  const id = pending[chance.below(pending.length + 1)] ?? chance.pick(ODD_IDS)
  const verdict: Verdict = {
    allow: chance.of(0.7),
    ...(chance.of(0.3) && { grant: [{ method: 'nip44_decrypt' }] }),
    ...(chance.of(0.1) && { remember: ONE_MORE }),
  }
  switch (chance.pick(['message', 'message', 'message', 'decide', 'complete', 'other'])) {
    case 'message': {
      const named = chance.of(0.3) ? id : hexId(chance.below(40))
      const whole = (REQUESTS[chance.below(REQUESTS.length)] ?? '').replace('"ID"', JSON.stringify(named))
      const text = chance.of(0.5) ? whole : damage().replace('"ID"', JSON.stringify(named))
      if (text.includes('"logout"') && chance.of(0.9)) return { type: 'wake' }
      return { type: 'message', arrival: arrival(chance, now, text, number) }
    }
    case 'decide':
      return { type: 'decide', id, verdict }
    case 'complete': {
      const value = chance.pick(['signed', '', 'x'.repeat(50_000), '{"a":1}', '\ud800'])
      return {
        type: 'complete',
        id,
        outcome: chance.of(0.8) ? { ok: true, value } : { ok: false, error: value },
      }
    }
    default:
      return chance.pick([
        { type: 'repeat', requestId: id, relay: chance.pick(RELAYS) },
        { type: 'challenge', id, url: 'https://bunker.example' },
        { type: 'published', id },
        { type: 'wake' },
        ...(chance.of(0.05) ? ([{ type: 'set-policy', policy: null }] as const) : []),
        ...(chance.of(0.02) ? ([{ type: 'revoke' }] as const) : []),
      ])
  }
}

describe('The remote signer’s machines under 50,000 inputs in random order, half of the messages damaged', () => {
  it('never throw, never perform what was not granted or decided, answer once, stay bounded, and are JSON all along', () => {
    const damage = damaged(REQUESTS, 2)
    let inputs = 0
    for (let seed = 0; inputs < 50_000; seed++) {
      const chance = chanceOf(seed)
      const context: SignerContext = {
        preferredRelays: chance.pick([[], [TWO, THREE]]),
        isClientPubkey: (pubkey) => pubkey === STRANGER,
        ...(seed % 2 === 1 && { judge: countingJudge() }),
        ...(chance.of(0.5) && { nip44GetKey: true, implicitConnect: true, userRelays: {} }),
      }
      let now: Millis = START
      let admission = EMPTY_ADMISSION
      for (const secret of [SECRET, 'other', null]) {
        const offer = {
          ...{
            signerPubkey: SIGNER,
            userPubkey: chance.of(0.9) ? USER : FRIEND,
            relays: [ONE],
            granted: chance.pick(GRANTS),
          },
          ...{ approval: chance.pick(['ask', 'secret']), createdAt: START, expiresAt: START + 3_600_000 },
        }
        admission = addOffer(admission, secret, offer)
      }
      let session: SignerSession | undefined = chance.of(0.3) ? announced(chance) : undefined
      const allowed = new Set<RequestId>()
      const asked = new Set<RequestId>()
      let notes = 0
      let notesAllowed = NOTES_AT_FIRST
      const hear = (outputs: readonly SignerOutput[]) => {
        for (const output of outputs) {
          count(`signer ${output.type}`)
          if (output.type === 'ask') asked.add(output.id)
          if (output.type === 'perform') {
            const { operation } = output
            const granted =
              context.judge === undefined
                ? session?.granted.some(({ method }) => method === operation.method) === true
                : isNote(output)
            if (context.judge !== undefined && isNote(output) && !asked.has(output.id)) notes++
            if (notes > notesAllowed) throw new Error(`seed ${seed}: more notes than were allowed`)
            if (asked.has(output.id) && !allowed.has(output.id) && !granted)
              throw new Error(`seed ${seed}: performed unasked`)
            if (operation.method === 'sign_event' && operation.template.kind === 24_133)
              throw new Error('kind 24133')
            if (operation.method !== 'sign_event' && operation.peer === STRANGER)
              throw new Error('a client’s key')
          }
          if (output.type === 'send') JSON.parse(output.text)
          if (output.type === 'readmit') enter(output.arrival)
        }
      }
      const enter = (message: Arrival) => {
        const entered = admit(admission, message, now, context, session)
        admission = entered.admission
        if (entered.session?.policy === null) notesAllowed += NOTES_AT_FIRST
        session = entered.session ?? session
        hear(entered.outputs.filter(({ type }) => type !== 'readmit'))
      }
      for (let number = 0; number < 150 && inputs < 50_000; number++, inputs++) {
        if (chance.of(0.3)) now += chance.below(chance.pick([10, 1_000, 20_000, 400_000]))
        if (session === undefined) {
          const whole = (REQUESTS[chance.below(6)] ?? '').replace('"ID"', JSON.stringify(hexId(number)))
          enter(arrival(chance, now, chance.of(0.3) ? whole : damage(), number))
        } else if (session.phase === 'pairing' && chance.of(0.2)) {
          const decided = decidePairing(admission, session, { allow: chance.of(0.7) }, now, context)
          admission = decided.admission
          session = decided.session
          hear(decided.outputs)
        } else {
          const input = signerInput(chance, session, now, number, damage)
          if (input.type === 'decide' && input.verdict.allow) allowed.add(input.id)
          if (input.type === 'decide' && input.verdict.remember === ONE_MORE) notesAllowed++
          if (input.type === 'set-policy') notesAllowed += NOTES_AT_FIRST
          const next = signerStep(session, input, now, context)
          session = next.session
          hear(next.outputs)
        }
        if (chance.of(0.01)) admission = revokeOffer(admission, hashSecret(SECRET))
        if (session !== undefined) checkSigner(session, now, context, seed)
        if (!isDeepStrictEqual(JSON.parse(JSON.stringify(admission)), admission))
          throw new Error(`seed ${seed}: no JSON`)
      }
      count(`sessions that ended ${session?.phase ?? 'unborn'}`)
    }
    count('signer inputs', inputs)
    for (const name of [
      'signer perform',
      'signer ask',
      'signer refused',
      'signer readmit',
      'sessions that ended revoked',
    ]) {
      expect(figures[name], name).toBeGreaterThan(20)
    }
  })
})

function announced(chance: Chance): SignerSession {
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
  const facts = {
    signerPubkey: SIGNER,
    userPubkey: USER,
    relays: [],
    granted: chance.pick(GRANTS),
    id: hexId(1),
  }
  return acceptOffer({ offer, ...facts, ...(chance.of(0.3) && { scheme: 'nip04', era: 'A0' }) }, START)
}

function checkSigner(session: SignerSession, now: Millis, context: SignerContext, seed: number): void {
  const { pending, held, relays, previousRelays } = session
  if (Object.keys(pending).length > SESSION_PENDING || held.length > 8)
    throw new Error(`seed ${seed}: too many wait`)
  if (relays.length > SESSION_RELAYS || previousRelays.length > SESSION_RELAYS)
    throw new Error(`seed ${seed}: relays`)
  if (!isDeepStrictEqual(JSON.parse(JSON.stringify(session)), session))
    throw new Error(`seed ${seed}: no JSON`)
  const waiting = outstanding(session).length
  if (waiting !== Object.keys(pending).length + (session.phase === 'pairing' ? 1 : 0))
    throw new Error(`seed ${seed}: lost`)
  let woken = session
  for (let wakes = 0; (signerWants(woken).wakeAt ?? Number.POSITIVE_INFINITY) <= now; wakes++) {
    if (wakes > 5) throw new Error(`seed ${seed}: it wants to be woken for ever`)
    woken = signerStep(woken, { type: 'wake' }, now, context).session
  }
}

// -- the envelope ------------------------------------------------------------------------------

describe('The envelope under 20,000 damaged events', () => {
  it('never throws, and opens nothing but what was sealed', () => {
    const fake = fakeCrypto()
    const { crypto } = fake
    const signer = fake.key('remote signer')
    const client = fake.key('client')
    const context: OpenContext = {
      ...{ crypto, now: START / 1_000, key: (pubkey: string) => (pubkey === SIGNER ? signer : undefined) },
      scheme: (from) => (from === CLIENT ? 'either' : undefined),
    }
    const chance = chanceOf(3)
    const random = countingRandom()
    const sealed = Array.from({ length: 20 }, (_, i): SignedEvent => {
      const text = JSON.stringify({ id: hexId(i), method: 'ping', params: [] })
      const scheme = i % 2 === 0 ? ('nip44' as const) : ('nip04' as const)
      const made = seal(
        { text, to: SIGNER, key: client, scheme, createdAt: START / 1_000 },
        { crypto, random },
      )
      if (!made.ok) throw new Error(made.error)
      return made.value
    })
    const texts = mutations(
      sealed.map((event) => JSON.stringify(event)),
      10_000,
      4,
    )
    const events: unknown[] = []
    for (const text of texts) events.push(parsed(text))
    for (let i = 0; i < 10_000; i++)
      events.push(damageEvent(chance, chance.pick(sealed as [SignedEvent]), sealed))
    for (let from = 0; from < events.length; from += 100) {
      const batch = events.slice(from, from + 100)
      const opened = openBatch(batch, context)
      batch.forEach((event, i) => {
        const single = open(event, context)
        if (!isDeepStrictEqual(single, opened[i])) throw new Error('a batch and a single call differ')
        count(single.ok ? 'events opened' : `events dropped`)
        if (!single.ok) {
          count(single.error)
          return
        }
        const { id, pubkey, content } = event as SignedEvent
        const original = sealed.some(
          (known) => known.id === id && known.pubkey === pubkey && known.content === content,
        )
        if (!original) throw new Error(`opened what nobody sealed: ${JSON.stringify(event)}`)
      })
    }
    for (const code of [
      'event/shape',
      'event/kind',
      'event/not-addressed',
      'event/id',
      'event/sig',
      'event/author',
    ]) {
      expect(figures[code], code).toBeGreaterThan(20)
    }
  })
})

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    if (cause instanceof SyntaxError) return text
    throw cause
  }
}

/** One or two members replaced by what does not belong there. */
function damageEvent(chance: Chance, event: SignedEvent, others: readonly SignedEvent[]): unknown {
  const other = others[chance.below(others.length)] ?? event
  const member = () => chance.pick(['id', 'pubkey', 'created_at', 'kind', 'tags', 'content', 'sig'])
  const junk: readonly unknown[] = [
    ...[
      undefined,
      null,
      '',
      0,
      -1,
      1.5,
      Number.NaN,
      2 ** 53,
      [],
      {},
      [[]],
      [['p']],
      [['p', SIGNER]],
      [['p', 7]],
      'p',
    ],
    ...[STRANGER, SIGNER, FRIEND, 'f'.repeat(64), 'f'.repeat(128), [['p', FRIEND]]],
    [
      ['p', SIGNER],
      ['p', FRIEND],
    ],
    ...['A'.repeat(200_000), `${event.content}A`, event.content.slice(1), `${event.content}?iv=`],
    ...[
      START / 1_000 + 90_000,
      Array.from({ length: 101 }, () => ['t']),
      new Date(0),
      10n,
      () => 1,
      Symbol('x'),
    ],
  ]
  let damaged: Record<string, unknown> = { ...event }
  for (let times = 1 + chance.below(2); times > 0; times--) {
    const name = member()
    damaged[name] = chance.of(0.2) ? other[name] : junk[chance.below(junk.length)]
  }
  if (chance.of(0.1)) damaged = Object.assign(Object.create(null), damaged)
  if (chance.of(0.05)) Object.defineProperty(damaged, '__proto__', { value: { kind: 1 }, enumerable: true })
  return damaged
}
