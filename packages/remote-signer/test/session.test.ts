import { expect, test } from 'vitest'
import { connect, createWorld } from './world.ts'

test('a client connects with a token, gets the user key, and has an event signed', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  expect(await client.ask({ id: '1', method: 'get_public_key', params: [] }, to)).toMatchObject({
    result: world.user.pubkey,
  })
  const template = { kind: 1, content: 'hi', tags: [], created_at: 1_767_225_600 }
  const signed = await client.ask({ id: '2', method: 'sign_event', params: [JSON.stringify(template)] }, to)
  expect(JSON.parse(String(signed?.result))).toMatchObject({ ...template, pubkey: world.user.pubkey })
  await world.signer.close()
  expect(world.clock.pending).toBe(0)
})
