/**
 * The embedded relay in a process of its own, its limits raised far above what the load can reach.
 * Checks ids and signatures as always.
 */

import { createRelay } from '@nip46/relay'
import { serve, usage } from '../process/serve.ts'
import { loadBackend } from '../subject/backends.ts'

interface RelayArgument {
  readonly backend: string
  readonly retentionSeconds?: number
  readonly retentionEvents?: number
}

serve({
  /** `retentionSeconds`: how long events are kept for whoever was away; not at all if undefined. `retentionEvents`: how many. */
  async start({ backend, retentionSeconds, retentionEvents = 20_000 }: RelayArgument) {
    const crypto = await (await loadBackend(backend)).create()
    const relay = createRelay({
      crypto,
      ...(retentionSeconds !== undefined && {
        retention: { seconds: retentionSeconds, events: retentionEvents },
      }),
      limits: {
        messagesPerSecond: 1_000_000,
        messageBurst: 1_000_000,
        connectionsPerAddress: 1_024,
        outgoingBytes: 67_108_864,
        recentIds: 1_000_000,
      },
    })
    const { url } = await relay.listen()
    return { url }
  },
  usage,
})
