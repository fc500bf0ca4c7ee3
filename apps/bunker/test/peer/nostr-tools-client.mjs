/**
 * nostr-tools' BunkerSigner as a client in its own process: either flow, then every method it has.
 * Arguments: `bunker <uri> <third pubkey>` or `nostrconnect <relay,relay> <third pubkey>`.
 */

import { BunkerSigner, createNostrConnectURI, parseBunkerInput } from 'nostr-tools/nip46'
import { generateSecretKey, getPublicKey, verifyEvent } from 'nostr-tools/pure'
import { hear, run, say } from './line.mjs'

await run(async () => {
  const [flow, where, third] = process.argv.slice(2)
  const secretKey = generateSecretKey()
  let signer
  if (flow === 'bunker') {
    const pointer = await parseBunkerInput(where)
    if (pointer === null) throw new Error('nostr-tools does not read this bunker URI')
    signer = BunkerSigner.fromBunker(secretKey, pointer)
    await signer.connect({ name: 'nostr-tools peer' })
  } else {
    const secret = Buffer.from(generateSecretKey()).toString('hex').slice(0, 32)
    const relays = where.split(',')
    const uri = createNostrConnectURI({
      clientPubkey: getPublicKey(secretKey),
      relays,
      secret,
      name: 'nostr-tools peer',
    })
    const waiting = BunkerSigner.fromURI(secretKey, uri, {}, AbortSignal.timeout(20_000))
    say({ type: 'uri', uri })
    signer = await waiting
  }
  await signer.ping()
  const pubkey = await signer.getPublicKey()
  const event = await signer.signEvent({
    kind: 1,
    content: 'from nostr-tools',
    tags: [['t', 'x']],
    created_at: 1_767_225_600,
  })
  const nip44 = await signer.nip44Decrypt(third, await signer.nip44Encrypt(third, 'over 44'))
  const nip04 = await signer.nip04Decrypt(third, await signer.nip04Encrypt(third, 'over 04'))
  say({ type: 'result', pubkey, event, verified: verifyEvent({ ...event }), nip44, nip04 })
  await hear()
  await signer.logout()
})
