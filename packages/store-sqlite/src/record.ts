/**
 * Records as what is written down: sealed, each bound to its place.
 * Never leaves a plaintext unsealed.
 */

import { isWellFormed, type JsonValue, type Pubkey, UsageError } from '@nip46/core'
import type {
  Claim,
  CommitOutcome,
  Found,
  HostRecord,
  HostRecordChange,
  Offer,
  OutboxEntry,
  SessionChange,
  SignerSession,
  StoreChange,
  StoredKey,
  StoreSeal,
  Versioned,
} from '@nip46/core/remote-signer'
import { canonicalJson, createJsonSeal, createSessionRows } from '@nip46/core/remote-signer'
import { corruptError, SqliteStoreError } from './error.ts'
import { HOST_RECORD_CHARS, HOST_RECORD_NAME_CHARS, NAME_CHARS } from './limits.ts'
import type {
  PlainChange,
  PlainClaim,
  PlainFound,
  PlainHostRecord,
  PlainHostRecordChange,
  PlainOutcome,
  PlainSession,
  StoredAnswer,
  StoredClient,
  StoredKeyRow,
  StoredOfferRow,
  StoredSession,
} from './message.ts'
import { bytesAt, type Packer } from './packer.ts'

export interface RecordCodec {
  /** Throws `store/usage` on what can never be stored. */
  encode(change: StoreChange, packer: Packer): PlainChange
  /** What was encoded is stored now. */
  remember(change: StoreChange): void
  outcome(outcome: PlainOutcome, bytes: ArrayBuffer): CommitOutcome
  found(found: PlainFound, bytes: ArrayBuffer): Found
  /** The texts of full chunks are opened when they are needed; with `whole` they are opened now, and have to. */
  session(row: StoredSession, bytes: ArrayBuffer, whole?: boolean): Versioned<SignerSession>
  key(row: StoredKeyRow, bytes: ArrayBuffer): StoredKey
  offer(row: StoredOfferRow, bytes: ArrayBuffer): Versioned<Offer>
  client(row: StoredClient, bytes: ArrayBuffer): Pubkey
  claim(row: PlainClaim, bytes: ArrayBuffer): Claim
  answer(row: StoredAnswer, bytes: ArrayBuffer): OutboxEntry
  /** Throws `store/usage` on what can never be stored. */
  encodeHostRecord(change: HostRecordChange): PlainHostRecordChange
  hostRecord(row: PlainHostRecord): Versioned<HostRecord>
}

/** Plaintexts up to a third of this are encoded in one place, which is wiped each time. */
const SCRATCH_BYTES = 16_384
const HEX_64 = /^[0-9a-f]{64}$/

export function createRecordCodec(seal: StoreSeal): RecordCodec {
  const encoder = new TextEncoder()
  const scratch = new Uint8Array(SCRATCH_BYTES)
  const decoder = new TextDecoder('utf-8', { fatal: true })

  const json = createJsonSeal(seal, {
    encode: (text) =>
      3 * text.length <= SCRATCH_BYTES
        ? scratch.subarray(0, encoder.encodeInto(text, scratch).written)
        : encoder.encode(text),
    decode: (bytes) => decoder.decode(bytes),
  })

  const openJson = (sealed: Uint8Array, context: string, what: string): unknown => {
    const value = json.open(sealed, context)
    if (value === undefined) throw corruptError(what)
    return value
  }

  // -- sessions --------------------------------------------------------------------------------

  const rows = createSessionRows(json, {
    head: ({ signerPubkey, clientPubkey }, revision) => `session ${signerPubkey} ${clientPubkey} ${revision}`,
    part: ({ signerPubkey, clientPubkey }, id) => `part ${signerPubkey} ${clientPubkey} ${id}`,
  })

  const encodeSession = (change: SessionChange, packer: Packer): PlainSession => {
    const { revision } = change
    const signer = hex64(change.signerPubkey)
    const client = hex64(change.clientPubkey)
    const { head, parts, dropped } = rows.write(change)
    return {
      signer,
      client,
      revision,
      head: head === null ? null : packer.add(head),
      parts: parts.map(({ id, body }) => [id, packer.add(body)] as const),
      dropped,
    }
  }

  const session: RecordCodec['session'] = ({ signer, client, revision, head, parts }, bytes, whole) => {
    const value = rows.read(
      {
        signerPubkey: signer as Pubkey,
        clientPubkey: client as Pubkey,
        revision,
        head: bytesAt(bytes, head),
        parts: new Map(parts.map(([id, place]) => [id, bytesAt(bytes, place)])),
      },
      whole,
    )
    if (value === undefined) throw corruptError('a session')
    return { revision, value }
  }

  // -- the others ------------------------------------------------------------------------------

  const offer: RecordCodec['offer'] = ({ token, revision, body }, bytes) => ({
    revision,
    value: openJson(bytesAt(bytes, body), `offer ${token} ${revision}`, 'an offer') as Offer,
  })

  const key: RecordCodec['key'] = ({ pubkey, createdAt, secret }, bytes) => {
    const opened = seal.open(bytesAt(bytes, secret), `key ${pubkey} ${createdAt}`)
    if (!opened.ok || opened.value.length !== 32) throw corruptError('a key')
    return { pubkey: pubkey as Pubkey, secret: opened.value, createdAt }
  }

  const claimContext = (claim: Pick<PlainClaim, 'eventId' | 'signer' | 'client' | 'at'>): string =>
    `claim ${claim.eventId} ${claim.signer} ${claim.client} ${claim.at}`

  const claim: RecordCodec['claim'] = (row, bytes) => ({
    eventId: row.eventId,
    signerPubkey: row.signer as Pubkey,
    clientPubkey: row.client as Pubkey,
    requestId: openJson(bytesAt(bytes, row.body), claimContext(row), 'an event that was claimed') as string,
    at: row.at,
  })

  const sessionOrNull = (
    row: StoredSession | null | undefined,
    bytes: ArrayBuffer,
  ): { readonly session?: Versioned<SignerSession> | null } =>
    row === undefined ? {} : { session: row === null ? null : session(row, bytes) }

  return {
    session,
    offer,
    key,
    claim,
    client({ pubkey, body }, bytes) {
      openJson(bytesAt(bytes, body), `client ${pubkey}`, 'a client key')
      return pubkey as Pubkey
    },
    answer({ id, at, body }, bytes) {
      const rest = openJson(bytesAt(bytes, body), `answer ${id} ${at}`, 'an answer')
      return { ...(rest as Omit<OutboxEntry, 'id' | 'at'>), id, at }
    },
    encodeHostRecord: storable(({ name: given, revision, after }) => {
      if (!/^[\x20-\x7e]+$/.test(given) || given.length > HOST_RECORD_NAME_CHARS)
        throw unstorable(`a host record whose name is not 1 to ${HOST_RECORD_NAME_CHARS} ASCII characters`)
      if (after === null) return { name: given, revision, body: null }
      if (JSON.stringify(after).length > HOST_RECORD_CHARS)
        throw unstorable(`a host record of more than ${HOST_RECORD_CHARS} characters`)
      return { name: given, revision, body: json.seal(after, `host ${given} ${revision + 1}`) }
    }),
    hostRecord({ name: stored, revision, body }) {
      const value = openJson(body, `host ${stored} ${revision}`, 'a record of the host') as JsonValue
      return { revision, value: { name: stored, value } }
    },
    encode: storable((change, packer) => {
      const plain: { -readonly [K in keyof PlainChange]: PlainChange[K] } = {}
      if (hasSome(change.claims))
        plain.claims = change.claims.map(({ eventId, signerPubkey, clientPubkey, requestId, at }) => {
          const facts = {
            eventId: hex64(eventId),
            signer: hex64(signerPubkey),
            client: hex64(clientPubkey),
            at: moment(at),
          }
          return { ...facts, body: packer.add(json.seal(requestId, claimContext(facts))) }
        })
      if (change.session !== undefined) plain.session = encodeSession(change.session, packer)
      if (hasSome(change.offers))
        plain.offers = change.offers.map(({ token, revision, after }) => ({
          token: name(token),
          revision,
          body: after === null ? null : packer.add(json.seal(after, `offer ${token} ${revision + 1}`)),
        }))
      if (hasSome(change.keys))
        plain.keys = change.keys.map(({ pubkey, createdAt, secret }) => {
          if (secret.length !== 32) throw unstorable('a key that is not 32 bytes')
          const sealed = seal.seal(secret, `key ${hex64(pubkey)} ${moment(createdAt)}`)
          return { pubkey, createdAt, secret: packer.add(sealed) }
        })
      if (hasSome(change.forgetKeys)) plain.forgetKeys = change.forgetKeys.map(hex64)
      if (hasSome(change.clients))
        plain.clients = change.clients.map((pubkey) => ({
          pubkey: hex64(pubkey),
          body: packer.add(json.seal(null, `client ${pubkey}`)),
        }))
      if (hasSome(change.audit)) plain.audit = change.audit.map(canonicalJson)
      if (hasSome(change.outbox))
        plain.outbox = change.outbox.map(({ id, at, ...rest }) => ({
          id: name(id),
          at: moment(at),
          body: packer.add(json.seal(rest, `answer ${id} ${at}`)),
        }))
      if (hasSome(change.published)) plain.published = change.published.map(name)
      return plain
    }),
    remember({ session: change }) {
      if (change !== undefined) rows.remember(change)
    },
    outcome(outcome, bytes) {
      if (outcome.type === 'done') return outcome
      if (outcome.type === 'claimed')
        return {
          type: 'claimed',
          claims: outcome.claims.map((row) => claim(row, bytes)),
          ...sessionOrNull(outcome.session, bytes),
        }
      return {
        type: 'stale',
        ...sessionOrNull(outcome.session, bytes),
        offers: outcome.offers.map(({ token, stored }) => ({
          token,
          stored: stored === null ? null : offer(stored, bytes),
        })),
      }
    },
    found: ({ sessions, offers, keys }, bytes) => ({
      sessions: sessions.map((row) => session(row, bytes)),
      offers: offers.map((row) => {
        const { revision, value } = offer(row, bytes)
        return { revision, value: { token: row.token, offer: value } }
      }),
      keys: keys.map((row) => key(row, bytes)),
    }),
  }
}

function hasSome<T>(items: readonly T[] | undefined): items is readonly T[] {
  return items !== undefined && items.length > 0
}

function hex64(text: string): string {
  if (!HEX_64.test(text)) throw unstorable('an id or pubkey that is not 64 lowercase hex characters')
  return text
}

function name(text: string): string {
  if (text.length > NAME_CHARS || !isWellFormed(text) || text.includes('\0'))
    throw unstorable(`a name longer than ${NAME_CHARS} characters, or not well-formed`)
  return text
}

function moment(at: number): number {
  if (!Number.isSafeInteger(at)) throw unstorable('a time that is no whole number of milliseconds')
  return at
}

/** What core or the seal says of a value that no store can keep is said on, as this store's error. */
function storable<Given extends readonly unknown[], T>(
  encode: (...given: Given) => T,
): (...given: Given) => T {
  return (...given) => {
    try {
      return encode(...given)
    } catch (cause) {
      if (cause instanceof UsageError) throw new SqliteStoreError('store/usage', cause.message)
      throw cause
    }
  }
}

function unstorable(what: string): SqliteStoreError {
  return new SqliteStoreError('store/usage', `${what} cannot be stored`)
}
