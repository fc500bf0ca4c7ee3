import { describe, expect, it } from 'vitest'
import { acceptOffer, addOffer, EMPTY_ADMISSION } from '../src/admission.ts'
import { type ClientState, fromBunker, fromOffer } from '../src/client.ts'
import type { NostrConnectOffer } from '../src/nostrconnect-uri.ts'
import type { Permission } from '../src/permission.ts'
import type { Question, Verdict } from '../src/port.ts'
import { clientProfile, type Era } from '../src/profile.ts'
import type { SignerSession } from '../src/remote-signer.ts'
import type { Millis, Pubkey, RelayUrl } from '../src/value.ts'
import { FRIEND, hexId, pubkeyOf, relay, SECRET, SEED, SIGNER, START, STRANGER, USER } from './cast.ts'
import { type Asked, type ClientActor, createClientActor } from './client-actor.ts'
import { countingJudge } from './counting-judge.ts'
import { type Chance, chanceOf, createWorld, type Faults, type World } from './link.ts'
import { createSignerActor } from './signer-actor.ts'

const SESSIONS = 10_000
const FIRST_SEED = 46_000_000
/** When faults cease. */
const HEAL_MS = 400_000
/** How long a session may take then to find itself again: links, the fall-back to the token's relays, a switch. */
const RECOVER_MS = 180_000
/** Everything is over by then: the longest wait is a page that nobody visits. */
const HORIZON_MS = 1_800_000
/** Inputs that the report of a failed session shows. */
const NOTES = 40

const RELAYS: readonly [RelayUrl, ...RelayUrl[]] = [relay('a'), relay('b'), relay('c'), relay('d')]
const ALICE = pubkeyOf('alice')
const MALLORY = pubkeyOf('mallory')
const GRANTS: readonly [readonly Permission[], ...(readonly Permission[])[]] = [
  [],
  [{ method: 'sign_event' }],
  [{ method: 'sign_event', kind: 1 }, { method: 'nip44_encrypt' }],
]

interface Report {
  readonly asked: readonly Asked[]
  readonly executions: number
  readonly restarts: number
  readonly losses: number
  readonly ready: number
  /** Requests made after all faults had ceased. */
  readonly afterwards: number
  readonly refusals: number
  /** How often each kind of output, alert, failure and ignored message occurred at the clients. */
  readonly seen: { readonly [kind: string]: number }
  readonly trace: string
}

interface Plan {
  readonly faults: Faults
  readonly crash: number
  readonly flaps: number
  /** Nobody hesitates, denies, cancels, intrudes or leaves. */
  readonly calm: boolean
  /** Which dialects the two speak, and how they meet; otherwise the dice say. */
  readonly dialects?: {
    readonly flow: 'bunker' | 'nostrconnect'
    readonly client: Era
    readonly signer: Era
  }
}

const GOOD: Plan = {
  faults: { drop: 0, double: 0, delayMs: 300, keep: true, mute: false, refuse: 0 },
  ...{ crash: 0, flaps: 0, calm: true },
}

function rollPlan(chance: Chance): Plan {
  const harshness = chance.pick([0, 1, 1, 2])
  return {
    faults: {
      drop: [0, 0.04, 0.25][harshness] ?? 0,
      double: [0, 0.1, 0.3][harshness] ?? 0,
      delayMs: [300, 3_000, 12_000][harshness] ?? 0,
      keep: chance.of(0.6),
      mute: chance.of(0.3),
      refuse: [0, 0.01, 0.1][harshness] ?? 0,
    },
    crash: chance.pick([0, 0, 0.02, 0.08]),
    flaps: chance.pick([0, 0, 1, 4]),
    calm: false,
  }
}

/** What the key answers: to be told apart by what was asked, and the same each time. */
function resultOf(method: string, params: readonly string[]): string {
  switch (method) {
    case 'ping':
      return 'pong'
    case 'get_public_key':
      return USER
    case 'sign_event':
      return `signed ${params[0]}`
    case 'nip44_encrypt':
      return `sealed ${params[1]}`
    default:
      return 'null'
  }
}

/** One session of one seed, from its first relay to its end. Throws with the seed and the last inputs. */
function runSession(seed: number, plan?: Plan): Report {
  const notes: string[] = []
  try {
    return playSession(seed, plan, notes)
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`seed ${seed}: ${words}\nlast inputs:\n${notes.slice(-NOTES).join('\n')}`, { cause })
  }
}

function playSession(seed: number, given: Plan | undefined, notes: string[]): Report {
  const chance = chanceOf(seed)
  const plan = given ?? rollPlan(chance)
  const { calm } = plan
  const world = createWorld(seed ^ 0x5bd1e995, START, plan.faults)
  let healed = false
  let trace = 0
  const note = (who: string, what: unknown) => {
    if (notes.length > 4 * NOTES) notes.splice(0, 3 * NOTES)
    const line = `${world.now - START} ms ${who} ${JSON.stringify(what)}`
    notes.push(line)
    trace = (Math.imul(trace, 31) + (world.now - START) + line.length) | 0
  }
  const crash = () => (healed ? 0 : plan.crash)

  const { dialects } = plan
  const flow = dialects?.flow ?? chance.pick(['bunker', 'nostrconnect'])
  const scheme = chance.pick(['nip44', 'nip44', 'nip44', 'nip04'])
  const profile = clientProfile(dialects?.client ?? (scheme === 'nip04' ? 'SEED' : 'E'), { logout: 'logout' })
  const signerEra = dialects?.signer ?? (scheme === 'nip04' ? 'SEED' : 'E')
  const relays = RELAYS.slice(0, 1 + chance.below(3))
  const preferredRelays = chance.of(0.3) ? RELAYS.slice(1 + chance.below(3)) : []
  const token = flow === 'bunker' && chance.of(0.2) ? null : SECRET
  const approval = chance.pick(['secret', 'secret', 'ask'])
  const granted = chance.pick(GRANTS)

  const offer = {
    ...{ signerPubkey: SIGNER, userPubkey: USER, relays, granted, approval },
    ...{ createdAt: START, expiresAt: START + 86_400_000 },
  }
  const signer = createSignerActor(
    world,
    flow === 'bunker' ? addOffer(EMPTY_ADMISSION, token, offer) : EMPTY_ADMISSION,
    {
      ...{ name: 'signer', crash, signerPubkey: SIGNER, relays, preferredRelays, note },
      ...(seed % 3 === 0 && { judge: countingJudge() }),
      decide: (question) => decide(world.chance, calm || healed, question),
      challenge: () => !calm && !healed && world.chance.of(0.1),
      keyMs: () => world.chance.below(400),
      perform: (operation) => {
        const text =
          operation.method === 'sign_event'
            ? [JSON.stringify(operation.template)]
            : ['', 'plaintext' in operation ? operation.plaintext : '']
        return resultOf(operation.method, text)
      },
    },
  )

  const clients: ClientActor[] = []
  const addClient = (clientPubkey: Pubkey): ClientActor => {
    const facts = { clientPubkey, profile, relays, secret: token, seed: SEED }
    const state: ClientState =
      flow === 'bunker'
        ? fromBunker({ ...facts, remoteSigner: SIGNER }, world.now)
        : fromOffer({ ...facts, secret: SECRET }, world.now)
    const client = createClientActor(world, state, {
      ...{ name: `client ${clients.length}`, crash, expectUser: USER, expectSigner: SIGNER, note },
      expectResult: ({ method, params }) => resultOf(method, params),
    })
    clients.push(client)
    client.start()
    return client
  }

  signer.start()
  const alice = addClient(ALICE)
  for (let flap = 0; flap < plan.flaps; flap++) flapRelay(world, chance)
  if (flow === 'nostrconnect') {
    const accept = () => {
      if (!signer.adopt(acceptFrom(ALICE, relays, signerEra, granted, world.now))) world.after(1_000, accept)
    }
    world.after(chance.below(20_000), accept)
    if (!calm && chance.of(0.3)) intrude(world, alice, relays, chance)
  } else if (!calm && token !== null && chance.of(0.2)) {
    world.after(chance.below(10_000), () => addClient(MALLORY))
  }
  for (let number = chance.below(8); number > 0; number--) askSometime(world, alice, chance, calm, number)
  const way = calm ? 'stay' : chance.pick(['logout', 'close', 'revoke', 'stay', 'stay'])
  if (way !== 'stay') {
    world.after(20_000 + chance.below(200_000), () => {
      if (way === 'revoke') signer.revoke(ALICE)
      else alice.feed({ type: way })
    })
  }

  // Once faults cease, a session that stands must work: the person is quick then, and the relays are honest.
  let afterwards = 0
  world.after(HEAL_MS, () => {
    healed = true
    world.heal()
  })
  world.after(HEAL_MS + RECOVER_MS, () => {
    if (alice.state.phase !== 'ready') return
    if (!['open', 'unconfirmed'].includes(signer.sessions.get(ALICE)?.phase ?? 'none')) return
    for (const number of [0x91, 0x92, 0x93]) {
      afterwards++
      askNow(alice, number, number === 0x91 ? 'ping' : 'sign_event', 60_000)
    }
  })
  world.run(START + HORIZON_MS)

  for (const client of clients) {
    for (const [id, { end, method }] of client.asked) {
      if (end === undefined) throw new Error(`${method} ${id} was never settled`)
      const late = Number.parseInt(id, 16) >= 0x91
      if (late && end !== 'ok')
        throw new Error(`${method} ${id} ended with ${end} although nothing is wrong any more`)
    }
    client.feed({ type: 'close' })
    if (Object.keys(client.state.pending).length > 0) throw new Error('something is pending after the end')
  }
  for (const [key, times] of signer.executions)
    if (times !== 1) throw new Error(`${key} was executed ${times} times`)
  for (const users of signer.opened.values())
    if (users.size > 1) throw new Error('one secret let two clients in')
  const ready = clients.filter(({ outputs }) => outputs['ready'] !== undefined).length
  if (ready > 1) throw new Error('two clients are ready with one secret')
  return {
    asked: clients.flatMap((client) => [...client.asked.values()]),
    executions: signer.executions.size,
    restarts: signer.restarts + sumOf(clients.map((client) => client.restarts)),
    ...{ losses: world.losses, ready, afterwards, refusals: signer.refusals },
    seen: addUp(clients.map(({ outputs }) => outputs)),
    trace: `${trace} ${JSON.stringify(clients.map(({ state }) => state))}`,
  }
}

/** A person: mostly says yes, sometimes no, too late, or nothing. */
function decide(
  chance: Chance,
  quick: boolean,
  question: Question,
): { readonly verdict: Verdict; readonly afterMs: number } | undefined {
  if (quick) return { verdict: { allow: true }, afterMs: 500 }
  if (chance.of(0.1)) return undefined
  const allow = chance.of(0.9)
  const remember = question.type === 'operation' && chance.of(0.3)
  const afterMs = chance.pick([100, 1_000, 5_000, 20_000, 70_000])
  return { verdict: { allow, ...(remember && { grant: [{ method: 'sign_event' }] }) }, afterMs }
}

function flapRelay(world: World, chance: Chance): void {
  const url = chance.pick(RELAYS)
  const from = chance.below(100_000)
  world.after(from, () => world.setUp(url, false))
  world.after(from + 100 + chance.below(chance.pick([2_000, 20_000, 120_000])), () => world.setUp(url, true))
}

function acceptFrom(
  clientPubkey: Pubkey,
  relays: readonly RelayUrl[],
  era: Era,
  granted: readonly Permission[],
  now: Millis,
): SignerSession {
  const offer: NostrConnectOffer = {
    ...{ clientPubkey, relays, secret: SECRET, permissions: [], rejectedPerms: [], wildcard: false },
    ...{ metadata: {}, extras: [] },
  }
  const facts = { signerPubkey: SIGNER, userPubkey: USER, relays: [], granted, id: hexId(0xabc) }
  const { scheme } = clientProfile(era)
  return acceptOffer({ offer, ...facts, era, scheme }, now)
}

/** Somebody who saw the client writes to it: junk at any time, and the secret itself once it is too late. */
function intrude(world: World, client: ClientActor, relays: readonly RelayUrl[], chance: Chance): void {
  const { clientPubkey: to, profile } = client.state
  const texts = [
    '{"id":"x","result":"ack"}',
    '{"id":"x","result":"nope"}',
    '{"id":"x","method":"connect","params":["","nope"]}',
    '{"id":"x","result":"auth_url","error":"https://evil.example"}',
    'junk',
  ] as const
  for (let i = 0; i < 8; i++) {
    world.after(chance.below(60_000), () => {
      const bound = client.state.remoteSigner !== null
      const text = bound ? `{"id":"x","result":"${SECRET}"}` : chance.pick(texts)
      const createdAt = Math.floor(world.now / 1_000)
      const event = {
        id: `intruder ${chance.next()}`,
        from: STRANGER,
        to,
        scheme: profile.scheme,
        createdAt,
        text,
      }
      world.publish(relays, event, () => undefined)
    })
  }
}

function askSometime(world: World, client: ClientActor, chance: Chance, calm: boolean, number: number): void {
  const at = chance.below(60_000)
  const method = chance.pick([
    'sign_event',
    'sign_event',
    'sign_event',
    'nip44_encrypt',
    'ping',
    'get_public_key',
  ])
  const timeoutMs = calm ? 60_000 : chance.pick([60_000, 60_000, 10_000, 1_000])
  world.after(at, () => askNow(client, number, method, timeoutMs))
  if (!calm && chance.of(0.05)) {
    world.after(at + chance.below(5_000), () => client.feed({ type: 'cancel', id: hexId(number) }))
  }
}

function askNow(client: ClientActor, number: number, method: string, timeoutMs: number): void {
  const template = { kind: number % 2, content: `note ${number}`, tags: [], created_at: START / 1_000 }
  const params =
    { sign_event: [JSON.stringify(template)], nip44_encrypt: [FRIEND, `text ${number}`] }[method] ?? []
  client.ask(hexId(number), method, params, timeoutMs)
}

function addUp(counts: readonly { readonly [kind: string]: number }[]): { [kind: string]: number } {
  const sum: Record<string, number> = {}
  for (const count of counts) {
    for (const [kind, times] of Object.entries(count)) sum[kind] = (sum[kind] ?? 0) + times
  }
  return sum
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0)
}

/** The figures of many sessions: counts by name, and how requests ended. */
function runSessions(count: number, first: number, plan?: Plan) {
  const seen: { readonly [kind: string]: number }[] = []
  const figures: { readonly [name: string]: number }[] = []
  const ends: Record<string, number> = {}
  for (let i = 0; i < count; i++) {
    const report = runSession(first + i, plan)
    const { asked, executions, restarts, losses, ready, afterwards, refusals } = report
    figures.push({
      sessions: 1,
      ready,
      requests: asked.length,
      executions,
      restarts,
      losses,
      refusals,
      afterwards,
    })
    seen.push(report.seen)
    for (const { end = 'open' } of asked) ends[end] = (ends[end] ?? 0) + 1
  }
  return { figures: addUp(figures), ends, seen: addUp(seen) }
}

const inWords = (counts: { readonly [name: string]: number }) =>
  Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ')

describe('Simulated sessions of a client and a remote signer', () => {
  it(`settle each request once and execute nothing twice, from ${SESSIONS} seeds over bad links with restarts`, {
    timeout: 300_000,
  }, () => {
    const { figures, ends, seen } = runSessions(SESSIONS, FIRST_SEED)
    process.stdout.write(
      `simulation from seed ${FIRST_SEED}: ${inWords(figures)}; requests settled: ${inWords(ends)}\n`,
    )
    expect(figures['sessions']).toBe(SESSIONS)
    // What never happened was not tested.
    for (const name of ['ready', 'requests', 'executions', 'restarts', 'losses', 'refusals', 'afterwards']) {
      expect(figures[name], name).toBeGreaterThan(500)
    }
    const endings = [
      'ok',
      'remote/error',
      'timeout/no-answer',
      'timeout/not-sent',
      'cancelled',
      'closed',
      'logged-out',
    ]
    for (const code of endings) expect(ends[code], code).toBeGreaterThan(100)
    const rare = [
      'timeout/auth',
      'publish/rejected',
      'transport/no-relay',
      'timeout/connect',
      'auth-url',
      'relays',
    ]
    const alerts = [
      'connect/two-signers',
      'signer/offline',
      'relays/switch-failed',
      'auth/repeated',
      'connect/secret',
    ]
    for (const code of [...rare, ...alerts]) expect(seen[code], code).toBeGreaterThan(5)
  })

  it('all succeed over a good link', () => {
    const { figures, ends } = runSessions(500, 1, GOOD)
    expect(figures['ready']).toBe(500)
    expect(ends).toEqual({ ok: figures['requests'] })
    expect(figures['restarts']).toBe(0)
  })

  it('work between all dialects that share an encryption, and end with a typed failure between the others', () => {
    const eras = ['A0', 'A1', 'SEED', 'B', 'C', 'D', 'E'] as const
    for (const client of eras) {
      for (const signer of eras) {
        const offered = runSessions(4, 1, { ...GOOD, dialects: { flow: 'nostrconnect', client, signer } })
        const pair = `client ${client}, signer ${signer}`
        const together = clientProfile(client).scheme === clientProfile(signer).scheme
        expect(offered.figures['ready'], pair).toBe(together ? 4 : 0)
        expect(offered.seen['timeout/connect'] ?? 0, pair).toBe(together ? 0 : 4)
        if (together) expect(offered.ends, pair).toEqual({ ok: offered.figures['requests'] })
      }
      const called = runSessions(8, 1, { ...GOOD, dialects: { flow: 'bunker', client, signer: 'E' } })
      expect(called.figures['ready'], client).toBe(8)
      expect(called.ends, client).toEqual({ ok: called.figures['requests'] })
    }
  })

  it('repeat to the letter for a seed', () => {
    for (const seed of [1, 2, 3, FIRST_SEED]) expect(runSession(seed).trace).toBe(runSession(seed).trace)
  })
})
