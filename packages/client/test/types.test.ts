/** That a session fits where other libraries expect a signer: checked by the compiler, and once at run time. */

import type { NostrSigner } from '@nostrify/types'
import type { ISigner } from 'applesauce-signers'
import type { Signer } from 'nostr-tools/signer'
import type { Nip07 } from 'nostr-typedef'
import { expect, test } from 'vitest'
import type { BunkerSession } from '../src/index.ts'
import { createWorld } from './world.ts'

test('a session is a NIP-07 object, and a signer of other libraries, as it is', async () => {
  const session: BunkerSession = await createWorld().login()
  const windowNostr: Nip07.Nostr = session
  const tools: Signer = session
  const applesauce: ISigner = session
  const nostrify: NostrSigner = session
  const template = { kind: 1, tags: [], content: 'x', created_at: 1 }
  for (const signer of [windowNostr, tools, applesauce, nostrify]) {
    const { getPublicKey, signEvent } = signer
    expect((await signEvent(template)).pubkey).toBe(await getPublicKey())
  }
})

test('the flat names are the methods of the two schemes', async () => {
  const session = await createWorld().login()
  const { nip04, nip44 } = session
  expect([session.nip04Encrypt, session.nip04Decrypt]).toEqual([nip04.encrypt, nip04.decrypt])
  expect([session.nip44Encrypt, session.nip44Decrypt]).toEqual([nip44.encrypt, nip44.decrypt])
  expect(new Set([nip04.encrypt, nip04.decrypt, nip44.encrypt, nip44.decrypt]).size).toBe(4)
})

test('the published types are read, and are no any', async () => {
  const session = await createWorld().login()
  const signEvent = () => Promise.resolve('signature')
  // @ts-expect-error an event is wanted
  const windowNostr: Nip07.Nostr = { ...session, signEvent }
  // @ts-expect-error an event is wanted
  const tools: Signer = { ...session, signEvent }
  // @ts-expect-error an event is wanted
  const applesauce: ISigner = { ...session, signEvent }
  // @ts-expect-error an event is wanted
  const nostrify: NostrSigner = { ...session, signEvent }
  for (const signer of [windowNostr, tools, applesauce, nostrify]) {
    expect(signer.getPublicKey).toBe(session.getPublicKey)
  }
})

test('other requests are typed by their method, and how a session ends is none of them', async () => {
  const world = createWorld()
  const session = await world.login()
  const pong: 'pong' = await session.request('ping', [])
  expect(pong).toBe('pong')
  // @ts-expect-error a list of names is wanted
  const names: Promise<string> = session.request('describe', [])
  expect(await world.settled(names)).toEqual(['ping', 'sign_event'])
  // @ts-expect-error `logout()` does more
  const refused = session.request('logout', [1])
  await expect(refused).rejects.toThrow('no strings')
})

test('an AbortSignal of the host is a signal, and a plain template needs no tags and no time', async () => {
  const session = await createWorld().login()
  const event = await session.signEvent(
    { kind: 1, content: 'x' },
    { signal: AbortSignal.timeout(60_000), timeout: 1_000 },
  )
  event.tags.push(['editable'])
  expect(event.tags).toEqual([['editable']])
})

test('a session cannot be tampered with by code that shares the page', async () => {
  const session = await createWorld().login()
  expect(Object.isFrozen(session) && Object.isFrozen(session.nip44) && Object.isFrozen(session.nip04)).toBe(
    true,
  )
  expect(() => {
    // @ts-expect-error what a session knows is not for writing
    session.userPubkey = 'x'
  }).toThrow(TypeError)
})
