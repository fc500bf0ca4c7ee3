/**
 * Bech32 (BIP-173) and the two NIP-19 forms of a public key, `npub` and `nprofile`.
 * Never decodes secret keys, and never checks that a key is on the curve; pubkey.ts does.
 */

import { bytesToHex, hexToBytes } from './hex.ts'
import { BECH32_CHARS } from './limits.ts'
import { UsageError } from './value.ts'

export interface Bech32 {
  /** The human-readable part, in lower case. */
  readonly prefix: string
  readonly bytes: Uint8Array
}

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const CHECKSUM_CHARS = 6
const FORM = /* @__PURE__ */ new RegExp(`^([!-~]+)1([${ALPHABET}]{${CHECKSUM_CHARS},})$`)

/**
 * The prefix and bytes of a Bech32 text, or undefined: wrong checksum, mixed case, bits left over, or more than
 * {@link BECH32_CHARS} characters (NIP-19 drops the 90 of BIP-173).
 */
export function decodeBech32(text: string): Bech32 | undefined {
  const lower = text.toLowerCase()
  if (text.length > BECH32_CHARS || (text !== lower && text !== text.toUpperCase())) return undefined
  const [, prefix = '', data = ''] = FORM.exec(lower) ?? []
  const words = Array.from(data, (char) => ALPHABET.indexOf(char))
  if (prefix === '' || checksum(prefix, words) !== 1) return undefined
  const bits = bitsOf(words.slice(0, -CHECKSUM_CHARS), 5)
  // Bits left over are fewer than a word, and 0.
  const [, bytes = '', rest = ''] = /^((?:.{8})*)(.*)$/.exec(bits) ?? []
  return /^0{0,4}$/.test(rest) ? { prefix, bytes: Uint8Array.from(groupsOf(bytes, 8)) } : undefined
}

/** `prefix` is lowercase printable ASCII. Throws `UsageError` if the text would exceed {@link BECH32_CHARS}. */
export function encodeBech32(prefix: string, bytes: Uint8Array): string {
  if (!/^[!-@[-~]+$/.test(prefix)) throw new UsageError('a Bech32 prefix is lowercase printable ASCII')
  const bits = bitsOf(bytes, 8)
  const words = groupsOf(bits.padEnd(5 * Math.ceil(bits.length / 5), '0'), 5)
  const sum = checksum(prefix, [...words, 0, 0, 0, 0, 0, 0]) ^ 1
  for (let i = 0; i < CHECKSUM_CHARS; i++) words.push((sum >>> (5 * (CHECKSUM_CHARS - 1 - i))) & 31)
  const text = `${prefix}1${words.map((word) => ALPHABET.charAt(word)).join('')}`
  if (text.length > BECH32_CHARS)
    throw new UsageError(`a Bech32 text holds at most ${BECH32_CHARS} characters`)
  return text
}

/** The 64 hex characters of an `npub1…`, or undefined. */
export function decodeNpub(text: string): string | undefined {
  return decodeKey(text, 'npub')?.pubkey
}

/**
 * The key and the relay texts of an `nprofile1…`, or undefined. NIP-19: type 0 is the key (32 bytes), type 1 a
 * relay, and other types are ignored.
 */
export function decodeNprofile(text: string): NamedKey | undefined {
  return decodeKey(text, 'nprofile')
}

/** A public key as NIP-19 writes it, and where to find its owner. */
export interface NamedKey {
  /** 64 hex characters. */
  readonly pubkey: string
  readonly relays: readonly string[]
}

/** Either of the two forms, or the one that is named. */
export function decodeKey(text: string, form?: 'npub' | 'nprofile'): NamedKey | undefined {
  const { prefix, bytes } = decodeBech32(text) ?? {}
  if (bytes === undefined || (form !== undefined && prefix !== form)) return undefined
  if (prefix === 'npub' && bytes.length === 32) return { pubkey: bytesToHex(bytes), relays: [] }
  if (prefix !== 'nprofile') return undefined
  const relays: string[] = []
  let pubkey: string | undefined
  for (let at = 0; at < bytes.length; ) {
    const [type, length = Infinity] = bytes.subarray(at, at + 2)
    const end = at + 2 + length
    if (end > bytes.length || (type === 0 && length !== 32)) return undefined
    const value = bytes.subarray(at + 2, end)
    if (type === 0) pubkey ??= bytesToHex(value)
    if (type === 1) relays.push(String.fromCharCode(...value))
    at = end
  }
  return pubkey === undefined ? undefined : { pubkey, relays }
}

/** For people to read; connection URIs carry hex. */
export function encodeNpub(pubkey: string): string {
  return encodeBech32('npub', hexToBytes(pubkey))
}

function checksum(prefix: string, words: readonly number[]): number {
  const codes = Array.from(prefix, (char) => char.charCodeAt(0))
  let sum = 1
  for (const word of [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31), ...words]) {
    const top = sum >>> 25
    sum = ((sum & 0x1ffffff) << 5) ^ word
    GENERATOR.forEach((value, bit) => {
      if ((top >>> bit) & 1) sum ^= value
    })
  }
  return sum
}

const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3] as const

/** As a text of `0` and `1`. */
function bitsOf(groups: Iterable<number>, width: number): string {
  return Array.from(groups, (group) => group.toString(2).padStart(width, '0')).join('')
}

function groupsOf(bits: string, width: number): number[] {
  return Array.from({ length: bits.length / width }, (_, i) =>
    Number.parseInt(bits.slice(i * width, (i + 1) * width), 2),
  )
}
