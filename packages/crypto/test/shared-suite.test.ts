import { cryptoCases } from '@nip46/testing'
import { describe, test } from 'vitest'
import { createCrypto } from '../src/crypto.ts'
import { hostRandom } from '../src/host-random.ts'
import { nobleCrypto } from '../src/noble.ts'
import { smallCrypto } from '../src/small.ts'
import { smallNip04 } from '../src/small-nip04.ts'
import { tinyCrypto } from '../src/tiny.ts'
import { backends } from './backends.ts'

describe.each(backends)('the shared suite on $name', ({ create }) => {
  for (const { name, run } of cryptoCases)
    test(name, () => run(() => createCrypto(create(), { random: hostRandom })))
})

describe('the ready-made entries', () => {
  test.each([
    ['tiny', tinyCrypto],
    ['noble', nobleCrypto],
    ['small', () => smallCrypto({ nip04: smallNip04 })],
  ] as const)('%s passes the shared suite', (name, create) => {
    for (const { run } of cryptoCases) run(create)
    if (create().name !== name) throw new Error(`its name is ${create().name}`)
  })
})
