/** smoke-session.mjs as a test of workerd, which forbids to compile WebAssembly from bytes: no session has WebAssembly. */

import { nobleCrypto } from '@nip46/crypto/noble'
import { runSession } from './smoke-session.mjs'

// biome-ignore lint/style/noDefaultExport: the form of a worker
export default {
  async test(_controller, env) {
    console.log(await runSession(env.BUNKER_URI, async () => nobleCrypto()))
  },
}
