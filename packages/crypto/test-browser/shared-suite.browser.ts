/** These backends pass the shared suite in a browser, where tiny-secp256k1 comes through its package entry. */

import { cryptoCases } from '@nip46/testing'
import { describe, expect, test } from 'vitest'
import { nobleCrypto } from '../src/noble.ts'
import { smallCrypto } from '../src/small.ts'
import { smallNip04 } from '../src/small-nip04.ts'
import { tinyCrypto } from '../src/tiny.ts'

test('this is a browser and not Node', () => {
  expect('document' in globalThis).toBe(true)
  expect(typeof process === 'undefined' ? undefined : process.versions?.node).toBeUndefined()
})

describe.each([
  ['noble', nobleCrypto],
  ['small', () => smallCrypto({ nip04: smallNip04 })],
  ['tiny', tinyCrypto],
] as const)('%s', (name, create) => {
  test('says which backend it is', () => {
    expect(create().name).toBe(name)
  })

  for (const { name: title, run } of cryptoCases) test(title, () => run(() => create()))
})
