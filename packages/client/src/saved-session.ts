/**
 * What is kept of a session between two runs of the host, and how it is read back.
 * Never believes what is read: storage is shared with other code, and old versions of it.
 */

import {
  type ClientProfile,
  clientProfile,
  isHex64,
  type Pubkey,
  parsePubkey,
  parseRelayUrl,
  type RelayUrl,
} from '@nip46/core'
import type { ClientSession } from '@nip46/core/client'
import { SESSION_RELAYS, URI_RELAYS } from '@nip46/core/limits'
import { Nip46Error } from './error.ts'
import { type Members, membersOf, readJson } from './outside-json.ts'

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
  const saved = readSaved(readJson(value))
  if (saved === undefined)
    throw new Nip46Error({ code: 'session/saved', message: 'this is no saved session' })
  return saved
}

function readSaved(value: unknown): SavedSession | undefined {
  const { v, clientSecretKey, session } = membersOf(value)
  const read = readSession(membersOf(session))
  if (v !== 1 || !isHex64(clientSecretKey) || read === undefined) return undefined
  return { v, clientSecretKey, session: read }
}

function readSession(members: Members): ClientSession | undefined {
  const { v, lastSeen = null, lastSwitchAt = null } = members
  const clientPubkey = readPubkey(members['clientPubkey'])
  const remoteSigner = readPubkey(members['remoteSigner'])
  const userPubkey = readPubkey(members['userPubkey'])
  const relays = readRelays(members['relays'], SESSION_RELAYS)
  const originRelays = readRelays(members['originRelays'], URI_RELAYS)
  const profile = readProfile(membersOf(members['profile']))
  if (v !== 1 || !isTime(lastSeen) || !isTime(lastSwitchAt)) return undefined
  if (clientPubkey === undefined || remoteSigner === undefined || userPubkey === undefined) return undefined
  if (relays === undefined || originRelays === undefined || profile === undefined) return undefined
  return {
    v,
    clientPubkey,
    remoteSigner,
    userPubkey,
    relays,
    originRelays,
    profile,
    lastSeen,
    lastSwitchAt,
  }
}

function readPubkey(value: unknown): Pubkey | undefined {
  const pubkey = isHex64(value) ? parsePubkey(value) : undefined
  return pubkey?.ok === true ? pubkey.value : undefined
}

function readRelays(value: unknown, max: number): readonly RelayUrl[] | undefined {
  if (!Array.isArray(value) || value.length === 0 || value.length > max) return undefined
  const relays: RelayUrl[] = []
  for (const item of value as readonly unknown[]) {
    const relay = typeof item === 'string' ? parseRelayUrl(item, { allowInsecure: true }) : undefined
    if (relay?.ok !== true) return undefined
    if (!relays.includes(relay.value)) relays.push(relay.value)
  }
  return relays
}

/** What an older version did not save is as the era has it. */
function readProfile(members: Members): ClientProfile | undefined {
  const { era } = members
  if (!isOneOf(era, PROFILE_VALUES.era)) return undefined
  const profile: Record<string, unknown> = { ...clientProfile(era) }
  for (const [name, values] of Object.entries<readonly unknown[]>(PROFILE_VALUES)) {
    const value = members[name]
    if (value === undefined) continue
    if (!values.includes(value)) return undefined
    profile[name] = value
  }
  return profile as unknown as ClientProfile
}

const FLAGS = [true, false]
const PROFILE_VALUES: { readonly [Name in keyof ClientProfile]: readonly ClientProfile[Name][] } = {
  era: ['A0', 'A1', 'SEED', 'B', 'C', 'D', 'E'],
  scheme: ['nip44', 'nip04'],
  connectParam: ['remote-signer', 'client', 'user'],
  connectMetadata: FLAGS,
  allowLegacyAck: FLAGS,
  userPubkeyFallback: FLAGS,
  switchRelays: FLAGS,
  resendSignEvent: ['after-outage', 'never'],
  logout: ['logout', 'disconnect', 'none'],
}

function isOneOf<T>(value: unknown, names: readonly T[]): value is T {
  return names.includes(value as T)
}

function isTime(value: unknown): value is number | null {
  return value === null || (Number.isSafeInteger(value) && (value as number) >= 0)
}
