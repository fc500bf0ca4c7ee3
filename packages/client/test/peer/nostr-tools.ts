/** An app on nostr-tools in a process of its own: logs in, signs once, and prints the pointer and key that such apps keep. */

import { BunkerSigner, parseBunkerInput } from 'nostr-tools/nip46'
import { generateSecretKey } from 'nostr-tools/pure'
import { bytesToHex } from 'nostr-tools/utils'

const [uri = ''] = process.argv.slice(2)
const pointer = await parseBunkerInput(uri)
if (pointer === null) throw new Error('nostr-tools does not read this URI')
const key = generateSecretKey()
const signer = BunkerSigner.fromBunker(key, pointer)
await signer.connect({ name: 'An app on nostr-tools' })
const userPubkey = await signer.getPublicKey()
await signer.signEvent({ kind: 1, content: 'from nostr-tools', tags: [], created_at: 1_700_000_000 })
const kept = { pointer: signer.bp, key: bytesToHex(key) }
process.stdout.write(JSON.stringify({ userPubkey, kept }), () => process.exit())
