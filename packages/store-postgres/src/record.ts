/**
 * Records as what is written down: sealed, each bound to its place.
 * Never leaves a plaintext unsealed; claims and audit records are not sealed, and not here.
 */

import type { JsonValue, Millis, Pubkey } from '@nip46/core'
import type {
  Offer,
  OutboxEntry,
  SessionChange,
  SessionRead,
  SessionWrite,
  SignerSession,
  StoreSeal,
} from '@nip46/core/remote-signer'
import { createJsonSeal, createSessionRows } from '@nip46/core/remote-signer'
import { corruptError } from './error.ts'

/** What reads throws `store/corrupt` on what does not open. */
export interface RecordCodec {
  encodeSession(change: SessionChange): SessionWrite
  /** What was encoded is stored now. */
  remember(change: SessionChange): void
  session(stored: SessionRead): SignerSession
  encodeOffer(token: string, offer: Offer): Uint8Array
  offer(token: string, body: Uint8Array): Offer
  encodeKey(pubkey: Pubkey, secret: Uint8Array): Uint8Array
  /** Secret bytes; the caller wipes them. */
  key(pubkey: Pubkey, body: Uint8Array): Uint8Array
  encodeAnswer(entry: OutboxEntry): Uint8Array
  answer(id: string, at: Millis, body: Uint8Array): OutboxEntry
  encodeHostRecord(name: string, value: JsonValue): Uint8Array
  hostRecord(name: string, body: Uint8Array): JsonValue
}

export function createRecordCodec(seal: StoreSeal): RecordCodec {
  const encoder = new TextEncoder()
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const json = createJsonSeal(seal, {
    encode: (text) => encoder.encode(text),
    decode: (bytes) => decoder.decode(bytes),
  })
  const rows = createSessionRows(json, {
    head: ({ signerPubkey, clientPubkey }) => `session ${signerPubkey} ${clientPubkey}`,
    part: ({ signerPubkey, clientPubkey }, id) => `chunk ${signerPubkey} ${clientPubkey} ${id}`,
  })
  const open = (body: Uint8Array, context: string, what: string): unknown => {
    const value = json.open(body, context)
    if (value === undefined) throw corruptError(what)
    return value
  }

  return {
    encodeSession: rows.write,
    remember: rows.remember,
    session(stored) {
      const session = rows.read(stored)
      if (session === undefined) throw corruptError('a session')
      return session
    },
    encodeOffer: (token, offer) => json.seal(offer, `offer ${token}`),
    offer: (token, body) => open(body, `offer ${token}`, 'an offer') as Offer,
    encodeKey: (pubkey, secret) => seal.seal(secret, `key ${pubkey}`),
    key(pubkey, body) {
      const opened = seal.open(body, `key ${pubkey}`)
      if (!opened.ok || opened.value.length !== 32) throw corruptError('a key')
      return opened.value
    },
    encodeAnswer: ({ id, at: _, ...rest }) => json.seal(rest, `outbox ${id}`),
    answer(id, at, body) {
      const rest = open(body, `outbox ${id}`, 'an answer') as Omit<OutboxEntry, 'id' | 'at'>
      return { ...rest, id, at }
    },
    encodeHostRecord: (name, value) => json.seal(value, `host ${name}`),
    hostRecord: (name, body) => open(body, `host ${name}`, 'a record of the host') as JsonValue,
  }
}
