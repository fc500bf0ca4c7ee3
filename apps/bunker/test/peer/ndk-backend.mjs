/**
 * NDK's NDKNip46Backend as a remote signer in its own process, as its users run it: tokens accepted, everything permitted.
 * Argument: `<relay,relay>`. Says its bunker URI once every relay listens for it, then serves until it hears anything.
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
  // As published it closes the connections that its answers go through after it answered this one, and opens new ones. An answer that
  // is due until they are open waits for 2.5 s and is then dropped without a word.
  backend.setStrategy('switch_relays', { handle: async () => undefined })
  await backend.start()
  await live(ndk, relays.length)
  await open(backend.rpc.pool)
  const query = relays.map((relay) => `relay=${encodeURIComponent(relay)}`).join('&')
  say({
    type: 'uri',
    uri: `bunker://${key.pubkey}?${query}&secret=0123456789abcdef0123456789abcdef`,
    pubkey: key.pubkey,
  })
  await hear()
})

/** Its answers go through other connections than its subscription. */
async function open(pool) {
  const end = Date.now() + 15_000
  while ([...pool.relays.values()].some((relay) => !relay.connected)) {
    if (Date.now() > end) throw new Error('NDK did not connect for its answers within 15 s')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** `start` comes back before a relay has heard of the subscription, and a relay that keeps nothing drops what comes until then. */
async function live(ndk, relays) {
  const answered = () =>
    Math.max(0, ...[...ndk.subManager.subscriptions.values()].map((sub) => sub.eosesSeen.size))
  const end = Date.now() + 15_000
  while (answered() < relays) {
    if (Date.now() > end) throw new Error(`NDK subscribed to ${answered()} of ${relays} relays within 15 s`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
