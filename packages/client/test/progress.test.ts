/** How far a request is: as events, for one request, and read with `for await`. */

import { expect, test } from 'vitest'
import {
  createEventStream,
  EVENT_LISTENERS,
  EVENTS_BUFFERED,
  type RequestStage,
  readEvents,
  type SessionEvent,
  trackRequest,
  WAITING_AFTER_MS,
} from '../src/index.ts'
import { authUrl, okay } from './scripted-signer.ts'
import { createWorld, ONE } from './world.ts'

test('one request can be followed from its place in the queue to its end', async () => {
  const world = createWorld()
  const session = await world.login()
  world.signer.script('sign_event', ({ id }) => authUrl(id, 'https://bunker.example/approve?id=1'))
  const signing = trackRequest((progress) => session.signEvent({ kind: 1, content: '' }, progress))
  const stages: RequestStage[] = []
  const read = (async () => {
    for await (const stage of signing) stages.push(stage)
  })()
  await world.clock.run(10)
  const { id = '', params = [] } = world.signer.heard.at(-1) ?? {}
  const event = world.signer.sign(JSON.parse(params[0] ?? ''))
  await world.signer.say(session.clientPubkey, okay(id, JSON.stringify(event)))
  expect((await world.settled(signing.result)).id).toBe(event.id)
  await read
  expect(stages).toEqual([
    { stage: 'queued' },
    { stage: 'sent', relays: [ONE] },
    { stage: 'accepted', relay: ONE },
    { stage: 'auth-url' },
    { stage: 'settled' },
  ])
  expect(world.authUrls).toEqual([
    { url: 'https://bunker.example/approve?id=1', origin: 'https://bunker.example', requestId: id },
  ])
})

test('a request that nobody answers is said to wait for a person, and what no person decides on is not', async () => {
  const world = createWorld()
  const session = await world.login()
  const stages: string[] = []
  world.signer.script('sign_event', () => undefined)
  world.signer.script('ping', () => undefined)
  void session.signEvent({ kind: 1, content: '' }, { onStage: ({ stage }) => void stages.push(stage) })
  void session.ping({ onStage: ({ stage }) => void stages.push(`ping ${stage}`) })
  await world.clock.run(WAITING_AFTER_MS - 1)
  expect(stages).not.toContain('waiting')
  await world.clock.run(1)
  expect(stages).toContain('waiting')
  expect(stages).not.toContain('ping waiting')
  session.close()
  expect(world.clock.pending).toBe(0)
})

test('during login too', async () => {
  const world = createWorld()
  world.signer.script('connect', () => undefined)
  void world.connect()
  await world.clock.run(WAITING_AFTER_MS + 10)
  expect(world.events.at(-1)).toMatchObject({ type: 'request', method: 'connect', stage: 'waiting' })
})

test('the events of a session can be read with for await, until it ends', async () => {
  const world = createWorld()
  const session = await world.login()
  const events = readEvents(session)
  await world.settled(session.ping())
  session.close()
  const types: string[] = []
  for await (const event of events) types.push(event.type === 'request' ? event.stage : event.type)
  expect(types).toEqual(['queued', 'sent', 'accepted', 'settled', 'ended'])
  expect((await readEvents(session).next()).done).toBe(true)
})

test('a session has room for so many readers, and those who left make room', async () => {
  const session = await createWorld().login()
  const readers = Array.from({ length: EVENT_LISTENERS }, () => readEvents(session))
  expect(() => readEvents(session)).toThrow('listen')
  await readers[0]?.return?.()
  readEvents(session)
})

test('a reader that is too slow loses the oldest events, and no more', async () => {
  const stream = createEventStream<number>()
  for (let i = 0; i <= EVENTS_BUFFERED; i += 1) stream.push(i)
  expect(stream.dropped).toBe(1)
  expect(await stream.next()).toEqual({ done: false, value: 1 })
  stream.end()
  stream.push(-1)
  let last = 0
  for await (const value of stream) last = value
  expect(last).toBe(EVENTS_BUFFERED)
})

test('a reader that waits is told of the end', async () => {
  const stream = createEventStream<SessionEvent>()
  const waiting = [stream.next(), stream.next()]
  stream.push({ type: 'unpaired' })
  stream.end()
  expect(await Promise.all(waiting)).toMatchObject([{ value: { type: 'unpaired' } }, { done: true }])
})

test('a callback that throws does not end the request', async () => {
  const world = createWorld()
  const session = await world.login()
  const thrown = new Promise((resolve) => process.once('uncaughtException', resolve))
  const listeners = process.listeners('uncaughtException').slice(0, -1)
  for (const listener of listeners) process.off('uncaughtException', listener)
  let times = 0
  const pong = session.ping({
    onStage() {
      times += 1
      if (times === 1) throw new Error('of the host')
    },
  })
  expect(await world.settled(pong)).toBe('pong')
  expect(await thrown).toMatchObject({ message: 'of the host' })
  for (const listener of listeners) process.on('uncaughtException', listener)
})
