/** That a session keeps its store up to date, and that a store which fails or hangs holds nothing up. */

import { expect, test } from 'vitest'
import { resumeStored, type SessionStore } from '../src/index.ts'
import { STORE_MS } from '../src/limits.ts'
import { okay } from './scripted-signer.ts'
import { createWorld, ONE, SECRET, TWO } from './world.ts'

function memoryStore(): SessionStore & { text: string | undefined } {
  return {
    text: undefined,
    async load() {
      return this.text
    },
    async save(saved) {
      this.text = JSON.stringify(saved)
    },
    async clear() {
      this.text = undefined
    },
  }
}

test('a session is saved when it is ready and when it moves, resumed from there, and cleared on logout', async () => {
  const world = createWorld({ signerRelays: [ONE, TWO] })
  const store = memoryStore()
  expect(await resumeStored({ ...world.options(), store })).toBe(undefined)
  world.signer.script('switch_relays', ({ id }) => okay(id, JSON.stringify([TWO])))
  const session = await world.login({ store })
  await world.clock.settle()
  expect(store.text).toContain(session.clientPubkey)
  expect(store.text).not.toContain(SECRET)
  await world.clock.run(6_000)
  expect(JSON.parse(store.text ?? '')).toMatchObject({ session: { relays: [TWO] } })
  session.close()
  expect(store.text).toBeDefined()
  world.signer.heard.length = 0
  const again = await world.settled(resumeStored({ ...world.options(), store }))
  expect(again?.userPubkey).toBe(world.signer.user.pubkey)
  expect(world.signer.methods()).not.toContain('connect')
  world.signer.script('logout', () => undefined)
  await world.settled(again?.logout() ?? Promise.reject(new Error('no session')))
  expect(store.text).toBe(undefined)
})

test('a store that fails is told of, and the session goes on', async () => {
  const world = createWorld()
  const fail = async (): Promise<never> => {
    throw new Error('disk full')
  }
  const session = await world.login({ store: { load: fail, save: fail, clear: fail } })
  await world.clock.settle()
  expect(world.codes('alert')).toEqual(['store/failed'])
  expect(await world.settled(session.ping())).toBe('pong')
  await world.settled(session.logout())
  const unreadable = resumeStored({ ...world.options(), store: { load: fail, save: fail, clear: fail } })
  expect(await world.failure(unreadable)).toMatchObject({
    code: 'session/saved',
    message: expect.not.stringContaining('disk full'),
  })
})

test('a store that hangs does not hold up a logout', async () => {
  const world = createWorld()
  const hang = (): Promise<never> => new Promise(() => undefined)
  const session = await world.login({ store: { load: hang, save: hang, clear: hang } })
  const began = world.clock.now()
  await world.settled(session.logout())
  expect(world.clock.now() - began).toBe(STORE_MS)
  expect(world.clock.pending).toBe(0)
})

test('a logout clears the store also if the session is closed before the remote signer answers', async () => {
  const world = createWorld()
  const store = memoryStore()
  const session = await world.login({ store })
  world.signer.script('logout', () => undefined)
  const done = session.logout()
  session.close()
  await world.settled(done)
  expect(store.text).toBeUndefined()
  expect(world.events.at(-1)).toEqual({ type: 'ended', reason: 'logged-out' })
})
