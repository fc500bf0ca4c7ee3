/** The stores of a page, in a page: real localStorage and IndexedDB, a real quota, and a second thread as another tab. */

import { createFakeClock } from '@nip46/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { resumeStored, SAVED_SESSION_CHARS, type SavedSession, type SessionStore } from '../src/index.ts'
import { INDEXEDDB_MS } from '../src/limits.ts'
import { indexedDbSessionStore } from '../src/store-indexeddb.ts'
import { localSessionStore } from '../src/store-local.ts'
import { type Party, startParty } from './party.ts'
import type { TabAnswer, TabCall } from './tab-call.ts'

/** Machines that run checks are shared and slow at times: a time-out here means a hang. */
const PATIENT = { timeout: 30_000 }

let party: Party
let saved: SavedSession
let count = 0
/** A name that no other test knows. */
const fresh = (): string => {
  count += 1
  return `test-${count}-${Date.now()}`
}

beforeAll(async () => {
  party = await startParty()
  const session = await party.login()
  saved = session.save()
  session.close()
})
afterAll(() => party.close())

describe.each([
  ['localStorage', () => localSessionStore({ name: fresh() })],
  ['IndexedDB', () => indexedDbSessionStore({ database: fresh() })],
])('a store in %s', (_, create) => {
  test('keeps a login, from which the next visit goes on without a question', async () => {
    const store = create()
    expect(await resumeStored({ ...party.options, store })).toBeUndefined()
    const session = await party.login({ store })
    const { clientSecretKey, session: kept } = session.save()
    const entry = { clientSecretKey, session: { userPubkey: kept.userPubkey, relays: kept.relays } }
    await expect.poll(() => store.load(), PATIENT).toMatchObject(entry)
    session.close()
    const again = await resumeStored({ ...party.options, store })
    const event = await again?.signEvent({ kind: 1, content: 'still here' })
    expect(event?.pubkey).toBe(party.userPubkey)
    await again?.logout()
    expect(await store.load()).toBeUndefined()
  })

  test('takes the longest session and refuses one character more, keeping what it had', async () => {
    const store = create()
    await store.save(padded(SAVED_SESSION_CHARS))
    await expect(store.save(padded(SAVED_SESSION_CHARS + 1))).rejects.toMatchObject({
      code: 'store/too-large',
    })
    expect(await store.load()).toEqual(saved)
  })
})

describe('localStorage', () => {
  test('that is full says so, and keeps what it had', async () => {
    const store = localSessionStore({ name: fresh() })
    await store.save(saved)
    const filler = fresh()
    try {
      // Some 5 MB are all that a page gets.
      for (let size = 4_000_000; size >= 1; size = Math.floor(size / 2)) fill(filler, size)
      await expect(store.save(padded(SAVED_SESSION_CHARS))).rejects.toMatchObject({ code: 'store/full' })
    } finally {
      localStorage.removeItem(filler)
    }
    expect(await store.load()).toEqual(saved)
    await store.clear()
  })
})

describe('IndexedDB', () => {
  test('holds nothing that can be read without the key, and a key that cannot be exported', async () => {
    const database = fresh()
    await indexedDbSessionStore({ database }).save(saved)
    const record = (await recordOf(database)) as { key: CryptoKey; sealed: ArrayBuffer }
    expect(record.key.extractable).toBe(false)
    await expect(crypto.subtle.exportKey('raw', record.key)).rejects.toMatchObject({
      name: 'InvalidAccessError',
    })
    const readable = new TextDecoder('latin1').decode(record.sealed) + JSON.stringify(record)
    for (const part of [saved.clientSecretKey, saved.session.userPubkey, 'clientSecretKey'])
      expect(readable).not.toContain(part)
  })

  test('has a new key and nonce at every save', async () => {
    const database = fresh()
    const store = indexedDbSessionStore({ database })
    await store.save(saved)
    const first = (await recordOf(database)) as { iv: Uint8Array; sealed: ArrayBuffer; key: CryptoKey }
    await store.save(saved)
    const second = (await recordOf(database)) as typeof first
    expect(second.iv).not.toEqual(first.iv)
    const algorithm = { name: 'AES-GCM', iv: new Uint8Array(first.iv) }
    await expect(crypto.subtle.decrypt(algorithm, second.key, first.sealed)).rejects.toBeInstanceOf(
      DOMException,
    )
  })

  test.each<[string, (record: Record<string, unknown>) => unknown]>([
    ['another version', (record) => ({ ...record, v: 2 })],
    ['no key', (record) => ({ ...record, key: 'a' })],
    ['a key of another save', async (record) => ({ ...record, key: await anyKey(false) })],
    ['a key that can be exported', async (record) => ({ ...record, key: await anyKey(true) })],
    ['a short nonce', (record) => ({ ...record, iv: new Uint8Array(11) })],
    ['no text', (record) => ({ ...record, sealed: null })],
    ['an endless text', (record) => ({ ...record, sealed: new ArrayBuffer(3 * SAVED_SESSION_CHARS + 17) })],
    ['a changed byte', (record) => ({ ...record, sealed: flipped(record['sealed'] as ArrayBuffer) })],
    ['a plain session', () => saved],
    ['a number', () => 7],
    ['null', () => null],
  ])(
    'calls a record with %s damaged, repeats nothing of it, and can be cleared and used again',
    async (_, change) => {
      const database = fresh()
      const store = indexedDbSessionStore({ database })
      await store.save(saved)
      await putRecord(database, await change((await recordOf(database)) as Record<string, unknown>))
      const error: unknown = await store.load().catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'store/damaged', message: 'what is stored is no saved session' })
      await expect(resumeStored({ ...party.options, store })).rejects.toMatchObject({
        name: 'Nip46Error',
        code: 'store/damaged',
      })
      await store.clear()
      expect(await store.load()).toBeUndefined()
      await store.save(saved)
      expect(await store.load()).toEqual(saved)
    },
  )

  test('does not take the record of one name for that of another', async () => {
    const database = fresh()
    await indexedDbSessionStore({ database, name: 'one' }).save(saved)
    await putRecord(database, await recordOf(database, 'one'), 'two')
    await expect(indexedDbSessionStore({ database, name: 'two' }).load()).rejects.toMatchObject({
      code: 'store/damaged',
    })
    expect(await indexedDbSessionStore({ database, name: 'one' }).load()).toEqual(saved)
  })

  test('of two tabs holds what one of them wrote, whole, or nothing', async () => {
    const database = fresh()
    const here = indexedDbSessionStore({ database })
    const other = otherTab(database)
    const theirs = { ...saved, session: { ...saved.session, lastSwitchAt: 7 } }
    await other.save(theirs)
    expect(await here.load()).toEqual(theirs)
    for (let round = 0; round < 10; round += 1) {
      await Promise.all([here.save(saved), other.clear(), other.save(theirs), here.clear(), here.save(saved)])
      const [seenHere, seenThere] = await Promise.all([here.load(), other.load()])
      expect([saved, theirs]).toContainEqual(seenHere)
      expect(seenThere).toEqual(seenHere)
    }
    await other.clear()
    expect(await here.load()).toBeUndefined()
  })

  test('that a newer page changed says so, and never stood in its way', async () => {
    const database = fresh()
    const store = indexedDbSessionStore({ database })
    const saving = Promise.all([store.save(saved), store.save(saved), store.load()])
    const newer = open(database, 2)
    const outcomes = await Promise.allSettled([saving])
    const connection = await newer
    connection.close()
    expect(connection.version).toBe(2)
    // Before or after the change, as it came.
    if (outcomes[0]?.status === 'rejected') expect(outcomes[0].reason).toMatchObject({ code: 'store/newer' })
    await expect(store.load()).rejects.toMatchObject({ code: 'store/newer' })
    await expect(store.save(saved)).rejects.toMatchObject({ code: 'store/newer' })
    await expect(resumeStored({ ...party.options, store })).rejects.toMatchObject({ code: 'store/newer' })
  })

  test('that another tab holds up ends in time, and works again afterwards', async () => {
    const database = fresh()
    const clock = createFakeClock()
    const store = indexedDbSessionStore({ database, clock })
    await store.save(saved)
    const held = await open(database, 1)
    const deleted = new Promise((resolve) => {
      indexedDB.deleteDatabase(database).onsuccess = resolve
    })
    const loading = store.load().catch((error: unknown) => error)
    await expect.poll(() => clock.pending, PATIENT).toBe(1)
    clock.advance(INDEXEDDB_MS - 1)
    expect(clock.pending).toBe(1)
    clock.advance(1)
    expect(await loading).toMatchObject({ code: 'store/busy' })
    held.close()
    await deleted
    expect(await store.load()).toBeUndefined()
    await store.save(saved)
    expect(await store.load()).toEqual(saved)
    expect(clock.pending).toBe(0)
  })

  test('that is full says so, and keeps what it had', async ({ skip }) => {
    skip(!('storageBuckets' in navigator), 'this browser has no storage with a limit of its own')
    const bucket = await buckets().open(fresh(), { quota: 100_000 })
    const store = indexedDbSessionStore({ database: 'small', indexedDB: bucket.indexedDB })
    await store.save(saved)
    const large = { ...saved, pad: 'x'.repeat(SAVED_SESSION_CHARS - 10_000) } as SavedSession
    let failure: unknown
    // The browser frees what was replaced when it likes, and counts it until then.
    for (let tries = 0; tries < 20 && failure === undefined; tries += 1)
      failure = await store.save(large).then(
        () => undefined,
        (error: unknown) => error,
      )
    expect(failure).toMatchObject({ name: 'SessionStoreError', code: 'store/full' })
    expect(await store.load()).toEqual(saved)
  })

  describe('that is denied, as in private windows of some browsers, says so:', () => {
    afterEach(() => void vi.unstubAllGlobals())

    const denied = (name: string): IDBFactory => ({
      ...({} as IDBFactory),
      open() {
        throw new DOMException(saved.clientSecretKey, name)
      },
    })
    const failing = (name: string): IDBFactory =>
      ({
        open() {
          const request = { error: new DOMException(saved.clientSecretKey, name), onerror: () => undefined }
          queueMicrotask(() => request.onerror())
          return request
        },
      }) as unknown as IDBFactory

    test.each<[string, () => SessionStore]>([
      ['open throws', () => indexedDbSessionStore({ indexedDB: denied('SecurityError') })],
      ['open fails', () => indexedDbSessionStore({ indexedDB: failing('InvalidStateError') })],
      [
        'there is none',
        () => {
          vi.stubGlobal('indexedDB', undefined)
          return indexedDbSessionStore()
        },
      ],
    ])('%s', async (_, create) => {
      const store = create()
      for (const run of [() => store.load(), () => store.save(saved), () => store.clear()]) {
        const error: unknown = await run().catch((reason: unknown) => reason)
        expect(error).toMatchObject({ name: 'SessionStoreError', code: 'store/unavailable' })
        expect(String(error)).not.toContain(saved.clientSecretKey)
      }
    })

    test('the page is not secure', async () => {
      vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) })
      const store = indexedDbSessionStore({ database: fresh() })
      await expect(store.save(saved)).rejects.toMatchObject({ code: 'store/unavailable' })
      expect(await store.load()).toBeUndefined()
    })

    test('a login goes on without it', async () => {
      const store = indexedDbSessionStore({ indexedDB: denied('SecurityError') })
      const alerts: unknown[] = []
      const session = await party.login({ store, onEvent: (event) => void alerts.push(event) })
      expect(await session.ping()).toBe('pong')
      await expect.poll(() => alerts, PATIENT).toContainEqual({ type: 'alert', code: 'store/failed' })
      session.close()
    })
  })
})

interface Buckets {
  open(name: string, options: { readonly quota: number }): Promise<{ readonly indexedDB: IDBFactory }>
}

/** Chromium's, which TypeScript does not know: a part of the storage with a limit of its own. */
function buckets(): Buckets {
  return (navigator as unknown as { readonly storageBuckets: Buckets }).storageBuckets
}

/** JSON of exactly so many characters. */
function padded(chars: number): SavedSession {
  const size = JSON.stringify({ ...saved, pad: '' }).length
  return { ...saved, pad: 'x'.repeat(chars - size) } as SavedSession
}

function fill(name: string, size: number): void {
  try {
    localStorage.setItem(name, (localStorage.getItem(name) ?? '') + 'x'.repeat(size))
  } catch (error) {
    expect((error as DOMException).name).toBe('QuotaExceededError')
  }
}

function otherTab(database: string): SessionStore {
  const worker = new Worker(new URL('./other-tab.ts', import.meta.url), { type: 'module' })
  const waiting = new Map<number, (answer: TabAnswer) => void>()
  worker.addEventListener('message', ({ data }: MessageEvent<TabAnswer>) => waiting.get(data.id)?.(data))
  const call = async (wanted: { method: 'load' | 'clear' } | { method: 'save'; saved: SavedSession }) => {
    const id = waiting.size
    const answer = await new Promise<TabAnswer>((resolve) => {
      waiting.set(id, resolve)
      worker.postMessage({ id, database, ...wanted } satisfies TabCall)
    })
    if ('code' in answer) throw new Error(`the other tab says ${answer.code}`)
    return answer.value
  }
  return {
    load: () => call({ method: 'load' }),
    save: async (session) => void (await call({ method: 'save', saved: session })),
    clear: async () => void (await call({ method: 'clear' })),
  }
}

function anyKey(extractable: boolean): Promise<CryptoKey> {
  return crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, extractable, ['encrypt', 'decrypt'])
}

function flipped(sealed: ArrayBuffer): ArrayBuffer {
  const bytes = new Uint8Array(sealed.slice(0))
  bytes[0] = (bytes[0] ?? 0) ^ 1
  return bytes.buffer
}

function open(database: string, version: number): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(database, version)
    opening.onsuccess = () => resolve(opening.result)
    opening.onerror = () => reject(opening.error)
  })
}

async function recordOf(database: string, name = 'session'): Promise<unknown> {
  const connection = await open(database, 1)
  const request = connection.transaction('sessions').objectStore('sessions').get(name)
  await new Promise((resolve) => {
    request.onsuccess = resolve
  })
  connection.close()
  return request.result
}

async function putRecord(database: string, record: unknown, name = 'session'): Promise<void> {
  const connection = await open(database, 1)
  const transaction = connection.transaction('sessions', 'readwrite')
  transaction.objectStore('sessions').put(record, name)
  await new Promise((resolve) => {
    transaction.oncomplete = resolve
  })
  connection.close()
}
