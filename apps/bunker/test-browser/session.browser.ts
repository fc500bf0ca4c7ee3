/** A client and a remote signer in a page talk over the browser's WebSocket through a real relay. */

import { connect, offer } from '@nip46/client'
import { type Crypto, type Permission, parseRelayUrl, type RelayUrl } from '@nip46/core'
import { generateSecretKey } from '@nip46/crypto'
import { nobleCrypto } from '@nip46/crypto/noble'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { createRemoteSigner, denyAll, localUserSigner, type RemoteSigner } from '@nip46/remote-signer'
import { createRelayPool } from '@nip46/transport-websocket'
import { afterEach, describe, expect, inject, test } from 'vitest'

declare module 'vitest' {
  export interface ProvidedContext {
    readonly relayUrl: string
  }
}

const GRANTED: readonly Permission[] = [
  { method: 'sign_event', kind: 1 },
  { method: 'nip44_encrypt' },
  { method: 'nip44_decrypt' },
]
const closers: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

describe.each([
  ['noble', nobleCrypto],
  ['tiny', tinyCrypto],
] as const)('in a page, on %s,', (_name, createCrypto) => {
  const crypto = createCrypto()

  test('a bunker URI leads to a signed event and back from NIP-44', async () => {
    const { signer, userPubkey } = await startSigner(crypto)
    const { uri } = await signer.offer({ granted: GRANTED })
    const session = await connect(uri, { crypto, transport: pool() })
    expect(await session.getPublicKey()).toBe(userPubkey)
    const event = await session.signEvent({ kind: 1, content: 'hello from a page' })
    expect(crypto.verify(event)).toBe(true)
    const peer = crypto.importKey(generateSecretKey(randomBytes)).pubkey
    const payload = await session.nip44.encrypt(peer, 'grüße 🗝')
    expect(await session.nip44.decrypt(peer, payload)).toBe('grüße 🗝')
    await session.logout()
  })

  test('an offer that a remote signer takes leads to a signed event', async () => {
    const { signer, userPubkey } = await startSigner(crypto)
    const offered = offer({ crypto, transport: pool(), relays: [relayUrl()] })
    const accepted = signer.accept(offered.uri, { granted: GRANTED, approved: true })
    const [session] = await Promise.all([offered.session, accepted])
    expect(await session.signEvent({ kind: 1, content: 'hello' })).toMatchObject({ pubkey: userPubkey })
    await expect(session.signEvent({ kind: 5, content: '' })).rejects.toMatchObject({ code: 'remote/error' })
    session.close()
  })
})

async function startSigner(crypto: Crypto): Promise<{ signer: RemoteSigner; userPubkey: string }> {
  const key = crypto.importKey(generateSecretKey(randomBytes))
  const signer = createRemoteSigner({
    crypto,
    transport: pool(),
    userSigner: localUserSigner(key, { crypto }),
    approver: denyAll,
    relays: [relayUrl()],
  })
  closers.push(() => signer.close())
  await signer.start()
  return { signer, userPubkey: key.pubkey }
}

function pool(): ReturnType<typeof createRelayPool> {
  const created = createRelayPool()
  closers.push(() => created.close())
  return created
}

function relayUrl(): RelayUrl {
  const url = parseRelayUrl(inject('relayUrl'))
  if (!url.ok) throw new Error(`the relay's URL is refused: ${url.error}`)
  return url.value
}

function randomBytes(length: number): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(length))
}
