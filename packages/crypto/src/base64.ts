/**
 * Strict canonical base64 (RFC 4648 §4, with padding): one text for each byte string, so that a payload cannot be
 * changed without changing its bytes. Never accepts white space, the URL alphabet, or bits left over.
 */

/** One way to do the work. The caller has checked sizes: `into` has exactly {@link base64Bytes} bytes. */
export interface Base64Codec {
  readonly name: string
  encode(bytes: Uint8Array): string
  /** False if the text is not the canonical encoding of some bytes; `into` is then of no use. */
  decode(text: string, into: Uint8Array): boolean
}

/** Uint8Array's own base64, where the host has it (ES2026). */
interface NativeBase64 {
  toBase64(): string
  setFromBase64(
    text: string,
    options: { readonly lastChunkHandling: 'strict' },
  ): { readonly read: number; readonly written: number }
}

/** The part of Node's Buffer that is used; other hosts have none. */
interface BufferLike {
  toString(encoding: 'base64'): string
  write(text: string, offset: number, length: number, encoding: 'base64'): number
}
interface BufferHost {
  readonly Buffer?: {
    from(buffer: ArrayBufferLike, offset: number, length: number): BufferLike
    byteLength(text: string): number
  }
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const PAD = 61
const CODES = Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0))
const VALUES = new Int8Array(128).fill(-1)
CODES.forEach((code, value) => {
  VALUES[code] = value
})
const latin1 = new TextDecoder('latin1')

/** Runs everywhere. */
export const portableBase64: Base64Codec = {
  name: 'portable',
  encode(bytes) {
    const codes = new Uint8Array(Math.ceil(bytes.length / 3) * 4)
    let at = 0
    for (let i = 0; i < bytes.length; i += 3) {
      const left = bytes.length - i
      const b = left > 1 ? (bytes[i + 1] as number) : 0
      const c = left > 2 ? (bytes[i + 2] as number) : 0
      const group = ((bytes[i] as number) << 16) | (b << 8) | c
      codes[at++] = CODES[group >>> 18] as number
      codes[at++] = CODES[(group >>> 12) & 63] as number
      codes[at++] = left > 1 ? (CODES[(group >>> 6) & 63] as number) : PAD
      codes[at++] = left > 2 ? (CODES[group & 63] as number) : PAD
    }
    return latin1.decode(codes)
  },
  decode(text, into) {
    const padding = base64Padding(text)
    const valueAt = (index: number): number => {
      const code = text.charCodeAt(index)
      return code < 128 ? (VALUES[code] as number) : -1
    }
    const whole = text.length - (padding > 0 ? 4 : 0)
    let at = 0
    for (let i = 0; i < whole; i += 4) {
      const a = valueAt(i)
      const b = valueAt(i + 1)
      const c = valueAt(i + 2)
      const d = valueAt(i + 3)
      if ((a | b | c | d) < 0) return false
      into[at++] = (a << 2) | (b >> 4)
      into[at++] = (b << 4) | (c >> 2)
      into[at++] = (c << 6) | d
    }
    if (padding === 0) return true
    const a = valueAt(whole)
    const b = valueAt(whole + 1)
    if ((a | b) < 0) return false
    into[at++] = (a << 2) | (b >> 4)
    if (padding === 2) return (b & 15) === 0
    const c = valueAt(whole + 2)
    into[at++] = (b << 4) | (c >> 2)
    return c >= 0 && (c & 3) === 0
  },
}

const hostBuffer = (globalThis as BufferHost).Buffer

/**
 * Node's Buffer. It skips what it does not know, which shows in the number of bytes, but it reads two characters more
 * than the alphabet has, takes a character over 255 for another, and drops bits that are left over: these are refused here.
 */
export const bufferBase64: Base64Codec | undefined = hostBuffer && {
  name: 'buffer',
  encode: (bytes) => hostBuffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64'),
  decode(text, into) {
    if (text.includes('-') || text.includes('_') || hostBuffer.byteLength(text) !== text.length) return false
    const view = hostBuffer.from(into.buffer, into.byteOffset, into.length)
    return view.write(text, 0, into.length, 'base64') === into.length && !hasBitsLeft(text)
  },
}

/** Uint8Array's own; its strict mode still skips white space, which shows in the number of bytes. */
export const nativeBase64: Base64Codec | undefined =
  'setFromBase64' in Uint8Array.prototype
    ? {
        name: 'native',
        encode: (bytes) => asNative(bytes).toBase64(),
        decode(text, into) {
          try {
            const { read, written } = asNative(into).setFromBase64(text, { lastChunkHandling: 'strict' })
            return written === into.length && read === text.length
          } catch (cause) {
            if (cause instanceof SyntaxError) return false
            throw cause
          }
        },
      }
    : undefined

const codec = nativeBase64 ?? bufferBase64 ?? portableBase64

export function encodeBase64(bytes: Uint8Array): string {
  return codec.encode(bytes)
}

/** Decodes into exactly {@link base64Bytes} bytes. False if the text is not canonical base64. */
export function decodeBase64(text: string, into: Uint8Array): boolean {
  return codec.decode(text, into)
}

/** The bytes a text would decode to, or undefined if no base64 has this length. Looks at the length and the end only. */
export function base64Bytes(text: string): number | undefined {
  return text.length % 4 === 0 ? (text.length / 4) * 3 - base64Padding(text) : undefined
}

/** The characters that this many bytes encode to. */
export function base64Chars(bytes: number): number {
  return Math.ceil(bytes / 3) * 4
}

function base64Padding(text: string): 0 | 1 | 2 {
  if (text.charCodeAt(text.length - 1) !== PAD) return 0
  return text.charCodeAt(text.length - 2) === PAD ? 2 : 1
}

/** Whether the last character before the padding says more than the last byte holds. */
function hasBitsLeft(text: string): boolean {
  const padding = base64Padding(text)
  if (padding === 0) return false
  const value = VALUES[text.charCodeAt(text.length - 1 - padding)] ?? -1
  return (value & (padding === 1 ? 3 : 15)) !== 0
}

function asNative(bytes: Uint8Array): NativeBase64 {
  return bytes as Uint8Array & NativeBase64
}
