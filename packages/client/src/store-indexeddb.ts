/**
 * Keeps a session in the page's IndexedDB, encrypted by a WebCrypto key that no script can read out.
 * Never a wall against scripts of the page's own origin: they cannot copy that key, but they can use it, as this file does.
 */

/// <reference lib="dom" />

import type { Clock } from '@nip46/core'
import { hostClock } from './host.ts'
import { INDEXEDDB_MS, SAVED_SESSION_CHARS } from './limits.ts'
import type { SavedSession } from './saved-session.ts'
import type { SessionStore } from './session-store.ts'
import { fromStoredText, SessionStoreError, toStoredText } from './session-store-error.ts'

export { SessionStoreError, type SessionStoreProblem } from './session-store-error.ts'

/** Where in IndexedDB the session is. All may be left out. */
export interface IndexedDbStoreOptions {
  /** The database's name; `nip46` if left out. */
  readonly database?: string
  /** The session's name in it; `session` if left out. Each session needs its own. */
  readonly name?: string
  /** Default: the page's. */
  readonly indexedDB?: IDBFactory
  /** Default: the host's. Each call settles within `INDEXEDDB_MS` of its turn. */
  readonly clock?: Clock
}

/** Raised when the object stores change; a page with a newer one locks out those with this one (`store/newer`). */
const DATABASE_VERSION = 1
const SESSIONS = 'sessions'
/** A character of JavaScript is at most three bytes of UTF-8; AES-GCM adds its tag. */
const SEALED_BYTES = 3 * SAVED_SESSION_CHARS + 16
const ALGORITHM = 'AES-GCM'
const IV_BYTES = 12

/** What is kept: with a key of its own, so that what two tabs write is whole whichever comes last. */
interface SealedSession {
  readonly v: 1
  readonly key: CryptoKey
  readonly iv: Uint8Array<ArrayBuffer>
  readonly sealed: ArrayBuffer
}

/**
 * A session in IndexedDB. Every save makes a new AES-GCM key that cannot be exported, encrypts the session with it, and
 * replaces the old key and text in one transaction. The page must be secure (https or localhost). No connection to the
 * database is kept open. Its promises reject with a `SessionStoreError`.
 *
 * ```ts
 * const store = indexedDbSessionStore({ name: 'my-app-bunker' })
 * ```
 */
export function indexedDbSessionStore(options: IndexedDbStoreOptions = {}): SessionStore {
  const { database = 'nip46', name = 'session', clock = hostClock } = options
  const boundTo = new TextEncoder().encode(JSON.stringify([database, name]))
  const use = <T>(mode: IDBTransactionMode, run: (sessions: IDBObjectStore) => IDBRequest<T>): Promise<T> =>
    inDatabase(options.indexedDB, database, clock, mode, run)
  // In the order of the calls: a `clear` must not be overtaken by the `save` before it.
  let last: Promise<unknown> = Promise.resolve()
  const next = <T>(run: () => Promise<T>): Promise<T> => {
    const done = last.then(() => attempt(run))
    last = done.catch(() => undefined)
    return done
  }
  return {
    load: () =>
      next(async () => {
        const kept: unknown = await use('readonly', (sessions) => sessions.get(name))
        return kept === undefined ? undefined : unseal(kept, boundTo)
      }),
    save: (saved) =>
      next(async () => {
        const sealed = await seal(saved, boundTo)
        await use('readwrite', (sessions) => sessions.put(sealed, name))
      }),
    clear: () =>
      next(async () => {
        await use('readwrite', (sessions) => sessions.delete(name))
      }),
  }
}

async function seal(saved: SavedSession, boundTo: Uint8Array<ArrayBuffer>): Promise<SealedSession> {
  const bytes = new TextEncoder().encode(toStoredText(saved))
  try {
    const key = await subtle().generateKey({ name: ALGORITHM, length: 256 }, false, ['encrypt', 'decrypt'])
    const iv = globalThis.crypto.getRandomValues(new Uint8Array(IV_BYTES))
    const sealed = await subtle().encrypt({ name: ALGORITHM, iv, additionalData: boundTo }, key, bytes)
    return { v: 1, key, iv, sealed }
  } finally {
    bytes.fill(0)
  }
}

async function unseal(kept: unknown, boundTo: Uint8Array<ArrayBuffer>): Promise<SavedSession> {
  const { v, key, iv, sealed } = Object(kept) as { readonly [name in keyof SealedSession]?: unknown }
  if (v !== 1 || !(key instanceof CryptoKey) || key.extractable) throw new SessionStoreError('store/damaged')
  if (!(iv instanceof Uint8Array) || iv.length !== IV_BYTES) throw new SessionStoreError('store/damaged')
  if (!(sealed instanceof ArrayBuffer) || sealed.byteLength > SEALED_BYTES)
    throw new SessionStoreError('store/damaged')
  const opening = subtle().decrypt(
    { name: ALGORITHM, iv: new Uint8Array(iv), additionalData: boundTo },
    key,
    sealed,
  )
  const bytes = new Uint8Array(
    await opening.catch(() => {
      throw new SessionStoreError('store/damaged')
    }),
  )
  try {
    return fromStoredText(new TextDecoder().decode(bytes))
  } finally {
    bytes.fill(0)
  }
}

/** Pages that are not secure have none, whatever its type says. */
function subtle(): SubtleCrypto {
  const found: SubtleCrypto | undefined = globalThis.crypto?.subtle
  if (found === undefined) throw new SessionStoreError('store/unavailable')
  return found
}

/** One request in one transaction on a connection of its own, so that no tab ever stands in another's way. */
function inDatabase<T>(
  given: IDBFactory | undefined,
  database: string,
  clock: Clock,
  mode: IDBTransactionMode,
  run: (sessions: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  const factory: IDBFactory | undefined = given ?? globalThis.indexedDB
  if (factory === undefined || factory === null) throw new SessionStoreError('store/unavailable')
  return new Promise((resolve, reject) => {
    let open: IDBDatabase | undefined
    let running: IDBTransaction | undefined
    let isOver = false
    const end = (settle: () => void): void => {
      if (isOver) return
      isOver = true
      clock.clearTimer(timer)
      open?.close()
      settle()
    }
    const fail = (error: unknown): void => end(() => reject(error))
    const orFail = (step: () => void): void => {
      try {
        step()
      } catch (error) {
        fail(error)
      }
    }
    const timer = clock.setTimer(() => {
      fail(new SessionStoreError('store/busy'))
      // Else it could still happen long after. Throws if it is just being committed: it happens then.
      orFail(() => running?.abort())
    }, INDEXEDDB_MS)

    orFail(() => {
      const opening = factory.open(database, DATABASE_VERSION)
      opening.onupgradeneeded = () => void opening.result.createObjectStore(SESSIONS)
      opening.onerror = () => fail(opening.error)
      opening.onsuccess = () => {
        open = opening.result
        if (isOver) return open.close()
        // Another tab wants to change or delete the database: this transaction still ends, and the next call sees.
        open.onversionchange = () => open?.close()
        orFail(() => {
          // Strict: a session that was said to be saved outlasts a power cut.
          running = opening.result.transaction(SESSIONS, mode, { durability: 'strict' })
          const request = run(running.objectStore(SESSIONS))
          running.oncomplete = () => end(() => resolve(request.result))
          running.onabort = () => fail(running?.error ?? request.error)
        })
      }
    })
  })
}

async function attempt<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof SessionStoreError) throw error
    const { name } = Object(error) as { readonly name?: unknown }
    if (name === 'QuotaExceededError') throw new SessionStoreError('store/full')
    if (name === 'VersionError') throw new SessionStoreError('store/newer')
    throw new SessionStoreError('store/unavailable')
  }
}
