/**
 * A remote signer in the world of `link.ts`: admission and sessions, a host around them with a person and a key, and an
 * eye on everything that must never happen.
 * Never executes what the machine did not hand out.
 */

import { isDeepStrictEqual } from 'node:util'
import { type Admission, admit, decidePairing } from '../src/admission.ts'
import { OFFERS, SESSION_PENDING, SESSION_RELAYS } from '../src/limits.ts'
import { parseRequest } from '../src/message.ts'
import type { Operation } from '../src/method.ts'
import { covers } from '../src/permission.ts'
import type { Judge, Question, Verdict } from '../src/port.ts'
import {
  type Arrival,
  outstanding,
  PAIRING_ID,
  type SignerContext,
  type SignerInput,
  type SignerOutput,
  type SignerSession,
  step,
  wants,
} from '../src/remote-signer.ts'
import type { Millis, Pubkey, RelayUrl, RequestId, Scheme } from '../src/value.ts'
import { NOTES_AT_FIRST } from './counting-judge.ts'
import type { Carried, World } from './link.ts'

export interface SignerActor {
  readonly sessions: ReadonlyMap<Pubkey, SignerSession>
  /** How often the key did what a client's request asked, by client and request id. */
  readonly executions: ReadonlyMap<string, number>
  readonly opened: ReadonlyMap<string, ReadonlySet<Pubkey>>
  readonly restarts: number
  readonly refusals: number
  start(): void
  /** False while the process is down. */
  adopt(session: SignerSession): boolean
  revoke(client: Pubkey): void
}

export interface SignerWatch {
  readonly name: string
  /** Probability that the process dies after a step. */
  readonly crash: () => number
  readonly signerPubkey: Pubkey
  readonly relays: readonly RelayUrl[]
  readonly preferredRelays: readonly RelayUrl[]
  readonly judge?: Judge
  /** What the person says, after how long; undefined: nothing, ever. */
  readonly decide: (question: Question) => { readonly verdict: Verdict; readonly afterMs: number } | undefined
  readonly challenge: (question: Question) => boolean
  readonly keyMs: () => number
  readonly perform: (operation: Operation) => string
  readonly note: (who: string, what: unknown) => void
}

const WAKES = 10
/** Pauses before an answer that no relay took is sealed and published again. */
const OUTBOX: readonly Millis[] = [200, 400, 800, 1_600, 3_200]

export function createSignerActor(world: World, initial: Admission, watch: SignerWatch): SignerActor {
  let admission = initial
  let sessions = new Map<Pubkey, SignerSession>()
  let life = 0
  let up = true
  let armed: Millis | undefined
  let wakesNow = 0
  let wokenAt: Millis = -1
  let restarts = 0
  let refusals = 0
  let subscriptions = new Map<RelayUrl, () => void>()
  /** Verified event ids and what they asked: durable. */
  const seen = new Map<string, RequestId>()
  const handedOut = new Map<string, number>()
  const approved = new Set<string>()
  const executions = new Map<string, number>()
  const uses = new Map<Pubkey, number>()
  const opened = new Map<string, Set<Pubkey>>()

  const fail = (words: string): never => {
    throw new Error(`${watch.name}: ${words}`)
  }
  const context: SignerContext = {
    preferredRelays: watch.preferredRelays,
    isClientPubkey: (pubkey) => sessions.has(pubkey),
    ...(watch.judge !== undefined && { judge: watch.judge }),
  }

  const keep = (client: Pubkey, session: SignerSession) => {
    sessions.set(client, session)
    if (session.phase === 'open' && session.token !== null && !session.token.startsWith('open:')) {
      const clients = opened.get(session.token) ?? new Set()
      opened.set(session.token, clients.add(client))
    }
    const { pending, held, relays, previousRelays, granted } = session
    if (Object.keys(pending).length > SESSION_PENDING) fail('too many requests wait')
    if (held.length > 8) fail('too many requests are held')
    if (relays.length > SESSION_RELAYS || previousRelays.length > SESSION_RELAYS) fail('too many relays')
    if (granted.length > 64) fail('grants pile up')
    if (Object.keys(admission.offers).length > OFFERS) fail('too many offers')
  }

  const feed = (client: Pubkey, input: SignerInput) => {
    if (!up) return
    const session = sessions.get(client)
    if (session === undefined) return fail('it was fed an input for nobody')
    watch.note(watch.name, input)
    const next = step(session, input, world.now, context)
    keep(client, next.session)
    handleAll(client, session, next.outputs)
    after()
  }

  const after = () => {
    if (up && world.chance.of(watch.crash())) crash(world.chance.below(15_000))
    else if (up) sync()
  }

  const handleAll = (client: Pubkey, before: SignerSession | undefined, outputs: readonly SignerOutput[]) => {
    for (const output of outputs) handle(client, before, output)
  }

  const handle = (client: Pubkey, before: SignerSession | undefined, output: SignerOutput) => {
    const over = before?.phase === 'revoked' && sessions.get(client)?.phase === 'revoked'
    const harmless = ['ignored', 'readmit'].includes(output.type)
    if (over && !harmless && !(output.type === 'send' && output.text.includes('"error"'))) {
      fail(`it said ${output.type} after the end`)
    }
    switch (output.type) {
      case 'send':
        return send(client, output.id, output.relays, output.scheme, output.text, 0)
      case 'ask':
        return ask(client, output.id, output.question)
      case 'perform': {
        const key = `${client} ${output.id}`
        handedOut.set(key, (handedOut.get(key) ?? 0) + 1)
        if (handedOut.get(key) !== 1) fail(`it performs ${output.id} twice`)
        return perform(client, output.id, output.operation)
      }
      case 'readmit':
        return enter(output.arrival)
      case 'refused':
      case 'ended':
      case 'ignored':
        return
    }
  }

  const send = (
    client: Pubkey,
    id: RequestId,
    relays: readonly RelayUrl[],
    scheme: Scheme,
    text: string,
    tries: number,
  ) => {
    const event: Carried = {
      ...{ id: `${watch.name}${world.chance.next()}`, from: watch.signerPubkey, to: client },
      ...{ scheme, createdAt: Math.floor(world.now / 1_000), text },
    }
    const born = life
    world.publish(relays, event, (outcome) => {
      if (born !== life) return
      if (outcome.ok) {
        if (sessions.has(client)) feed(client, { type: 'published', id })
        return
      }
      const pause = OUTBOX[tries]
      if (pause === undefined) return
      world.after(pause, () => {
        if (born === life) send(client, id, relays, scheme, text, tries + 1)
      })
    })
  }

  const ask = (client: Pubkey, id: RequestId, question: Question) => {
    const born = life
    if (watch.challenge(question)) {
      world.after(300, () => {
        if (born === life) feed(client, { type: 'challenge', id, url: `https://bunker.example/${id}` })
      })
    }
    const decision = watch.decide(question)
    if (decision === undefined) return
    world.after(decision.afterMs, () => {
      if (born !== life) return
      if (id !== PAIRING_ID) {
        if (decision.verdict.allow) approved.add(`${client} ${id}`)
        return feed(client, { type: 'decide', id, verdict: decision.verdict })
      }
      const session = sessions.get(client)
      if (session === undefined) return
      const decided = decidePairing(admission, session, decision.verdict, world.now, context)
      watch.note(watch.name, { pairing: decision.verdict })
      admission = decided.admission
      keep(client, decided.session)
      handleAll(client, session, decided.outputs)
      after()
    })
  }

  const perform = (client: Pubkey, id: RequestId, operation: Operation) => {
    const session = sessions.get(client)
    const kind = operation.method === 'sign_event' ? operation.template.kind : undefined
    const granted = session !== undefined && covers(session.granted, operation.method, kind) !== 'none'
    const ruled = watch.judge !== undefined && kind === 1
    if (!(watch.judge === undefined ? granted : ruled) && !approved.has(`${client} ${id}`))
      fail(`it performs ${id} without a grant, a rule or a yes`)
    const born = life
    // The work and its record happen in one moment, as in one transaction.
    world.after(watch.keyMs(), () => {
      if (born !== life) return
      if (sessions.get(client)?.pending[id]?.waitingFor !== 'key') return
      const key = `${client} ${id}`
      executions.set(key, (executions.get(key) ?? 0) + 1)
      if (ruled && !approved.has(key)) noteUse(client)
      feed(client, { type: 'complete', id, outcome: { ok: true, value: watch.perform(operation) } })
    })
  }

  /** The session's counter is what was really done: never more than the rule says. */
  const noteUse = (client: Pubkey) => {
    const times = (uses.get(client) ?? 0) + 1
    uses.set(client, times)
    if (times > NOTES_AT_FIRST) fail(`it signed ${times} notes by a rule for ${NOTES_AT_FIRST}`)
  }

  const enter = (arrival: Arrival) => {
    watch.note(watch.name, { admit: arrival })
    const previous = sessions.get(arrival.from)
    const entered = admit(admission, arrival, world.now, context, previous)
    admission = entered.admission
    if (entered.session?.policy === null) uses.delete(arrival.from)
    if (entered.session !== undefined) keep(arrival.from, entered.session)
    handleAll(arrival.from, undefined, entered.outputs)
    if (entered.reply === undefined) return
    refusals++
    send(arrival.from, '', [arrival.relay], arrival.scheme, entered.reply, OUTBOX.length)
  }

  const hear = (relay: RelayUrl, event: Carried) => {
    const session = sessions.get(event.from)
    const known = seen.get(event.id)
    if (known !== undefined) {
      if (session !== undefined) feed(event.from, { type: 'repeat', requestId: known, relay })
      return
    }
    if (session !== undefined && session.scheme !== event.scheme) return
    const parsed = parseRequest(event.text, { acceptNative: true })
    seen.set(event.id, parsed.ok ? parsed.value.id : '')
    const { from, to, scheme, createdAt, text, id: eventId } = event
    const arrival: Arrival = { from, to, scheme, createdAt, text, eventId, relay }
    if (session !== undefined) return feed(from, { type: 'message', arrival })
    enter(arrival)
    after()
  }

  const sync = () => {
    const relays = new Set(watch.relays)
    let wakeAt: Millis | undefined
    for (const session of sessions.values()) {
      const { listen, wakeAt: at } = wants(session)
      for (const relay of listen?.relays ?? []) relays.add(relay)
      if (at !== undefined) wakeAt = Math.min(wakeAt ?? at, at)
    }
    for (const [relay, close] of subscriptions) {
      if (relays.has(relay)) continue
      close()
      subscriptions.delete(relay)
    }
    for (const relay of relays) {
      if (!subscriptions.has(relay)) subscriptions.set(relay, subscribe(relay))
    }
    if (wakeAt !== undefined && wakeAt !== armed) arm(wakeAt)
    if (wakeAt === undefined) armed = undefined
  }

  const arm = (wakeAt: Millis) => {
    armed = wakeAt
    const born = life
    world.after(wakeAt - world.now, () => {
      if (born !== life || armed !== wakeAt) return
      armed = undefined
      wakesNow = wokenAt === world.now ? wakesNow + 1 : 0
      wokenAt = world.now
      if (wakesNow > WAKES) fail('it wants to be woken again and again')
      for (const [client, session] of [...sessions]) {
        if ((wants(session).wakeAt ?? Number.POSITIVE_INFINITY) <= world.now) feed(client, { type: 'wake' })
      }
    })
  }

  const subscribe = (relay: RelayUrl) => {
    const born = life
    return world.subscribe(relay, {
      to: watch.signerPubkey,
      since: () => Math.floor(world.now / 1_000) - 300,
      live: () => undefined,
      down: () => undefined,
      event: (_, event) => {
        if (born === life) hear(relay, event)
      },
    })
  }

  const crash = (downMs: number) => {
    restarts++
    life++
    up = false
    armed = undefined
    for (const close of subscriptions.values()) close()
    subscriptions = new Map()
    const stored = JSON.parse(JSON.stringify({ admission, sessions: [...sessions] })) as {
      admission: Admission
      sessions: [Pubkey, SignerSession][]
    }
    if (!isDeepStrictEqual(stored.sessions, [...sessions])) fail('a session did not survive JSON')
    if (!isDeepStrictEqual(stored.admission, admission)) fail('the tokens did not survive JSON')
    world.after(downMs, () => {
      up = true
      admission = stored.admission
      sessions = new Map(stored.sessions)
      watch.note(watch.name, 'restart')
      for (const [client, session] of [...sessions]) {
        for (const output of outstanding(session)) {
          if (output.type === 'ask') ask(client, output.id, output.question)
          if (output.type === 'perform') perform(client, output.id, output.operation)
        }
      }
      sync()
    })
  }

  return {
    executions,
    opened,
    get sessions() {
      return sessions
    },
    get restarts() {
      return restarts
    },
    get refusals() {
      return refusals
    },
    start: sync,
    adopt(session) {
      if (!up) return false
      keep(session.clientPubkey, session)
      sync()
      return true
    },
    revoke(client) {
      if (sessions.has(client)) feed(client, { type: 'revoke' })
    },
  }
}
