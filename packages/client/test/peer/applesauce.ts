/** An app on applesauce in a process of its own: logs in, signs once, and prints its nbunksec. */

import { RelayPool } from 'applesauce-relay'
import { NostrConnectSigner } from 'applesauce-signers'

const [uri = ''] = process.argv.slice(2)
const pool = new RelayPool()
const signer = await NostrConnectSigner.fromBunkerURI(uri, { pool })
const userPubkey = await signer.getPublicKey()
await signer.signEvent({ kind: 1, content: 'from applesauce', tags: [], created_at: 1_700_000_000 })
process.stdout.write(JSON.stringify({ userPubkey, kept: signer.getNbunksec() }), () => process.exit())
