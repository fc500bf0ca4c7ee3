/**
 * A client in the world of `link.ts`: the machine, a shell around it, and an eye on everything it must never do.
 * Never helps the machine: what it does not say is not done.
 */

import { isDeepStrictEqual } from 'node:util'
import { type ClientInput, type ClientOutput, type ClientState, restart, step, wants } from '../src/client.ts'
import { CLIENT_PENDING, CLIENT_SETTLED, SESSION_RELAYS } from '../src/limits.ts'
import type { Millis, Pubkey, RelayUrl, RequestId } from '../src/value.ts'
import type { Carried, World } from './link.ts'

export interface Asked {
  readonly method: string
  readonly params: readonly string[]
  readonly at: Millis
  deadline: Millis
  /** `ok`, or the code of the failure. */
  end?: string
}

export interface ClientActor {
  readonly state: ClientState
  readonly asked: Map<RequestId, Asked>
  readonly outputs: { readonly [kind: string]: number }
  readonly restarts: number
  /** Connects as soon as the world goes on. */
  start(): void
  /** False while the process is down: nobody asks then. */
  ask(id: RequestId, method: string, params: readonly string[], timeoutMs: number): boolean
  feed(input: ClientInput): void
  /** The process dies, and comes back from JSON a while later. */
  crash(downMs: number): void
}

export interface ClientWatch {
  readonly name: string
  /** Probability that the process dies after a step. */
  readonly crash: () => number
  readonly expectUser: Pubkey
  readonly expectSigner: Pubkey
  readonly expectResult: (asked: Asked) => unknown
  /** Notes an input, for the report of a session that failed. */
  readonly note: (who: string, what: unknown) => void
}

/** Wakes at one moment, after which the machine counts as going round in circles. */
const WAKES = 10

export function createClientActor(world: World, initial: ClientState, watch: ClientWatch): ClientActor {
  let state = initial
  let life = 0
  let up = true
  let upSince: Millis = world.now
  let armed: Millis | undefined
  let wakesNow = 0
  let wokenAt: Millis = -1
  let restarts = 0
  let subscriptions = new Map<RelayUrl, () => void>()
  const seen = new Set<string>()
  const asked = new Map<RequestId, Asked>()
  const outputs: Record<string, number> = {}

  const fail = (words: string): never => {
    throw new Error(`${watch.name}: ${words}`)
  }
  const feed = (input: ClientInput) => {
    if (!up) return
    watch.note(watch.name, input)
    const before = state
    const next = step(before, input, world.now)
    state = next.state
    check(before)
    for (const output of next.outputs) handle(before, output)
    if (up && world.chance.of(watch.crash())) crash(world.chance.below(20_000))
    else sync()
  }

  const check = (before: ClientState) => {
    const { pending, settled, live, relays } = state
    if (Object.keys(pending).length > CLIENT_PENDING + 8) fail('too many requests in flight')
    if (settled.length > CLIENT_SETTLED) fail('too many settled ids')
    if (relays.length > SESSION_RELAYS) fail('too many relays')
    const { listen } = wants(state)
    if (state.phase !== 'closed' && state.phase !== 'unpaired' && listen === undefined)
      fail('it listens to nothing')
    if ((listen?.relays.length ?? 0) > 2 * SESSION_RELAYS) fail('it listens at too many relays')
    if (!live.every((relay) => listen?.relays.includes(relay)))
      fail('a relay is live that is not listened to')
    if (before.phase === 'closed' && state.phase !== 'closed') fail('it rose from the dead')
    if (before.userPubkey !== null && before.userPubkey !== state.userPubkey) fail('the user changed')
  }

  const handle = (before: ClientState, output: ClientOutput) => {
    outputs[output.type] = (outputs[output.type] ?? 0) + 1
    if (before.phase === 'closed' && output.type !== 'settle' && output.type !== 'ignored') {
      fail(`it said ${output.type} after the end`)
    }
    switch (output.type) {
      case 'send': {
        if (state.live.length === 0 && before.live.length === 0)
          fail('it sent something without a live relay')
        if (output.to !== watch.expectSigner) fail('it wrote to a stranger')
        const event: Carried = {
          ...{ id: `${watch.name}${world.chance.next()}`, from: state.clientPubkey, to: output.to },
          ...{ scheme: output.scheme, createdAt: Math.floor(world.now / 1_000), text: output.text },
        }
        const { id, kind } = output
        const born = life
        world.publish(output.relays, event, (outcome) => {
          if (born === life && kind === 'request') feed({ type: 'published', id, outcome })
        })
        return
      }
      case 'settle':
        return settle(output)
      case 'auth-url': {
        const request = asked.get(output.id)
        if (request !== undefined) request.deadline = Math.max(request.deadline, world.now + 300_000)
        return
      }
      case 'connected':
        if (output.remoteSigner !== watch.expectSigner) fail('it is bound to a stranger')
        return
      case 'ready':
        if (output.userPubkey !== watch.expectUser) fail('it took another for the user')
        return
      case 'alert':
      case 'ignored':
        outputs[output.code] = (outputs[output.code] ?? 0) + 1
        return
      case 'ended':
        outputs[output.failure.code] = (outputs[output.failure.code] ?? 0) + 1
        return
      case 'relays':
        return
    }
  }

  const settle = (output: Extract<ClientOutput, { type: 'settle' }>) => {
    const request = asked.get(output.id)
    if (request === undefined) return fail('it settled what nobody asked')
    if (request.end !== undefined) return fail(`it settled ${output.id} twice`)
    request.end = output.outcome.ok ? 'ok' : output.outcome.error.code
    // A process that was down settles as soon as it is up.
    if (world.now > request.deadline && world.now !== upSince) {
      fail(`it settled ${output.id} ${world.now - request.deadline} ms after its deadline`)
    }
    if (output.outcome.ok && !isDeepStrictEqual(output.outcome.value, watch.expectResult(request))) {
      fail(`it took ${JSON.stringify(output.outcome.value)} for the answer to ${request.method}`)
    }
  }

  /** Makes true what the machine wants: one timer and its subscriptions. */
  const sync = () => {
    const { wakeAt, listen } = wants(state)
    const relays = new Set(listen?.relays)
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
      feed({ type: 'wake' })
    })
  }

  const subscribe = (relay: RelayUrl) => {
    const born = life
    return world.subscribe(relay, {
      to: state.clientPubkey,
      since: () => wants(state).listen?.since ?? 0,
      live: () => born === life && feed({ type: 'live', relay }),
      down: () => born === life && feed({ type: 'down', relay }),
      event(_, event) {
        const from = wants(state).listen?.from
        if (born !== life || seen.has(event.id) || (from !== undefined && event.from !== from)) return
        seen.add(event.id)
        const { scheme, createdAt, text } = event
        feed({ type: 'message', from: event.from, scheme, createdAt, text })
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
    const stored = JSON.parse(JSON.stringify(state)) as ClientState
    if (!isDeepStrictEqual(stored, state)) fail('its state did not survive JSON')
    world.after(downMs, () => {
      up = true
      upSince = world.now
      seen.clear()
      state = restart(stored, world.now)
      watch.note(watch.name, 'restart')
      sync()
    })
  }

  return {
    asked,
    outputs,
    feed,
    crash,
    get state() {
      return state
    },
    get restarts() {
      return restarts
    },
    start: sync,
    ask(id, method, params, timeoutMs) {
      if (!up) return false
      asked.set(id, { method, params, at: world.now, deadline: world.now + timeoutMs })
      feed({ type: 'request', id, method, params, timeoutMs })
      return true
    },
  }
}
