/**
 * What the vault writes down: the file that its own key is wrapped in, and one file for each user key.
 * Never takes a file as it is: the first is authenticated under the passphrase, the others under the key in it.
 */

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { isHex64, type Millis, type Pubkey } from '@nip46/core'
import { bytesToHex, hexToBytes } from '@nip46/crypto'
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { secretBytes } from './bytes.ts'
import { KEY_NAME_CHARS, LOG_N_MAX, LOG_N_MIN } from './limits.ts'
import { deriveKey } from './passphrase-kdf.ts'
import { VaultError } from './vault-error.ts'

/** What this version writes; one that is higher was written by a later one. */
const VERSION = 1
const WRAP_TAG = 'nip46-bunker vault'
const RECORD_TAG = 'nip46-bunker key record'

interface WrappedKey {
  readonly version: number
  readonly logN: number
  readonly salt: string
  readonly nonce: string
  readonly sealed: string
}

/** A user key as it is stored. */
export interface KeyRecord {
  readonly name: string
  readonly pubkey: Pubkey
  readonly createdAt: Millis
  readonly ncryptsec: string
}

/** The text of the vault's file: 32 secret bytes under scrypt of the passphrase, with XChaCha20-Poly1305 over all fields. */
export async function wrapVaultKey(key: Uint8Array, passphrase: Uint8Array, logN: number): Promise<string> {
  const salt = randomBytes(16)
  const nonce = randomBytes(24)
  const head = { version: VERSION, logN, salt: bytesToHex(salt), nonce: bytesToHex(nonce) }
  const wrapping = await deriveKey(passphrase, salt, logN)
  const sealed = xchacha20poly1305(wrapping, nonce, boundTo(head)).encrypt(key)
  wrapping.fill(0)
  return `${JSON.stringify({ ...head, sealed: bytesToHex(sealed) }, null, 2)}\n`
}

/** The 32 secret bytes, which the caller wipes. Rejects with `vault/password`, `vault/newer`, `vault/damaged`. */
export async function unwrapVaultKey(
  text: Uint8Array,
  passphrase: Uint8Array,
  path: string,
): Promise<Uint8Array> {
  const file = readWrappedKey(text, path)
  const wrapping = await deriveKey(passphrase, hexToBytes(file.salt), file.logN)
  const key = secretBytes(32)
  try {
    xchacha20poly1305(wrapping, hexToBytes(file.nonce), boundTo(file)).decrypt(hexToBytes(file.sealed), key)
    return key
  } catch (cause) {
    key.fill(0)
    // The cipher says a wrong tag by throwing; anything else is ours.
    if (cause instanceof Error && /tag/i.test(cause.message))
      throw new VaultError('vault/password', `wrong passphrase of the vault, or ${path} was changed`)
    throw cause
  } finally {
    wrapping.fill(0)
  }
}

function boundTo({ version, logN, salt, nonce }: Omit<WrappedKey, 'sealed'>): Uint8Array {
  return new TextEncoder().encode(JSON.stringify([WRAP_TAG, version, logN, salt, nonce]))
}

function readWrappedKey(text: Uint8Array, path: string): WrappedKey {
  const file = readObject(text, path)
  checkVersion(file, path)
  const { logN, salt, nonce, sealed } = file
  const sound =
    Number.isInteger(logN) &&
    (logN as number) >= LOG_N_MIN &&
    (logN as number) <= LOG_N_MAX &&
    isHex(salt, 16) &&
    isHex(nonce, 24) &&
    isHex(sealed, 48) &&
    Object.keys(file).length === 5
  if (!sound) throw damaged(path)
  return file as unknown as WrappedKey
}

// -- user keys ---------------------------------------------------------------------------------

/** The key of the records' MACs, which the caller wipes. */
export function deriveRecordKey(vaultKey: Uint8Array): Uint8Array {
  const derived = createHmac('sha256', vaultKey).update(RECORD_TAG).digest()
  const key = secretBytes(32)
  key.set(derived)
  derived.fill(0)
  return key
}

/** The text of a key's file. Its MAC binds name, pubkey and ncryptsec1… together, and to this vault. */
export function encodeKeyRecord(record: KeyRecord, recordKey: Uint8Array): string {
  const { name, pubkey, createdAt, ncryptsec } = record
  const file = {
    version: VERSION,
    name,
    pubkey,
    createdAt,
    ncryptsec,
    mac: bytesToHex(macOf(record, recordKey)),
  }
  return `${JSON.stringify(file, null, 2)}\n`
}

/** Rejects with `vault/damaged` if it was not written by this vault for this pubkey, and with `vault/newer`. */
export function decodeKeyRecord(
  text: Uint8Array,
  pubkey: string,
  recordKey: Uint8Array,
  path: string,
): KeyRecord {
  const file = readObject(text, path)
  checkVersion(file, path)
  const { name, createdAt, ncryptsec, mac } = file
  if (
    !isKeyName(name) ||
    file['pubkey'] !== pubkey ||
    !isHex64(pubkey) ||
    !Number.isSafeInteger(createdAt) ||
    typeof ncryptsec !== 'string' ||
    !isHex(mac, 32)
  )
    throw damaged(path)
  const record: KeyRecord = { name, pubkey: pubkey as Pubkey, createdAt: createdAt as Millis, ncryptsec }
  if (!timingSafeEqual(macOf(record, recordKey), hexToBytes(mac)) || Object.keys(file).length !== 6)
    throw damaged(path)
  return record
}

function macOf({ name, pubkey, createdAt, ncryptsec }: KeyRecord, recordKey: Uint8Array): Buffer {
  const fields = JSON.stringify([VERSION, name, pubkey, createdAt, ncryptsec])
  return createHmac('sha256', recordKey).update(fields).digest()
}

/** Letters, digits, dots, dashes, underscores, the first a letter or digit; and nothing that could be taken for a pubkey. */
export function isKeyName(name: unknown): name is string {
  return (
    typeof name === 'string' &&
    name.length <= KEY_NAME_CHARS &&
    /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) &&
    !/^[0-9a-f]{64}$/i.test(name)
  )
}

/** Throws `key/name` unless it can be the name of a key. */
export function checkKeyName(name: string): void {
  if (!isKeyName(name))
    throw new VaultError(
      'key/name',
      'the name of a key is 1 to 64 letters, digits, dots, dashes and underscores, of which the first is a letter or a digit, and is no pubkey',
    )
}

// -- reading -----------------------------------------------------------------------------------

function readObject(text: Uint8Array, path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof TypeError)) throw cause
  }
  throw damaged(path)
}

function checkVersion(file: Record<string, unknown>, path: string): void {
  const { version } = file
  if (version === VERSION) return
  if (Number.isInteger(version) && (version as number) > VERSION)
    throw new VaultError('vault/newer', `a later version wrote ${path}: use that version`)
  throw damaged(path)
}

function damaged(path: string): VaultError {
  return new VaultError(
    'vault/damaged',
    `${path} is damaged, or not from this vault: restore it from a backup`,
  )
}

function isHex(value: unknown, bytes: number): value is string {
  return typeof value === 'string' && value.length === 2 * bytes && /^[0-9a-f]*$/.test(value)
}
