/**
 * Text to UTF-8 and back, exactly: nothing is replaced, and a byte order mark stays.
 * Never accepts a lone surrogate in either direction.
 */

import { isWellFormed, UsageError } from '@nip46/core'

const encoder = new TextEncoder()
// ignoreBOM means: do not treat a BOM as a mark to be dropped.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Throws `UsageError` if the text has a lone surrogate, which UTF-8 cannot carry. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  if (typeof text !== 'string') throw new UsageError('the text to encrypt must be a string')
  if (!isWellFormed(text))
    throw new UsageError('the text has a lone surrogate: it cannot be written as UTF-8')
  return encoder.encode(text)
}

/** The text, or undefined if the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    if (cause instanceof TypeError) return undefined
    throw cause
  }
}
