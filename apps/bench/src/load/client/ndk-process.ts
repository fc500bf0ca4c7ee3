/** NDK's NDKNip46Signer, with events signed through NDKEvent. Changes nothing of it. */

import NDK, { NDKEvent, NDKNip46Signer, NDKPrivateKeySigner } from '@nostr-dev-kit/ndk'
import { serveClient } from './serve-client.ts'

serveClient(async () => {
  let ndk: NDK | undefined
  let signer: NDKNip46Signer | undefined
  return {
    async connect(uri) {
      ndk = new NDK({ explicitRelayUrls: new URL(uri).searchParams.getAll('relay') })
      await ndk.connect(2_000)
      signer = NDKNip46Signer.bunker(ndk, uri, NDKPrivateKeySigner.generate())
      await signer.blockUntilReady()
    },
    async sign({ kind, content, tags, created_at }) {
      const event = new NDKEvent(ndk, { kind, content, tags: [...tags], created_at, pubkey: '' })
      await event.sign(signer)
      return event
    },
    read: (event) => (event as NDKEvent).rawEvent(),
  }
})
