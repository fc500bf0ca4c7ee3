/**
 * Reads records, and opens them.
 * Never reads a session and its parts in two statements: between them it could change.
 */

import type { Millis, Pubkey } from '@nip46/core'
import type {
  Claim,
  Found,
  OutboxEntry,
  SessionName,
  SignerSession,
  StoredKey,
  StoredOffer,
  StoredState,
  Versioned,
  Wanted,
} from '@nip46/core/remote-signer'
import { type Database, persist } from './database.ts'
import { corruptError } from './error.ts'
import { CLIENT_KEYS, LOAD_MS, OUTBOX_MEMORY_MS, READ_MS, READ_SESSIONS } from './limits.ts'
import type { RecordCodec } from './record.ts'

export interface Records {
  load(now: Millis): Promise<StoredState>
  read(wanted: Wanted): Promise<Found>
  claims(eventIds: readonly string[]): Promise<readonly Claim[]>
  outbox(now: Millis): Promise<readonly OutboxEntry[]>
}

export interface RecordsHost {
  readonly schema: string
  readonly codec: RecordCodec
  /** See `findRestore`. */
  readonly restoredAt: Millis | null
}

interface SessionRow {
  readonly signer: Buffer
  readonly client: Buffer
  /** Of the session; null for a part. */
  readonly revision: string | null
  /** Of the part; null for a session. */
  readonly part: string | null
  readonly body: Buffer
}

export function createRecords(database: Database, { schema, codec, restoredAt }: RecordsHost): Records {
  const query = <R extends object>(text: string, values: readonly unknown[], patienceMs: number = READ_MS) =>
    persist(patienceMs, (left) =>
      database.query<R & Record<string, unknown>>(text, values, Math.min(left, READ_MS)),
    )

  /** The sessions of `page`, which names `signer`, `client`, `revision` and `body`, with their parts. */
  const withParts = (page: string): string => `
    WITH page AS MATERIALIZED (${page})
    SELECT signer, client, revision, NULL::bigint AS part, body FROM page
    UNION ALL
    SELECT signer, client, NULL, chunk.id, chunk.body FROM page JOIN ${schema}.chunk USING (signer, client)`

  const sessionsOf = (rows: readonly SessionRow[]): readonly Versioned<SignerSession>[] => {
    const parts = new Map<string, Map<number, Uint8Array>>()
    for (const { signer, client, part, body } of rows) {
      if (part === null) continue
      const name = signer.toString('hex') + client.toString('hex')
      const own = parts.get(name) ?? new Map<number, Uint8Array>()
      parts.set(name, own.set(Number(part), body))
    }
    return rows.flatMap((row): Versioned<SignerSession>[] => {
      if (row.revision === null) return []
      const signerPubkey = row.signer.toString('hex') as Pubkey
      const clientPubkey = row.client.toString('hex') as Pubkey
      const revision = Number(row.revision)
      const own = parts.get(signerPubkey + clientPubkey) ?? new Map<number, Uint8Array>()
      const value = codec.session({ signerPubkey, clientPubkey, revision, head: row.body, parts: own })
      return [{ revision, value }]
    })
  }

  async function allSessions(): Promise<readonly Versioned<SignerSession>[]> {
    const found: Versioned<SignerSession>[] = []
    let after: readonly [Buffer, Buffer] = [Buffer.alloc(0), Buffer.alloc(0)]
    for (;;) {
      const page = `
        SELECT signer, client, revision, body FROM ${schema}.session
        WHERE (signer, client) > ($1, $2) ORDER BY signer, client LIMIT ${READ_SESSIONS}`
      const rows = await query<SessionRow>(withParts(page), after, LOAD_MS)
      found.push(...sessionsOf(rows))
      const own = rows.filter(({ revision }) => revision !== null)
      if (own.length < READ_SESSIONS) return found
      // The rows of a page come in its order, but nothing promises that.
      for (const { signer, client } of own)
        if ((Buffer.compare(signer, after[0]) || Buffer.compare(client, after[1])) > 0)
          after = [signer, client]
    }
  }

  async function someSessions(names: readonly SessionName[]): Promise<readonly Versioned<SignerSession>[]> {
    const found: Versioned<SignerSession>[] = []
    for (let at = 0; at < names.length; at += READ_SESSIONS) {
      const part = names.slice(at, at + READ_SESSIONS)
      const page = `
        SELECT session.signer, session.client, revision, body
        FROM (SELECT DISTINCT * FROM unnest($1::bytea[], $2::bytea[])) AS wanted (signer, client)
        JOIN ${schema}.session ON session.signer = wanted.signer AND session.client = wanted.client`
      const values = [
        part.map(({ signerPubkey }) => Buffer.from(signerPubkey, 'hex')),
        part.map(({ clientPubkey }) => Buffer.from(clientPubkey, 'hex')),
      ]
      found.push(...sessionsOf(await query<SessionRow>(withParts(page), values)))
    }
    return found
  }

  async function keys(where: string, values: readonly unknown[]): Promise<readonly StoredKey[]> {
    const rows = await query<{ pubkey: Buffer; secret: Buffer; created_at: string }>(
      `SELECT pubkey, secret, created_at FROM ${schema}.signer_key ${where} ORDER BY created_at, pubkey`,
      values,
      LOAD_MS,
    )
    return rows.map((row) => {
      const pubkey = row.pubkey.toString('hex') as Pubkey
      return { pubkey, secret: codec.key(pubkey, row.secret), createdAt: Number(row.created_at) }
    })
  }

  async function offers(
    where: string,
    values: readonly unknown[],
  ): Promise<readonly Versioned<StoredOffer>[]> {
    const rows = await query<{ token: string; revision: string; body: Buffer }>(
      `SELECT token, revision, body FROM ${schema}.offer ${where}`,
      values,
      LOAD_MS,
    )
    return rows.map(({ token, revision, body }) => ({
      revision: Number(revision),
      value: { token, offer: codec.offer(token, body) },
    }))
  }

  async function clients(): Promise<readonly Pubkey[]> {
    const rows = await query<{ pubkey: Buffer }>(
      `SELECT pubkey FROM ${schema}.client ORDER BY position DESC LIMIT ${CLIENT_KEYS}`,
      [],
      LOAD_MS,
    )
    return rows.map(({ pubkey }) => pubkey.toString('hex') as Pubkey).reverse()
  }

  async function outbox(now: Millis): Promise<readonly OutboxEntry[]> {
    const rows = await query<{ id: string; at: string; body: Buffer }>(
      `SELECT id, at, body FROM ${schema}.outbox WHERE at >= $1 ORDER BY position`,
      [now - OUTBOX_MEMORY_MS],
      LOAD_MS,
    )
    return rows.map(({ id, at, body }) => codec.answer(id, Number(at), body))
  }

  return {
    outbox,
    async load(now) {
      return {
        restoredAt,
        keys: await keys('', []),
        sessions: await allSessions(),
        offers: await offers('', []),
        clients: await clients(),
        outbox: await outbox(now),
      }
    },
    async read(wanted) {
      const { sessions = [], offers: tokens = [], keys: pubkeys = [] } = wanted
      const [foundSessions, foundOffers, foundKeys] = await Promise.all([
        sessions.length === 0 ? [] : someSessions(sessions),
        tokens.length === 0 ? [] : offers('WHERE token = ANY ($1)', [tokens]),
        pubkeys.length === 0
          ? []
          : keys('WHERE pubkey = ANY ($1::bytea[])', [pubkeys.map((pubkey) => Buffer.from(pubkey, 'hex'))]),
      ])
      return { sessions: foundSessions, offers: foundOffers, keys: foundKeys }
    },
    async claims(eventIds) {
      if (eventIds.length === 0) return []
      const rows = await query<{
        event_id: Buffer
        signer: Buffer
        client: Buffer
        request: Buffer
        at: string
      }>(
        `SELECT event_id, signer, client, request, at FROM ${schema}.claim WHERE event_id = ANY ($1::bytea[])`,
        [eventIds.map((id) => Buffer.from(id, 'hex'))],
      )
      return rows.map(({ event_id, signer, client, request, at }) => ({
        eventId: event_id.toString('hex'),
        signerPubkey: signer.toString('hex') as Pubkey,
        clientPubkey: client.toString('hex') as Pubkey,
        requestId: readRequestId(request),
        at: Number(at),
      }))
    },
  }
}

function readRequestId(request: Buffer): Claim['requestId'] {
  try {
    return JSON.parse(request.toString('utf8')) as Claim['requestId']
  } catch {
    throw corruptError('a claim')
  }
}
