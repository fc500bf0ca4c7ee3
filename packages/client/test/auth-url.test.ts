import { afterEach, describe, expect, test, vi } from 'vitest'
import { type Nip46Error, type RequestStage, resume } from '../src/index.ts'
import { authUrl, okay } from './scripted-signer.ts'
import { createWorld, START } from './world.ts'

test('a page to visit is handed over with its origin, and the request waits five minutes for it', async () => {
  const world = createWorld()
  const session = await world.login()
  let id = ''
  world.signer.script('sign_event', (request) => {
    id = request.id
    return authUrl(id, 'https://bunker.example/approve/3f9c?x=1')
  })
  const stages: string[] = []
  const onStage = ({ stage }: RequestStage): void => void stages.push(stage)
  const signed = session.signEvent({ kind: 1, content: 'x' }, { onStage })
  await world.clock.run(250_000)
  // Who is sent to a page is not told to wait for it meanwhile.
  expect(stages).toEqual(['queued', 'sent', 'accepted', 'auth-url'])
  expect(world.authUrls).toEqual([
    { url: 'https://bunker.example/approve/3f9c?x=1', origin: 'https://bunker.example', requestId: id },
  ])
  const asked = world.signer.heard.at(-1)?.params[0] ?? ''
  await world.signer.say(session.clientPubkey, okay(id, JSON.stringify(world.signer.sign(JSON.parse(asked)))))
  expect(await world.settled(signed)).toMatchObject({ content: 'x' })
})

describe('in a page', () => {
  afterEach(() => void vi.unstubAllGlobals())

  test('it is never opened by us, nor followed, nor read', async () => {
    const reach = vi.fn()
    const location = Object.defineProperty({ assign: reach, replace: reach }, 'href', { set: reach })
    vi.stubGlobal('window', globalThis)
    for (const name of ['open', 'fetch', 'XMLHttpRequest', 'Image']) vi.stubGlobal(name, reach)
    vi.stubGlobal('location', location)
    vi.stubGlobal('navigator', { sendBeacon: reach })
    const world = createWorld()
    for (const method of ['connect', 'sign_event']) {
      world.signer.script(method, ({ id }) => authUrl(id, `https://bunker.example/${method}`))
    }
    const login = world.connect()
    await world.clock.run(10_000)
    const { id = '', from } = world.signer.heard[0] ?? {}
    if (from === undefined) throw new Error('nothing was heard')
    await world.signer.say(from, okay(id, 'ack'))
    const session = await world.settled(login)
    const signed = session.signEvent({ kind: 1, content: 'x' })
    expect((await world.failure(signed, 400_000)).code).toBe('timeout/auth')
    expect(world.authUrls.map(({ url }) => url)).toEqual([
      'https://bunker.example/connect',
      'https://bunker.example/sign_event',
    ])
    expect(reach).not.toHaveBeenCalled()
  })
})

test('a page that the user does not finish ends the request with its own code', async () => {
  const world = createWorld()
  const session = await world.login()
  world.signer.script('ping', ({ id }) => authUrl(id, 'https://bunker.example/a'))
  expect((await world.failure(session.ping(), 400_000)).code).toBe('timeout/auth')
  expect(world.clock.now() - START).toBe(300_000)
})

test('a login may need a page, too', async () => {
  const world = createWorld()
  world.signer.script('connect', ({ id }) => authUrl(id, 'https://bunker.example/a'))
  const login = world.connect()
  await world.clock.run(200_000)
  expect(world.authUrls).toHaveLength(1)
  const { id = '', from } = world.signer.heard[0] ?? {}
  if (from === undefined) throw new Error('nothing was heard')
  await world.signer.say(from, okay(id, 'ack'))
  await world.settled(login)
})

test('a login whose page is never finished ends with its own code', async () => {
  const world = createWorld()
  world.signer.script('connect', ({ id }) => authUrl(id, 'https://bunker.example/a'))
  expect((await world.failure(world.connect(), 400_000)).code).toBe('timeout/auth')
})

test('the same page twice is shown once', async () => {
  const world = createWorld()
  const session = await world.login()
  world.signer.script('ping', ({ id }) => {
    const page = authUrl(id, 'https://bunker.example/a')
    return [page, page, okay(id, 'pong')]
  })
  expect(await world.settled(session.ping())).toBe('pong')
  expect(world.authUrls).toHaveLength(1)
  expect(world.codes('ignored')).toContain('auth/repeated')
})

describe('a page that must not be opened is not handed over', () => {
  test.each([
    'javascript:alert(1)',
    'data:text/html,x',
    'http://bunker.example/a',
    'http://127.0.0.1:8080/a',
    'http://localhost/a',
    'http://[::1]/a',
    'https://user:pass@bunker.example/a',
    'https://bunker.example/a b',
    'https://bunker.example\\@evil.example/',
    `https://bunker.example/${'a'.repeat(2_048)}`,
    '',
  ])('%s', async (url) => {
    const world = createWorld()
    const session = await world.login()
    world.signer.script('ping', ({ id }) => JSON.stringify({ id, result: 'auth_url', error: url }))
    expect((await world.failure(session.ping())).code).toBe('auth/url')
    expect(world.authUrls).toEqual([])
  })

  test('not even to log in', async () => {
    for (const method of ['connect', 'get_public_key']) {
      const world = createWorld()
      world.signer.script(method, ({ id }) => authUrl(id, 'javascript:alert(1)'))
      expect((await world.failure(world.connect())).code).toBe('auth/url')
      expect(world.clock.now()).toBe(START)
    }
  })
})

test('a page on this machine may be plain http where that is allowed', async () => {
  const world = createWorld()
  const session = await world.login({ allowLoopbackAuthUrl: true })
  world.signer.script('ping', ({ id }) => [authUrl(id, 'http://127.0.0.1:8080/a'), okay(id, 'pong')])
  await world.settled(session.ping())
  expect(world.authUrls[0]?.origin).toBe('http://127.0.0.1:8080')
  world.signer.script('ping', ({ id }) => authUrl(id, 'http://bunker.example/a'))
  expect((await world.failure(session.ping())).code).toBe('auth/url')
})

test('a session that goes on takes such a page only where it is allowed, too', async () => {
  for (const allowLoopbackAuthUrl of [false, true]) {
    const world = createWorld()
    const saved = (await world.login()).save()
    const session = await world.settled(resume(saved, world.options({ allowLoopbackAuthUrl })))
    world.signer.script('ping', ({ id }) => [authUrl(id, 'http://localhost:8080/a'), okay(id, 'pong')])
    const outcome = await world.settled(session.ping().catch((error: unknown) => (error as Nip46Error).code))
    expect(outcome).toBe(allowLoopbackAuthUrl ? 'pong' : 'auth/url')
    expect(world.authUrls).toHaveLength(allowLoopbackAuthUrl ? 1 : 0)
  }
})

test('without a callback for pages the request waits as if there were one', async () => {
  const world = createWorld()
  const { onAuthUrl: _, ...rest } = world.options()
  const { connect } = await import('../src/index.ts')
  const session = await world.settled(connect(world.uri, rest))
  world.signer.script('ping', ({ id }) => [authUrl(id, 'https://bunker.example/a'), okay(id, 'pong')])
  expect(await world.settled(session.ping())).toBe('pong')
})
