/** Start-up of nostr-tools in pure JavaScript, in a fresh process. */

import { NOTE, SECRET, takeFirstSteps } from './first-steps.ts'

await takeFirstSteps(async () => {
  const { finalizeEvent, verifyEvent, verifiedSymbol } = await import('nostr-tools/pure')
  return {
    sign: () => finalizeEvent(NOTE, SECRET),
    verify: (signed) =>
      verifyEvent({ ...(signed as Parameters<typeof verifyEvent>[0]), [verifiedSymbol]: undefined }),
  }
})
