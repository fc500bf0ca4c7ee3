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

/**
 * The prefix and bytes of a Bech32 text, or undefined: wrong checksum, mixed case, bits left over, or more than
 * {@link BECH32_CHARS} characters (NIP-19 drops the 90 of BIP-173).
 */
export function decodeBech32(text: string): Bech32 | undefined {
  const lower = text.toLowerCase()
  if (text.length > BECH32_CHARS || (text !== lower && text !== text.toUpperCase())) return undefined
  const [, prefix = '', data = ''] = /^([!-~]+)1([02-9ac-hj-np-z]{6,})$/.exec(lower) ?? []
  const words = Array.from(data, (char) => ALPHABET.indexOf(char))
  if (prefix === '' || checksum(prefix, words) !== 1) return undefined
  const bits = bitsOf(words.slice(0, -CHECKSUM_CHARS), 5)
  // Bits left over are fewer than a word, and 0.
  return /^(?:.{8})*0{0,4}$/.test(bits)
    ? { prefix, bytes: Uint8Array.from(numbersOf(bits.match(/.{8}/g))) }
    : undefined
}

/** `prefix` is lowercase printable ASCII. Throws `UsageError` if the text would exceed {@link BECH32_CHARS}. */
export function encodeBech32(prefix: string, bytes: Uint8Array): string {
  if (!/^[!-@[-~]+$/.test(prefix)) throw new UsageError('a Bech32 prefix is lowercase printable ASCII')
  const words = numbersOf(`${bitsOf(bytes, 8)}0000`.match(/.{5}/g))
  const sum = checksum(prefix, [...words, 0, 0, 0, 0, 0, 0]) ^ 1
  for (let i = 0; i < CHECKSUM_CHARS; i++) words.push((sum >>> (5 * (CHECKSUM_CHARS - 1 - i))) & 31)
  const text = `${prefix}1${words.map((word) => ALPHABET.charAt(word)).join('')}`
  if (text.length > BECH32_CHARS)
    throw new UsageError(`a Bech32 text holds at most ${BECH32_CHARS} characters`)
  return text
}

/** The 64 hex characters of an `npub1…`, or undefined. */
export function decodeNpub(text: string): string | undefined {
  return /^npub/i.test(text) ? decodeKey(text)?.pubkey : undefined
}

/**
 * The key and the relay texts of an `nprofile1…`, or undefined. NIP-19: type 0 is the key (32 bytes), type 1 a
 * relay, and other types are ignored.
 */
export function decodeNprofile(text: string): NamedKey | undefined {
  return /^nprofile/i.test(text) ? decodeKey(text) : undefined
}

/** A public key as NIP-19 writes it, and where to find its owner. */
export interface NamedKey {
  /** 64 hex characters. */
  readonly pubkey: string
  readonly relays: readonly string[]
}

/** Either of the two forms. */
export function decodeKey(text: string): NamedKey | undefined {
  const { prefix, bytes = [] } = decodeBech32(text) ?? {}
  let pubkey: string | undefined
  const relays: string[] = []
  let fields = prefix === 'npub' ? [0, bytes.length, ...bytes] : prefix === 'nprofile' ? [...bytes] : []
  while (fields.length > 0) {
    const [type, length = Infinity, ...more] = fields
    if (length > more.length) return undefined
    const value = more.slice(0, length)
    if (type === 0) pubkey ??= bytesToHex(Uint8Array.from(value))
    if (type === 1) relays.push(String.fromCharCode(...value))
    fields = more.slice(length)
  }
  return pubkey?.length === 64 ? { pubkey, relays } : undefined
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
    const next = ((sum & 0x1ffffff) << 5) ^ word
    sum = GENERATOR.reduce((mixed, value, bit) => mixed ^ (value * ((top >>> bit) & 1)), next)
  }
  return sum
}

const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3] as const

/** As a text of `0` and `1`. */
function bitsOf(groups: Iterable<number>, width: number): string {
  return Array.from(groups, (group) => group.toString(2).padStart(width, '0')).join('')
}

function numbersOf(groups: readonly string[] | null): number[] {
  return Array.from(groups ?? [], (group) => Number.parseInt(group, 2))
}
