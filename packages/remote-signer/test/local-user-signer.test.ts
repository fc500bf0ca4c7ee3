import type { KeyHandle, Operation, SignedEvent } from '@nip46/core'
import { nobleCrypto } from '@nip46/crypto/noble'
import { seededRandom } from '@nip46/testing'
import { expect, test } from 'vitest'
import { limits, localUserSigner } from '../src/index.ts'
import { crypto as tiny } from './world.ts'

const backends = [tiny, nobleCrypto()]
const NOTE = {
  kind: 1,
  content: 'grüße\u2028\u0001"',
  tags: [
    ['t', 'x'],
    ['p', ''],
  ],
  created_at: 17,
}

function parts(crypto = tiny) {
  const random = seededRandom('local')
  const key = crypto.importKey(random.bytes(32))
  const peer = crypto.importKey(random.bytes(32))
  const bytes = (length: number) => random.bytes(length)
  return { key, peer, signer: localUserSigner(key, { crypto, random: bytes }) }
}

test.for(backends)(
  'it signs what was asked, with seven members and the same created_at (%s)',
  async (crypto) => {
    const { key, signer } = parts(crypto)
    const outcome = await signer.perform({ method: 'sign_event', template: NOTE })
    const event = JSON.parse(outcome.ok ? outcome.value : '') as SignedEvent
    expect(Object.keys(event)).toEqual(['id', 'pubkey', 'created_at', 'kind', 'tags', 'content', 'sig'])
    expect(event).toMatchObject({ ...NOTE, pubkey: key.pubkey })
    expect(crypto.eventId(event)).toBe(event.id)
    expect(crypto.verify(event)).toBe(true)
  },
)

test('members of a template that are none of an event are not signed', async () => {
  const { signer } = parts()
  const template = { ...NOTE, extra: 'x', pubkey: '0'.repeat(64) }
  const outcome = await signer.perform({ method: 'sign_event', template })
  expect(outcome.ok && outcome.value).not.toContain('extra')
})

test('both encryptions open again for the peer, and for the user', async () => {
  const { key, peer, signer } = parts()
  for (const scheme of ['nip44', 'nip04'] as const) {
    const sealed = await signer.perform({
      method: `${scheme}_encrypt`,
      peer: peer.pubkey,
      plaintext: 'hällo',
    })
    const ciphertext = sealed.ok ? sealed.value : ''
    const theirs = peer.conversation(key.pubkey)
    if (!theirs.ok) throw new Error('no conversation')
    const opened =
      scheme === 'nip44' ? theirs.value.nip44Decrypt(ciphertext) : theirs.value.nip04Decrypt(ciphertext)
    expect(opened).toEqual({ ok: true, value: 'hällo' })
    const again = await signer.perform({ method: `${scheme}_decrypt`, peer: peer.pubkey, ciphertext })
    expect(again).toEqual({ ok: true, value: 'hällo' })
  }
})

test('every ciphertext that does not open gets the same words', async () => {
  const { peer, signer } = parts()
  const sealed = await signer.perform({ method: 'nip44_encrypt', peer: peer.pubkey, plaintext: 'x' })
  const good = sealed.ok ? sealed.value : ''
  const bad = [
    '',
    'A',
    '#x',
    good.slice(0, -4),
    `${good.slice(0, -4)}AAA=`,
    `A${good}`,
    'x?iv=y',
    '?iv=',
    good.repeat(9),
  ]
  for (const ciphertext of bad) {
    for (const method of ['nip44_decrypt', 'nip04_decrypt'] as const) {
      expect(await signer.perform({ method, peer: peer.pubkey, ciphertext })).toEqual({
        ok: false,
        error: 'invalid: cannot decrypt ciphertext',
      })
    }
  }
})

test('a text is encrypted up to 65,535 bytes and not a byte more', async () => {
  const { peer, signer } = parts()
  const operation = (method: 'nip44_encrypt' | 'nip04_encrypt', bytes: number): Operation => {
    return { method, peer: peer.pubkey, plaintext: `${'é'.repeat(1)}${'x'.repeat(bytes - 2)}` }
  }
  for (const method of ['nip44_encrypt', 'nip04_encrypt'] as const) {
    expect(await signer.perform(operation(method, 65_535))).toMatchObject({ ok: true })
    expect(await signer.perform(operation(method, 65_536))).toEqual({
      ok: false,
      error: 'too-large: the text is too long to encrypt',
    })
  }
})

test('a peer that is no key is refused, and a destroyed key rejects without its secret', async () => {
  const { key, peer, signer } = parts()
  const nobody = 'f'.repeat(64) as typeof peer.pubkey
  expect(await signer.perform({ method: 'nip44_get_key', peer: nobody })).toEqual({
    ok: false,
    error: 'invalid: third-party pubkey is not a valid key',
  })
  key.destroy()
  await expect(signer.perform({ method: 'sign_event', template: NOTE })).rejects.toThrow('destroyed')
})

test('what is asked for in one turn is signed in batches, each event as if it were alone', async () => {
  const { key, signer: alone } = parts()
  const batches: number[] = []
  const counting: KeyHandle = {
    ...key,
    signBatch(ids, aux) {
      batches.push(ids.length)
      return key.signBatch(ids, aux)
    },
  }
  const random = seededRandom('local batch')
  const signer = localUserSigner(counting, { crypto: tiny, random: (length) => random.bytes(length) })
  const notes = Array.from({ length: limits.SIGN_BATCH + 1 }, (_, i) => ({ ...NOTE, content: `note ${i}` }))
  const outcomes = await Promise.all(
    notes.map((template) => signer.perform({ method: 'sign_event', template })),
  )
  expect(batches).toEqual([limits.SIGN_BATCH, 1])
  outcomes.forEach((outcome, i) => {
    const event = JSON.parse(outcome.ok ? outcome.value : '') as SignedEvent
    expect(event.content).toBe(`note ${i}`)
    expect(tiny.verify(event)).toBe(true)
  })
  expect(await alone.perform({ method: 'sign_event', template: NOTE })).toMatchObject({ ok: true })
})

test('a key that fails in a batch rejects all of it, and the next request is tried again', async () => {
  const { key } = parts()
  let broken = true
  const flaky: KeyHandle = {
    ...key,
    signBatch(ids, aux) {
      if (broken) throw new Error('the key is away')
      return key.signBatch(ids, aux)
    },
  }
  const signer = localUserSigner(flaky, { crypto: tiny })
  const both = [1, 2].map(() => signer.perform({ method: 'sign_event', template: NOTE }))
  for (const outcome of await Promise.allSettled(both)) expect(outcome.status).toBe('rejected')
  broken = false
  expect(await signer.perform({ method: 'sign_event', template: NOTE })).toMatchObject({ ok: true })
})
