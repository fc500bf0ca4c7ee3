/**
 * Whom the guide's programs talk to: a relay on loopback and a remote signer that asks nobody.
 * Copied beside the programs when they run. Never an example: it protects nothing.
 */

import type { Approver, RelayUrl } from '@nip46/core'
import { generateSecretKey } from '@nip46/crypto'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { createRelay } from '@nip46/relay'
import {
  createRemoteSigner,
  dangerouslyAllowAll,
  localUserSigner,
  type OfferOptions,
} from '@nip46/remote-signer'
import { createRelayPool } from '@nip46/transport-websocket'

export interface Party {
  readonly relay: RelayUrl
  /** A bunker:// URI. */
  offer(options?: OfferOptions): Promise<string>
  /** Takes a nostrconnect:// URI, as somebody who scans it. */
  accept(uri: string): Promise<unknown>
  close(): Promise<void>
}

export async function startParty(approver: Approver = dangerouslyAllowAll): Promise<Party> {
  const crypto = tinyCrypto()
  const relay = createRelay({ crypto })
  const { url } = await relay.listen()
  const transport = createRelayPool()
  const random = (length: number): Uint8Array => globalThis.crypto.getRandomValues(new Uint8Array(length))
  const userSigner = localUserSigner(crypto.importKey(generateSecretKey(random)), { crypto })
  const signer = createRemoteSigner({ crypto, transport, userSigner, approver, relays: [url] })
  await signer.start()
  return {
    relay: url,
    offer: async (options) => (await signer.offer(options)).uri,
    accept: (uri) => signer.accept(uri, { approved: true }),
    async close() {
      await signer.close()
      await transport.close()
      await relay.close()
    },
  }
}
