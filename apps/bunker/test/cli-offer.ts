/**
 * An app that offers itself with a nostrconnect:// URI.
 */

import { offer } from '@nip46/client'
import { crypto, type DaemonWorld } from './daemon-world.ts'

export async function encodeOffer(
  world: DaemonWorld,
): Promise<{ readonly uri: string; close(): Promise<void> }> {
  const made = offer({
    crypto,
    transport: world.pool,
    relays: [world.daemon.relay ?? ''],
    metadata: { name: 'Offering app' },
  })
  return { uri: made.uri, close: async () => (await made.session).close() }
}
