/**
 * NDK's NDKNip46Backend as a remote signer in its own process, as its users run it: tokens accepted, everything permitted.
 * Argument: `<relay,relay>`. Says its bunker URI, then serves until it hears anything.
 */

import NDK, { NDKNip46Backend, NDKPrivateKeySigner } from '@nostr-dev-kit/ndk'
import { hear, run, say } from './line.mjs'

await run(async () => {
  const relays = process.argv[2].split(',')
  const ndk = new NDK({ explicitRelayUrls: relays })
  await ndk.connect(2_000)
  const key = NDKPrivateKeySigner.generate()
  const backend = new NDKNip46Backend(ndk, key, async () => true, relays)
  // The method that a user of this class must override; as published it refuses every secret.
  backend.applyToken = async () => undefined
  await backend.start()
  const query = relays.map((relay) => `relay=${encodeURIComponent(relay)}`).join('&')
  say({
    type: 'uri',
    uri: `bunker://${key.pubkey}?${query}&secret=0123456789abcdef0123456789abcdef`,
    pubkey: key.pubkey,
  })
  await hear()
})
