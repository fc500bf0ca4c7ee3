/** Start-up of nostr-tools over nostr-wasm, in a fresh process. */

import { NOTE, SECRET, takeFirstSteps } from './first-steps.ts'

await takeFirstSteps(async () => {
  const { initNostrWasm } = await import('nostr-wasm/gzipped')
  const { finalizeEvent, setNostrWasm, verifyEvent } = await import('nostr-tools/wasm')
  setNostrWasm(await initNostrWasm())
  return {
    sign: () => finalizeEvent({ ...NOTE }, SECRET),
    verify: (signed) => verifyEvent(signed as Parameters<typeof verifyEvent>[0]),
  }
})
