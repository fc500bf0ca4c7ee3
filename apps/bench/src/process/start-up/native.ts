/** Start-up on the native backend, in a fresh process. */

import { takeFirstSteps } from './first-steps.ts'
import { ownSigner } from './own.ts'

await takeFirstSteps(async () => {
  const { nativeCrypto } = await import('@nip46/crypto/native')
  return ownSigner(await nativeCrypto())
})
