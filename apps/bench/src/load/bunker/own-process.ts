/**
 * Our remote signer as a whole bunker: @nip46/remote-signer with its store in memory, on the relay pool.
 * Asks nobody: what the load requests was granted in the offer.
 */

import type { RelayUrl } from '@nip46/core'
import { createRemoteSigner, denyAll, limits, localUserSigner } from '@nip46/remote-signer'
import { createRelayPool } from '@nip46/transport-websocket'
import { serve, usage } from '../../process/serve.ts'
import { loadBackend } from '../../subject/backends.ts'
import { type BunkerArgument, type BunkerReady, fromHex } from '../parties.ts'

serve({
  async start({ relay, backend, parties }: BunkerArgument): Promise<BunkerReady> {
    const crypto = await (await loadBackend(backend)).create()
    const signer = createRemoteSigner({
      crypto,
      transport: createRelayPool(),
      userSigner: localUserSigner(crypto.importKey(fromHex(parties.user)), { crypto }),
      approver: denyAll,
      relays: [relay as RelayUrl],
      keys: crypto.importKey(fromHex(parties.signer)),
      rates: limits.UNLIMITED_RATES,
    })
    await signer.start()
    const tokens: string[] = []
    for (const _ of parties.clients) {
      const { uri } = await signer.offer({ granted: [{ method: 'sign_event', kind: 1 }] })
      tokens.push(new URL(uri.replace('bunker:', 'http:')).searchParams.get('secret') ?? '')
    }
    return { tokens, remark: null }
  },
  usage,
})
