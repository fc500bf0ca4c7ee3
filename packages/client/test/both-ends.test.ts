/** The client and the remote signer of this project against each other, over relays in memory and with real crypto. */

import type { Approver, KeyHandle, Permission, Question, RelayUrl } from '@nip46/core'
import {
  createRemoteSigner,
  denyAll,
  localUserSigner,
  memoryStore,
  type RemoteSigner,
  type RemoteSignerOptions,
} from '@nip46/remote-signer'
import { createFakeClock, createMemoryRelay, type FakeClock, type MemoryRelay } from '@nip46/testing'
import { describe, expect, test } from 'vitest'
import {
  type ConnectOptions,
  clientProfile,
  connect,
  Nip46Error,
  nip44GetKey,
  offer,
  resume,
  type SessionEvent,
} from '../src/index.ts'
import { crypto, newKey, ONE, random, START, TWO } from './world.ts'

const EVERYTHING: readonly Permission[] = [
  'sign_event',
  'nip04_encrypt',
  'nip04_decrypt',
  'nip44_encrypt',
  'nip44_decrypt',
].map((method) => ({ method }))

interface Pair {
  readonly clock: FakeClock
  readonly network: MemoryRelay
  readonly user: KeyHandle
  readonly remote: RemoteSigner
  readonly events: SessionEvent[]
  readonly options: ConnectOptions
  /** Lets time pass until the promise has settled. */
  settled<T>(promise: Promise<T>, limitMs?: number): Promise<T>
  failure(promise: Promise<unknown>): Promise<Nip46Error>
}

async function createPair(changes: Partial<RemoteSignerOptions> = {}, latencyMs = 5): Promise<Pair> {
  const clock = createFakeClock(START)
  const network = createMemoryRelay({ clock, latencyMs, crypto })
  const user = newKey()
  const remote = createRemoteSigner({
    crypto,
    random,
    clock,
    transport: network.connect(),
    userSigner: localUserSigner(user, { crypto, random }),
    approver: denyAll,
    relays: [ONE],
    ...changes,
  })
  const events: SessionEvent[] = []
  const settled = async <T>(promise: Promise<T>, limitMs = 60_000): Promise<T> => {
    let done = false
    const mark = (): void => {
      done = true
    }
    promise.then(mark, mark)
    if (!(await clock.runUntil(() => done, limitMs))) throw new Error(`not settled after ${limitMs} ms`)
    return promise
  }
  await settled(remote.start())
  return {
    clock,
    network,
    user,
    remote,
    events,
    options: {
      crypto,
      random,
      clock,
      transport: network.connect(),
      onEvent: (event) => void events.push(event),
    },
    settled,
    async failure(promise) {
      const error = await settled(
        promise.then(
          () => undefined,
          (caught: unknown) => caught,
        ),
      )
      if (error instanceof Nip46Error) return error
      throw new Error('expected a Nip46Error', { cause: error })
    },
  }
}

test('bunker://: log in, sign, encrypt, decrypt, log out', async () => {
  const { remote, user, settled, options, clock, failure } = await createPair()
  const { uri } = await settled(remote.offer({ granted: EVERYTHING }))
  const session = await settled(connect(uri, { ...options, metadata: { name: 'App' } }))
  expect(session.userPubkey).toBe(user.pubkey)
  expect(session.remoteSigner).not.toBe(user.pubkey)
  const event = await settled(session.signEvent({ kind: 1, content: 'hello' }))
  expect(crypto.verify(event)).toBe(true)
  const peer = newKey().pubkey
  for (const { encrypt, decrypt } of [session.nip44, session.nip04]) {
    expect(await settled(decrypt(peer, await settled(encrypt(peer, 'secret'))))).toBe('secret')
  }
  expect(await settled(session.ping())).toBe('pong')
  expect(await settled(session.describe())).toContain('sign_event')
  expect(await settled(session.switchRelays())).toBeNull()
  expect((await failure(session.getRelays())).reason).toBe('unsupported')
  expect((await failure(nip44GetKey(session, peer))).reason).toBe('unsupported')

  const saved = session.save()
  await settled(session.logout())
  const again = await settled(resume(saved, options))
  expect((await failure(again.signEvent({ kind: 1, content: 'ghost' }))).code).toMatch(/^(remote|timeout)\//)
  again.close()
  await settled(remote.close())
  expect(clock.pending).toBe(0)
})

test('a token is good for one client', async () => {
  const { remote, settled, options, failure } = await createPair()
  const { uri } = await settled(remote.offer({ granted: EVERYTHING }))
  await settled(connect(uri, options))
  const error = await failure(connect(uri, options))
  expect(error).toMatchObject({ code: 'remote/error', reason: 'bad-secret' })
})

test('nostrconnect://: the remote signer takes the offer of a client', async () => {
  const { remote, user, settled, options, clock } = await createPair()
  const { uri, session } = offer({
    ...options,
    relays: [TWO],
    metadata: { name: 'App' },
    perms: ['sign_event:1'],
  })
  await clock.run(1_000)
  const accepted = await settled(remote.accept(uri, { granted: EVERYTHING, approved: true }))
  const taken = await settled(session)
  expect(taken.userPubkey).toBe(user.pubkey)
  expect(accepted.clientPubkey).toBe(taken.clientPubkey)
  expect(await settled(taken.signEvent({ kind: 1, content: 'x' }))).toMatchObject({ content: 'x' })
  await settled(taken.logout())
})

describe('the text of 2024-02: NIP-04, no secret, get_relays, nip44_get_key', () => {
  const asked: Question[] = []
  const approver: Approver = {
    decide(question) {
      asked.push(question)
      return Promise.resolve({ allow: true })
    },
  }
  test('works from login to conversation key', async () => {
    const userRelays = { 'wss://home.example': { read: true, write: true } }
    const { remote, settled, options, user } = await createPair({ approver, userRelays, nip44GetKey: true })
    const carriers: string[] = []
    const { uri } = await settled(remote.offer({ withoutSecret: true }))
    expect(uri).not.toContain('secret')
    const { transport } = options
    const publish: typeof transport.publish = (relays, event, publishing) => {
      carriers.push(event.content)
      return transport.publish(relays, event, publishing)
    }
    const session = await settled(
      connect(uri, { ...options, profile: clientProfile('SEED'), transport: { ...transport, publish } }),
    )
    expect({ ...(await settled(session.getRelays())) }).toEqual(userRelays)
    const peer = newKey()
    const theirs = peer.conversation(user.pubkey)
    expect(theirs.ok && theirs.value.dangerouslyExportKey()).toBe(
      await settled(nip44GetKey(session, peer.pubkey)),
    )
    expect(await settled(session.signEvent({ kind: 1, content: 'old' }))).toMatchObject({ content: 'old' })
    expect(asked.map(({ type }) => type)).toEqual(['connect', 'operation', 'operation'])
    expect(carriers.length).toBeGreaterThan(3)
    expect(carriers.every((content) => content.includes('?iv='))).toBe(true)
  })
})

test('a person who thinks for half a minute is waited for, and one who says no is heard', async () => {
  let allow = true
  let clock: FakeClock | undefined
  const approver: Approver = {
    decide: () =>
      new Promise(
        (resolve) => void clock?.setTimer(() => resolve({ allow, reason: 'not this one' }), 30_000),
      ),
  }
  const pair = await createPair({ approver })
  clock = pair.clock
  const { remote, settled, options, failure } = pair
  const { uri } = await settled(remote.offer())
  const session = await settled(connect(uri, options))
  expect(await settled(session.signEvent({ kind: 1, content: 'x' }))).toMatchObject({ content: 'x' })
  allow = false
  expect(await failure(session.signEvent({ kind: 1, content: 'y' }))).toMatchObject({
    code: 'remote/error',
    reason: 'rejected',
  })
})

test('both move to the relays of the remote signer', async () => {
  const { remote, settled, options, clock, network } = await createPair({
    relays: [ONE, TWO],
    switchRelays: [TWO],
  })
  const { uri } = await settled(remote.offer({ granted: EVERYTHING }))
  const session = await settled(connect(uri.replace(/relay=wss:\/\/two[^&]*&?/, ''), options))
  await clock.run(10_000)
  expect(session.relays).toEqual([TWO])
  network.down(ONE)
  expect(await settled(session.signEvent({ kind: 1, content: 'there' }))).toMatchObject({ content: 'there' })
})

test('both survive a restart', async () => {
  const store = memoryStore()
  const pair = await createPair({ store })
  const { remote, settled, options, user, clock, network } = pair
  const { uri } = await settled(remote.offer({ granted: EVERYTHING }))
  const session = await settled(connect(uri, options))
  const saved = JSON.parse(JSON.stringify(session.save())) as ReturnType<typeof session.save>
  session.close()
  await settled(remote.close())

  const revived = createRemoteSigner({
    crypto,
    random,
    clock,
    transport: network.connect(),
    userSigner: localUserSigner(user, { crypto, random }),
    approver: denyAll,
    relays: [ONE],
    store,
  })
  await settled(revived.start())
  const again = await settled(resume(saved, options))
  expect(await settled(again.signEvent({ kind: 1, content: 'after' }))).toMatchObject({ content: 'after' })
})

test('a signature that is asked for again after an outage is made once', async () => {
  const { remote, settled, options, clock, network, events } = await createPair()
  const { uri } = await settled(remote.offer({ granted: EVERYTHING }))
  const session = await settled(connect(uri, options))
  const before = remote.stats().performed
  const signed = session.signEvent({ kind: 1, content: 'once' })
  // The request has come to the remote signer, and the answer gets lost on its way back.
  await clock.run(12)
  network.setFaults({ drop: 1 })
  await clock.run(1_000)
  network.down(ONE)
  await clock.run(2_000)
  network.setFaults({})
  network.up(ONE)
  expect(await settled(signed)).toMatchObject({ content: 'once' })
  const sent = events.filter(
    (event) => event.type === 'request' && event.method === 'sign_event' && event.stage === 'sent',
  )
  expect(sent).toHaveLength(2)
  expect(remote.stats().performed - before).toBe(1)
})

test('a client that was revoked is told so', async () => {
  const { remote, settled, options, failure } = await createPair()
  const { uri } = await settled(remote.offer({ granted: EVERYTHING }))
  const session = await settled(connect(uri, options))
  expect(await settled(remote.revoke(session.clientPubkey))).toBe(1)
  expect((await failure(session.ping())).reason).toBe('session-invalid')
})

test('a hundred requests over relays that lose, double, delay and reorder all settle', async () => {
  const relays: readonly RelayUrl[] = [ONE, TWO]
  const { remote, settled, options, network } = await createPair({ relays })
  const { uri } = await settled(remote.offer({ granted: EVERYTHING }))
  const session = await settled(connect(uri, options))
  network.setFaults({ drop: 0.05, double: 0.2, delay: 0.3, reorder: 0.2, maxDelayMs: 1_500 })
  const outcomes = Promise.allSettled(
    Array.from({ length: 100 }, (_, i) => {
      return i % 2 === 0
        ? session.signEvent({ kind: 1, content: `note ${i}` })
        : session.nip44.encrypt(session.userPubkey, 'x')
    }),
  )
  const settledAll = await settled(outcomes, 70_000)
  const signed = settledAll.flatMap((outcome, i) => {
    return outcome.status === 'fulfilled' && i % 2 === 0
      ? [(outcome.value as { content: string }).content === `note ${i}`]
      : []
  })
  expect(signed.length).toBeGreaterThan(40)
  expect(signed.every(Boolean)).toBe(true)
  for (const outcome of settledAll) {
    if (outcome.status === 'rejected') expect((outcome.reason as Nip46Error).code).toBe('timeout/no-answer')
  }
})
