/**
 * NDK's NDKNip46Backend as a whole bunker, as its users run it: tokens accepted, everything permitted.
 * Changes nothing of NDK but the method that its documentation says to override.
 */

import NDK, { NDKNip46Backend, NDKPrivateKeySigner } from '@nostr-dev-kit/ndk'
import { serve, usage } from '../../process/serve.ts'
import { type BunkerArgument, type BunkerReady, TOKEN } from '../parties.ts'

serve({
  async start({ relay, parties }: BunkerArgument): Promise<BunkerReady> {
    const ndk = new NDK({ explicitRelayUrls: [relay] })
    await ndk.connect(2_000)
    // One key for both roles: the class knows no other arrangement.
    const backend = new NDKNip46Backend(ndk, new NDKPrivateKeySigner(parties.signer), async () => true, [
      relay,
    ])
    backend.applyToken = async () => undefined
    await backend.start()
    return {
      tokens: parties.clients.map(() => TOKEN),
      remark: 'NDK signs with the remote-signer key: its backend has one key for both',
    }
  },
  usage,
})
