import type { SubscribeRequest, Subscription, Transport } from '@nip46/core'
import { describe, expect, test } from 'vitest'
import { clientProfile, connect, WAITING_AFTER_MS } from '../src/index.ts'
import { okay } from './scripted-signer.ts'
import { carrier, createWorld, ONE, START, THREE, TWO, type World } from './world.ts'

/** Every subscription of a transport as it is opened and closed, by relay. */
function watch(transport: Transport): { readonly transport: Transport; readonly log: string[] } {
  const log: string[] = []
  const subscribe = (request: SubscribeRequest): Subscription => {
    const name = `${request.relays.join()}${request.filters[0]?.authors === undefined ? ' anybody' : ''}`
    log.push(`open ${name}`)
    const subscription = transport.subscribe(request)
    return {
      close() {
        log.push(`close ${name}`)
        subscription.close()
      },
    }
  }
  return { transport: { ...transport, subscribe }, log }
}

/** A transport whose own connections can be lost while the relays live on. */
function breakable(transport: Transport): { transport: Transport; cut(): void; mend(): void } {
  const requests = new Map<SubscribeRequest, Subscription | undefined>()
  return {
    transport: {
      ...transport,
      subscribe(request) {
        requests.set(request, transport.subscribe(request))
        return {
          close() {
            requests.get(request)?.close()
            requests.delete(request)
          },
        }
      },
    },
    cut() {
      for (const [request, subscription] of requests) {
        subscription?.close()
        requests.set(request, undefined)
        for (const relay of request.relays) request.onDown?.(relay, 'unreachable', false)
      }
    },
    mend() {
      for (const request of requests.keys()) requests.set(request, transport.subscribe(request))
    },
  }
}

const answerLate = (world: World, ms: number) =>
  new Promise<void>((resolve) => void world.clock.setTimer(resolve, ms))

test('one dead relay of three costs nothing', async () => {
  const world = createWorld({ relays: [ONE, TWO, THREE] })
  world.network.down(TWO)
  const session = await world.login()
  expect(await world.settled(session.signEvent({ kind: 1, content: 'x' }))).toMatchObject({ content: 'x' })
  expect(world.clock.now()).toBe(START)
})

test('one relay of three that hangs costs nothing', async () => {
  const world = createWorld({ relays: [ONE, TWO, THREE] })
  world.network.hang(ONE)
  const session = await world.login()
  await world.settled(session.ping())
  expect(world.clock.now()).toBe(START)
})

test('an answer that comes over three relays is one answer', async () => {
  const world = createWorld({ relays: [ONE, TWO, THREE] })
  const session = await world.login()
  await world.settled(session.ping())
  await world.clock.settle()
  expect(world.codes('ignored')).toEqual([])
})

test('a relay that drops between two requests is used again when it is back', async () => {
  const world = createWorld()
  const session = await world.login()
  world.network.down(ONE)
  await world.clock.run(5_000)
  world.network.up(ONE)
  await world.clock.settle()
  expect(await world.settled(session.ping())).toBe('pong')
  expect(world.clock.now() - START).toBe(5_000)
})

test('a request made while the relay is away goes out when it is back', async () => {
  const world = createWorld()
  const session = await world.login()
  world.network.down(ONE)
  await world.clock.settle()
  const signed = session.signEvent({ kind: 1, content: 'x' })
  await world.clock.run(20_000)
  world.network.up(ONE)
  await world.settled(signed)
  expect(world.signer.methods().filter((method) => method === 'sign_event')).toHaveLength(1)
})

test.each([
  ['is asked for again under the same id', 'after-outage', 2],
  ['is asked for once, if the profile says so', 'never', 1],
] as const)(
  'a relay lost in flight: the answer that comes after is taken, and a signature %s',
  async (_, resendSignEvent, times) => {
    const world = createWorld()
    const session = await world.login({ profile: clientProfile('E', { resendSignEvent }) })
    world.signer.script('sign_event', async ({ id, params }) => {
      await answerLate(world, 10_000)
      return okay(id, JSON.stringify(world.signer.sign(JSON.parse(params[0] ?? ''))))
    })
    const signed = session.signEvent({ kind: 1, content: 'x' })
    await world.clock.run(1_000)
    world.network.down(ONE)
    await world.clock.run(2_000)
    world.network.up(ONE)
    await world.settled(signed)
    const asked = world.signer.heard.filter(({ method }) => method === 'sign_event')
    expect(asked).toHaveLength(times)
    expect(new Set(asked.map(({ id }) => id)).size).toBe(1)
  },
)

test('a relay lost in flight, back after half a second: an answer that comes 3 s later settles the request at once', async () => {
  const world = createWorld()
  const session = await world.login()
  world.signer.script('sign_event', async ({ id, params }) => {
    await answerLate(world, 3_000)
    return okay(id, JSON.stringify(world.signer.sign(JSON.parse(params[0] ?? ''))))
  })
  const asked = world.clock.now()
  const signed = session.signEvent({ kind: 1, content: 'x' })
  await world.clock.settle()
  world.network.down(ONE)
  await world.clock.run(500)
  world.network.up(ONE)
  expect(await world.settled(signed)).toMatchObject({ content: 'x' })
  expect(world.clock.now() - asked).toBe(3_000)
  expect(world.signer.methods().filter((method) => method === 'sign_event')).toHaveLength(1)
})

test('a connection lost in flight: the answer that the relay kept is fetched', async () => {
  const world = createWorld({ retention: { events: 10, seconds: 600 } })
  const link = breakable(world.transport)
  const session = await world.login({ transport: link.transport })
  world.signer.script('sign_event', async ({ id, params }) => {
    await answerLate(world, 2_000)
    return okay(id, JSON.stringify(world.signer.sign(JSON.parse(params[0] ?? ''))))
  })
  const signed = session.signEvent({ kind: 1, content: 'x' })
  await world.clock.run(1_000)
  link.cut()
  await world.clock.run(5_000)
  link.mend()
  expect(await world.settled(signed)).toMatchObject({ content: 'x' })
  expect(world.signer.methods().filter((method) => method === 'sign_event')).toHaveLength(1)
  expect(world.clock.now() - START).toBe(6_000)
})

test('a relay lost in flight: what can be asked twice is asked again', async () => {
  const world = createWorld()
  const session = await world.login()
  let times = 0
  world.signer.script('nip44_decrypt', ({ id }) => {
    times += 1
    return times === 1 ? undefined : okay(id, 'plain')
  })
  const decrypted = session.nip44.decrypt(session.userPubkey, 'x')
  await world.clock.run(1_000)
  world.network.down(ONE)
  await world.clock.run(1_000)
  world.network.up(ONE)
  expect(await world.settled(decrypted)).toBe('plain')
  const ids = new Set(
    world.signer.heard.filter(({ method }) => method === 'nip44_decrypt').map(({ id }) => id),
  )
  expect(ids.size).toBe(1)
})

test('a relay that says nobody listens is tried again', async () => {
  const world = createWorld()
  const session = await world.login()
  world.network.refuse(ONE, 'mute: no one was listening')
  const ping = session.ping()
  await world.clock.run(1_000)
  expect(world.codes('alert')).toEqual(['signer/offline'])
  world.network.up(ONE)
  expect(await world.settled(ping)).toBe('pong')
})

test('a relay that wants to know who we are is told, with the client key', async () => {
  const world = createWorld({ relays: [ONE], signerRelays: [TWO] })
  const asked: unknown[] = []
  world.network.demandAuth(ONE, 'prove it')
  const { transport } = world
  const session = connect(world.uri, {
    ...world.options(),
    transport: {
      ...transport,
      publish: (relays, event, options) => {
        asked.push(options?.authenticate?.(ONE, 'prove it'))
        asked.push(options?.authenticate?.(ONE, 'x'.repeat(1_025)))
        return transport.publish(relays, event, options)
      },
    },
    timeouts: { connect: 5_000 },
  })
  const error = await world.failure(session)
  // The remote signer is elsewhere, but the relay let us in and took the request.
  expect(error.message).toContain('a relay took the request')
  expect(asked[0]).toMatchObject({
    kind: 22_242,
    content: '',
    tags: [
      ['relay', ONE],
      ['challenge', 'prove it'],
    ],
  })
  expect(asked[1]).toBeUndefined()
})

describe('moving to other relays', () => {
  test('happens after the login, and makes the new before it breaks the old', async () => {
    const world = createWorld({ signerRelays: [ONE, TWO], latencyMs: 30 })
    world.signer.script('switch_relays', ({ id }) => okay(id, JSON.stringify([TWO])))
    const { transport, log } = watch(world.transport)
    const session = await world.login({ transport })
    expect(world.clock.now() - START).toBeLessThan(1_000)
    await world.clock.run(1_000)
    expect(session.relays).toEqual([TWO])
    expect(log).toEqual([`open ${ONE}`, `open ${TWO}`])
    await world.clock.run(5_000)
    expect(log).toEqual([`open ${ONE}`, `open ${TWO}`, `close ${ONE}`])
    world.network.down(ONE)
    expect(await world.settled(session.signEvent({ kind: 1, content: 'there' }))).toMatchObject({
      content: 'there',
    })
    expect(world.codes('alert')).toEqual([])
  })

  test('is asked for by the host, too', async () => {
    const world = createWorld({ signerRelays: [ONE, TWO, THREE] })
    const session = await world.login()
    expect(await world.settled(session.switchRelays())).toBeNull()
    world.signer.script('switch_relays', ({ id }) => okay(id, JSON.stringify([TWO, THREE])))
    expect(await world.settled(session.switchRelays())).toEqual([TWO, THREE])
    await world.clock.run(6_000)
    expect(session.relays).toEqual([TWO, THREE])
    expect(world.events).toContainEqual({ type: 'relays', relays: [TWO, THREE] })
  })

  test('keeps the old relays until a request that went there is answered', async () => {
    const world = createWorld({ signerRelays: [ONE, TWO] })
    const session = await world.login()
    const { signer, clock } = world
    signer.script('sign_event', async ({ id, params }, from) => {
      await answerLate(world, 20_000)
      await signer.say(from, okay(id, JSON.stringify(signer.sign(JSON.parse(params[0] ?? '')))), [ONE])
      return undefined
    })
    const signed = session.signEvent({ kind: 1, content: 'slow' })
    await clock.settle()
    signer.script('switch_relays', ({ id }) => okay(id, JSON.stringify([TWO])))
    await world.settled(session.switchRelays())
    await clock.run(10_000)
    expect(session.relays).toEqual([TWO])
    expect(await world.settled(signed)).toMatchObject({ content: 'slow' })
  })

  test('does not happen when nobody answers on the new relays', async () => {
    const world = createWorld({ signerRelays: [ONE] })
    world.signer.script('switch_relays', ({ id }) => okay(id, JSON.stringify([TWO])))
    const session = await world.login()
    await world.clock.run(11_000)
    expect(world.codes('alert')).toEqual(['relays/switch-failed'])
    expect(session.relays).toEqual([ONE])
    expect(await world.settled(session.ping())).toBe('pong')
  })

  test('is refused to relays that are not encrypted, even where such were allowed', async () => {
    const world = createWorld()
    world.signer.script('switch_relays', ({ id }) => okay(id, '["ws://plain.example"]'))
    const session = await world.login({ allowInsecureRelays: true })
    expect(world.codes('alert')).toEqual(['relays/refused'])
    expect((await world.failure(session.switchRelays())).code).toBe('response/relays')
  })

  test('never holds up a login', async () => {
    const world = createWorld()
    world.signer.script('switch_relays', () => undefined)
    await world.login()
    expect(world.clock.now() - START).toBe(1_500)
  })

  test('never holds up a login, even with a page to visit', async () => {
    const world = createWorld()
    world.signer.script('switch_relays', ({ id }) =>
      JSON.stringify({ id, result: 'auth_url', error: 'https://bunker.example/switch' }),
    )
    await world.login()
    expect(world.clock.now() - START).toBe(1_500)
  })

  test('that die later, falls back to those of the token after a minute', async () => {
    const world = createWorld({ signerRelays: [ONE, TWO] })
    world.signer.script('switch_relays', ({ id }) => okay(id, JSON.stringify([TWO])))
    const session = await world.login()
    await world.clock.run(10_000)
    expect(session.relays).toEqual([TWO])
    world.network.down(TWO)
    await world.clock.settle()
    const ping = session.ping({ timeout: 90_000 })
    expect(await world.settled(ping, 90_000)).toBe('pong')
    expect(world.clock.now() - START).toBe(70_000)
  })
})

test('a relay that the transport gives up on is reported, and the others go on', async () => {
  const world = createWorld({ relays: [ONE, TWO] })
  const session = await world.login()
  world.network.down(TWO)
  await world.clock.settle()
  expect(world.events).toContainEqual({ type: 'relay', relay: TWO, live: false, reason: 'unreachable' })
  expect(await world.settled(session.ping())).toBe('pong')
})

test('a relay that the transport gave up on is tried anew every minute', async () => {
  const world = createWorld({ relays: [ONE, TWO] })
  const refused: number[] = []
  let refuse = true
  const { transport } = world
  const session = await world.login({
    transport: {
      ...transport,
      subscribe(request) {
        if (!refuse || request.relays[0] !== TWO) return transport.subscribe(request)
        refused.push(world.clock.now() - START)
        queueMicrotask(() => request.onDown?.(TWO, 'restricted: members only', true))
        return { close: () => undefined }
      },
    },
  })
  expect(world.events).toContainEqual({
    type: 'relay',
    relay: TWO,
    live: false,
    reason: 'restricted: members only',
  })
  await world.clock.run(130_000)
  expect(refused).toEqual([0, 60_000, 120_000])
  refuse = false
  await world.clock.run(60_000)
  expect(world.events.at(-1)).toEqual({ type: 'relay', relay: TWO, live: true })
  world.network.down(ONE)
  await world.clock.settle()
  expect(await world.settled(session.ping())).toBe('pong')
  session.close()
  expect(world.clock.pending).toBe(0)
})

test('a session that ends while a relay is given up on leaves nothing behind', async () => {
  const world = createWorld({ relays: [ONE, TWO] })
  const { transport } = world
  const session = await world.login({
    profile: clientProfile('E', { switchRelays: false }),
    transport: {
      ...transport,
      subscribe(request) {
        if (request.relays[0] !== TWO) return transport.subscribe(request)
        queueMicrotask(() => request.onDown?.(TWO, 'blocked: no', true))
        return { close: () => undefined }
      },
    },
  })
  await world.clock.run(WAITING_AFTER_MS)
  expect(world.clock.pending).toBe(1)
  session.close()
  expect(world.clock.pending).toBe(0)
})

test('each publish has a signal of its own: Node 20 warns of one with many listeners', async () => {
  const world = createWorld()
  const signals: unknown[] = []
  const { transport } = world
  const publish: Transport['publish'] = (relays, event, options) => {
    signals.push(options?.signal)
    return transport.publish(relays, event, options)
  }
  const session = await world.login({ transport: { ...transport, publish } })
  await world.settled(Promise.all(Array.from({ length: 20 }, () => session.ping())))
  expect(new Set(signals).size).toBe(signals.length)
})

describe('a transport that breaks its promises', () => {
  test('calls back while it is being asked', async () => {
    const world = createWorld()
    const { transport } = world
    const eager: Transport = {
      ...transport,
      subscribe(request) {
        for (const relay of request.relays) request.onLive?.(relay)
        return transport.subscribe(request)
      },
    }
    const session = await world.login({ transport: eager })
    expect(await world.settled(session.ping())).toBe('pong')
  })

  test('rejects a publish', async () => {
    const world = createWorld()
    const publish = (): Promise<never> => Promise.reject(new Error('broken'))
    const login = world.connect({ transport: { ...world.transport, publish } })
    expect((await world.failure(login, 70_000)).code).toBe('timeout/no-answer')
  })

  test('throws when asked', async () => {
    const world = createWorld()
    const uncaught: unknown[] = []
    const note = (error: unknown): void => void uncaught.push(error)
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException').on('uncaughtException', note)
    const subscribe = (): never => {
      throw new Error('cannot')
    }
    const login = world.connect({ transport: { ...world.transport, subscribe } })
    expect((await world.failure(login)).code).toBe('transport/no-relay')
    process.removeAllListeners('uncaughtException')
    for (const listener of others) process.on('uncaughtException', listener)
    expect(uncaught.map(String)).toEqual(['Error: cannot'])
    expect(world.events).toContainEqual({
      type: 'relay',
      relay: ONE,
      live: false,
      reason: 'the transport failed to subscribe',
    })
  })

  test('delivers while and after it is closed', async () => {
    const world = createWorld()
    const requests: SubscribeRequest[] = []
    const { transport } = world
    const deliver = (): void => {
      for (const { onEvent, onLive, onDown } of requests) {
        onEvent(carrier(world.signer.key, session.clientPubkey, okay('x', 'x'), START / 1_000), ONE)
        onLive?.(ONE)
        onDown?.(ONE, 'late', true)
      }
    }
    const session = await world.login({
      transport: {
        ...transport,
        subscribe(request) {
          requests.push(request)
          return transport.subscribe(request)
        },
      },
      onEvent: (event) => {
        world.events.push(event)
        if (event.type === 'ended') deliver()
      },
    })
    session.close()
    deliver()
    await world.clock.settle()
    expect(world.events.at(-1)).toEqual({ type: 'ended', reason: 'closed' })
  })
})
