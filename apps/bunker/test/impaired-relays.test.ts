/**
 * Login and signing over real sockets when a relay is dead, drops its connections every two seconds, or refuses everything.
 */

import { createServer, type Socket } from 'node:net'
import { connect, Nip46Error } from '@nip46/client'
import { type KeyHandle, parseRelayUrl, type RelayUrl } from '@nip46/core'
import { generateSecretKey } from '@nip46/crypto'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { createRelay, type RelayServer } from '@nip46/relay'
import { createRemoteSigner, denyAll, localUserSigner, type RemoteSigner } from '@nip46/remote-signer'
import { startFaultyRelay } from '@nip46/testing/faulty-relay'
import { createRelayPool, type RelayPool } from '@nip46/transport-websocket'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { hostRandom } from '../src/host-random.ts'

const crypto = tinyCrypto()
const granted = [{ method: 'sign_event', kind: 1 }]
let relay: RelayServer
let url: string
let userKey: KeyHandle
let pools: RelayPool[]
const cleanups: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  relay = createRelay({ crypto })
  url = (await relay.listen()).url
  userKey = crypto.importKey(generateSecretKey(hostRandom))
  pools = []
})

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
  await Promise.all(pools.map((pool) => pool.close()))
  await relay.close()
})

function makePool(): RelayPool {
  const pool = createRelayPool()
  pools.push(pool)
  return pool
}

async function startSigner(urls: readonly string[]): Promise<RemoteSigner> {
  const relays = urls.map((text): RelayUrl => {
    const parsed = parseRelayUrl(text)
    if (!parsed.ok) throw new Error(text)
    return parsed.value
  })
  const userSigner = localUserSigner(userKey, { crypto, random: hostRandom })
  const signer = createRemoteSigner({ crypto, transport: makePool(), userSigner, approver: denyAll, relays })
  cleanups.push(() => signer.close())
  await signer.start()
  return signer
}

/** A loopback URL where nobody listens. */
async function deadUrl(): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('fixture')
  return `ws://127.0.0.1:${address.port}`
}

async function timed<T>(run: () => Promise<T>): Promise<{ readonly value: T; readonly ms: number }> {
  const started = performance.now()
  const value = await run()
  return { value, ms: Math.round(performance.now() - started) }
}

test('one dead relay in the token: login and signing settle through the others', async () => {
  const signer = await startSigner([url])
  const dead = await deadUrl()
  const { uri } = await signer.offer({ granted })
  const spoiled = uri.replace('?relay=', `?relay=${dead}&relay=`)
  const login = await timed(() => connect(spoiled, { crypto, transport: makePool() }))
  const sign = await timed(() => login.value.signEvent({ kind: 1, content: 'over the live one' }))
  expect(sign.value.pubkey).toBe(userKey.pubkey)
  console.log(`one dead relay of two: login ${login.ms} ms, signature ${sign.ms} ms`)
  login.value.close()
})

test('a relay that accepts connections and never says a word does not hold up the others', async () => {
  const signer = await startSigner([url])
  const sockets = new Set<Socket>()
  const silent = createServer((socket) => void sockets.add(socket))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => silent.close(resolve))
  })
  const address = silent.address()
  if (address === null || typeof address === 'string') throw new Error('fixture')
  const { uri } = await signer.offer({ granted })
  const spoiled = uri.replace('?relay=', `?relay=ws://127.0.0.1:${address.port}&relay=`)
  const login = await timed(() => connect(spoiled, { crypto, transport: makePool() }))
  const sign = await timed(() => login.value.signEvent({ kind: 1, content: 'x' }))
  console.log(`one silent relay of two: login ${login.ms} ms, signature ${sign.ms} ms`)
  login.value.close()
})

/** Signs notes one after the other, 300 ms apart, and tells what became of each. */
async function signNotes(
  session: Awaited<ReturnType<typeof connect>>,
  count: number,
  timeout: number,
): Promise<{
  readonly signed: number
  readonly codes: readonly string[]
  readonly times: readonly number[]
}> {
  const times: number[] = []
  const codes: string[] = []
  for (let i = 0; i < count; i++) {
    const content = `note ${i}`
    const { value, ms } = await timed(() =>
      session.signEvent({ kind: 1, content }, { timeout }).catch((cause: unknown) => cause),
    )
    times.push(ms)
    if (value instanceof Nip46Error) codes.push(value.code)
    else expect(value).toMatchObject({ content, pubkey: userKey.pubkey })
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
  return { signed: count - codes.length, codes, times: times.toSorted((x, y) => x - y) }
}

test('a relay that keeps events a minute and drops every connection each 2 s: login and 20 signatures succeed', async () => {
  const keeping = createRelay({ crypto, retention: { seconds: 60 } })
  cleanups.push(() => keeping.close())
  const faulty = await startFaultyRelay({
    target: (await keeping.listen()).url,
    faults: { dropEveryMs: 2_000 },
  })
  cleanups.push(() => faulty.close())
  const signer = await startSigner([faulty.url])
  const { uri } = await signer.offer({ granted })
  const login = await timed(() => connect(uri, { crypto, transport: makePool() }))
  const { signed, codes, times } = await signNotes(login.value, 20, 60_000)
  expect(codes).toEqual([])
  expect(signer.stats().performed).toBe(20)
  console.log(
    `drops each 2 s, keeps events: login ${login.ms} ms, ${signed} of 20 signed, p50 ${times[10]} ms, worst ${times[19]} ms`,
  )
  login.value.close()
})

test('a relay that keeps nothing and drops every connection each 2 s: each signature settles, and none is made twice', async () => {
  const faulty = await startFaultyRelay({ target: url, faults: { dropEveryMs: 2_000 } })
  cleanups.push(() => faulty.close())
  const signer = await startSigner([faulty.url])
  const { uri } = await signer.offer({ granted })
  const login = await timed(() => connect(uri, { crypto, transport: makePool() }))
  const { signed, codes, times } = await signNotes(login.value, 10, 20_000)
  expect(codes.filter((code) => !code.startsWith('timeout/'))).toEqual([])
  // Each ends at its own time, give or take what a busy machine needs.
  expect(times[9]).toBeLessThan(60_000)
  expect(signer.stats().performed).toBeLessThanOrEqual(10)
  // Most on a quiet machine. How many there are is printed, and is no promise.
  expect(signed).toBeGreaterThanOrEqual(1)
  console.log(
    `drops each 2 s, keeps nothing: login ${login.ms} ms, ${signed} of 10 signed, p50 ${times[5]} ms, worst ${times[9]} ms`,
  )
  login.value.close()
}, 400_000)

test('a relay that answers OK false: the good one carries login and signing', async () => {
  const refusing = await startFaultyRelay({ target: url, faults: { rejectEvents: 'blocked: not here' } })
  cleanups.push(() => refusing.close())
  const signer = await startSigner([url])
  const { uri } = await signer.offer({ granted })
  const spoiled = uri.replace('?relay=', `?relay=${refusing.url.replace(/\/$/, '')}&relay=`)
  const login = await timed(() => connect(spoiled, { crypto, transport: makePool() }))
  const sign = await timed(() => login.value.signEvent({ kind: 1, content: 'x' }))
  console.log(`one refusing relay of two: login ${login.ms} ms, signature ${sign.ms} ms`)
  login.value.close()
})

test('when every relay refuses, login fails at once and names each relay and its reason', async () => {
  const refusing = await startFaultyRelay({ target: url, faults: { rejectEvents: 'blocked: not here' } })
  cleanups.push(() => refusing.close())
  const signer = await startSigner([url])
  const { uri } = await signer.offer({ granted })
  const spoiled = uri.replace(/\?relay=[^&]*/, `?relay=${refusing.url.replace(/\/$/, '')}`)
  const failed = await timed(() =>
    connect(spoiled, { crypto, transport: makePool() }).catch((cause) => cause),
  )
  expect(failed.value).toMatchObject({ code: 'publish/rejected', relays: [{ reason: 'blocked: not here' }] })
  console.log(`every relay refuses: typed error after ${failed.ms} ms`)
})
