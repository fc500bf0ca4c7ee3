/** Who is told when a message says it was made: what the host can judge its clock by. */

import type { Pubkey } from '@nip46/core'
import { createFakeClock, createMemoryRelay } from '@nip46/testing'
import { expect, test } from 'vitest'
import { connect, createWorld, keyOf, NOW_SECONDS, RELAY } from './world.ts'

const PING = { id: 'p', method: 'ping', params: [] }

test('a message of a session is told with its time, also one that is refused for it; a copy and a stranger are not', async () => {
  const heard: (readonly [Pubkey, number])[] = []
  const world = await createWorld({ onHeard: (client, createdAt) => heard.push([client, createdAt]) })
  const { client, to } = await connect(world, 'alice')
  expect(heard).toEqual([])
  const event = await client.send(PING, to)
  await client.publish(event)
  await world.client(keyOf('stranger')).send(PING, to)
  expect(heard).toEqual([[client.pubkey, NOW_SECONDS]])
  const early = NOW_SECONDS + 10_000
  world.net.inject(RELAY, client.sealed(JSON.stringify({ ...PING, id: 'early' }), to, 'nip44', early))
  await world.clock.settle()
  expect(heard.slice(1)).toEqual([[client.pubkey, early]])
  expect(client.answers.at(-1)?.error).toMatch(/^expired: /)
  await world.signer.close()
})

test('what a relay had kept is handled, and says nothing of the time', async () => {
  const clock = createFakeClock(NOW_SECONDS * 1_000)
  const net = createMemoryRelay({ clock, retention: { events: 100, seconds: 600 } })
  const heard: number[] = []
  const first = await createWorld({ net, fakeClock: clock, onHeard: (_, createdAt) => heard.push(createdAt) })
  const { client, to } = await connect(first, 'alice')
  await first.signer.close()
  await client.send(PING, to)
  await clock.run(300_000)
  const second = await first.restart()
  await clock.run(1_000)
  expect(client.answers).toContainEqual(expect.objectContaining({ id: 'p', result: 'pong' }))
  expect(heard).toEqual([])
  expect(await client.ask({ ...PING, id: 'live' }, to)).toMatchObject({ result: 'pong' })
  expect(heard).toEqual([NOW_SECONDS + 301])
  await second.signer.close()
})

test('a host that throws at it is told, and the message is answered', async () => {
  const world = await createWorld({
    onHeard() {
      throw new Error('of the host')
    },
  })
  const { client, to } = await connect(world, 'alice')
  expect(await client.ask(PING, to)).toMatchObject({ result: 'pong' })
  expect(world.events).toContainEqual(
    expect.objectContaining({ type: 'helper-failed', helper: 'listener', cause: new Error('of the host') }),
  )
  await world.signer.close()
})
