import { UsageError } from '@nip46/core'
import { cryptoCases } from '@nip46/testing'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { autoCrypto, BACKENDS, type BackendName } from '../src/auto.ts'
import { nobleBackend } from '../src/noble.ts'
import { nativeMissing } from './backends.ts'

afterEach(() => {
  vi.doUnmock('../src/native.ts')
  vi.doUnmock('../src/ox.ts')
  vi.doUnmock('../src/noble.ts')
})

describe('the backend that is chosen', () => {
  test('is the fastest that there is, and each other one is accounted for', async () => {
    const { crypto, chosen, reasons } = await autoCrypto()
    expect(chosen).toBe(nativeMissing === undefined ? 'native' : 'ox')
    expect(crypto.name).toBe(chosen)
    expect(Object.keys(reasons)).toEqual(['native', 'ox', 'tiny', 'noble'])
    expect(reasons[chosen]).toBe('taken: the first in the order that passed its self-test')
    expect(reasons.noble).toBe('not tried: one before it passed')
    if (nativeMissing !== undefined) expect(reasons.native).toBe(nativeMissing)
  })

  test.each(BACKENDS.filter((name) => name !== 'native' || nativeMissing === undefined))(
    'is %s if that alone is asked for, and passes the shared suite',
    async (name) => {
      const { crypto, chosen, reasons } = await autoCrypto({ backends: [name] })
      expect([chosen, crypto.name]).toEqual([name, name])
      for (const other of BACKENDS.filter((each) => each !== name))
        expect(reasons[other]).toBe('not asked for')
      for (const { run } of cryptoCases) run(() => crypto)
    },
  )

  test('is the first of another order', async () => {
    const { chosen, reasons } = await autoCrypto({ backends: ['tiny', 'ox'] })
    expect(chosen).toBe('tiny')
    expect(reasons).toMatchObject({ native: 'not asked for', ox: 'not tried: one before it passed' })
  })

  test('is the next one where a package is missing', async () => {
    vi.doMock('../src/native.ts', () => ({
      loadNative: () => ({ ok: false, error: { code: 'no-library', message: 'install it' } }),
    }))
    vi.doMock('../src/ox.ts', () => ({
      oxBackend: () => Promise.reject(new UsageError('npm install ox')),
    }))
    const { chosen, reasons } = await autoCrypto()
    expect(chosen).toBe('tiny')
    expect(reasons).toMatchObject({ native: 'install it', ox: 'could not be loaded: npm install ox' })
  })

  test('is never one that gives a wrong answer', async () => {
    const wrong = { ...nobleBackend(), name: 'ox', verify: () => true }
    vi.doMock('../src/ox.ts', () => ({ oxBackend: () => Promise.resolve(wrong) }))
    const { chosen, reasons } = await autoCrypto({ backends: ['ox', 'noble'] })
    expect(chosen).toBe('noble')
    expect(reasons.ox).toBe('failed its self-test: it took a forged signature')
  })

  test('gets the options, and its random source', async () => {
    const asked: number[] = []
    const random = (length: number): Uint8Array => {
      asked.push(length)
      return globalThis.crypto.getRandomValues(new Uint8Array(length))
    }
    const { crypto } = await autoCrypto({ backends: ['ox'], random, maxPlaintextBytes: 8 })
    const key = crypto.importKey(new Uint8Array(32).fill(1))
    const opened = key.conversation(crypto.importKey(new Uint8Array(32).fill(2)).pubkey)
    if (!opened.ok) throw new Error('a derived key is valid')
    expect(asked).toContain(32)
    expect(() => opened.value.nip44Encrypt('nine byte', random(32))).toThrow(UsageError)
  })
})

describe('where no backend is left', () => {
  test('the error holds every reason', async () => {
    vi.doMock('../src/ox.ts', () => ({ oxBackend: () => Promise.reject(new Error('no ox')) }))
    vi.doMock('../src/noble.ts', () => ({
      nobleBackend: () => {
        throw new Error('no noble')
      },
    }))
    const failing = autoCrypto({ backends: ['ox', 'noble'] })
    await expect(failing).rejects.toThrow(UsageError)
    await expect(failing).rejects.toThrow(
      /ox: could not be loaded: no ox\. noble: could not be loaded: no noble/,
    )
  })

  test('a name that is none, and an empty list, are refused', async () => {
    await expect(autoCrypto({ backends: [] })).rejects.toThrow(UsageError)
    await expect(autoCrypto({ backends: ['nobel' as BackendName] })).rejects.toThrow(
      /native, ox, tiny, noble/,
    )
  })
})
