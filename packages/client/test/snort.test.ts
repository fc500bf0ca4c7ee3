/** A session as snort's signer: the published type, and every method against the scripted remote signer. */

import type { EventSigner } from '@snort/system'
import { expect, test } from 'vitest'
import { UsageError } from '../src/index.ts'
import { snortSigner } from '../src/snort.ts'
import { createWorld, newKey } from './world.ts'

test('signs, and takes the text before the pubkey', async () => {
  const world = createWorld()
  const signer: EventSigner = snortSigner(await world.login())
  const user = world.signer.user.pubkey
  const peer = newKey().pubkey
  await signer.init()
  expect(await signer.getPubKey()).toBe(user)
  expect(signer.supports).toEqual(['nip04', 'nip44'])
  const template = { kind: 1, content: 'hello', tags: [['t', 'x']], created_at: 1, pubkey: user }
  expect(await signer.sign({ ...template, id: '' })).toEqual({
    ...template,
    id: expect.stringMatching(/^[0-9a-f]{64}$/),
    sig: expect.stringMatching(/^[0-9a-f]{128}$/),
  })
  const { nip4Encrypt, nip4Decrypt, nip44Encrypt, nip44Decrypt } = signer
  const text04 = await nip4Encrypt('grüße', peer)
  expect(text04).toContain('?iv=')
  expect(await nip4Decrypt(text04, peer)).toBe('grüße')
  const text44 = await nip44Encrypt('grüße', peer)
  expect(text44).not.toContain('?iv=')
  expect(await nip44Decrypt(text44, peer)).toBe('grüße')
  expect(world.signer.methods().slice(-5)).toEqual([
    'sign_event',
    'nip04_encrypt',
    'nip04_decrypt',
    'nip44_encrypt',
    'nip44_decrypt',
  ])
  expect(world.signer.heard.at(-2)?.params).toEqual([peer, 'grüße'])
})

test('an event of another user is refused and not sent', async () => {
  const world = createWorld()
  const signer: EventSigner = snortSigner(await world.login())
  world.signer.heard.length = 0
  const event = { kind: 1, content: '', tags: [], created_at: 1, pubkey: newKey().pubkey, id: '' }
  await expect(signer.sign(event)).rejects.toBeInstanceOf(UsageError)
  expect(world.signer.heard).toEqual([])
})

test('the published type is read, and is no any', async () => {
  const signer = snortSigner(await createWorld().login())
  // @ts-expect-error snort wants the signed event
  const wrong: EventSigner = { ...signer, sign: () => Promise.resolve('signature') }
  expect(wrong.supports).toEqual(signer.supports)
})
