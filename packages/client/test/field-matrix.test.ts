/**
 * The situations that sixteen client libraries were measured in (field/clients.md, table 1a), row by row, as users
 * would tell them. Rows 25, 31 and 32 are about Node, speed and sockets: they belong to the transports and the bench.
 */

import type { Pubkey } from '@nip46/core'
import { expect, test } from 'vitest'
import { authUrl, failed, okay } from './scripted-signer.ts'
import { carrier, createWorld, newKey, ONE, SECRET, START, TWO, type World } from './world.ts'

const note = { kind: 1, content: 'hi' }

/** Asks for a signature and answers with what the script makes of the event that was meant. */
async function signing(world: World, forge: (right: ReturnType<World['signer']['sign']>) => unknown) {
  const session = await world.login()
  world.signer.script('sign_event', ({ id, params }) =>
    okay(id, JSON.stringify(forge(world.signer.sign(JSON.parse(params[0] ?? ''))))),
  )
  return session.signEvent(note)
}

const offered = (uri: string): { client: Pubkey; secret: string } => {
  const url = new URL(uri.replace('nostrconnect://', 'https://'))
  return { client: url.hostname as Pubkey, secret: url.searchParams.get('secret') ?? '' }
}

test('1: I log in with a plain bunker that answers what it does not know with an error', async () => {
  const world = createWorld()
  world.signer.script('switch_relays', ({ id }) => failed(id, 'unsupported: switch_relays'))
  const session = await world.login()
  expect(await world.settled(session.signEvent(note))).toMatchObject(note)
  expect((await world.failure(session.getRelays())).reason).toBe('unsupported')
})

test('2: my bunker says the secret instead of ack', async () => {
  const world = createWorld()
  world.signer.script('connect', ({ id }) => okay(id, SECRET))
  await world.login()
})

test('3: my bunker checks whom the connect is for', async () => {
  const world = createWorld()
  world.signer.script('connect', ({ id, params }) =>
    params[0] === world.signer.key.pubkey ? okay(id, 'ack') : failed(id, 'invalid: not me'),
  )
  await world.login()
})

test('4: my bunker ignores switch_relays, and I am in after a second and a half', async () => {
  const world = createWorld()
  world.signer.script('switch_relays', () => undefined)
  await world.login()
  expect(world.clock.now() - START).toBeLessThanOrEqual(1_500)
})

test('5: my bunker answers in NIP-04 to NIP-44: nothing crashes, and I am told in time', async () => {
  const world = createWorld()
  const session = await world.login()
  world.signer.script('ping', ({ id }, from) => {
    world.network.inject(ONE, carrier(world.signer.key, from, okay(id, 'pong'), START / 1_000, 'nip04'))
    return undefined
  })
  expect((await world.failure(session.ping())).code).toBe('timeout/no-answer')
  expect(world.codes('ignored')).toContain('transport/nip04')
})

test('6: an error without a result reaches me with its reason, at once', async () => {
  const world = createWorld()
  const session = await world.login()
  world.signer.script('sign_event', ({ id }) => JSON.stringify({ id, error: 'denied: not today' }))
  expect(await world.failure(session.signEvent(note))).toMatchObject({
    reason: 'rejected',
    message: 'denied: not today',
  })
  expect(world.clock.now()).toBe(START)
})

test.each([
  ['7: null', null],
  ['8: an empty text', ''],
])('a success with an error that is no error, %s, is a success', async (_, error) => {
  const world = createWorld()
  for (const [method, result] of [
    ['connect', 'ack'],
    ['get_public_key', world.signer.user.pubkey],
    ['ping', 'pong'],
  ] as const) {
    world.signer.script(method, ({ id }) => JSON.stringify({ id, result, error }))
  }
  const session = await world.login()
  expect(await world.settled(session.ping())).toBe('pong')
})

test('9: an empty message decrypts to an empty message', async () => {
  const world = createWorld()
  const session = await world.login()
  world.signer.script('nip44_decrypt', ({ id }) => JSON.stringify({ id, result: '' }))
  expect(await world.settled(session.nip44.decrypt(newKey().pubkey, 'x'))).toBe('')
})

test('10: a message that looks like a list stays as it is', async () => {
  const world = createWorld()
  const session = await world.login()
  const peer = newKey().pubkey
  for (const text of ['["first","second"]', '["only"]', 'null', '{"result":"x"}']) {
    expect(await session.nip44.decrypt(peer, await session.nip44.encrypt(peer, text))).toBe(text)
    expect(await session.nip04.decrypt(peer, await session.nip04.encrypt(peer, text))).toBe(text)
  }
})

test('11: my bunker asks for its page twice, and I see it once', async () => {
  const world = createWorld()
  const session = await world.login()
  world.signer.script('ping', ({ id }) => {
    const page = authUrl(id, 'https://bunker.example/a')
    return [page, page, okay(id, 'pong')]
  })
  expect(await world.settled(session.ping())).toBe('pong')
  expect(world.authUrls).toHaveLength(1)
})

test('12: a bunker that signs something else does not pass for one that signed my note', async () => {
  for (const change of [
    { content: 'bye' },
    { kind: 7 },
    { tags: [['client', 'x']] },
    { created_at: START / 1_000 + 1 },
  ]) {
    const world = createWorld()
    const promise = signing(world, (right) => world.signer.sign({ ...right, ...change }))
    expect((await world.failure(promise)).code).toBe('response/event-mismatch')
  }
})

test('13: a note signed by somebody else is not mine', async () => {
  const world = createWorld()
  const promise = signing(world, (right) => world.signer.sign(right, newKey()))
  expect((await world.failure(promise)).code).toBe('response/event-mismatch')
})

test('14: a note with a wrong signature or id is refused', async () => {
  for (const change of [{ sig: '0'.repeat(128) }, { id: '0'.repeat(64) }]) {
    const world = createWorld()
    const promise = signing(world, (right) => ({ ...right, ...change }))
    expect((await world.failure(promise)).code).toBe('response/event-invalid')
  }
})

test('15: nobody but my bunker can answer me', async () => {
  const world = createWorld()
  const session = await world.login()
  world.signer.script('ping', ({ id }, from) => {
    world.network.inject(ONE, carrier(newKey(), from, okay(id, 'forged'), START / 1_000))
    return undefined
  })
  expect((await world.failure(session.ping())).code).toBe('timeout/no-answer')
  expect(world.codes('ignored')).toContain('event/author')
})

test('16: junk of strangers during a request disturbs neither it nor the next one', async () => {
  const world = createWorld()
  const session = await world.login()
  world.signer.script('sign_event', ({ id, params }, from) => {
    const stranger = newKey()
    for (const text of ['hello', '{}', okay(id, 'x'), failed(id, 'no')]) {
      world.network.inject(ONE, carrier(stranger, from, text, START / 1_000))
      world.network.inject(ONE, carrier(stranger, from, text, START / 1_000, 'nip04'))
    }
    return okay(id, JSON.stringify(world.signer.sign(JSON.parse(params[0] ?? ''))))
  })
  expect(await world.settled(session.signEvent(note))).toMatchObject(note)
  await session.ping()
  expect(world.signer.heard.at(-1)?.event.content).not.toContain('?iv=')
})

test('17: my bunker is silent, and I am told so within a minute', async () => {
  const world = createWorld()
  const session = await world.login()
  world.signer.script('sign_event', () => undefined)
  expect((await world.failure(session.signEvent(note), 61_000)).code).toBe('timeout/no-answer')
})

test('18: the relay refuses, and I am told why at once', async () => {
  const world = createWorld()
  const session = await world.login()
  world.network.refuse(ONE, 'blocked: pay first')
  const error = await world.failure(session.signEvent(note))
  expect(error).toMatchObject({
    code: 'publish/rejected',
    relays: [{ relay: ONE, reason: 'blocked: pay first' }],
  })
  expect(world.clock.now()).toBe(START)
})

test('19: the relay dropped me a while ago, and signing works', async () => {
  const world = createWorld()
  const session = await world.login()
  world.network.down(ONE)
  await world.clock.run(1_000)
  world.network.up(ONE)
  expect(await world.settled(session.signEvent(note))).toMatchObject(note)
  expect(world.clock.now() - START).toBe(1_000)
})

test('20: the relay drops me while my bunker thinks, and the answer still reaches me', async () => {
  const world = createWorld()
  const session = await world.login()
  world.signer.script('sign_event', async ({ id, params }) => {
    await new Promise<void>((resolve) => void world.clock.setTimer(resolve, 3_000))
    return okay(id, JSON.stringify(world.signer.sign(JSON.parse(params[0] ?? ''))))
  })
  const signed = session.signEvent(note)
  await world.clock.run(500)
  world.network.down(ONE)
  await world.clock.run(500)
  world.network.up(ONE)
  expect(await world.settled(signed)).toMatchObject(note)
  expect(world.clock.now() - START).toBe(3_000)
})

test('21: one of my two relays is dead, and nothing is slower', async () => {
  const world = createWorld({ relays: [ONE, TWO] })
  world.network.down(ONE)
  const session = await world.login()
  await world.settled(session.signEvent(note))
  expect(world.clock.now()).toBe(START)
})

test('22: my bunker moves me to another relay, and nothing is left behind', async () => {
  const world = createWorld({ signerRelays: [ONE, TWO] })
  world.signer.script('switch_relays', ({ id }) => okay(id, JSON.stringify([TWO])))
  const session = await world.login()
  await world.clock.run(10_000)
  expect(session.relays).toEqual([TWO])
  expect(await world.settled(session.signEvent(note))).toMatchObject(note)
  session.close()
  expect(world.network.subscriptions).toBe(2)
  expect(world.clock.pending).toBe(0)
})

test.each([
  ['JSON null', null],
  ['the text null', 'null'],
  ['an empty text', ''],
  ['nothing', undefined],
])('23: switchRelays answered with %s means that all stays as it is', async (_, result) => {
  const world = createWorld()
  const session = await world.login()
  world.signer.script('switch_relays', ({ id }) => JSON.stringify({ id, result }))
  expect(await world.settled(session.switchRelays())).toBeNull()
  expect(session.relays).toEqual([ONE])
})

test('24: a relay that wants a login (NIP-42) works without a setting', async () => {
  const world = createWorld()
  world.network.demandAuth(ONE, 'who are you')
  const session = await world.login()
  expect(await world.settled(session.signEvent(note))).toMatchObject(note)
})

test('26: a bunker URL without a secret logs in', async () => {
  const world = createWorld({ secret: null })
  await world.login()
  expect(world.signer.heard[0]?.params).toEqual([world.signer.key.pubkey, ''])
})

test('27: I scan a code, my signer echoes the secret, and I am in', async () => {
  const world = createWorld()
  const { uri, session } = world.offer()
  await world.clock.settle()
  await world.signer.say(offered(uri).client, okay('x', offered(uri).secret))
  expect((await world.settled(session)).userPubkey).toBe(world.signer.user.pubkey)
})

test('28: a stranger who saw my code cannot become my signer by saying ack', async () => {
  const world = createWorld()
  const { uri, session } = world.offer()
  await world.clock.settle()
  world.network.inject(ONE, carrier(newKey(), offered(uri).client, okay('x', 'ack'), START / 1_000))
  await world.clock.settle()
  await world.signer.say(offered(uri).client, okay('x', offered(uri).secret))
  expect((await world.settled(session)).remoteSigner).toBe(world.signer.key.pubkey)
})

test('29: junk of strangers while my code is on show ends nothing', async () => {
  const world = createWorld()
  const { uri, session } = world.offer()
  await world.clock.settle()
  for (const text of ['hello', '[]', failed('x', 'no'), okay('', '')]) {
    world.network.inject(ONE, carrier(newKey(), offered(uri).client, text, START / 1_000))
  }
  world.network.inject(ONE, {
    ...carrier(newKey(), offered(uri).client, 'x', START / 1_000),
    content: 'broken',
  })
  await world.clock.settle()
  await world.signer.say(offered(uri).client, okay('x', offered(uri).secret))
  await world.settled(session)
})

test('30: a hundred notes at once are all signed', async () => {
  const world = createWorld({ relays: [ONE, TWO] })
  const session = await world.login()
  const notes = Array.from({ length: 100 }, (_, i) => ({ kind: 1, content: `note ${i}` }))
  const events = await world.settled(Promise.all(notes.map((template) => session.signEvent(template))))
  expect(events.map(({ content }) => content)).toEqual(notes.map(({ content }) => content))
  expect(new Set(events.map(({ id }) => id)).size).toBe(100)
})
