/**
 * What other libraries keep of a session, read into one shape: nbunksec texts, NDK's payload, nostr-tools' pointer.
 * Never loads one of these libraries, never believes what it reads, and never repeats any of it in a message.
 */

import {
  bytesToHex,
  decodeBech32,
  isHex64,
  type Pubkey,
  parsePubkey,
  parseRelayUrl,
  type RelayUrl,
} from '@nip46/core'
import { SESSION_RELAYS, URI_RELAYS } from '@nip46/core/limits'
import { Nip46Error } from './error.ts'
import { membersOf, readJson } from './outside-json.ts'

/**
 * JSON, to be kept as you would a password until it is imported. The token's secret is left out: it was spent when the
 * other library connected.
 */
export interface ForeignSession {
  /** The client's secret key, 64 hex characters. Not the user's key. */
  readonly clientSecretKey: string
  readonly remoteSigner: Pubkey
  /** 1 to `limits.SESSION_RELAYS`, without repeats; `ws://` ones are among them. */
  readonly relays: readonly RelayUrl[]
  /** Null: the other library did not keep it. */
  readonly userPubkey: Pubkey | null
}

/** Thrown for everything that cannot be read; the text could hold the key, so it is not repeated. */
export function noForeignSession(): Nip46Error {
  return new Nip46Error({ code: 'session/import', message: 'this is no session of another library' })
}

/**
 * An `nbunksec1…` text, as applesauce and nsyte write them: bech32 of TLVs, 0 the remote signer's pubkey, 1 the client's
 * secret key, 2 a relay, 3 the token's secret. Throws `Nip46Error` with code `session/import`, whatever it is given.
 *
 * ```ts
 * const foreign = parseNbunksec(localStorage.getItem('signer'))
 * ```
 */
export function parseNbunksec(text: unknown): ForeignSession {
  const decoded = typeof text === 'string' ? decodeBech32(text.trim()) : undefined
  if (decoded?.prefix !== 'nbunksec') throw noForeignSession()
  const { bytes } = decoded
  try {
    const relays: string[] = []
    const keys = new Map<number, string>()
    for (let at = 0; at < bytes.length; ) {
      const type = bytes[at]
      const length = bytes[at + 1]
      if (type === undefined || length === undefined || at + 2 + length > bytes.length)
        throw noForeignSession()
      const value = bytes.subarray(at + 2, at + 2 + length)
      if (type === 2) relays.push(String.fromCharCode(...value))
      else if (type < 2 && !keys.has(type)) keys.set(type, bytesToHex(value))
      at += 2 + length
    }
    return read(keys.get(0), keys.get(1), relays, null)
  } finally {
    bytes.fill(0)
  }
}

/**
 * What `toPayload()` of NDK's `NDKNip46Signer` gave: the text, or the object in it. If it names no user, as NDK can write it,
 * the remote signer will be asked. Throws `Nip46Error` with code `session/import`, whatever it is given.
 *
 * ```ts
 * const foreign = parseNdkPayload(localStorage.getItem('ndk-signer'))
 * ```
 */
export function parseNdkPayload(payload: unknown): ForeignSession {
  const { type, payload: content } = membersOf(readJson(payload))
  const { bunkerPubkey, userPubkey, relayUrls, localSignerPayload } = membersOf(content)
  const local = membersOf(readJson(localSignerPayload))
  if (type !== 'nip46' || local['type'] !== 'private-key') throw noForeignSession()
  return read(bunkerPubkey, local['payload'], relayUrls, userPubkey)
}

/**
 * The pair that apps on nostr-tools keep: a `BunkerPointer` (`{ pubkey, relays }`, the object or its JSON) and the client's
 * secret key, 32 bytes or 64 hex characters. Throws `Nip46Error` with code `session/import`, whatever it is given.
 *
 * ```ts
 * const foreign = parseBunkerPointer(bunkerSigner.bp, clientSecretKey)
 * ```
 */
export function parseBunkerPointer(pointer: unknown, clientSecretKey: unknown): ForeignSession {
  const { pubkey, relays } = membersOf(readJson(pointer))
  const key = isKeyBytes(clientSecretKey) ? bytesToHex(clientSecretKey) : clientSecretKey
  return read(pubkey, key, relays, null)
}

function isKeyBytes(value: unknown): value is Uint8Array {
  try {
    return value instanceof Uint8Array && value.length === 32
  } catch {
    // A proxy that throws.
    return false
  }
}

/** Checks what a caller may have kept or made by itself. */
export function checkForeign(foreign: unknown): ForeignSession {
  const { remoteSigner, clientSecretKey, relays, userPubkey } = membersOf(readJson(foreign))
  return read(remoteSigner, clientSecretKey, relays, userPubkey)
}

/** Relays that cannot be used are left out as long as one can; a user that is none is asked for. */
function read(remoteSigner: unknown, key: unknown, relays: unknown, user: unknown): ForeignSession {
  const signer = readPubkey(remoteSigner)
  const clientSecretKey = typeof key === 'string' ? key.toLowerCase() : key
  const usable = readRelays(relays)
  if (signer === undefined || !isHex64(clientSecretKey) || usable.length === 0) throw noForeignSession()
  return { clientSecretKey, remoteSigner: signer, relays: usable, userPubkey: readPubkey(user) ?? null }
}

function readPubkey(value: unknown): Pubkey | undefined {
  const text = typeof value === 'string' ? value.toLowerCase() : undefined
  const pubkey = isHex64(text) ? parsePubkey(text) : undefined
  return pubkey?.ok === true ? pubkey.value : undefined
}

function readRelays(value: unknown): readonly RelayUrl[] {
  if (!Array.isArray(value) || value.length > URI_RELAYS) return []
  const urls = (value as readonly unknown[]).flatMap((item) => {
    const relay = typeof item === 'string' ? parseRelayUrl(item, { allowInsecure: true }) : undefined
    return relay?.ok === true ? [relay.value] : []
  })
  return [...new Set(urls)].slice(0, SESSION_RELAYS)
}
