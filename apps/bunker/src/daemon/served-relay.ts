/**
 * The relay that the daemon runs itself.
 * Never runs one under an address that apps would not use.
 */

import { type Crypto, parseRelayUrl, type RelayUrl, UsageError } from '@nip46/core'
import { createRelay, type RelayServer } from '@nip46/relay'
import type { Config } from './config.ts'
import { listenOr } from './listen.ts'

export interface ServedRelay {
  readonly server: RelayServer
  readonly url: RelayUrl
}

/** Null if the settings ask for none. Rejects with a `UsageError` that names the setting. */
export async function serveRelay({ serve, serveUrl }: Config, crypto: Crypto): Promise<ServedRelay | null> {
  if (serve === null) return null
  const server = createRelay({ crypto, ...serve })
  const { url } = await listenOr('serve', serve, () => server.listen())
  const [named] = serveUrl
  const parsed = named === undefined ? parseRelayUrl(url) : { ok: true as const, value: named }
  if (parsed.ok) return { server, url: parsed.value }
  await server.close()
  throw new UsageError(
    `apps would not use ${url}: set "serveUrl" to the wss:// address under which they reach this relay`,
  )
}
