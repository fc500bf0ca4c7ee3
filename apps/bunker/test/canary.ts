/**
 * Secrets in the encodings they leak in, and the search for them.
 */

import { encodeBech32 } from '@nip46/core'
import { bytesToHex } from '@nip46/crypto'

export interface Canary {
  readonly name: string
  readonly needle: Buffer
}

/** Raw, hex, base64, base64url, bech32, percent-, JSON- and UTF-16-encoded. `text` is how people write the secret. */
export function encodingsOf(secret: Uint8Array, text: string): readonly Canary[] {
  const raw = Buffer.from(secret)
  const hex = bytesToHex(secret)
  // Without the last characters, which depend on what follows.
  const base64 = raw.toString('base64').replace(/.?.?=*$/, '')
  const forms: Readonly<Record<string, Buffer>> = {
    raw,
    hex: Buffer.from(hex),
    base64: Buffer.from(base64),
    base64url: Buffer.from(base64.replaceAll('+', '-').replaceAll('/', '_')),
    bech32: Buffer.from(encodeBech32('nsec', secret).slice(5, -6)),
    percent: Buffer.from([...raw].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')),
    json: Buffer.from([...raw].join(',')),
    utf16: Buffer.from(text, 'utf16le'),
  }
  return Object.entries(forms).map(([name, needle]) => ({ name: `${text.slice(0, 24)} as ${name}`, needle }))
}

/** The names of what was found; hex and percent in either case. */
export function findSecrets(text: Uint8Array, canaries: readonly Canary[]): readonly string[] {
  const plain = Buffer.from(text)
  const low = Buffer.from(plain.toString('latin1').toLowerCase(), 'latin1')
  // Lists of numbers are printed with or without spaces between.
  const dense = Buffer.from(plain.toString('latin1').replace(/\s+/g, ''), 'latin1')
  return canaries
    .filter(({ needle }) => [plain, low, dense].some((where) => where.includes(needle)))
    .map(({ name }) => name)
}
