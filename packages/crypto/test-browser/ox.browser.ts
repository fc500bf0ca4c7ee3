/** In a browser ox comes through its package entry and is what `auto` takes; the native backend says why it cannot be. */

import { cryptoCases } from '@nip46/testing'
import { describe, expect, test } from 'vitest'
import { autoCrypto } from '../src/auto.ts'
import { loadNative } from '../src/native.ts'
import { oxCrypto } from '../src/ox.ts'

describe('ox', async () => {
  const crypto = await oxCrypto()
  for (const { name, run } of cryptoCases) test(name, () => run(() => crypto))
})

test('the backend that is chosen is ox, and the native one is accounted for', async () => {
  const { crypto, chosen, reasons } = await autoCrypto()
  expect([chosen, crypto.name]).toEqual(['ox', 'ox'])
  expect(reasons.native).toMatch(/only be loaded in Node/)
  expect(loadNative()).toMatchObject({ ok: false, error: { code: 'not-node' } })
})

test('the others can still be asked for', async () => {
  for (const name of ['tiny', 'noble'] as const)
    expect((await autoCrypto({ backends: [name] })).chosen).toBe(name)
})
