/**
 * What is kept of a session between two runs of the host, and how it is read back.
 * Never believes what is read: storage is shared with other code, and old versions of it.
 */

import {
  type ClientProfile,
  CURRENT_PROFILE,
  isHex64,
  isPubkey,
  type Json,
  type Pubkey,
  parseRelayList,
  type RelayUrl,
} from '@nip46/core'
import type { ClientSession } from '@nip46/core/client'
import { Nip46Error } from './error.ts'
import { readJson } from './outside-json.ts'

/**
 * JSON. Store it as you would a password: who has `clientSecretKey` can ask the remote signer for everything it
 * granted to this app, and read the session's messages.
 */
export interface SavedSession {
  readonly v: 1
  /** The client's secret key, 64 hex characters. Not the user's key. */
  readonly clientSecretKey: string
  readonly session: ClientSession
}

/**
 * A saved session from storage: the object or its JSON text. Members that are not known are left out.
 * Throws `Nip46Error` with code `session/saved`, whatever it is given.
 */
export function parseSavedSession(value: unknown): SavedSession {
  return readSaved(readJson(value))
}

/** The same of a value that is no text. What is saved is picked by it too, so that it can be read back. */
export function readSaved(value: unknown): SavedSession {
  const saved = readMembers(SAVED, value)
  if (saved === undefined) throw noSavedSession()
  return saved
}

/** The same for everything: what was read could hold the key, so it is not repeated. */
export function noSavedSession(): Nip46Error {
  return new Nip46Error({ code: 'session/saved', message: 'this is no saved session' })
}

/** How a value is read: undefined if it is not what it should be. */
type Reader<T> = (value: unknown) => T | undefined
type Readers<T> = { readonly [Name in keyof T]: Reader<T[Name]> }

function readMembers<T>(readers: Readers<T>, value: unknown): T | undefined {
  const members = Object(value) as Record<string, unknown>
  const read: Record<string, unknown> = {}
  for (const [name, reader] of Object.entries<Reader<unknown>>(readers)) {
    const member = reader(members[name])
    if (member === undefined) return undefined
    read[name] = member
  }
  return read as T
}

function oneOf<T>(...values: readonly T[]): Reader<T> {
  return (value) => values.find((known) => known === value)
}

function readPubkey(value: unknown): Pubkey | undefined {
  return isPubkey(value) ? value : undefined
}

function readRelays(value: unknown): readonly RelayUrl[] | undefined {
  const relays = parseRelayList(value as Json, { allowInsecure: true })
  return relays.ok && relays.value !== null ? relays.value : undefined
}

/** Some clocks tell fractions. */
function readTime(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 ? value : undefined
}

/** What is not said is as today's text has it. */
export function readProfile(value: unknown): ClientProfile | undefined {
  return typeof value === 'object' ? readMembers(PROFILE, { ...CURRENT_PROFILE, ...value }) : undefined
}

const flag = oneOf(true, false)

const PROFILE: Readers<ClientProfile> = {
  era: oneOf('A0', 'A1', 'SEED', 'B', 'C', 'D', 'E'),
  scheme: oneOf('nip44', 'nip04'),
  connectParam: oneOf('remote-signer', 'client', 'user'),
  connectMetadata: flag,
  allowLegacyAck: flag,
  userPubkeyFallback: flag,
  switchRelays: flag,
  resendSignEvent: oneOf('after-outage', 'never'),
  logout: oneOf('logout', 'disconnect', 'none'),
}

const SESSION: Readers<ClientSession> = {
  v: oneOf(1),
  clientPubkey: readPubkey,
  remoteSigner: readPubkey,
  userPubkey: readPubkey,
  relays: readRelays,
  originRelays: readRelays,
  profile: readProfile,
  lastSwitchAt: readTime,
}

const SAVED: Readers<SavedSession> = {
  v: oneOf(1),
  clientSecretKey: (value) => (isHex64(value) ? value : undefined),
  session: (value) => readMembers(SESSION, value),
}
