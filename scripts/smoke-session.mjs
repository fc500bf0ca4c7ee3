/**
 * One session as an app has it, with published entry points only and nothing of any runtime: connect, sign, NIP-44 there and
 * back, then resume on another crypto backend that is loaded only now, sign again, log out.
 * Never reads this repository: it is copied beside installed tarballs and run in each runtime against smoke-signer.mjs.
 */

import { connect, parseSavedSession, resume, resumeStored } from '@nip46/client'
import { generateSecretKey } from '@nip46/crypto'
import { smallCrypto } from '@nip46/crypto/small'
import { createRelayPool } from '@nip46/transport-websocket'

/**
 * `loadCrypto` gives the backend of the resumed session; with a `store` the session is kept there in between. Resolves with a line
 * for the log; rejects if anything is not as it should be.
 */
export async function runSession(bunkerUri, loadCrypto, store) {
  const started = Date.now()
  const small = smallCrypto()
  const transport = createRelayPool()
  const first = await connect(bunkerUri, {
    crypto: small,
    transport,
    metadata: { name: 'Smoke' },
    ...(store && { store }),
  })
  await useSession(first, small)
  const saved = JSON.stringify(first.save())
  while (store && (await store.load()) === undefined) await new Promise((resolve) => setTimeout(resolve, 20))
  first.close()

  const crypto = await loadCrypto()
  const second = store
    ? await resumeStored({ crypto, transport, store })
    : await resume(parseSavedSession(saved), { crypto, transport })
  expect(second.userPubkey === first.userPubkey, 'the same user after resuming')
  await useSession(second, crypto)
  await second.logout()
  if (store) expect((await store.load()) === undefined, 'an empty store after logging out')
  await transport.close()
  return `smoke: connected on ${small.name}, resumed on ${crypto.name}, in ${Date.now() - started} ms`
}

async function useSession(session, crypto) {
  const event = await session.signEvent({ kind: 1, content: 'grüße 🗝', tags: [['t', 'smoke']] })
  expect(event.pubkey === session.userPubkey && event.id === crypto.eventId(event), 'the event asked for')
  expect(crypto.verify(event), 'a good signature')
  const key = crypto.importKey(
    generateSecretKey((length) => globalThis.crypto.getRandomValues(new Uint8Array(length))),
  )
  const payload = await session.nip44.encrypt(key.pubkey, 'grüße 🗝')
  expect((await session.nip44.decrypt(key.pubkey, payload)) === 'grüße 🗝', 'NIP-44 there and back')
  key.destroy()
}

function expect(held, what) {
  if (!held) throw new Error(`smoke: not ${what}`)
}
