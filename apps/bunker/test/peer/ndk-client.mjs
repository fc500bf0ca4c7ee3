/**
 * NDK's NDKNip46Signer as a client in its own process: either flow, a signature, both encryptions.
 * Arguments: `bunker <uri> <third pubkey>` or `nostrconnect <relay> <third pubkey>`.
 */

import NDK, { NDKEvent, NDKNip46Signer, NDKPrivateKeySigner, NDKUser } from '@nostr-dev-kit/ndk'
import { hear, run, say } from './line.mjs'

await run(async () => {
  const [flow, where, third] = process.argv.slice(2)
  const relays =
    flow === 'bunker' ? new URL(where.replace('bunker://', 'http://')).searchParams.getAll('relay') : [where]
  const ndk = new NDK({ explicitRelayUrls: relays })
  await ndk.connect(2_000)
  const local = NDKPrivateKeySigner.generate()
  const signer =
    flow === 'bunker'
      ? NDKNip46Signer.bunker(ndk, where, local)
      : NDKNip46Signer.nostrconnect(ndk, where, local)
  if (flow !== 'bunker') say({ type: 'uri', uri: signer.nostrConnectUri })
  const user = await signer.blockUntilReady()
  const event = new NDKEvent(ndk, {
    kind: 1,
    content: 'from NDK',
    tags: [['t', 'x']],
    created_at: 1_767_225_600,
  })
  await event.sign(signer)
  const peer = new NDKUser({ pubkey: third })
  const nip44 = await signer.decrypt(peer, await signer.encrypt(peer, 'over 44', 'nip44'), 'nip44')
  const nip04 = await signer.decrypt(peer, await signer.encrypt(peer, 'over 04', 'nip04'), 'nip04')
  say({
    type: 'result',
    pubkey: user.pubkey,
    event: event.rawEvent(),
    verified: event.verifySignature(false) === true,
    nip44,
    nip04,
  })
  await hear()
})
