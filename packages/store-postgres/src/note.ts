/**
 * What members tell each other by NOTIFY: which records a commit touched, who is too late again and again, and that somebody came or went.
 * Never holds anything but names: whoever may connect to the database can listen.
 */

import type { Pubkey } from '@nip46/core'
import type { SessionName, SharedChange, StoreChange } from '@nip46/core/remote-signer'
import { NOTE_BYTES, NOTES } from './limits.ts'

/** Undefined if nobody else needs to know. */
export function toldOf({
  session,
  offers,
  keys,
  forgetKeys,
  clients,
}: StoreChange): SharedChange | undefined {
  const told: SharedChange = {
    all: false,
    sessions:
      session === undefined
        ? []
        : [{ signerPubkey: session.signerPubkey, clientPubkey: session.clientPubkey }],
    offers: (offers ?? []).map(({ token }) => token),
    keys: [...(keys ?? []).map(({ pubkey }) => pubkey), ...(forgetKeys ?? [])],
    clients: clients ?? [],
  }
  const isEmpty = told.sessions.length + told.offers.length + told.keys.length + told.clients.length === 0
  return isEmpty ? undefined : told
}

/** Notifications that tell of these changes; too many of them become one that tells of everything. */
export function notesOf(told: readonly SharedChange[], writer: string): readonly string[] {
  const items = told.flatMap(({ sessions, offers, keys, clients }): readonly (readonly string[])[] => [
    ...sessions.map(({ signerPubkey, clientPubkey }) => ['s', signerPubkey, clientPubkey]),
    ...offers.map((token) => ['o', token]),
    ...keys.map((pubkey) => ['k', pubkey]),
    ...clients.map((pubkey) => ['c', pubkey]),
  ])
  const notes: string[] = []
  let note: (readonly string[])[] = []
  let size = 0
  const flush = (): void => {
    notes.push(JSON.stringify({ writer, items: note }))
    note = []
    size = 0
  }
  for (const item of items) {
    const bytes = Buffer.byteLength(JSON.stringify(item)) + 1
    if (size + bytes > NOTE_BYTES - 64) flush()
    note.push(item)
    size += bytes
  }
  flush()
  return notes.length > NOTES ? [JSON.stringify({ writer, all: true })] : notes
}

export type Note =
  | { readonly type: 'members' }
  | { readonly type: 'probe'; readonly id: string }
  | { readonly type: 'host-records'; readonly writer: string }
  | { readonly type: 'turn'; readonly writer: string; readonly session: SessionName }
  | { readonly type: 'change'; readonly writer: string; readonly change: SharedChange }

export const EVERYTHING: SharedChange = { all: true, sessions: [], offers: [], keys: [], clients: [] }

/** What a notification says; one that cannot be read (anybody on the database can send them) says that anything may have changed. */
export function readNote(payload: string): Note {
  try {
    const { members, probe, writer, records, turn, all, items } = JSON.parse(payload) as {
      readonly members?: unknown
      readonly probe?: unknown
      readonly writer?: unknown
      readonly records?: unknown
      readonly turn?: unknown
      readonly all?: unknown
      readonly items?: unknown
    }
    if (members === true) return { type: 'members' }
    if (typeof probe === 'string') return { type: 'probe', id: probe }
    if (typeof writer === 'string' && records === true) return { type: 'host-records', writer }
    if (typeof writer === 'string' && Array.isArray(turn)) {
      const [signerPubkey, clientPubkey] = turn as readonly Pubkey[]
      if (typeof signerPubkey !== 'string' || typeof clientPubkey !== 'string')
        throw new TypeError('no session is named')
      return { type: 'turn', writer, session: { signerPubkey, clientPubkey } }
    }
    if (typeof writer === 'string' && all === true) return { type: 'change', writer, change: EVERYTHING }
    if (typeof writer === 'string' && Array.isArray(items))
      return { type: 'change', writer, change: changeOf(items as readonly (readonly string[])[]) }
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof TypeError)) throw cause
  }
  return { type: 'change', writer: '', change: EVERYTHING }
}

function changeOf(items: readonly (readonly string[])[]): SharedChange {
  const sessions: SessionName[] = []
  const named: Record<string, string[]> = { o: [], k: [], c: [] }
  for (const [kind = '', first = '', second = ''] of items) {
    if (typeof first !== 'string' || typeof second !== 'string') throw new TypeError('nothing is named')
    if (kind === 's') sessions.push({ signerPubkey: first as Pubkey, clientPubkey: second as Pubkey })
    else named[kind]?.push(first)
  }
  const { o = [], k = [], c = [] } = named
  return { all: false, sessions, offers: o, keys: k as Pubkey[], clients: c as Pubkey[] }
}
