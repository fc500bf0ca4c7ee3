/** A session as NDK's signer: the published type, NDK's own events, and answers that NDK would not notice. */

import NDK, {
  NDKEvent,
  type NDKSigner,
  NDKUser,
  ndkSignerFromPayload,
  registerSigner,
} from '@nostr-dev-kit/ndk'
import { expect, test } from 'vitest'
import { Nip46Error, resume, UsageError } from '../src/index.ts'
import { NDK_PAYLOAD_TYPE, ndkSigner, savedSessionOf } from '../src/ndk.ts'
import { okay } from './scripted-signer.ts'
import { createWorld, newKey } from './world.ts'

test('signs an event of NDK, which NDK verifies', async () => {
  const world = createWorld()
  const ndk = new NDK({ signer: ndkSigner(await world.login(), NDKUser) })
  const event = new NDKEvent(ndk, { kind: 1, content: 'hello', tags: [['t', 'x']] })
  const sig = await event.sign()
  expect(event.rawEvent()).toMatchObject({ pubkey: world.signer.user.pubkey, content: 'hello', sig })
  expect(event.verifySignature(false)).toBe(true)
})

test('signs for an event that is given the signer', async () => {
  const world = createWorld()
  const signer: NDKSigner = ndkSigner(await world.login(), NDKUser)
  const event = new NDKEvent(new NDK(), { kind: 30_023, content: 'x', tags: [['d', 'y']], created_at: 1 })
  await event.sign(signer)
  expect(event.pubkey).toBe(world.signer.user.pubkey)
  expect(event.created_at).toBe(1)
  expect(event.verifySignature(false)).toBe(true)
})

test.each([
  ['nip04', /\?iv=/],
  ['nip44', /^A[\w+/=]+$/],
] as const)('encrypts and decrypts an event of NDK by %s', async (scheme, form) => {
  const world = createWorld()
  const signer: NDKSigner = ndkSigner(await world.login(), NDKUser)
  const peer = new NDKUser({ pubkey: newKey().pubkey })
  const event = new NDKEvent(new NDK({ signer }), { kind: 4, content: 'grüße', tags: [] })
  await event.encrypt(peer, undefined, scheme)
  expect(event.content).toMatch(form)
  expect(await signer.decrypt(peer, event.content, scheme)).toBe('grüße')
  expect(world.signer.methods().slice(-2)).toEqual([`${scheme}_encrypt`, `${scheme}_decrypt`])
})

test('without a scheme it is NIP-04, as in all signers of NDK', async () => {
  const world = createWorld()
  const signer: NDKSigner = ndkSigner(await world.login(), NDKUser)
  const peer = new NDKUser({ pubkey: newKey().pubkey })
  const text = await signer.encrypt(peer, 'x')
  expect(text).toContain('?iv=')
  expect(await signer.decrypt(peer, text)).toBe('x')
  expect(await signer.encryptionEnabled?.()).toEqual(['nip04', 'nip44'])
  expect(await signer.encryptionEnabled?.('nip44')).toEqual(['nip44'])
})

test('is ready at once, with one user', async () => {
  const world = createWorld()
  const { blockUntilReady, user, userSync, pubkey } = ndkSigner(await world.login(), NDKUser)
  expect(await blockUntilReady()).toBe(userSync)
  expect(await user()).toBe(userSync)
  expect([userSync.pubkey, pubkey]).toEqual([world.signer.user.pubkey, world.signer.user.pubkey])
  expect(userSync).toBeInstanceOf(NDKUser)
})

test('a signature for another time is refused, even where the session allows one', async () => {
  const world = createWorld()
  const session = await world.login({ allowCreatedAtChange: true })
  world.signer.script('sign_event', ({ id, params }) => {
    const { kind, content, tags, created_at } = JSON.parse(params[0] ?? '')
    return okay(id, JSON.stringify(world.signer.sign({ kind, content, tags, created_at: created_at + 1 })))
  })
  const template = { kind: 1, content: '', tags: [], created_at: 1, pubkey: session.userPubkey }
  expect((await session.signEvent(template)).created_at).toBe(2)
  const signed = ndkSigner(session, NDKUser).sign(template)
  expect((await world.failure(signed)).code).toBe('response/event-mismatch')
})

test('what is changed while the request is under way is not what was signed', async () => {
  const world = createWorld()
  const signer = ndkSigner(await world.login(), NDKUser)
  const event = { kind: 1, content: 'before', tags: [['t', 'x']], created_at: 1, pubkey: signer.pubkey }
  const signed = signer.sign(event)
  event.content = 'after'
  event.created_at = 2
  expect(await signed).toMatch(/^[0-9a-f]{128}$/)
  expect(JSON.parse(world.signer.heard.at(-1)?.params[0] ?? '')).toMatchObject({
    content: 'before',
    created_at: 1,
  })
})

test('an id of another event is refused', async () => {
  const world = createWorld()
  const signer = ndkSigner(await world.login(), NDKUser)
  const event = { kind: 1, content: '', tags: [], created_at: 1, pubkey: signer.pubkey, id: 'a'.repeat(64) }
  await expect(signer.sign(event)).rejects.toBeInstanceOf(UsageError)
})

test.each([
  ['another user', { pubkey: 'a'.repeat(64) }],
  ['no user', { pubkey: undefined }],
  ['no time', { created_at: undefined }],
  ['no kind', { kind: undefined }],
])('an event of %s is refused and not sent', async (_, changes) => {
  const world = createWorld()
  const signer = ndkSigner(await world.login(), NDKUser)
  world.signer.heard.length = 0
  const event = { kind: 1, content: '', tags: [], created_at: 1, pubkey: signer.pubkey, ...changes }
  await expect(signer.sign(event as Parameters<typeof signer.sign>[0])).rejects.toBeInstanceOf(UsageError)
  expect(world.signer.heard).toEqual([])
})

test('NDK restores it from its payload', async () => {
  const world = createWorld()
  const session = await world.login()
  const payload = ndkSigner(session, NDKUser).toPayload()
  session.close()
  registerSigner(NDK_PAYLOAD_TYPE, {
    fromPayload: async (text) => ndkSigner(await resume(savedSessionOf(text), world.options()), NDKUser),
  })
  const signer = await ndkSignerFromPayload(payload)
  const event = new NDKEvent(new NDK(), { kind: 1, content: 'again', tags: [] })
  await event.sign(signer)
  expect(event.pubkey).toBe(world.signer.user.pubkey)
  expect(event.verifySignature(false)).toBe(true)
})

test.each(['', 'x', 'null', '7', '{}', '{"type":"nip46","payload":{}}', `{"type":"${NDK_PAYLOAD_TYPE}"}`])(
  'a payload that is none is an error: %s',
  (text) => {
    expect(() => savedSessionOf(text)).toThrow(Nip46Error)
  },
)

test('the published type is read, and is no any', async () => {
  const signer = ndkSigner(await createWorld().login(), NDKUser)
  // @ts-expect-error NDK wants the signature alone
  const wrong: NDKSigner = { ...signer, sign: () => Promise.resolve({ sig: '' }) }
  expect(wrong.pubkey).toBe(signer.pubkey)
})
