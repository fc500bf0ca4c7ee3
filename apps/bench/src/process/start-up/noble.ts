/** Start-up on the noble backend, in a fresh process. */

import { takeFirstSteps } from './first-steps.ts'
import { ownSigner } from './own.ts'

await takeFirstSteps(async () => {
  const { nobleCrypto } = await import('@nip46/crypto/noble')
  return ownSigner(await nobleCrypto())
})
