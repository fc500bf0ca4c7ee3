import { describe, expect, test } from 'vitest'
import { clientProfile, connect, resume } from '../src/index.ts'
import { authUrl, failed, okay } from './scripted-signer.ts'
import { createWorld, ONE, START, TWO, watchCrypto } from './world.ts'

describe('logout', () => {
  test('tells the remote signer, and ends when it agrees', async () => {
    const world = createWorld()
    const session = await world.login()
    await world.settled(session.logout())
    expect(world.signer.methods().at(-1)).toBe('logout')
    expect(world.clock.now()).toBe(START)
    expect(session.state).toBe('closed')
    expect(world.events.at(-1)).toEqual({ type: 'ended', reason: 'logged-out' })
  })

  test('wipes the key after three seconds if nobody answers', async () => {
    const world = createWorld()
    const watched = watchCrypto()
    const session = await world.login({ crypto: watched.crypto })
    world.signer.script('logout', () => undefined)
    const done = session.logout()
    expect(watched.keys).toMatchObject([{ destroyed: false }])
    expect(watched.keys[0]?.secret.some((byte) => byte !== 0)).toBe(true)
    await world.settled(done)
    expect(world.clock.now() - START).toBe(3_000)
    expect(watched.keys).toEqual([{ destroyed: true, secret: new Uint8Array(32) }])
    expect(world.clock.pending).toBe(0)
    expect(world.network.subscriptions).toBe(1)
  })

  test('is not held up by a page to visit, an error, or a refusing relay', async () => {
    for (const answer of [
      (id: string) => authUrl(id, 'https://bunker.example/never'),
      (id: string) => JSON.stringify({ id, error: 'no' }),
    ]) {
      const world = createWorld()
      const session = await world.login()
      world.signer.script('logout', ({ id }) => answer(id))
      await world.settled(session.logout(), 3_000)
    }
    const world = createWorld()
    const session = await world.login()
    world.network.refuse(ONE, 'blocked: no')
    await world.settled(session.logout(), 3_000)
  })

  test('ends at once where no relay is reachable', async () => {
    const world = createWorld()
    const session = await world.login()
    world.network.down(ONE)
    await world.clock.settle()
    await world.settled(session.logout())
    expect(world.clock.now()).toBe(START)
    expect(world.clock.pending).toBe(0)
  })

  test('rejects what is in flight and what comes after, and cannot be saved any more', async () => {
    const world = createWorld()
    const session = await world.login()
    world.signer.script('ping', () => undefined)
    world.signer.script('logout', () => undefined)
    const ping = session.ping()
    const done = session.logout()
    expect((await world.failure(ping)).code).toBe('logged-out')
    expect((await world.failure(session.ping())).code).toBe('logged-out')
    expect(() => session.save()).toThrowError(expect.objectContaining({ code: 'logged-out' }))
    await world.settled(done)
    expect((await world.failure(session.ping())).code).toBe('logged-out')
    expect((await world.failure(session.signEvent({ kind: 1, content: '' }))).code).toBe('logged-out')
    expect(() => session.save()).toThrowError(expect.objectContaining({ code: 'logged-out' }))
    await world.settled(session.logout())
    expect(session.userPubkey).toBe(world.signer.user.pubkey)
  })
})

describe('a remote signer that no longer knows the client', () => {
  test('leaves a session to read and to log out of, whose requests say that it is to be paired again', async () => {
    const world = createWorld()
    const watched = watchCrypto()
    const session = await world.login({ crypto: watched.crypto })
    world.signer.script('ping', ({ id }) => failed(id, 'unauthorized: not connected'))
    world.signer.script('describe', () => undefined)
    const waiting = session.describe()
    expect((await world.failure(session.ping())).code).toBe('session/unpaired')
    expect((await world.failure(waiting)).code).toBe('session/unpaired')
    expect(world.events).toContainEqual({ type: 'unpaired' })
    expect(session.state).toBe('unpaired')
    expect(session.userPubkey).toBe(world.signer.user.pubkey)
    expect((await world.failure(session.signEvent({ kind: 1, content: '' }))).code).toBe('session/unpaired')
    expect(world.network.subscriptions).toBe(1)
    await world.settled(session.logout())
    expect(watched.keys).toEqual([{ destroyed: true, secret: new Uint8Array(32) }])
    expect(world.events.at(-1)).toEqual({ type: 'ended', reason: 'logged-out' })
    expect(world.clock.pending).toBe(0)
  })
})

describe('close', () => {
  test('leaves no timer, no subscription and no key, and rejects what is in flight', async () => {
    const world = createWorld({ relays: [ONE, TWO], latencyMs: 10 })
    const watched = watchCrypto()
    const session = await world.login({ crypto: watched.crypto })
    world.signer.script('ping', () => undefined)
    world.network.hang(ONE)
    const ping = session.ping()
    const aborted = session.ping({ signal: new AbortController().signal })
    await world.clock.run(100)
    world.network.hang(TWO)
    const unanswered = session.ping()
    await world.clock.run(100)
    expect(world.clock.pending).toBeGreaterThan(0)
    session.close()
    for (const promise of [ping, aborted, unanswered]) {
      expect((await world.failure(promise)).code).toBe('closed')
    }
    expect(world.clock.pending).toBe(0)
    expect(world.network.subscriptions).toBe(2)
    expect(watched.keys).toEqual([{ destroyed: true, secret: new Uint8Array(32) }])
    expect(session.state).toBe('closed')
    expect(() => session.save()).toThrowError(expect.objectContaining({ code: 'closed' }))
    expect((await world.failure(session.ping())).code).toBe('closed')
  })

  test('says nothing to the remote signer, so that the session can be resumed', async () => {
    const world = createWorld()
    const session = await world.login()
    const saved = session.save()
    session.close()
    session.close()
    await world.clock.settle()
    expect(world.signer.methods()).not.toContain('logout')
    const again = await resume(saved, world.options())
    expect(await world.settled(again.ping())).toBe('pong')
  })

  test('in the midst of a callback is possible', async () => {
    const world = createWorld()
    const session = await world.login({
      onEvent: (event) => {
        if (event.type === 'request' && event.method === 'describe' && event.stage === 'accepted')
          session.close()
      },
    })
    expect((await world.failure(session.describe())).code).toBe('closed')
    expect(world.clock.pending).toBe(0)
  })

  test('waits for what is being done: a callback never sees half a step', async () => {
    const world = createWorld()
    const session = await world.login({
      onEvent: (event) => {
        world.events.push(event)
        if (event.type === 'request' && event.stage === 'sent' && event.method === 'ping') session.close()
      },
    })
    world.network.down(ONE)
    await world.clock.settle()
    const pings = [session.ping(), session.ping(), session.ping()]
    world.events.length = 0
    world.network.up(ONE)
    for (const ping of pings) expect((await world.failure(ping)).code).toBe('closed')
    const stages = world.events.map((event) => (event.type === 'request' ? event.stage : event.type))
    expect(stages).toEqual(['relay', 'sent', 'sent', 'sent', 'settled', 'settled', 'settled', 'ended'])
  })

  test('after a logout that is still under way ends it at once', async () => {
    const world = createWorld()
    const session = await world.login()
    world.signer.script('logout', () => undefined)
    const done = session.logout()
    session.close()
    await world.settled(done)
    expect(world.clock.pending).toBe(0)
  })
})

test('requests that nobody waits for leave no unhandled rejection', async () => {
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', note)
  const world = createWorld()
  const session = await world.login()
  for (const method of ['ping', 'sign_event', 'nip44_encrypt']) world.signer.script(method, () => undefined)
  void session.ping()
  void session.signEvent({ kind: 1, content: '' })
  void session.signEvent({ kind: -1, content: '' })
  void session.nip44.encrypt('', '')
  await world.clock.settle()
  session.close()
  void session.ping()
  void session.signEvent({ kind: 1, content: '' })
  await new Promise((resolve) => setTimeout(resolve, 20))
  process.off('unhandledRejection', note)
  expect(unhandled).toEqual([])
})

test('a callback of the host that throws breaks nothing but surfaces', async () => {
  const world = createWorld()
  const uncaught: unknown[] = []
  const others = process.listeners('uncaughtException')
  process
    .removeAllListeners('uncaughtException')
    .on('uncaughtException', (error) => void uncaught.push(error))
  const options = world.options({
    onEvent: (event) => {
      if (event.type === 'connected') throw new Error('in onEvent')
    },
    onAuthUrl: () => {
      throw new Error('in onAuthUrl')
    },
  })
  const session = await world.settled(connect(world.uri, options))
  world.signer.script('ping', ({ id }) => [authUrl(id, 'https://bunker.example/a'), okay(id, 'pong')])
  expect(await world.settled(session.ping())).toBe('pong')
  process.removeAllListeners('uncaughtException')
  for (const listener of others) process.on('uncaughtException', listener)
  expect(uncaught.map(String)).toEqual(['Error: in onEvent', 'Error: in onAuthUrl'])
})

test('an old remote signer may end the session with disconnect, in its own era only', async () => {
  for (const [era, state] of [
    ['A0', 'closed'],
    ['A1', 'ready'],
  ] as const) {
    const world = createWorld({ scheme: 'nip04' })
    const session = await world.login({ profile: clientProfile(era) })
    await world.signer.say(
      session.clientPubkey,
      JSON.stringify({ id: 'x', method: 'disconnect', params: [] }),
    )
    await world.clock.settle()
    expect(session.state).toBe(state)
  }
})
