/**
 * Text from strangers, made fit to be shown on one line: no control characters, no bidi or zero-width tricks.
 * Never escapes for HTML or a terminal; whoever renders it does.
 */

/**
 * One line of at most `max` code points: normalised to NFC, white space runs as one space, and everything invisible
 * removed (C0, C1, bidi controls, zero-width characters, fillers, variation selectors, lone surrogates).
 */
export function cleanText(text: string, max: number): string {
  const visible = text
    .replace(/\s+/gu, ' ')
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu, '')
    .normalize('NFC')
    .replace(/ +/g, ' ')
    .trim()
  return [...visible].slice(0, max).join('').trimEnd()
}
