/** Start-up on the ox backend, in a fresh process. */

import { takeFirstSteps } from './first-steps.ts'
import { ownSigner } from './own.ts'

await takeFirstSteps(async () => {
  const { oxCrypto } = await import('@nip46/crypto/ox')
  return ownSigner(await oxCrypto())
})
