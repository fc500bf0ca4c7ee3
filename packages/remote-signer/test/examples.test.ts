import { open, type Scheme, type SignedEvent, seal } from '@nip46/core'
import { hexToBytes } from '@nip46/crypto'
import { nobleCrypto } from '@nip46/crypto/noble'
import { describe, expect, test } from 'vitest'
import { hasShared, readShared } from './shared.ts'
import { crypto as tiny } from './world.ts'

interface Examples {
  readonly keys: { readonly [role: string]: { readonly sk: string; readonly pk: string } }
  readonly examples: readonly {
    readonly name: string
    readonly from: string
    readonly to: string
    readonly cipher: Scheme
    readonly nonce?: string
    readonly iv?: string
    readonly plaintext: string
    readonly event: SignedEvent
  }[]
}

const found = hasShared('the worked examples of the carrier')

describe.skipIf(!found)('the worked examples of the carrier', () => {
  // A body of a suite is run even where the suite is left out.
  if (!found) return
  const { keys, examples } = JSON.parse(readShared('spec/examples.json')) as Examples
  const cases = [tiny, nobleCrypto()].flatMap((crypto) =>
    examples.map((example) => [`${example.name} (${crypto.name})`, crypto, example] as const),
  )

  test('there are 19 of them', () => {
    expect(examples).toHaveLength(19)
  })

  test.for(cases)('%s opens, and seals to the same bits', ([, crypto, example]) => {
    const key = (role: string) => crypto.importKey(hexToBytes(keys[role]?.sk ?? ''))
    const to = key(example.to)
    const opened = open(example.event, {
      crypto,
      key: (pubkey) => (pubkey === to.pubkey ? to : undefined),
      scheme: () => example.cipher,
      now: example.event.created_at,
    })
    expect(opened).toMatchObject({
      ok: true,
      value: { text: example.plaintext, from: keys[example.from]?.pk, scheme: example.cipher },
    })
    const draws = [hexToBytes(example.nonce ?? example.iv ?? ''), new Uint8Array(32)]
    const sealed = seal(
      {
        text: example.plaintext,
        to: to.pubkey,
        key: key(example.from),
        scheme: example.cipher,
        createdAt: example.event.created_at,
      },
      { crypto, random: () => draws.shift() ?? new Uint8Array(0) },
    )
    expect(sealed).toEqual({ ok: true, value: example.event })
  })
})
