/**
 * The other side of smoke-session.mjs, for every runtime at once: a relay and a remote signer on Node.
 * Prints one bunker:// URI a line, as many as it is told to, and serves until its input ends.
 */

import { generateSecretKey } from '@nip46/crypto'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { createRelay } from '@nip46/relay'
import { createRemoteSigner, denyAll, localUserSigner } from '@nip46/remote-signer'
import { createRelayPool } from '@nip46/transport-websocket'

const crypto = tinyCrypto()
const relay = createRelay({ crypto })
const { url } = await relay.listen()
const transport = createRelayPool()
const key = crypto.importKey(
  generateSecretKey((length) => globalThis.crypto.getRandomValues(new Uint8Array(length))),
)
const signer = createRemoteSigner({
  crypto,
  transport,
  userSigner: localUserSigner(key, { crypto }),
  approver: denyAll,
  relays: [url],
})
await signer.start()
const granted = [{ method: 'sign_event', kind: 1 }, { method: 'nip44_encrypt' }, { method: 'nip44_decrypt' }]
for (let made = 0; made < Number(process.argv[2]); made += 1)
  console.log((await signer.offer({ granted })).uri)
await new Promise((resolve) => process.stdin.on('end', resolve).resume())
await signer.close()
await transport.close()
await relay.close()
