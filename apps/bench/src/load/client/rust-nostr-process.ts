/** rust-nostr's NostrConnect as it is published for JavaScript: the whole SDK in WebAssembly. Changes nothing of it. */

import { createRequire } from 'node:module'
import type * as Sdk from '@rust-nostr/nostr-sdk'
import { serveClient } from './serve-client.ts'

// CommonJS only: it names no exports that an import finds.
const {
  Duration,
  Keys,
  loadWasmSync,
  NostrConnect,
  NostrConnectURI,
  NostrSigner,
  UnsignedEvent,
}: typeof Sdk = createRequire(import.meta.url)('@rust-nostr/nostr-sdk')

const PATIENCE_SECONDS = 60

serveClient(async () => {
  loadWasmSync()
  let signer: Sdk.NostrSigner | undefined
  let pubkey = ''
  return {
    async connect(uri) {
      const patience = Duration.fromSecs(PATIENCE_SECONDS)
      signer = NostrSigner.nip46(new NostrConnect(NostrConnectURI.parse(uri), Keys.generate(), patience))
      pubkey = (await signer.publicKey()).toHex()
    },
    async sign(note) {
      return signer?.signEvent(UnsignedEvent.fromJson(JSON.stringify({ ...note, pubkey })))
    },
    read: (event) => JSON.parse((event as Sdk.Event).asJson()),
  }
})
