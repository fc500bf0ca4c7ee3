/**
 * What a host may have of base64, and the arithmetic of its lengths.
 * Never decodes; the codecs beside it do.
 */

/** One way to do the work. The caller has checked sizes: `into` has exactly {@link base64Bytes} bytes. */
export interface Base64Codec {
  encode(bytes: Uint8Array): string
  /** False if the text is not the canonical encoding of some bytes; `into` is then of no use. */
  decode(text: string, into: Uint8Array): boolean
}

/** The bytes a text would decode to, or undefined if no base64 has this length. Looks at the length and the end only. */
export function base64Bytes(text: string): number | undefined {
  return text.length % 4 === 0 ? (text.length / 4) * 3 - base64Padding(text) : undefined
}

/** The characters that this many bytes encode to. */
export function base64Chars(bytes: number): number {
  return Math.ceil(bytes / 3) * 4
}

export function base64Padding(text: string): 0 | 1 | 2 {
  if (!text.endsWith('=')) return 0
  return text.endsWith('==') ? 2 : 1
}
