/**
 * A link as the path of an SVG: one square for each dark module.
 * Never makes markup.
 */

import { generate } from 'lean-qr/nano'
import { QR_CHARS } from './limits.ts'

export interface QrCode {
  /** Modules of one side, with the four light ones around that scanners need. */
  readonly size: number
  /** `d` of a path, in modules. */
  readonly path: string
}

/** Null if the text makes no code that cameras read: {@link QR_CHARS}. */
export function encodeQrCode(text: string): QrCode | null {
  if (text.length > QR_CHARS) return null
  const code = generate(text)
  let path = ''
  for (let y = 0; y < code.size; y += 1) {
    let start = -1
    // One past the end, where all is light.
    for (let x = 0; x <= code.size; x += 1) {
      if (code.get(x, y)) {
        if (start < 0) start = x
      } else if (start >= 0) {
        path += `M${start + QUIET} ${y + QUIET}h${x - start}v1h${start - x}z`
        start = -1
      }
    }
  }
  return { size: code.size + 2 * QUIET, path }
}

/** Light modules around a code. */
const QUIET = 4
