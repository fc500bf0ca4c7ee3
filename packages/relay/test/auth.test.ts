import type { KeyHandle, SignedEvent } from '@nip46/core'
import { afterEach, expect, test } from 'vitest'
import { alice, bob, type Client, closeRelays, connect, seconds, sign, start } from './wire.ts'

afterEach(closeRelays)

const forBob = { kinds: [24133], '#p': [bob.pubkey] }

function proof(
  key: KeyHandle,
  relay: string,
  challenge: string,
  change: Partial<SignedEvent> = {},
): SignedEvent {
  return sign(key, {
    kind: 22242,
    content: '',
    tags: [
      ['relay', relay],
      ['challenge', challenge],
    ],
    ...change,
  })
}

async function authenticate(client: Client, event: SignedEvent): Promise<unknown[]> {
  client.send('AUTH', event)
  return client.take((message) => message[0] === 'OK' && message[1] === event.id)
}

test('before AUTH nothing is served; after it everything is', async () => {
  const { url } = await start({ auth: {} })
  const client = await connect(url)
  const challenge = (await client.verb('AUTH'))[1] as string
  expect(challenge).toMatch(/^[0-9a-f]{32}$/)
  expect(await client.subscribe('a', forBob)).toEqual([
    'CLOSED',
    'a',
    expect.stringMatching(/^auth-required: /),
  ])
  expect((await client.publish(sign(alice))).slice(2)).toEqual([
    false,
    expect.stringMatching(/^auth-required: /),
  ])
  expect((await authenticate(client, proof(alice, url, challenge))).slice(2)).toEqual([true, ''])
  expect((await client.subscribe('a', forBob))[0]).toBe('EOSE')
  expect((await client.publish(sign(bob))).slice(2)).toEqual([true, ''])
  expect((await client.verb('EVENT'))[1]).toBe('a')
})

test('a proof counts only for this relay, this challenge, this time, this kind and a right signature', async () => {
  const { url, relay, port } = await start({ auth: {} })
  const [client, other] = await Promise.all([connect(url), connect(url)])
  const challenge = (await client.verb('AUTH'))[1] as string
  const otherChallenge = (await other.verb('AUTH'))[1] as string
  expect(otherChallenge).not.toBe(challenge)
  const right = proof(alice, url, challenge)
  const wrong = [
    proof(alice, 'wss://evil.example/', challenge),
    proof(alice, `ws://127.0.0.1:${port}/elsewhere`, challenge),
    proof(alice, 'no url', challenge),
    proof(alice, url, otherChallenge),
    proof(alice, url, ''),
    proof(alice, url, challenge, { tags: [['challenge', challenge]] }),
    proof(alice, url, challenge, { tags: [['relay', url]] }),
    proof(alice, url, challenge, { kind: 24133 }),
    proof(alice, url, challenge, { created_at: seconds() - 605 }),
    proof(alice, url, challenge, { created_at: seconds() + 605 }),
  ]
  for (const event of wrong) {
    expect((await authenticate(client, event)).slice(2)).toEqual([false, expect.stringMatching(/^invalid: /)])
  }
  expect((await authenticate(client, { ...right, sig: proof(bob, url, challenge).sig }))[2]).toBe(false)
  expect((await authenticate(client, { ...right, pubkey: bob.pubkey }))[2]).toBe(false)
  expect(relay.stats().dropped).toEqual({ 'auth-invalid': 10, 'event-signature': 1, 'event-id': 1 })
  expect((await client.subscribe('a', forBob))[0]).toBe('CLOSED')
  expect((await authenticate(client, right))[2]).toBe(true)
  expect((await other.subscribe('a', forBob))[0]).toBe('CLOSED')
})

test('the same address in another spelling is the same relay', async () => {
  const { url, port } = await start({ auth: {} })
  for (const spelling of [url, url.slice(0, -1), `WS://127.0.0.1:${port}`, `ws://localhost:${port}`]) {
    const client = await connect(url)
    const challenge = (await client.verb('AUTH'))[1] as string
    expect((await authenticate(client, proof(alice, spelling, challenge)))[2]).toBe(true)
  }
})

test('behind a proxy the named URLs count, and the address it listens on does not', async () => {
  const { url } = await start({ auth: { urls: ['wss://relay.example'] } })
  const client = await connect(url)
  const challenge = (await client.verb('AUTH'))[1] as string
  expect((await authenticate(client, proof(alice, url, challenge)))[2]).toBe(false)
  expect((await authenticate(client, proof(alice, 'wss://relay.example/', challenge)))[2]).toBe(true)
})

test('with an allowlist only its keys get in', async () => {
  const { url } = await start({ auth: { allow: [bob.pubkey] } })
  const client = await connect(url)
  const challenge = (await client.verb('AUTH'))[1] as string
  const refused = await authenticate(client, proof(alice, url, challenge))
  expect(refused.slice(2)).toEqual([false, expect.stringMatching(/^restricted: /)])
  expect((await client.subscribe('a', forBob))[2]).toMatch(/^auth-required: /)
  expect((await authenticate(client, proof(bob, url, challenge)))[2]).toBe(true)
  expect((await client.subscribe('a', forBob))[0]).toBe('EOSE')
})

test('one connection may prove so many keys and no more', async () => {
  const { url } = await start({ auth: {}, limits: { authPubkeys: 1 } })
  const client = await connect(url)
  const challenge = (await client.verb('AUTH'))[1] as string
  expect((await authenticate(client, proof(alice, url, challenge)))[2]).toBe(true)
  expect((await authenticate(client, proof(alice, url, challenge)))[2]).toBe(true)
  expect((await authenticate(client, proof(bob, url, challenge))).slice(2)).toEqual([
    false,
    expect.stringMatching(/^restricted: /),
  ])
})

test('a relay without auth sends no challenge and refuses an AUTH that nobody asked for', async () => {
  const { url } = await start()
  const client = await connect(url)
  expect((await authenticate(client, proof(alice, url, 'x'))).slice(2)).toEqual([
    false,
    expect.stringMatching(/^invalid: /),
  ])
  expect(client.inbox).toEqual([])
})
