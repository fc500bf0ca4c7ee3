/** A session as welshman's signer: the published type, and every method against the scripted remote signer. */

import type { ISigner } from '@welshman/signer'
import { expect, test } from 'vitest'
import { UsageError } from '../src/index.ts'
import { welshmanSigner } from '../src/welshman.ts'
import { createWorld, newKey } from './world.ts'

const template = { kind: 1, content: 'hello', tags: [['t', 'x']], created_at: 1 }

test('signs, encrypts and decrypts, with its methods taken out', async () => {
  const world = createWorld()
  const signer: ISigner = welshmanSigner(await world.login())
  const { sign, getPubkey, nip04, nip44 } = signer
  const peer = newKey().pubkey
  expect(await getPubkey()).toBe(world.signer.user.pubkey)
  expect(await sign(template)).toEqual({
    ...template,
    pubkey: world.signer.user.pubkey,
    id: expect.stringMatching(/^[0-9a-f]{64}$/),
    sig: expect.stringMatching(/^[0-9a-f]{128}$/),
  })
  for (const { encrypt, decrypt } of [nip04, nip44]) {
    const text = await encrypt(peer, 'grüße')
    expect(text).not.toContain('grüße')
    expect(await decrypt(peer, text)).toBe('grüße')
  }
  expect(world.signer.methods().slice(-5)).toEqual([
    'sign_event',
    'nip04_encrypt',
    'nip04_decrypt',
    'nip44_encrypt',
    'nip44_decrypt',
  ])
})

test('a signal ends the wait', async () => {
  const world = createWorld()
  const signer: ISigner = welshmanSigner(await world.login())
  world.signer.script('sign_event', () => undefined)
  const abort = new AbortController()
  const signed = signer.sign(template, { signal: abort.signal })
  abort.abort()
  expect((await world.failure(signed)).code).toBe('cancelled')
})

test('an event of another user is refused and not sent', async () => {
  const world = createWorld()
  const signer = welshmanSigner(await world.login())
  world.signer.heard.length = 0
  await expect(signer.sign({ ...template, pubkey: newKey().pubkey })).rejects.toBeInstanceOf(UsageError)
  expect(world.signer.heard).toEqual([])
})

test('cleanup closes the session', async () => {
  const world = createWorld()
  const session = await world.login()
  const signer: ISigner = welshmanSigner(session)
  await signer.cleanup?.()
  expect(session.state).toBe('closed')
  expect((await world.failure(signer.sign(template))).code).toBe('closed')
})

test('the published type is read, and is no any', async () => {
  const signer = welshmanSigner(await createWorld().login())
  // @ts-expect-error welshman wants the signed event
  const wrong: ISigner = { ...signer, sign: () => Promise.resolve('signature') }
  expect(wrong.nip44).toBe(signer.nip44)
})
