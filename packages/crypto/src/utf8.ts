/**
 * Text to UTF-8 and back, exactly: nothing is replaced, and a byte order mark stays.
 * Never accepts a lone surrogate in either direction.
 */

import { isWellFormed, UsageError, utf8Length } from '@nip46/core'

/** String's own check, where the host has it (ES2024). */
type NativeString = string & { isWellFormed?(): boolean }

/** The part of Node's Buffer that is used; other hosts have none. */
interface BufferHost {
  readonly Buffer?: { byteLength(text: string): number }
}

const hostBuffer = (globalThis as BufferHost).Buffer
const encoder = new TextEncoder()
// ignoreBOM means: do not treat a BOM as a mark to be dropped.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The bytes that {@link writeUtf8} will write. Throws `UsageError` if the text has a lone surrogate, which UTF-8 cannot carry. */
export function utf8Bytes(text: string): number {
  if (typeof text !== 'string' || !((text as NativeString).isWellFormed?.() ?? isWellFormed(text)))
    throw new UsageError('the text to encrypt must be a string without a lone surrogate')
  return hostBuffer?.byteLength(text) ?? utf8Length(text)
}

/** Writes a text that {@link utf8Bytes} has measured. */
export function writeUtf8(text: string, into: Uint8Array): void {
  encoder.encodeInto(text, into)
}

/** Throws `UsageError` if the text has a lone surrogate, which UTF-8 cannot carry. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(utf8Bytes(text))
  writeUtf8(text, bytes)
  return bytes
}

/** The text, or undefined if the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}
