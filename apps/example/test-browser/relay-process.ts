/** A relay on loopback for logins, notes and announcements of signers, alone in its process: prints its URL and serves until its input ends. */

import { nobleCrypto } from '@nip46/crypto/noble'
import { createRelay } from '@nip46/relay'

const relay = createRelay({
  crypto: nobleCrypto(),
  kinds: [1, 24_133, 31_990],
  retention: { seconds: 3_600 },
})
const { url } = await relay.listen()
console.log(url)
process.stdin.on('end', () => void relay.close()).resume()
