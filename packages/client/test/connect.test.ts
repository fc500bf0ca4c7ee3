import { expect, test } from 'vitest'
import { connect, Nip46Error, UsageError } from '../src/index.ts'
import { okay } from './scripted-signer.ts'
import { createWorld, newKey, ONE, SECRET, START } from './world.ts'

test('a bunker URI logs in, and the session signs, encrypts and decrypts', async () => {
  const world = createWorld()
  const session = await world.login({
    metadata: { name: 'Test app', url: 'https://app.example' },
    perms: ['sign_event:1', 'nip44_encrypt'],
  })
  expect(world.signer.methods()).toEqual(['connect', 'switch_relays', 'get_public_key'])
  expect(world.signer.heard[0]?.params).toEqual([
    world.signer.key.pubkey,
    SECRET,
    'sign_event:1,nip44_encrypt',
    JSON.stringify({ name: 'Test app', url: 'https://app.example' }),
  ])
  expect(session.userPubkey).toBe(world.signer.user.pubkey)
  expect(session.remoteSigner).toBe(world.signer.key.pubkey)
  expect(session.relays).toEqual([ONE])
  expect(session.state).toBe('ready')
})
