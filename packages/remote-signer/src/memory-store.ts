/**
 * The store of a remote signer that may forget everything when its process ends; and the measure for durable ones.
 * Never grows without bound: claims, audit records and outbox entries are dropped by age and number.
 */

import { type JsonValue, limits, type Millis, type Pubkey, UsageError } from '@nip46/core'
import type {
  AuditRecord,
  Claim,
  CommitOutcome,
  Found,
  HostRecords,
  Offer,
  OutboxEntry,
  SignerSession,
  SignerStore,
  StoreChange,
  StoredKey,
  StoredState,
  Versioned,
} from '@nip46/core/remote-signer'
import {
  CLIENT_KEYS,
  HOST_RECORD_CHARS,
  HOST_RECORD_NAME_CHARS,
  MEMORY_AUDIT,
  MEMORY_CLAIMS,
  OUTBOX,
  OUTBOX_MEMORY_MS,
} from './limits.ts'

/** A store that forgets with the process, for tests and short-lived signers. */
export interface MemoryStore extends SignerStore, HostRecords {
  /** Oldest first, the newest `limits.MEMORY_AUDIT`. */
  audit(): readonly AuditRecord[]
  /** How much of each is kept. */
  sizes(): {
    readonly keys: number
    readonly sessions: number
    readonly offers: number
    readonly clients: number
    readonly claims: number
    readonly audit: number
    readonly outbox: number
  }
}

/** A store in memory. Give the same one to the next remote signer of the process and it goes on where the last one was. */
export function memoryStore(): MemoryStore {
  const keys = new Map<Pubkey, StoredKey>()
  const sessions = new Map<string, Versioned<SignerSession>>()
  const offers = new Map<string, Versioned<Offer>>()
  const clients = new Set<Pubkey>()
  const claims = new Map<string, Claim>()
  const outbox = new Map<string, OutboxEntry>()
  const hostRecords = new Map<string, Versioned<JsonValue>>()
  let audit: AuditRecord[] = []

  const commitOne = (change: StoreChange): CommitOutcome => {
    const claimed = (change.claims ?? []).flatMap(({ eventId }) => claims.get(eventId) ?? [])
    if (claimed.length > 0) {
      const { session } = change
      const stored = session === undefined ? undefined : (sessions.get(sessionKey(session)) ?? null)
      return { type: 'claimed', claims: claimed, ...(stored !== undefined && { session: stored }) }
    }
    const stale = staleness(change)
    if (stale !== undefined) return stale

    for (const claim of change.claims ?? []) claims.set(claim.eventId, claim)
    if (change.session !== undefined) {
      const { after, revision } = change.session
      const key = sessionKey(change.session)
      if (after === null) sessions.delete(key)
      else sessions.set(key, { revision: revision + 1, value: after })
    }
    for (const { token, revision, after } of change.offers ?? []) {
      if (after === null) offers.delete(token)
      else offers.set(token, { revision: revision + 1, value: after })
    }
    for (const key of change.keys ?? []) keys.set(key.pubkey, { ...key, secret: Uint8Array.from(key.secret) })
    for (const pubkey of change.forgetKeys ?? []) {
      keys.get(pubkey)?.secret.fill(0)
      keys.delete(pubkey)
    }
    for (const client of change.clients ?? []) {
      clients.delete(client)
      clients.add(client)
    }
    for (const entry of change.outbox ?? []) outbox.set(entry.id, entry)
    for (const id of change.published ?? []) outbox.delete(id)
    audit.push(...(change.audit ?? []))
    return { type: 'done' }
  }

  const staleness = (change: StoreChange): CommitOutcome | undefined => {
    const { session } = change
    const stored = session === undefined ? undefined : sessions.get(sessionKey(session))
    const sessionIsStale = session !== undefined && (stored?.revision ?? 0) !== session.revision
    const staleOffers = (change.offers ?? []).filter(
      ({ token, revision }) => (offers.get(token)?.revision ?? 0) !== revision,
    )
    if (!sessionIsStale && staleOffers.length === 0) return undefined
    return {
      type: 'stale',
      ...(sessionIsStale && { session: stored ?? null }),
      offers: staleOffers.map(({ token }) => ({ token, stored: offers.get(token) ?? null })),
    }
  }

  const prune = (now: Millis): void => {
    // Claims and outbox entries are in the order of their time.
    dropOldest(claims, MEMORY_CLAIMS, ({ at }) => now - at > limits.EXECUTED_MEMORY_SECONDS * 1_000)
    dropOldest(outbox, OUTBOX, ({ at }) => now - at > OUTBOX_MEMORY_MS)
    for (const client of clients) {
      if (clients.size <= CLIENT_KEYS) break
      clients.delete(client)
    }
    if (audit.length > 2 * MEMORY_AUDIT) audit = audit.slice(-MEMORY_AUDIT)
  }

  return {
    load(now) {
      prune(now)
      const state: StoredState = {
        keys: [...keys.values()].map((key) => ({ ...key, secret: Uint8Array.from(key.secret) })),
        sessions: [...sessions.values()],
        offers: [...offers].map(([token, { revision, value }]) => ({
          revision,
          value: { token, offer: value },
        })),
        clients: [...clients],
        outbox: [...outbox.values()],
      }
      return Promise.resolve(state)
    },
    commit(changes, now) {
      const outcomes = changes.map(commitOne)
      prune(now)
      return Promise.resolve(outcomes)
    },
    read(wanted) {
      const found: Found = {
        sessions: (wanted.sessions ?? []).flatMap((name) => sessions.get(sessionKey(name)) ?? []),
        offers: (wanted.offers ?? []).flatMap((token) => {
          const stored = offers.get(token)
          return stored === undefined
            ? []
            : { revision: stored.revision, value: { token, offer: stored.value } }
        }),
        keys: (wanted.keys ?? []).flatMap((pubkey) => {
          const key = keys.get(pubkey)
          return key === undefined ? [] : { ...key, secret: Uint8Array.from(key.secret) }
        }),
      }
      return Promise.resolve(found)
    },
    readClaimed: (eventIds) => Promise.resolve(eventIds.filter((eventId) => claims.has(eventId))),
    async readHostRecords() {
      return [...hostRecords]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, { revision, value }]) => ({ revision, value: { name, value } }))
    },
    async writeHostRecords(changes) {
      for (const { name, after } of changes) {
        if (!/^[\x20-\x7e]+$/.test(name) || name.length > HOST_RECORD_NAME_CHARS)
          throw new UsageError(`the name of a host record is 1 to ${HOST_RECORD_NAME_CHARS} ASCII characters`)
        if (JSON.stringify(after).length > HOST_RECORD_CHARS)
          throw new UsageError(`a host record has at most ${HOST_RECORD_CHARS} characters`)
      }
      if (changes.some(({ name, revision }) => (hostRecords.get(name)?.revision ?? 0) !== revision))
        return 'stale'
      for (const { name, revision, after } of changes) {
        if (after === null) hostRecords.delete(name)
        else hostRecords.set(name, { revision: revision + 1, value: after })
      }
      return 'done'
    },
    audit: () => audit.slice(-MEMORY_AUDIT),
    sizes: () => ({
      keys: keys.size,
      sessions: sessions.size,
      offers: offers.size,
      clients: clients.size,
      claims: claims.size,
      audit: Math.min(audit.length, MEMORY_AUDIT),
      outbox: outbox.size,
    }),
  }
}

function sessionKey(of: { readonly signerPubkey: Pubkey; readonly clientPubkey: Pubkey }): string {
  return `${of.signerPubkey}:${of.clientPubkey}`
}

function dropOldest<V>(entries: Map<string, V>, bound: number, isOld: (value: V) => boolean): void {
  for (const [key, value] of entries) {
    if (entries.size <= bound && !isOld(value)) return
    entries.delete(key)
  }
}
