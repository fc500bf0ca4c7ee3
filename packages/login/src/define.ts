/**
 * Registers `<nip46-login>` when it is imported, with noble and a relay pool for pages that name no others.
 * Never under another name, and not for pages that bring both: for them there is `defineLogin`.
 */

import { nobleCrypto } from '@nip46/crypto/noble'
import { createRelayPool } from '@nip46/transport-websocket'
import { defineLogin, Nip46Login } from './element.ts'

Nip46Login.defaults ??= { crypto: () => nobleCrypto(), transport: () => createRelayPool() }
defineLogin()

export { Nip46Login }
