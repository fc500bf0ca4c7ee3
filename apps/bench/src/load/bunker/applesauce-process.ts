/**
 * applesauce's NostrConnectProvider as a whole bunker: one provider for each client, as it serves one only, over one pool.
 * Changes nothing of applesauce.
 */

import { RelayPool } from 'applesauce-relay'
import { NostrConnectProvider, PrivateKeySigner } from 'applesauce-signers'
import { serve, usage } from '../../process/serve.ts'
import { type BunkerArgument, type BunkerReady, fromHex, TOKEN } from '../parties.ts'

serve({
  async start({ relay, parties }: BunkerArgument): Promise<BunkerReady> {
    const pool = new RelayPool()
    for (const client of parties.clients) {
      const provider = new NostrConnectProvider({
        relays: [relay],
        pool,
        signer: new PrivateKeySigner(fromHex(parties.signer)),
        upstream: new PrivateKeySigner(fromHex(parties.user)),
        bunkerSecret: TOKEN,
        // Every provider hears every connect of the shared key: each takes its own client.
        onConnect: async (pubkey) => pubkey === client.pubkey,
      })
      await provider.start()
    }
    return { tokens: parties.clients.map(() => TOKEN), remark: null }
  },
  usage,
})
