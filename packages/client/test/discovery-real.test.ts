/** Finding remote signers over a real relay and real HTTP: only the names of the domains are led to this machine. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseRelayUrl } from '@nip46/core'
import { createRelay } from '@nip46/relay'
import { createRelayPool } from '@nip46/transport-websocket'
import { afterAll, expect, test } from 'vitest'
import { discoverSigners, type Fetch, fetchSignerDomain } from '../src/discovery.ts'
import { DOMAIN_BYTES } from '../src/limits.ts'
import { crypto, newKey, signed } from './world.ts'

const key = newKey()
const nostrJson = JSON.stringify({
  names: { _: key.pubkey },
  nip46: { relays: ['wss://relay.example/'], nostrconnect_url: 'https://signer.example/<nostrconnect>' },
})

const relay = createRelay({ crypto, kinds: [31_990], retention: { seconds: 3_600 } })
const url = parseRelayUrl((await relay.listen()).url)
if (!url.ok) throw new Error('the relay has no URL')
const relayUrl = url.value
const server = createServer((request, response) => {
  const domain = request.headers['x-domain']
  response.setHeader('content-type', 'application/json')
  if (request.url !== '/.well-known/nostr.json?name=_') response.writeHead(404).end()
  else if (domain === 'signer.example') response.end(nostrJson)
  else if (domain === 'moved.example')
    response.writeHead(302, { location: '/.well-known/nostr.json?name=_' }).end()
  else if (domain === 'large.example') response.end(`${nostrJson}${' '.repeat(10 * DOMAIN_BYTES)}`)
  else response.writeHead(500).end()
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const pool = createRelayPool()

afterAll(async () => {
  await pool.close()
  await relay.close()
  server.closeAllConnections()
  server.close()
})

/** The machine's own fetch, with another address behind each name. */
const fetchHere: Fetch = (from, init) => {
  const { hostname, pathname, search } = new URL(from)
  const { port } = server.address() as AddressInfo
  return fetch(`http://127.0.0.1:${port}${pathname}${search}`, {
    ...init,
    headers: { ...init.headers, 'x-domain': hostname },
  })
}

test('an announcement on a relay and the domain it names make an entry', async () => {
  const event = signed(key, {
    kind: 31_990,
    created_at: Math.floor(Date.now() / 1_000),
    tags: [
      ['d', 'signer'],
      ['k', '24133'],
    ],
    content: JSON.stringify({ name: 'Signer', nip05: '_@signer.example' }),
  })
  expect(await pool.publish([relayUrl], event as never)).toMatchObject({ ok: true })
  const options = { crypto, transport: pool, fetch: fetchHere, relays: [relayUrl] }
  expect(await discoverSigners(options)).toEqual([
    {
      pubkey: key.pubkey,
      name: 'Signer',
      domain: 'signer.example',
      relays: ['wss://relay.example/'],
      connectTemplate: 'https://signer.example/<nostrconnect>',
    },
  ])
})

test.each([
  ['moved.example', 'domain/unreachable'],
  ['large.example', 'domain/too-large'],
  ['broken.example', 'domain/answer'],
])('%s is %s', async (domain, code) => {
  await expect(fetchSignerDomain(domain, { fetch: fetchHere })).rejects.toMatchObject({ code })
})

test('the fetch of the platform fits', async () => {
  // Never answers: the name is reserved for that (RFC 2606).
  const options = { fetch: globalThis.fetch, signal: AbortSignal.timeout(1) }
  await expect(fetchSignerDomain('signer.invalid', options)).rejects.toMatchObject({ name: 'DiscoveryError' })
})
