/**
 * The first steps of our crypto on a backend that was just loaded.
 * Never loads one itself: which one is what is measured.
 */

import type { Crypto, SignedEvent } from '@nip46/core'
import { NOTE, SECRET, type Signer } from './first-steps.ts'

export function ownSigner(crypto: Crypto): Signer {
  const key = crypto.importKey(SECRET)
  return {
    sign: () => {
      const unsigned = { ...NOTE, pubkey: key.pubkey }
      const id = crypto.eventId(unsigned)
      return { ...unsigned, id, sig: key.sign(id, new Uint8Array(32)) }
    },
    verify: (signed) => crypto.verify(signed as SignedEvent),
  }
}
