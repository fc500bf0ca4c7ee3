/** window.nostr of ours: it serves the page, and steps back for any other. */

import type { Nip07 } from 'nostr-typedef'
import { describe, expect, test, vi } from 'vitest'
import { type Nip07Provider, ProviderError, type ProviderOptions, provideNostr } from '../src/provider.ts'
import { failed, okay } from './scripted-signer.ts'
import { createWorld, newKey } from './world.ts'

const TEMPLATE = { kind: 1, content: 'hello', tags: [['t', 'x']], created_at: 1_700_000_000 }

interface Page {
  nostr?: unknown
}

function extension(name: string): { readonly nostr: object; readonly asked: unknown[] } {
  const asked: unknown[] = []
  const answer =
    (method: string) =>
    async (...params: unknown[]): Promise<unknown> => {
      asked.push([method, ...params])
      return `${name} ${method}`
    }
  const box = { encrypt: answer('encrypt'), decrypt: answer('decrypt') }
  return {
    asked,
    nostr: { getPublicKey: answer('getPublicKey'), signEvent: answer('signEvent'), nip44: box },
  }
}

const never: ProviderOptions['login'] = () => Promise.reject(new Error('nobody should log in'))
const nostrOf = (page: Page): Nip07Provider => page.nostr as Nip07Provider

describe('without an extension', () => {
  test('it has the shape of NIP-07 and works over the session', async () => {
    const world = createWorld()
    const session = await world.login()
    const page: Page = {}
    const { provider, state } = provideNostr({ window: page, login: never, session })
    const typed: Nip07.Nostr = provider
    expect(page.nostr).toBe(typed)
    expect([state, Object.keys(page)]).toEqual(['active', ['nostr']])
    const { getPublicKey, signEvent, nip04, nip44 } = nostrOf(page)
    expect(await getPublicKey()).toBe(session.userPubkey)
    const event = await world.settled(signEvent({ ...TEMPLATE, id: '', pubkey: '', sig: '' } as never))
    expect(event).toMatchObject({ ...TEMPLATE, pubkey: session.userPubkey })
    const peer = newKey().pubkey
    for (const box of [nip04, nip44]) {
      const text = await world.settled(box.encrypt(peer, 'secret'))
      expect(await world.settled(box.decrypt(peer, text))).toBe('secret')
    }
  })

  test('a template of another user is refused, as the session refuses it', async () => {
    const world = createWorld()
    const { provider } = provideNostr({ window: {}, login: never, session: await world.login() })
    const signing = provider.signEvent({ ...TEMPLATE, pubkey: newKey().pubkey } as never)
    await expect(signing).rejects.toMatchObject({ name: 'UsageError' })
  })

  test.each<[string, string | undefined, object]>([
    [
      'are told',
      JSON.stringify({ 'wss://r.example': { read: true, write: false } }),
      { 'wss://r.example': { read: true, write: false } },
    ],
    ['are empty where the remote signer does not know', undefined, {}],
  ])('relays %s', async (_, answer, expected) => {
    const world = createWorld()
    const session = await world.login()
    world.signer.script('get_relays', ({ id }) =>
      answer === undefined ? failed(id, 'unsupported: get_relays') : okay(id, answer),
    )
    const { provider } = provideNostr({ window: {}, login: never, session })
    expect(await world.settled(provider.getRelays())).toEqual(expected)
  })

  test('errors of the session come through', async () => {
    const world = createWorld()
    const session = await world.login()
    world.signer.script('sign_event', ({ id }) => failed(id, 'denied: no'))
    world.signer.script('get_relays', ({ id }) => failed(id, 'denied: no'))
    const { provider } = provideNostr({ window: {}, login: never, session })
    expect(await world.failure(provider.signEvent(TEMPLATE))).toMatchObject({ code: 'remote/error' })
    expect(await world.failure(provider.getRelays())).toMatchObject({ code: 'remote/error' })
  })

  test('a login is asked for once, when it is needed, and again when the session has ended', async () => {
    const world = createWorld()
    let logins = 0
    const login: ProviderOptions['login'] = async () => {
      logins += 1
      return world.connect()
    }
    const { provider } = provideNostr({ window: {}, login })
    expect(logins).toBe(0)
    const all = world.settled(
      Promise.all([provider.getPublicKey(), provider.signEvent(TEMPLATE), provider.getPublicKey()]),
    )
    expect((await all)[0]).toBe(world.signer.user.pubkey)
    expect(logins).toBe(1)
    const session = await world.login()
    const again = provideNostr({ window: {}, login, session })
    session.close()
    await world.settled(again.provider.getPublicKey())
    expect(logins).toBe(2)
  })

  test.each<[string, () => Promise<undefined>, object]>([
    ['is declined', () => Promise.resolve(undefined), { name: 'ProviderError', code: 'provider/no-session' }],
    ['fails', () => Promise.reject(new RangeError('from the app')), { name: 'RangeError' }],
    [
      'throws',
      () => {
        throw new RangeError('from the app')
      },
      { name: 'RangeError' },
    ],
  ])('a login that %s fails what was asked, and the next one is tried', async (_, login, error) => {
    const attempts = vi.fn(login)
    const { provider } = provideNostr({ window: {}, login: attempts })
    await expect(provider.getPublicKey()).rejects.toMatchObject(error)
    await expect(provider.signEvent(TEMPLATE)).rejects.toMatchObject(error)
    expect(attempts).toHaveBeenCalledTimes(2)
  })

  test('it is taken away again, and what is under way ends', async () => {
    const world = createWorld()
    const session = await world.login()
    world.signer.script('sign_event', () => undefined)
    const page: Page = {}
    const given = provideNostr({ window: page, login: never, session })
    const signing = given.provider.signEvent(TEMPLATE).catch((error: unknown) => error)
    await Promise.resolve()
    given.dispose()
    given.dispose()
    expect(await signing).toMatchObject({ code: 'provider/disposed' })
    expect('nostr' in page).toBe(false)
    expect(given.state).toBe('disposed')
    await expect(given.provider.getPublicKey()).rejects.toBeInstanceOf(ProviderError)
    expect(session.state).toBe('ready')
  })

  test('a login that is under way is told when it is taken away', async () => {
    let ended: AbortSignal | undefined
    const login: ProviderOptions['login'] = (signal) => {
      ended = signal
      return new Promise(() => undefined)
    }
    const { provider, dispose } = provideNostr({ window: {}, login })
    const asking = provider.getPublicKey().catch((error: unknown) => error)
    await Promise.resolve()
    dispose()
    expect(ended?.aborted).toBe(true)
    expect(await asking).toMatchObject({ code: 'provider/disposed' })
  })

  test('of two of ours the first stays', async () => {
    const page: Page = {}
    const first = provideNostr({ window: page, login: never })
    const second = provideNostr({ window: page, login: never })
    expect([first.state, second.state]).toEqual(['active', 'yielded'])
    second.dispose()
    expect(page.nostr).toBe(first.provider)
    first.dispose()
    expect('nostr' in page).toBe(false)
  })

  test('a page that lets nobody define it says so at once', () => {
    expect(() => provideNostr({ window: Object.freeze({}), login: never })).toThrow(TypeError)
  })
})

describe('an extension', () => {
  test('that was there first stays, and is used by whoever has ours', async () => {
    const { nostr, asked } = extension('first')
    const page: Page = { nostr }
    const onYield = vi.fn()
    const { state, provider, dispose } = provideNostr({ window: page, login: never, onYield })
    expect([state, page.nostr, onYield.mock.calls]).toEqual(['yielded', nostr, []])
    expect(await provider.getPublicKey()).toBe('first getPublicKey')
    expect(await provider.nip44.encrypt('p', 't')).toBe('first encrypt')
    expect(await provider.nip44.decrypt('p', 't')).toBe('first decrypt')
    expect(await provider.signEvent(TEMPLATE)).toBe('first signEvent')
    expect(asked).toEqual([
      ['getPublicKey'],
      ['encrypt', 'p', 't'],
      ['decrypt', 'p', 't'],
      ['signEvent', TEMPLATE],
    ])
    for (const asking of [
      provider.nip04.encrypt('p', 't'),
      provider.nip04.decrypt('p', 't'),
      provider.getRelays(),
    ])
      await expect(asking).rejects.toMatchObject({ code: 'provider/unsupported' })
    expect(onYield).toHaveBeenCalledOnce()
    dispose()
    expect(page.nostr).toBe(nostr)
    await expect(provider.getPublicKey()).rejects.toMatchObject({ code: 'provider/disposed' })
  })

  test.each<[string, (page: Page, nostr: object) => void]>([
    [
      'is assigned',
      (page, nostr) => {
        page.nostr = nostr
      },
    ],
    [
      'is defined',
      (page, value) => void Object.defineProperty(page, 'nostr', { value, configurable: false }),
    ],
    [
      'is defined with a getter',
      (page, value) => void Object.defineProperty(page, 'nostr', { get: () => value }),
    ],
  ])('that %s later takes over, also for a login that is under way', async (_, take) => {
    const page: Page = {}
    let ended: AbortSignal | undefined
    const login: ProviderOptions['login'] = (signal) => {
      ended = signal
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined)))
    }
    const onYield = vi.fn()
    const given = provideNostr({ window: page, login, onYield })
    const asking = nostrOf(page).getPublicKey()
    await Promise.resolve()
    const { nostr } = extension('late')
    take(page, nostr)
    expect(page.nostr).toBe(nostr)
    expect(given.state).toBe('yielded')
    expect(await asking).toBe('late getPublicKey')
    expect(ended?.aborted).toBe(true)
    expect(await given.provider.signEvent(TEMPLATE)).toBe('late signEvent')
    given.dispose()
    expect(page.nostr).toBe(nostr)
    expect(onYield).toHaveBeenCalledOnce()
  })

  test('that comes during a request of the session does not cut it off', async () => {
    const world = createWorld()
    const session = await world.login()
    const page: Page = {}
    const { provider } = provideNostr({ window: page, login: never, session })
    const signing = provider.signEvent(TEMPLATE)
    page.nostr = extension('late').nostr
    expect((await world.settled(signing)).pubkey).toBe(session.userPubkey)
    expect(await provider.getPublicKey()).toBe('late getPublicKey')
  })

  test('may come and go by plain assignment, as if ours had never been', () => {
    const page: Page = {}
    provideNostr({ window: page, login: never })
    const [one, two] = [extension('one').nostr, extension('two').nostr]
    page.nostr = one
    page.nostr = two
    expect(page.nostr).toBe(two)
    expect(Object.getOwnPropertyDescriptor(page, 'nostr')).toMatchObject({
      writable: true,
      configurable: true,
    })
  })

  test.each([undefined, null, 7, 'nostr', true])('is not %j: ours stays', (value) => {
    const page: Page = { nostr: undefined }
    const given = provideNostr({ window: page, login: never })
    page.nostr = value
    expect([given.state, page.nostr]).toEqual(['active', given.provider])
  })

  test('that fails is heard', async () => {
    const nostr = {
      getPublicKey: () => Promise.reject(new Error('denied in the extension')),
      signEvent() {
        throw new Error('broken')
      },
    }
    const { provider } = provideNostr({ window: { nostr }, login: never })
    await expect(provider.getPublicKey()).rejects.toThrow('denied in the extension')
    await expect(provider.signEvent(TEMPLATE)).rejects.toThrow('broken')
  })
})
