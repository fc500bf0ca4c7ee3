/** smoke-session.mjs in a page: the URI comes after the `#`, the outcome goes into the title. */

import '@nip46/login/define'
import { runSession } from './smoke-session.mjs'

runSession(decodeURIComponent(location.hash.slice(1)), async () =>
  (await import('@nip46/crypto/ox')).oxCrypto(),
).then(
  (line) => {
    document.title = line
  },
  (error) => {
    document.title = `failed: ${error}`
  },
)
