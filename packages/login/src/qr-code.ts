/**
 * A link as the path of an SVG: one square for each dark module.
 * Never makes markup.
 */

import { encode } from 'uqr'
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
  const { size, data } = encode(text, { border: 4 })
  let path = ''
  for (const [y, row] of data.entries()) {
    let start = -1
    for (let x = 0; x <= size; x += 1) {
      if (row[x] === true) {
        if (start < 0) start = x
      } else if (start >= 0) {
        path += `M${start} ${y}h${x - start}v1h${start - x}z`
        start = -1
      }
    }
  }
  return { size, path }
}
