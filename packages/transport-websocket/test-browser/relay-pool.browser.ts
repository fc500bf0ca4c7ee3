/** The pool over the browser's own WebSocket, against a real relay that runs in Node. */

import { CARRIER_KIND, parseRelayUrl, type RelayUrl, type SignedEvent } from '@nip46/core'
import { generateSecretKey } from '@nip46/crypto'
import { nobleCrypto } from '@nip46/crypto/noble'
import { afterEach, expect, inject, test } from 'vitest'
import { createRelayPool, type RelayPool } from '../src/index.ts'

const crypto = nobleCrypto()
const key = crypto.importKey(generateSecretKey(randomBytes))
const relay = readRelay()
const pools: RelayPool[] = []

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()))
})

test('an event that one page publishes reaches another', async () => {
  const event = carrier('hello from a page')
  const received: unknown[] = []
  const live: RelayUrl[] = []
  pool().subscribe({
    relays: [relay],
    filters: [{ kinds: [CARRIER_KIND], '#p': [key.pubkey] }],
    onEvent: (found) => received.push(found),
    onLive: (url) => live.push(url),
  })
  await expect.poll(() => live).toEqual([relay])
  expect(await pool().publish([relay], event)).toEqual({ ok: true, value: { relay } })
  await expect.poll(() => received).toEqual([event])
})

test('what the relay says against an event comes back as its reason', async () => {
  const forged = { ...carrier('x'), content: 'y' }
  const published = await pool().publish([relay], forged)
  expect(published).toMatchObject({
    ok: false,
    error: [{ relay, reason: expect.stringMatching(/^invalid: /) }],
  })
})

test('a relay that is not there is a reason and not an exception', async () => {
  const nobody = must(parseRelayUrl('ws://127.0.0.1:9', { allowInsecure: true }))
  const published = await pool().publish([nobody], carrier('x'), { timeoutMs: 1_000 })
  expect(published).toMatchObject({ ok: false, error: [{ relay: nobody }] })
})

function randomBytes(length: number): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(length))
}

function pool(): RelayPool {
  const created = createRelayPool()
  pools.push(created)
  return created
}

function carrier(content: string): SignedEvent {
  const template = {
    kind: CARRIER_KIND,
    content,
    tags: [['p', key.pubkey]],
    created_at: Math.floor(Date.now() / 1000),
  }
  const unsigned = { ...template, pubkey: key.pubkey }
  const id = crypto.eventId(unsigned)
  return { ...unsigned, id, sig: key.sign(id, randomBytes(32)) }
}

function readRelay(): RelayUrl {
  return must(parseRelayUrl(inject('relayUrl'), { allowInsecure: true }))
}

function must<T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown },
): T {
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.error)}`)
  return result.value
}
