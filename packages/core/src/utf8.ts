/**
 * How long a text is as UTF-8. Never makes the bytes.
 */

/** Bytes of a well-formed string as UTF-8; a lone surrogate counts as the three bytes of its replacement. */
export function utf8Length(text: string): number {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) continue
    const paired = unit >= 0xd800 && unit <= 0xdfff && isPaired(text, i, unit)
    bytes += unit >= 0x800 && !paired ? 2 : 1
  }
  return bytes
}

function isPaired(text: string, index: number, unit: number): boolean {
  const other = unit <= 0xdbff ? text.charCodeAt(index + 1) : text.charCodeAt(index - 1)
  return unit <= 0xdbff ? other >= 0xdc00 && other <= 0xdfff : other >= 0xd800 && other <= 0xdbff
}
