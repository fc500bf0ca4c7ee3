import { describe, expect, test } from 'vitest'
import type { CurveBackend } from '../src/backend.ts'
import { nobleBackend } from '../src/noble.ts'
import { selfTest } from '../src/self-check.ts'
import { backends } from './backends.ts'

const good = nobleBackend()

/** One fault each, and what the self-test says of it. */
const faults: Readonly<Record<string, Partial<CurveBackend>>> = {
  'it refused a valid key': { importKey: () => undefined },
  'it took a key that is not on the curve': {
    importPeer: (public32) => good.importPeer(public32) ?? good.importPeer(new Uint8Array(32).fill(1)),
  },
  'it derived a wrong public key': { publicKey: (_, out32) => void out32.fill(2) },
  'it made a wrong signature': {
    sign: (key, message32, _, out64) => good.sign(key, message32, new Uint8Array(32), out64),
  },
  'it refused a valid signature': { verify: () => false },
  'it took a forged signature': { verify: () => true },
  "it took another key's signature": {
    verify: (_, message32, signature64) => good.verify(owner(), message32, signature64),
  },
  'it computed a wrong shared point': {
    ecdhX: (_, __, ___, out32) => {
      out32.fill(3)
      return true
    },
  },
  'out of memory': {
    sign: () => {
      throw new Error('out of memory')
    },
  },
}

function owner(): NonNullable<ReturnType<CurveBackend['importPeer']>> {
  const pubkey = 'dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659'
  const peer = good.importPeer(Uint8Array.from(Buffer.from(pubkey, 'hex')))
  if (peer === undefined) throw new Error('the key is valid')
  return peer
}

describe('the self-test', () => {
  test.each(backends)('passes $name', ({ create }) => {
    expect(selfTest(create())).toBeUndefined()
  })

  test.each(Object.entries(faults))('says of a backend: %s', (fault, wrong) => {
    expect(selfTest({ ...good, ...wrong })).toBe(fault)
  })

  test('fails a backend that only handles points with an even y', () => {
    let imported = 0
    const halves: Partial<CurveBackend> = {
      importKey: (secret32) => {
        imported++
        return good.importKey(imported === 1 ? secret32 : new Uint8Array(32).fill(1))
      },
    }
    expect(selfTest({ ...good, ...halves })).toBe('it derived a wrong public key')
  })
})
