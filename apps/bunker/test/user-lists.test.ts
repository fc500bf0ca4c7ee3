/** What the daemon knows of a user's lists: what it signed, what named relays hold; never what is not the user's own. */

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EventTemplate, KeyHandle, SignedEvent, SubscribeRequest, Transport } from '@nip46/core'
import { createRelay } from '@nip46/relay'
import { createFakeClock, seededRandom } from '@nip46/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  LIST_AHEAD_SECONDS,
  LIST_CHARS,
  LIST_CHECKS_PER_MINUTE,
  LISTS_PER_USER,
} from '../src/daemon/limits.ts'
import { openUserLists, type UserLists } from '../src/daemon/user-lists.ts'
import { connectApp, crypto, nextQuestion, PASSPHRASE, startWorld, until } from './daemon-world.ts'

const NOW = 1_767_225_600
const RELAYS = ['wss://relay.example/'] as never
const key = crypto.importKey(seededRandom('lists').bytes(32))
const user = key.pubkey

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nip46-lists-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

function sign(template: Partial<EventTemplate>, by: KeyHandle = key): SignedEvent {
  const event = { kind: 3, created_at: NOW, tags: [], content: '', ...template, pubkey: by.pubkey }
  const id = crypto.eventId(event)
  return { ...event, id, sig: by.sign(id, seededRandom(id).bytes(32)) } as never
}

const follow = (...names: readonly string[]) =>
  names.map((name) => [
    'p',
    seededRandom(name)
      .bytes(32)
      .reduce((hex, byte) => hex + byte.toString(16).padStart(2, '0'), ''),
  ])

/** A transport that only ever subscribes, by hand. */
function byHand(): {
  readonly transport: Transport
  readonly asked: SubscribeRequest[]
  send(event: unknown): void
} {
  const asked: SubscribeRequest[] = []
  return {
    asked,
    send: (event) => asked.at(-1)?.onEvent(event, RELAYS[0]),
    transport: {
      publish: async () => {
        throw new Error('nothing is published')
      },
      subscribe(request) {
        asked.push(request)
        return { close: () => undefined }
      },
      close: async () => undefined,
    },
  }
}

async function open(more: Partial<Parameters<typeof openUserLists>[0]> = {}) {
  const relay = byHand()
  const clock = createFakeClock(NOW * 1_000)
  const checked: string[] = []
  const lists: UserLists = await openUserLists({
    directory,
    transport: relay.transport,
    relays: RELAYS,
    crypto: {
      eventId: crypto.eventId,
      verify(event) {
        checked.push(event.id)
        return crypto.verify(event)
      },
    },
    clock,
    onFault: (cause) => {
      throw cause
    },
    ...more,
  })
  return { lists, relay, clock, checked }
}

test('only genuine lists of the user are known, the newest of each kind', async () => {
  const { lists, relay } = await open()
  lists.watch([user])
  expect(relay.asked).toHaveLength(1)
  expect(relay.asked[0]).toMatchObject({
    relays: RELAYS,
    filters: [{ authors: [user], kinds: [0, 3, 10_002] }],
  })
  lists.watch([user])
  expect(relay.asked).toHaveLength(1)
  const stranger = crypto.importKey(seededRandom('stranger').bytes(32))
  const good = sign({ tags: follow('a', 'b') })
  for (const bad of [
    null,
    'x',
    [good],
    { ...good, id: '0'.repeat(64) },
    { ...good, tags: follow('a') },
    { ...good, sig: '0'.repeat(128) },
    { ...good, tags: [['p', 7]] },
    { ...good, kind: 3.5 },
    { ...good, pubkey: 'X' },
    sign({ tags: follow('c') }, stranger),
    sign({ kind: 1 }),
    sign({ kind: 10_000, tags: follow('d') }),
    sign({ tags: follow('e'), created_at: NOW + LIST_AHEAD_SECONDS + 1 }),
    sign({ content: 'x'.repeat(LIST_CHARS + 1) }),
  ])
    relay.send(bad)
  expect(lists.list(user, 'follows')).toBeUndefined()
  expect(lists.latest(user, good)).toBeUndefined()

  relay.send(good)
  expect(lists.list(user, 'follows')).toEqual([good.tags[0]?.[1], good.tags[1]?.[1]])
  relay.send(sign({ tags: follow('old'), created_at: NOW - 1 }))
  expect(lists.list(user, 'follows')).toHaveLength(2)
  relay.send(sign({ tags: follow('a', 'b', 'c'), created_at: NOW + LIST_AHEAD_SECONDS }))
  expect(lists.list(user, 'follows')).toHaveLength(3)
  relay.send(sign({ kind: 10_002, tags: [['r', 'wss://mine.example'], ['r', 'no url'], ['r']] }))
  expect(lists.list(user, 'relays')).toEqual(['wss://mine.example'])
  expect(lists.list(stranger.pubkey, 'follows')).toBeUndefined()
  await lists.close()
})

test('without relays that the owner named nothing is asked, and what is signed here is known once it is done', async () => {
  const { lists, relay, checked } = await open({ relays: [] })
  lists.watch([user])
  expect(relay.asked).toEqual([])
  const event = sign({ tags: follow('a') })
  lists.signed(user, JSON.stringify(event))
  expect(lists.list(user, 'follows')).toBeUndefined()
  lists.done('0'.repeat(64))
  lists.done(event.id)
  expect(lists.list(user, 'follows')).toHaveLength(1)
  lists.signed(user, JSON.stringify(sign({ kind: 1 })))
  lists.signed(user, 'no JSON')
  expect(checked).toEqual([])
  await lists.close()
})

test('lists outlive the process, and a file that somebody changed is not believed', async () => {
  const first = await open()
  const stranger = crypto.importKey(seededRandom('stranger').bytes(32))
  for (const event of [sign({ tags: follow('a', 'b') }), sign({ kind: 30_000, tags: [['d', 'x']] })]) {
    first.lists.signed(user, JSON.stringify(event))
    first.lists.done(event.id)
  }
  await first.lists.close()
  expect(await readdir(directory)).toEqual([`${user}.json`])
  const again = await open()
  expect(again.lists.list(user, 'follows')).toHaveLength(2)
  expect(
    again.lists.latest(user, { kind: 30_000, tags: [['d', 'x']], content: '', created_at: NOW }),
  ).toBeDefined()
  expect(
    again.lists.latest(user, { kind: 30_000, tags: [['d', 'y']], content: '', created_at: NOW }),
  ).toBeUndefined()
  await again.lists.close()

  const path = join(directory, `${user}.json`)
  const text = await readFile(path, 'utf8')
  const { events } = JSON.parse(text) as { readonly events: readonly SignedEvent[] }
  const changed = [{ ...events[0], tags: follow('thief') }, sign({ tags: follow('thief') }, stranger)]
  await writeFile(path, JSON.stringify({ v: 1, events: changed }), { mode: 0o600 })
  const third = await open()
  expect(third.lists.list(user, 'follows')).toBeUndefined()
  await third.lists.close()
  await writeFile(path, 'no JSON at all', { mode: 0o600 })
  const fourth = await open()
  expect(fourth.lists.list(user, 'follows')).toBeUndefined()
  await fourth.lists.close()
})

test('no relay and no app makes it grow, or compute, without bound', async () => {
  const { lists, relay, checked, clock } = await open()
  lists.watch([user])
  const forged = { ...sign({ tags: follow('a') }), sig: '0'.repeat(128) }
  for (let i = 0; i < LIST_CHECKS_PER_MINUTE + 50; i++) relay.send(forged)
  expect(checked).toHaveLength(LIST_CHECKS_PER_MINUTE)
  const real = sign({ tags: follow('a') })
  relay.send(real)
  expect(lists.list(user, 'follows')).toBeUndefined()
  clock.advance(60_000)
  relay.send(real)
  expect(lists.list(user, 'follows')).toHaveLength(1)
  for (let i = 0; i < LISTS_PER_USER + 50; i++) {
    const event = sign({ kind: 30_000, tags: [['d', String(i)]] })
    lists.signed(user, JSON.stringify(event))
    lists.done(event.id)
  }
  expect(lists.view(user)).toHaveLength(LISTS_PER_USER)
  expect(lists.list(user, 'follows')).toHaveLength(1)
  await lists.close()
})

test('a daemon asks about a follow list that shrinks against what the user’s relay holds, also after a restart', async () => {
  const relay = createRelay({ crypto, kinds: [0, 3, 10_002], retention: { events: 100, seconds: 3_600 } })
  const { url } = await relay.listen()
  let world = await startWorld({ key: false, flags: { userRelays: url } })
  try {
    const secret = Buffer.from(seededRandom('lists').bytes(32)).toString('hex')
    await world.api.call('key.import', { name: 'me', passphrase: PASSPHRASE, secret })
    await world.api.call('key.unlock', { name: 'me', passphrase: PASSPHRASE })
    const names = Array.from({ length: 40 }, (_, i) => `friend ${i}`)
    const at = Math.floor(Date.now() / 1_000)
    await world.pool.publish([url], sign({ tags: follow(...names), created_at: at - 60 }))
    const friend = crypto.importKey(seededRandom('friend 0').bytes(32)).pubkey
    const known = sign({ tags: [...follow(...names), ['p', friend]], created_at: at - 30 })
    await world.pool.publish([url], known)

    const app = await connectApp(world, { grants: 'sign_event:3[shrink<=5%],nip44_encrypt:follows' })
    const isKnown = async () => {
      const { findings } = await world.api.call('doctor.get')
      return findings.some(({ what, words }) => what === 'lists of me' && words.includes('with 41 entries'))
    }
    await until(isKnown)
    // Two of 41 are less than 5 %.
    const less = { kind: 3, content: '', tags: known.tags.slice(2) }
    expect(await app.signEvent(less)).toMatchObject({ kind: 3 })
    const cut = app.signEvent({ ...less, tags: known.tags.slice(20) })
    cut.catch(() => undefined)
    const asked = await nextQuestion(world.api, ({ kind }) => kind === 3)
    await world.api.call('request.deny', { id: asked.id, hash: asked.hash })
    await expect(cut).rejects.toMatchObject({ code: 'remote/error' })

    expect(await app.nip44Encrypt(friend, 'hello')).toEqual(expect.any(String))
    const other = app.nip44Encrypt(crypto.importKey(seededRandom('other').bytes(32)).pubkey, 'hello')
    other.catch(() => undefined)
    const { id, hash } = await nextQuestion(world.api, ({ method }) => method === 'nip44_encrypt')
    await world.api.call('request.deny', { id, hash })

    await relay.close()
    world = await world.restart({ key: true })
    // Another session, which has counted nothing itself.
    const second = await connectApp(world, { grants: 'sign_event:3[shrink<=5%]' })
    const again = second.signEvent({ ...less, tags: known.tags.slice(20) })
    again.catch(() => undefined)
    const still = await nextQuestion(world.api, ({ kind }) => kind === 3)
    await world.api.call('request.deny', { id: still.id, hash: still.hash })
    expect(await second.signEvent({ ...less, tags: known.tags.slice(3) })).toMatchObject({ kind: 3 })
    await second.close()
    await app.close()
  } finally {
    await world.close()
    await relay.close()
  }
})

test('the web addresses of an app are what its owner says, and nothing that it says itself', async () => {
  const world = await startWorld()
  try {
    const { api } = world
    const app = await connectApp(world, { grants: 'sign_event:27235[url=list:origins]' })
    const [{ clientPubkey = '' } = {}] = (await api.call('app.list')).apps
    const login = (url: string) =>
      app.signEvent({
        kind: 27_235,
        content: '',
        tags: [
          ['u', url],
          ['method', 'GET'],
        ],
      })
    const isAsked = async (url: string): Promise<void> => {
      const signing = login(url)
      signing.catch(() => undefined)
      const { id, hash } = await nextQuestion(api)
      await api.call('request.deny', { id, hash })
      await expect(signing).rejects.toMatchObject({ code: 'remote/error' })
    }
    await isAsked('https://api.app.example/x')
    await api.call('app.origins', { clientPubkey, origins: ['https://api.app.example/'] })
    expect((await api.call('app.show', { clientPubkey })).origins).toEqual(['https://api.app.example'])
    expect(await login('https://api.app.example/x')).toMatchObject({ kind: 27_235 })
    await isAsked('https://api.app.example.evil.example/x')
    for (const origins of [['https://a.example/path'], ['javascript:x'], ['https://user@a.example']])
      await expect(api.call('app.origins', { clientPubkey, origins })).rejects.toMatchObject({
        code: 'app/origin',
      })
    await api.call('app.origins', { clientPubkey, origins: [] })
    await isAsked('https://api.app.example/x')
    await app.close()
  } finally {
    await world.close()
  }
})
