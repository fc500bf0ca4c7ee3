/**
 * The other side of a session in a page: a real remote signer over the relay beside the tests.
 * Never reaches anything but that relay.
 */

import { parseRelayUrl, type RelayUrl } from '@nip46/core'
import { generateSecretKey } from '@nip46/crypto'
import { nobleCrypto } from '@nip46/crypto/noble'
import { createRemoteSigner, dangerouslyAllowAll, localUserSigner } from '@nip46/remote-signer'
import { createRelayPool } from '@nip46/transport-websocket'
import { inject } from 'vitest'
import { connect, type SessionOptions } from '../src/index.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    readonly relayUrl: string
  }
}

export interface Party {
  /** For a client of this remote signer. */
  readonly options: SessionOptions
  readonly userPubkey: string
  /** A bunker:// URI, good for one connection. */
  offer(): Promise<string>
  /** Logs in as the app would. */
  login(changes?: Partial<SessionOptions>): ReturnType<typeof connect>
  close(): Promise<void>
}

export async function startParty(): Promise<Party> {
  const crypto = nobleCrypto()
  const key = crypto.importKey(
    generateSecretKey((length) => globalThis.crypto.getRandomValues(new Uint8Array(length))),
  )
  const signerPool = createRelayPool()
  const signer = createRemoteSigner({
    crypto,
    transport: signerPool,
    userSigner: localUserSigner(key, { crypto }),
    approver: dangerouslyAllowAll,
    relays: [relayUrl()],
  })
  await signer.start()
  const transport = createRelayPool()
  const options: SessionOptions = { crypto, transport }
  const offer = async (): Promise<string> => (await signer.offer()).uri
  return {
    options,
    userPubkey: key.pubkey,
    offer,
    login: async (changes) => connect(await offer(), { ...options, ...changes }),
    async close() {
      await transport.close()
      await signer.close()
      await signerPool.close()
    },
  }
}

function relayUrl(): RelayUrl {
  const url = parseRelayUrl(inject('relayUrl'))
  if (!url.ok) throw new Error(`the relay's URL is refused: ${url.error}`)
  return url.value
}
