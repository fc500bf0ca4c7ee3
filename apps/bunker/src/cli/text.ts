/**
 * Text for terminals: cleaned, cut, in columns.
 * Never lets a stranger's text through as it came: no escape sequences, no bidi marks, no line ends.
 */

import { cleanText, encodeNpub, isHex64, type Pubkey } from '@nip46/core'
import { maskSecrets } from '../daemon/log.ts'

/** Characters of one field that are shown. */
const FIELD_CHARS = 300
/** Characters of JSON that a terminal may take for something else, beside those that JSON escapes itself. */
const HARMFUL = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** One line. */
export function clean(text: string, max: number = FIELD_CHARS): string {
  return cleanText(text, max)
}

/** A word of a command line, to say what is wrong with it; what looks like a key, a link or a token is not repeated. */
export function quote(word: string, max: number): string {
  return maskSecrets(clean(word, max))
}

/** The same value, in characters that harm no terminal. */
export function jsonText(value: unknown, spaces = 2): string {
  return JSON.stringify(value, null, spaces).replace(
    HARMFUL,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Columns as wide as they need to be, two spaces between. `head` is left out if there are no rows. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  otherwise: string,
): string {
  if (rows.length === 0) return otherwise
  const lines = [head, ...rows.map((row) => row.map((cell) => clean(cell)))]
  const widths = head.map((_, column) => Math.max(...lines.map((line) => [...(line[column] ?? '')].length)))
  return lines
    .map((line) =>
      line
        .map((cell, column) => pad(cell, widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Names and values below each other; values that are undefined are left out. */
export function facts(pairs: readonly (readonly [string, string | undefined])[]): string {
  const shown = pairs.flatMap(([name, value]) =>
    value === undefined ? [] : [[name, clean(value, 2_000)] as const],
  )
  const width = Math.max(...shown.map(([name]) => name.length))
  return shown.map(([name, value]) => `${pad(name, width)}  ${value}`.trimEnd()).join('\n')
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - [...text].length))
}

/** In universal time, to the second. */
export function when(ms: number | null, otherwise = 'never'): string {
  return ms === null
    ? otherwise
    : new Date(ms)
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, ' UTC')
}

export function npub(pubkey: string): string {
  return isHex64(pubkey) ? encodeNpub(pubkey as Pubkey) : pubkey
}

/** Enough of a key or hash to tell it from others, and to name it on the command line. */
export function short(hex: string): string {
  return hex.slice(0, 12)
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
