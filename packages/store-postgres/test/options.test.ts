import { createSeal } from '@nip46/crypto/seal'
import { expect, test } from 'vitest'
import { settingsOf } from '../src/options.ts'
import { SEAL_KEY } from './server.ts'

const settings = (instance?: string) =>
  settingsOf({
    connection: 'postgres://localhost/x',
    seal: createSeal(SEAL_KEY),
    ...(instance !== undefined && { instance }),
  })

test('an instance has a name of 1 to 63 letters, digits, dots, underscores and hyphens, or none', () => {
  expect(settings().instance).toBeNull()
  for (const name of ['a', 'bunker-1.example_A', 'x'.repeat(63)]) expect(settings(name).instance).toBe(name)
  for (const name of ['', 'x'.repeat(64), 'a b', 'ä', "a'b", 'a\n'])
    expect(() => settings(name)).toThrow('instance is 1 to 63')
})
