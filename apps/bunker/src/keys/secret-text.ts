/**
 * A user's secret key from what a person types or pastes: nsec1…, hex, ncryptsec1…, seed words.
 * Never runs outside the signing worker; what must pass through strings is left for its engine to forget.
 */

import { pbkdf2 } from 'node:crypto'
import { err, ok, type Result } from '@nip46/core'
import { decodeNsec } from '@nip46/crypto'
import { HDKey } from '@scure/bip32'
import { validateMnemonic } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { secretBytes } from './bytes.ts'
import { decryptNcryptsec } from './ncryptsec.ts'

export type SecretProblem = 'key/shape' | 'key/password' | 'key/scrypt-cost'

const PROBLEM = {
  'ncryptsec/shape': 'key/shape',
  'ncryptsec/cost': 'key/scrypt-cost',
  'ncryptsec/password': 'key/password',
} as const
const NO_PASSPHRASE = new Uint8Array(0)
/** Rounds of PBKDF2 in BIP-39. */
const SEED_ROUNDS = 2_048

/** 32 bytes, not yet known to be a key; the caller wipes them, and the text. */
export async function readSecretText(
  text: Uint8Array,
  options: { readonly passphrase?: Uint8Array | undefined; readonly account?: number | undefined } = {},
): Promise<Result<Uint8Array, SecretProblem>> {
  const passphrase = options.passphrase ?? NO_PASSPHRASE
  const trimmed = trim(text)
  const hex = readHex(trimmed)
  if (hex !== undefined) return ok(hex)
  const words = new TextDecoder().decode(trimmed)
  if (/^nsec1/i.test(words)) {
    const secret = decodeNsec(words)
    return secret === undefined ? err('key/shape') : ok(secret)
  }
  if (/^ncryptsec1/i.test(words)) {
    const opened = await decryptNcryptsec(words, passphrase)
    return opened.ok ? opened : err(PROBLEM[opened.error])
  }
  return readSeedWords(words, passphrase, options.account ?? 0)
}

/** NIP-06: BIP-39 words, and the key at m/44'/1237'/account'/0/0. */
async function readSeedWords(
  text: string,
  passphrase: Uint8Array,
  account: number,
): Promise<Result<Uint8Array, SecretProblem>> {
  const words = text.normalize('NFKD').toLowerCase().split(/\s+/).join(' ')
  if (!words.includes(' ')) return err('key/shape')
  if (!validateMnemonic(words, wordlist)) return err('key/shape')
  const seed = await deriveSeed(words, new TextDecoder().decode(passphrase).normalize('NFKD'))
  const root = HDKey.fromMasterSeed(seed)
  seed.fill(0)
  const leaf = root.derive(`m/44'/1237'/${account}'/0/0`)
  const secret = secretBytes(32)
  if (leaf.privateKey !== null) secret.set(leaf.privateKey)
  leaf.wipePrivateData()
  root.wipePrivateData()
  return ok(secret)
}

function deriveSeed(words: string, passphrase: string): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    pbkdf2(words, `mnemonic${passphrase}`, SEED_ROUNDS, 64, 'sha512', (error, seed) => {
      if (error === null) resolve(seed)
      else reject(error)
    })
  })
}

function trim(text: Uint8Array): Uint8Array {
  const isSpace = (at: number): boolean => (text[at] ?? 0) <= 0x20
  let start = 0
  let end = text.length
  while (start < end && isSpace(start)) start++
  while (end > start && isSpace(end - 1)) end--
  return text.subarray(start, end)
}

/** Without a string on the way. */
function readHex(text: Uint8Array): Uint8Array | undefined {
  if (text.length !== 64) return undefined
  const secret = secretBytes(32)
  for (let i = 0; i < 32; i++) {
    const [high, low] = [hexDigit(text[2 * i] as number), hexDigit(text[2 * i + 1] as number)]
    if (high === undefined || low === undefined) {
      secret.fill(0)
      return undefined
    }
    secret[i] = (high << 4) | low
  }
  return secret
}

function hexDigit(code: number): number | undefined {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : undefined
}
