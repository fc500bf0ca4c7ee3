/**
 * What somebody who installed the packages would do first, with published entry points only: load them all, connect
 * in both flows over a relay of their own, sign, encrypt, close. Ends by itself, with exit code 0 when all went well.
 * Copied beside installed tarballs and run there on every supported Node. Never reads this repository.
 */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { connect, offer } from '@nip46/client'
import { generateSecretKey } from '@nip46/crypto'
import { nobleCrypto } from '@nip46/crypto/noble'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { createRelay } from '@nip46/relay'
import { createRemoteSigner, denyAll, localUserSigner } from '@nip46/remote-signer'
import { createNostrToolsTransport } from '@nip46/transport-nostr-tools'
import { createRelayPool } from '@nip46/transport-websocket'
import { SimplePool, useWebSocketImplementation } from 'nostr-tools/pool'
import WebSocket from 'ws'

const started = performance.now()
const random = (length) => globalThis.crypto.getRandomValues(new Uint8Array(length))

// Node 20 has no WebSocket of its own.
useWebSocketImplementation(WebSocket)
await loadEveryEntry()
await runSession(tinyCrypto(), nobleCrypto(), createRelayPool())
await runSession(nobleCrypto(), tinyCrypto(), createNostrToolsTransport(new SimplePool()))
console.log(
  `smoke: all well on Node ${process.versions.node} in ${Math.round(performance.now() - started)} ms`,
)

async function loadEveryEntry() {
  const scope = new URL('node_modules/@nip46/', import.meta.url)
  for (const folder of readdirSync(scope).sort()) {
    const manifest = JSON.parse(readFileSync(new URL(`${folder}/package.json`, scope), 'utf8'))
    for (const entry of Object.keys(manifest.exports)) {
      if (entry.endsWith('.json')) continue
      const specifier = manifest.name + entry.slice(1)
      const names = Object.keys(await import(specifier))
      assert.notEqual(names.length, 0, `${specifier} exports nothing`)
      console.log(`smoke: ${specifier} has ${names.length} exports`)
    }
  }
}

/** Both flows through a relay: a remote signer on one backend, clients on the other. */
async function runSession(signerCrypto, clientCrypto, transport) {
  const relay = createRelay({ crypto: signerCrypto })
  const { url } = await relay.listen()
  const userKey = signerCrypto.importKey(generateSecretKey(random))
  const signerTransport = createRelayPool()
  const signer = createRemoteSigner({
    crypto: signerCrypto,
    transport: signerTransport,
    userSigner: localUserSigner(userKey, { crypto: signerCrypto }),
    approver: denyAll,
    relays: [url],
  })
  await signer.start()
  const granted = [
    { method: 'sign_event', kind: 1 },
    { method: 'nip44_encrypt' },
    { method: 'nip44_decrypt' },
  ]
  const options = { crypto: clientCrypto, transport }

  const { uri } = await signer.offer({ granted })
  await useSession(await connect(uri, options), userKey.pubkey, clientCrypto)

  const offered = offer({ ...options, relays: [url], metadata: { name: 'Smoke' } })
  const [session] = await Promise.all([
    offered.session,
    signer.accept(offered.uri, { granted, approved: true }),
  ])
  await useSession(session, userKey.pubkey, clientCrypto)

  await signer.close()
  await Promise.all([transport.close(), signerTransport.close()])
  await relay.close()
  userKey.destroy()
  console.log(`smoke: both flows, signer on ${signerCrypto.name}, client on ${clientCrypto.name}`)
}

async function useSession(session, userPubkey, crypto) {
  assert.equal(await session.getPublicKey(), userPubkey)
  const event = await session.signEvent({ kind: 1, content: 'hello', tags: [['t', 'smoke']] })
  assert.equal(event.pubkey, userPubkey)
  assert.equal(event.id, crypto.eventId(event))
  assert.ok(crypto.verify(event))
  const peer = crypto.importKey(generateSecretKey(random)).pubkey
  const payload = await session.nip44.encrypt(peer, 'grüße 🗝')
  assert.equal(await session.nip44.decrypt(peer, payload), 'grüße 🗝')
  await assert.rejects(session.signEvent({ kind: 5, content: '' }), {
    code: 'remote/error',
    reason: 'rejected',
  })
  await session.logout()
}
