import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { resumeStored, SAVED_SESSION_CHARS, type SavedSession } from '../src/index.ts'
import { fileSessionStore } from '../src/store-file.ts'
import { localSessionStore, type TextStorage } from '../src/store-local.ts'
import { createWorld } from './world.ts'

const folder = mkdtempSync(join(tmpdir(), 'nip46-store-'))
afterAll(() => rmSync(folder, { recursive: true }))

async function savedSession(): Promise<{ world: ReturnType<typeof createWorld>; saved: SavedSession }> {
  const world = createWorld()
  const session = await world.login()
  const saved = session.save()
  session.close()
  return { world, saved }
}

/** JSON of exactly so many characters. */
function padded(saved: SavedSession, chars: number): SavedSession {
  const size = JSON.stringify({ ...saved, pad: '' }).length
  return { ...saved, pad: 'x'.repeat(chars - size) } as SavedSession
}

function memoryStorage(): TextStorage & { readonly items: Map<string, string> } {
  const items = new Map<string, string>()
  return {
    items,
    getItem: (name) => items.get(name) ?? null,
    setItem: (name, text) => void items.set(name, text),
    removeItem: (name) => void items.delete(name),
  }
}

describe.each([
  ['file', () => fileSessionStore(join(folder, 'new', `${Math.random()}.json`))],
  ['local', () => localSessionStore({ storage: memoryStorage() })],
])('a %s store', (_, create) => {
  test('keeps a session that goes on, and forgets it', async () => {
    const { world, saved } = await savedSession()
    const store = create()
    expect(await store.load()).toBeUndefined()
    await store.clear()
    await store.save(saved)
    expect(await store.load()).toEqual(saved)
    const session = await resumeStored({ ...world.options(), store })
    expect(await session?.getPublicKey()).toBe(world.signer.user.pubkey)
    session?.close()
    await store.clear()
    expect(await store.load()).toBeUndefined()
  })

  test('takes the longest session and refuses one character more, keeping what it had', async () => {
    const { saved } = await savedSession()
    const store = create()
    await store.save(padded(saved, SAVED_SESSION_CHARS))
    await expect(store.save(padded(saved, SAVED_SESSION_CHARS + 1))).rejects.toMatchObject({
      code: 'store/too-large',
    })
    expect(await store.load()).toEqual(saved)
  })
})

describe('a file store', () => {
  test('is for its owner alone and leaves no other file', async () => {
    const { saved } = await savedSession()
    const file = join(folder, 'own', 'bunker.json')
    const store = fileSessionStore(file)
    await Promise.all([store.save(saved), store.save(saved), store.save(saved)])
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(statSync(join(folder, 'own')).mode & 0o777).toBe(0o700)
    expect(readdirSync(join(folder, 'own'))).toEqual(['bunker.json'])
    chmodSync(file, 0o640)
    await expect(store.load()).rejects.toMatchObject({ code: 'store/mode' })
    const resumed = resumeStored({ ...createWorld().options(), store })
    await expect(resumed).rejects.toMatchObject({ name: 'Nip46Error', code: 'store/mode' })
  })

  test('clears what a crash left of a save', async () => {
    const file = join(folder, 'crash.json')
    writeFileSync(join(folder, '.crash.json.new-1'), '{"clientSecretKey"', { mode: 0o600 })
    await fileSessionStore(file).clear()
    expect(readdirSync(folder).filter((name) => name.includes('crash'))).toEqual([])
  })

  test.each(['', '{', '{"v":2}', 'x'.repeat(3 * SAVED_SESSION_CHARS + 1)])(
    'calls damaged contents damaged and repeats nothing of them',
    async (text) => {
      const file = join(folder, 'damaged.json')
      writeFileSync(file, text, { mode: 0o600 })
      const store = fileSessionStore(file)
      const damaged = { code: 'store/damaged', message: 'what is stored is no saved session' }
      await expect(store.load()).rejects.toMatchObject(damaged)
      const resumed = resumeStored({ ...createWorld().options(), store })
      await expect(resumed).rejects.toMatchObject({ name: 'Nip46Error', ...damaged })
    },
  )

  test('says so when the place cannot be used', async () => {
    const { saved } = await savedSession()
    writeFileSync(join(folder, 'plain'), '')
    const store = fileSessionStore(join(folder, 'plain', 'bunker.json'))
    await expect(store.save(saved)).rejects.toMatchObject({ code: 'store/unavailable' })
    await expect(store.load()).rejects.toMatchObject({ code: 'store/unavailable' })
  })
})

describe('a local store', () => {
  test('calls damaged contents damaged', async () => {
    const storage = memoryStorage()
    storage.setItem('mine', '{"clientSecretKey":"secret"')
    const store = localSessionStore({ name: 'mine', storage })
    await expect(store.load()).rejects.toMatchObject({ code: 'store/damaged' })
  })

  test.each([
    ['QuotaExceededError', 'store/full'],
    ['SecurityError', 'store/unavailable'],
  ])('turns %s into %s and repeats nothing', async (name, code) => {
    const { saved } = await savedSession()
    const setItem = (_: string, text: string) => {
      throw new DOMException(text, name)
    }
    const failed = localSessionStore({ storage: { ...memoryStorage(), setItem } }).save(saved)
    const error: unknown = await failed.catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code })
    expect(String(error)).not.toContain(saved.clientSecretKey)
  })
})
