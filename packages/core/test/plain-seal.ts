/**
 * A seal that hides nothing: the context in front, in plain sight.
 * Never tests encryption: only what is sealed, and for which place.
 */

import { err, ok } from '@nip46/core'
import type { StoreSeal } from '@nip46/core/remote-signer'
import type { Utf8 } from '../src/sealed-json.ts'

export const utf8: Utf8 = {
  encode: (text) => new TextEncoder().encode(text),
  decode: (bytes) => new TextDecoder('utf-8', { fatal: true }).decode(bytes),
}

/** `opened` are the contexts of what was opened, in order. */
export function createPlainSeal(): { readonly seal: StoreSeal; readonly opened: readonly string[] } {
  const opened: string[] = []
  const seal: StoreSeal = {
    seal: (plain, context) => Uint8Array.from([...Buffer.from(`${context}:`), ...plain]),
    open(sealed, context) {
      const prefix = Buffer.from(`${context}:`)
      if (!prefix.equals(sealed.subarray(0, prefix.length))) return err('bad-seal')
      opened.push(context)
      return ok(sealed.slice(prefix.length))
    },
  }
  return { seal, opened }
}
