/** An app on NDK in a process of its own: logs in with the bunker:// URI it is given, signs once, and prints its payload. */

import NDK, { NDKEvent, NDKNip46Signer, NDKPrivateKeySigner } from '@nostr-dev-kit/ndk'

const [uri = '', relay = ''] = process.argv.slice(2)
const ndk = new NDK({ explicitRelayUrls: [relay], enableOutboxModel: false })
await ndk.connect()
const signer = NDKNip46Signer.bunker(ndk, uri, NDKPrivateKeySigner.generate())
const user = await signer.blockUntilReady()
const event = new NDKEvent(ndk, { kind: 1, content: 'from NDK', tags: [] })
await event.sign(signer)
process.stdout.write(JSON.stringify({ userPubkey: user.pubkey, kept: signer.toPayload() }), () =>
  process.exit(),
)
