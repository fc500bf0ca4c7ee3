/** Start-up on the tiny backend, in a fresh process. */

import { takeFirstSteps } from './first-steps.ts'
import { ownSigner } from './own.ts'

await takeFirstSteps(async () => {
  const { tinyCrypto } = await import('@nip46/crypto/tiny')
  return ownSigner(await tinyCrypto())
})
