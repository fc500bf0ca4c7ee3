/**
 * Registers `<nip46-login>` when it is imported, with small crypto and a relay pool for pages that name no others.
 * Never under another name, and not for pages that bring both: for them there is `defineLogin`.
 */

import { smallCrypto } from '@nip46/crypto/small'
import { createRelayPool } from '@nip46/transport-websocket'
import { defineLogin, Nip46Login } from './element.ts'

Nip46Login.defaults ??= { crypto: () => smallCrypto(), transport: () => createRelayPool() }
defineLogin()

export { Nip46Login }
