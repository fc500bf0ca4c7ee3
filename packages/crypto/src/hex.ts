/**
 * One hex digit at a time, for readers that want no array in between.
 * Never accepts an upper-case digit.
 */

const DIGITS = new Int8Array(128).fill(-1)
Array.from('0123456789abcdef').forEach((digit, value) => {
  DIGITS[digit.charCodeAt(0)] = value
})

/** The value of the digit at this place, or -1 if there is none. */
export function hexDigit(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return code < 128 ? (DIGITS[code] as number) : -1
}
