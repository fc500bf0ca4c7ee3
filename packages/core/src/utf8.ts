/**
 * How long a text is as UTF-8. Never makes the bytes.
 */

/** Bytes of a well-formed string as UTF-8; a lone surrogate counts as the three bytes of its replacement. */
export function utf8Length(text: string): number {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const code = text.codePointAt(i) ?? 0
    if (code >= 0x80) bytes += code >= 0x800 ? 2 : 1
    // The other half of a pair: four bytes for two units.
    if (code > 0xffff) i++
  }
  return bytes
}

/** Whether a text has more than `max` bytes as UTF-8. Counts only where the number of characters does not say it. */
export function isLongerThan(text: string, max: number): boolean {
  return text.length > max || (text.length * 3 > max && utf8Length(text) > max)
}
