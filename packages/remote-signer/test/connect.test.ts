import { encodeNostrConnectUri, type NewOffer, type Question, type RelayUrl } from '@nip46/core'
import { expect, test } from 'vitest'
import { dangerouslyAllowAll, limits, RemoteSignerError } from '../src/index.ts'
import {
  approver,
  connect,
  createWorld,
  EVERYTHING,
  keyOf,
  NOW_SECONDS,
  plantOffer,
  RELAY,
  RELAY_2,
  secretOf,
  type World,
} from './world.ts'

const REFUSED = 'unauthorized: secret invalid or already used'

function connectTo(to: string, ...rest: string[]) {
  return { id: 'connect', method: 'connect', params: [to, ...rest] }
}

test('an offer names a fresh key and our relays, and its token is not the secret', async () => {
  const world = await createWorld({ relays: [RELAY, RELAY_2] })
  const one = await world.signer.offer()
  const two = await world.signer.offer()
  expect(one.remoteSigner).not.toBe(two.remoteSigner)
  expect(one.remoteSigner).not.toBe(world.user.pubkey)
  expect(one.uri).toMatch(
    new RegExp(
      `^bunker://${one.remoteSigner}\\?relay=wss://relay.example&relay=wss://relay-two.example&secret=[0-9a-f]{32}$`,
    ),
  )
  expect(one.token).not.toBe(secretOf(one.uri))
  expect(world.signer.offers()).toMatchObject([{ token: one.token, usedBy: null }, { token: two.token }])
  await world.signer.close()
})

test('one hundred clients race for one token: one session, and every other is refused or ignored', async () => {
  const world = await createWorld()
  const { uri, remoteSigner } = await world.signer.offer({ granted: EVERYTHING })
  const clients = Array.from({ length: 100 }, (_, i) => world.client(keyOf(`racer ${i}`)))
  for (const client of clients) {
    const request = JSON.stringify(connectTo(remoteSigner, secretOf(uri)))
    world.net.inject(RELAY, client.sealed(request, remoteSigner))
  }
  await world.clock.run(1_000)
  const answers = clients.flatMap((client) => client.answers)
  expect(answers.filter(({ result }) => result === 'ack')).toHaveLength(1)
  expect(answers.filter(({ error }) => error !== undefined)).toHaveLength(5)
  expect(answers.every(({ error, result }) => result === 'ack' || error === REFUSED)).toBe(true)
  expect(world.signer.sessions()).toHaveLength(1)
  expect(world.signer.stats().dropped).toEqual({ 'connect/silenced': 94 })
  expect(world.events.filter(({ type }) => type === 'token-reused')).toHaveLength(5)
  await world.signer.close()
})

test('one hundred clients race over two relays and a store that takes its time', async () => {
  const world = await createWorld({ relays: [RELAY, RELAY_2] })
  const { uri, remoteSigner } = await world.signer.offer({ granted: EVERYTHING })
  const commit = world.store.commit.bind(world.store)
  world.store.commit = async (changes, now) => {
    await new Promise((resolve) => world.clock.setTimer(() => resolve(undefined), 50))
    return commit(changes, now)
  }
  const clients = Array.from({ length: 100 }, (_, i) => world.client(keyOf(`racer ${i}`)))
  for (const [i, client] of clients.entries()) {
    const event = client.sealed(JSON.stringify(connectTo(remoteSigner, secretOf(uri))), remoteSigner)
    world.net.inject(i % 2 === 0 ? RELAY : RELAY_2, event)
    if (i % 7 === 0) await world.clock.settle()
  }
  await world.clock.run(5_000)
  expect(clients.filter(({ answers }) => answers.some(({ result }) => result === 'ack'))).toHaveLength(1)
  expect(world.signer.sessions()).toHaveLength(1)
  const closed = world.signer.close()
  await world.clock.run(2_000)
  await closed
})

test('after five failed tries in a minute there is silence, and the good secret still works', async () => {
  const world = await createWorld()
  const { uri, remoteSigner } = await world.signer.offer({ granted: EVERYTHING })
  const clients = Array.from({ length: 7 }, (_, i) => world.client(keyOf(`guesser ${i}`)))
  for (const client of clients) await client.send(connectTo(remoteSigner, `guess`), remoteSigner)
  expect(clients.map(({ answers }) => answers.map(({ error }) => error))).toEqual([
    ...Array(5).fill([REFUSED]),
    [],
    [],
  ])
  expect(world.signer.stats().dropped).toEqual({ 'connect/silenced': 2 })
  const owner = world.client(keyOf('owner'))
  expect(await owner.ask(connectTo(remoteSigner, secretOf(uri)), remoteSigner)).toMatchObject({
    result: 'ack',
  })
  await world.clock.run(60_000)
  const late = world.client(keyOf('late guesser'))
  expect(await late.ask(connectTo(remoteSigner, 'guess'), remoteSigner)).toMatchObject({ error: REFUSED })
  await world.signer.close()
})

test('wrong, used, run out, withdrawn and missing secrets get the same words', async () => {
  const world = await createWorld({ keys: keyOf('signer') })
  const used = await world.signer.offer()
  const expired = await world.signer.offer({ expiresInMs: 1_000 })
  const withdrawn = await world.signer.offer()
  const to = used.remoteSigner
  await world.client(keyOf('first')).ask(connectTo(to, secretOf(used.uri)), to)
  await world.signer.withdraw(withdrawn.token)
  await world.clock.run(1_000)
  const secrets = ['wrong', secretOf(used.uri), secretOf(expired.uri), secretOf(withdrawn.uri)]
  for (const [i, secret] of secrets.entries()) {
    const client = world.client(keyOf(`try ${i}`))
    expect(await client.ask(connectTo(to, secret), to)).toMatchObject({ result: '', error: REFUSED })
  }
  const bare = world.client(keyOf('try bare'))
  expect(await bare.ask(connectTo(to), to)).toMatchObject({ result: '', error: REFUSED })
  expect(world.signer.sessions()).toHaveLength(1)
  await world.signer.close()
})

test('a client whose ack was lost gets it again, and so does one that connects at every start', async () => {
  const world = await createWorld()
  const { uri, remoteSigner } = await world.signer.offer()
  const client = world.client(keyOf('alice'))
  for (const id of ['one', 'one', 'two']) {
    const request = { ...connectTo(remoteSigner, secretOf(uri)), id }
    expect(await client.ask(request, remoteSigner)).toMatchObject({ id, result: 'ack' })
  }
  expect(world.signer.sessions()).toHaveLength(1)
  await world.signer.close()
})

test('requested permissions are shown and never granted', async () => {
  const asked: Question[] = []
  const world = await createWorld({
    approver: approver(async (question) => {
      asked.push(question)
      return { allow: question.type === 'connect' }
    }),
  })
  const { uri, remoteSigner } = await world.signer.offer({ approval: 'ask' })
  const client = world.client(keyOf('alice'))
  const metadata = JSON.stringify({ name: 'My \u202e app', url: 'https://app.example' })
  const request = connectTo(remoteSigner, secretOf(uri), 'sign_event,nip44_decrypt', metadata)
  expect(await client.ask(request, remoteSigner)).toMatchObject({ result: 'ack' })
  expect(asked).toMatchObject([
    {
      type: 'connect',
      clientPubkey: client.pubkey,
      requested: [{ method: 'sign_event' }, { method: 'nip44_decrypt' }],
      legacyEncryption: false,
    },
  ])
  expect(world.signer.sessions()).toMatchObject([{ granted: [], requested: [{ method: 'sign_event' }, {}] }])
  const template = JSON.stringify({ kind: 1, content: '', tags: [], created_at: NOW_SECONDS })
  expect(await client.ask({ id: 's', method: 'sign_event', params: [template] }, remoteSigner)).toMatchObject(
    {
      error: 'denied: the user said no',
    },
  )
  expect(world.performed()).toBe(0)
  await world.signer.close()
})

test('requests sent before the decision wait for it', async () => {
  let decide: (allow: boolean) => void = () => undefined
  const world = await createWorld({
    approver: approver(() => new Promise((resolve) => (decide = (allow) => resolve({ allow })))),
  })
  const { uri, remoteSigner } = await world.signer.offer({ approval: 'ask' })
  const client = world.client(keyOf('eager'))
  await client.send(connectTo(remoteSigner, secretOf(uri)), remoteSigner)
  await client.send({ id: 'pk', method: 'get_public_key', params: [] }, remoteSigner)
  expect(client.answers).toEqual([])
  expect(world.signer.sessions()).toMatchObject([{ phase: 'pairing' }])
  decide(true)
  await world.clock.settle()
  expect(client.answers).toMatchObject([
    { id: 'connect', result: 'ack' },
    { id: 'pk', result: world.user.pubkey },
  ])
  await world.signer.close()
})

test('a refused client is told, is no session, and nobody is asked twice for the same request', async () => {
  let questions = 0
  const world = await createWorld({
    approver: approver(async () => {
      questions += 1
      return { allow: false }
    }),
  })
  const { uri, remoteSigner } = await world.signer.offer({ approval: 'ask' })
  const client = world.client(keyOf('nobody'))
  for (let i = 0; i < 2; i++) {
    expect(await client.ask(connectTo(remoteSigner, secretOf(uri)), remoteSigner)).toMatchObject({
      error: 'denied: the user said no',
    })
  }
  expect(questions).toBe(1)
  expect(world.signer.sessions()).toEqual([])
  expect(world.events.find(({ type }) => type === 'session-ended')).toMatchObject({ reason: 'refused' })
  await world.signer.close()
})

test('a client without a secret is asked about each time, where such an offer is out', async () => {
  const world = await createWorld({ approver: dangerouslyAllowAll })
  const { uri, remoteSigner } = await world.signer.offer({ withoutSecret: true, granted: EVERYTHING })
  expect(uri).not.toContain('secret')
  for (const name of ['one', 'two']) {
    const client = world.client(keyOf(name))
    expect(await client.ask(connectTo(remoteSigner), remoteSigner, 'nip04')).toMatchObject({ result: 'ack' })
  }
  expect(world.events.filter(({ type }) => type === 'question')).toMatchObject([
    { question: { legacyEncryption: true } },
    {},
  ])
  expect(world.signer.sessions()).toHaveLength(2)
  await world.signer.close()
})

test('a client of 2024-02 may send requests without connect, if that is switched on', async () => {
  const request = { id: 'pk', method: 'get_public_key', params: [] }
  for (const implicitConnect of [true, false]) {
    const world = await createWorld({ approver: dangerouslyAllowAll, implicitConnect })
    const { remoteSigner } = await world.signer.offer({ withoutSecret: true })
    const client = world.client(keyOf('old'))
    expect(await client.ask(request, remoteSigner, 'nip04')).toMatchObject(
      implicitConnect ? { result: world.user.pubkey } : { error: 'unauthorized: not connected' },
    )
    await world.signer.close()
  }
})

test('a session encrypted with NIP-04 lives beside one with NIP-44, and neither is answered in the other', async () => {
  const world = await createWorld({ keys: keyOf('signer') })
  const old = await connect(world, 'old', EVERYTHING, 'nip04')
  const modern = await connect(world, 'modern', EVERYTHING, 'nip44')
  const request = (id: string) => ({ id, method: 'ping', params: [] })
  expect(world.signer.sessions()).toMatchObject([{ scheme: 'nip04' }, { scheme: 'nip44' }])
  for (let i = 0; i < 3; i++) {
    expect(await old.client.ask(request(`o${i}`), old.to, 'nip04')).toMatchObject({
      result: 'pong',
      scheme: 'nip04',
    })
    expect(await modern.client.ask(request(`m${i}`), modern.to)).toMatchObject({
      result: 'pong',
      scheme: 'nip44',
    })
    expect(await old.client.ask(request(`x${i}`), old.to, 'nip44')).toBe(undefined)
    expect(await modern.client.ask(request(`y${i}`), modern.to, 'nip04')).toBe(undefined)
  }
  expect(world.signer.stats().dropped).toEqual({ 'transport/nip04': 3, 'transport/nip44': 3 })
  expect(old.client.answers.every(({ scheme }) => scheme === 'nip04')).toBe(true)
  expect(modern.client.answers.every(({ scheme }) => scheme === 'nip44')).toBe(true)
  await world.signer.close()
})

test('a message in the other scheme that arrives together with the connect is dropped', async () => {
  const world = await createWorld()
  const { uri, remoteSigner } = await world.signer.offer()
  const client = world.client(keyOf('mixed'))
  const join = client.sealed(JSON.stringify(connectTo(remoteSigner, secretOf(uri))), remoteSigner, 'nip44')
  const ping = client.sealed(JSON.stringify({ id: 'p', method: 'ping', params: [] }), remoteSigner, 'nip04')
  world.net.inject(RELAY, join)
  world.net.inject(RELAY, ping)
  await world.clock.settle()
  expect(client.answers).toMatchObject([{ result: 'ack', scheme: 'nip44' }])
  expect(world.signer.stats().dropped).toEqual({ 'transport/nip04': 1 })
  await world.signer.close()
})

test('connections in NIP-04 can be switched off', async () => {
  const world = await createWorld({ acceptNip04: false })
  const { uri, remoteSigner } = await world.signer.offer()
  const client = world.client(keyOf('old'))
  expect(await client.ask(connectTo(remoteSigner, secretOf(uri)), remoteSigner, 'nip04')).toBe(undefined)
  expect(world.signer.stats().dropped).toEqual({ 'transport/nip04': 1 })
  await world.signer.close()
})

test('a connected client presents another token: it keeps its session and gets the new grants too', async () => {
  const world = await createWorld({ keys: keyOf('signer') })
  const { client, to } = await connect(world, 'alice', [{ method: 'sign_event', kind: 1 }])
  const more = await world.signer.offer({ granted: [{ method: 'nip44_encrypt' }] })
  expect(await client.ask({ ...connectTo(to, secretOf(more.uri)), id: 'again' }, to)).toMatchObject({
    result: 'ack',
  })
  expect(world.signer.sessions()).toMatchObject([
    { granted: [{ method: 'sign_event', kind: 1 }, { method: 'nip44_encrypt' }] },
  ])
  await world.signer.close()
})

// -- nostrconnect:// ---------------------------------------------------------------------------

function invitation(world: World, name: string, change: Partial<NewOffer> = {}) {
  const client = world.client(keyOf(name), { relays: [RELAY_2] })
  const uri = encodeNostrConnectUri({
    clientPubkey: client.pubkey,
    relays: [RELAY_2],
    secret: '0s8j2djs',
    metadata: { name: 'Client' },
    perms: 'sign_event:1',
    ...change,
  })
  return { client, uri }
}

test('an accepted nostrconnect:// offer is answered with its secret, on its relays, until the client is heard', async () => {
  const world = await createWorld()
  const { client, uri } = invitation(world, 'alice')
  const session = await world.signer.accept(uri, { approved: true, granted: EVERYTHING })
  await world.clock.settle()
  expect(session).toMatchObject({
    phase: 'unconfirmed',
    relays: [RELAY_2, RELAY],
    metadata: { name: 'Client' },
  })
  expect(client.answers).toMatchObject([{ result: '0s8j2djs', from: session.signerPubkey }])
  await world.clock.run(20_000)
  expect(client.answers.map(({ result }) => result)).toEqual(Array(4).fill('0s8j2djs'))
  expect(await client.ask({ id: 'p', method: 'ping', params: [] }, session.signerPubkey)).toMatchObject({
    result: 'pong',
  })
  expect(world.signer.sessions()).toMatchObject([
    { phase: 'open', requested: [{ method: 'sign_event', kind: 1 }] },
  ])
  expect(world.events.map(({ type }) => type)).toContain('session-confirmed')
  await world.clock.run(400_000)
  expect(client.answers).toHaveLength(5)
  expect(world.signer.sessions()).toHaveLength(1)
  await world.signer.close()
})

test('an offer whose client never comes is forgotten', async () => {
  const world = await createWorld()
  const { uri } = invitation(world, 'alice')
  await world.signer.accept(uri, { approved: true })
  await world.clock.run(300_000)
  expect(world.signer.sessions()).toEqual([])
  expect(world.events.at(-1)).toMatchObject({ type: 'session-ended', reason: 'client-never-came' })
  await world.signer.close()
})

test('nothing is announced before a relay delivers for the new key', async () => {
  const world = await createWorld()
  world.net.down(RELAY)
  world.net.down(RELAY_2)
  await world.clock.settle()
  const { uri } = invitation(world, 'alice')
  let published = 0
  world.signer.on((event) => {
    if (event.type === 'answered') published += 1
  })
  const accepted = world.signer.accept(uri, { approved: true })
  await world.clock.run(1_000)
  expect(published).toBe(0)
  world.net.up(RELAY_2)
  await accepted
  await world.clock.settle()
  expect(published).toBe(1)
  await world.signer.close()
})

test('the approver is asked before an offer is accepted, and its no is a rejection', async () => {
  const asked: Question[] = []
  const world = await createWorld({
    approver: approver(async (question) => {
      asked.push(question)
      return { allow: asked.length > 1, grant: [{ method: 'nip44_encrypt' }] }
    }),
  })
  const { client, uri } = invitation(world, 'alice')
  await expect(world.signer.accept(uri)).rejects.toMatchObject({
    name: 'RemoteSignerError',
    code: 'approval/denied',
  })
  expect(client.answers).toEqual([])
  expect(asked).toMatchObject([{ type: 'connect', clientPubkey: client.pubkey, relays: [RELAY_2] }])
  await expect(
    world.signer.accept(uri, { granted: [{ method: 'sign_event', kind: 7 }] }),
  ).resolves.toMatchObject({
    granted: [{ method: 'sign_event', kind: 7 }, { method: 'nip44_encrypt' }],
  })
  await world.signer.close()
})

test('an offer that nobody decides on is rejected after the time for decisions', async () => {
  const world = await createWorld({
    approver: approver(() => new Promise(() => undefined)),
    decisionTimeoutMs: 5_000,
  })
  const { uri } = invitation(world, 'alice')
  const accepted = world.signer.accept(uri)
  const outcome = accepted.catch((error: unknown) => error)
  await world.clock.run(4_999)
  expect(world.signer.stats().waiting.questions).toBe(1)
  await world.clock.run(1)
  expect(await outcome).toMatchObject({ code: 'approval/timeout' })
  expect(world.signer.stats().waiting.questions).toBe(0)
  await world.signer.close()
})

test('an offer of 2024-02 comes without a secret, is answered with ack, and speaks NIP-04', async () => {
  const world = await createWorld()
  const client = world.client(keyOf('old'), { relays: [RELAY_2] })
  const uri = `nostrconnect://${client.pubkey}?relay=${encodeURIComponent(RELAY_2)}&metadata=%7B%22name%22%3A%22%22%7D`
  await expect(world.signer.accept(uri, { approved: true })).rejects.toMatchObject({ code: 'uri/secret' })
  const session = await world.signer.accept(uri, { approved: true, scheme: 'nip04', era: 'SEED' })
  await world.clock.settle()
  expect(client.answers).toMatchObject([{ result: 'ack', scheme: 'nip04' }])
  expect(
    await client.ask({ id: 'p', method: 'ping', params: [] }, session.signerPubkey, 'nip04'),
  ).toMatchObject({
    result: 'pong',
    scheme: 'nip04',
  })
  await world.signer.close()
})

test('URIs that cannot be accepted say why', async () => {
  const world = await createWorld()
  const { uri } = invitation(world, 'alice')
  const own = encodeNostrConnectUri({ clientPubkey: world.user.pubkey, relays: [RELAY], secret: 's' })
  const bad: [string, string][] = [
    ['', 'uri/empty'],
    [uri.replace('nostrconnect', 'bunker'), 'uri/scheme'],
    [uri.replace(/relay=[^&]*/, ''), 'uri/no-relay'],
    [own, 'uri/self'],
  ]
  for (const [text, code] of bad) {
    const error = await world.signer.accept(text, { approved: true }).catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(RemoteSignerError)
    expect(error).toMatchObject({ code })
  }
  expect(world.signer.sessions()).toEqual([])
  await world.signer.close()
})

test('a user that is not here cannot be offered, and a look-up needs to be told whose key', async () => {
  const user = keyOf('user')
  const world = await createWorld()
  await expect(world.signer.offer({ user: keyOf('stranger').pubkey })).rejects.toMatchObject({
    code: 'user/unknown',
  })
  await world.signer.close()
  const { createRemoteSigner, localUserSigner } = await import('../src/index.ts')
  const { crypto } = await import('./world.ts')
  const own = localUserSigner(user, { crypto })
  const signer = createRemoteSigner({
    ...world.options,
    transport: world.net.connect(),
    userSigner: (pubkey) => (pubkey === user.pubkey ? own : undefined),
  })
  await signer.start()
  await expect(signer.offer()).rejects.toThrow('say whose key')
  await expect(signer.offer({ user: user.pubkey })).resolves.toMatchObject({
    uri: expect.stringMatching(/^bunker:/),
  })
  await signer.close()
})

test('switch_relays moves a client, and it is heard on both relays meanwhile', async () => {
  const world = await createWorld({ switchRelays: [RELAY_2] })
  const { client, to } = await connect(world, 'alice')
  const answer = await client.ask({ id: 'sw', method: 'switch_relays', params: [] }, to)
  expect(answer?.result).toBe('["wss://relay-two.example"]')
  const moved = world.client(client.key, { relays: [RELAY_2] })
  expect(await client.ask({ id: 'p1', method: 'ping', params: [] }, to)).toMatchObject({ result: 'pong' })
  expect(await moved.ask({ id: 'p2', method: 'ping', params: [] }, to)).toMatchObject({ result: 'pong' })
  expect(await moved.ask({ id: 'sw2', method: 'switch_relays', params: [] }, to)).toMatchObject({
    result: 'null',
  })
  expect(world.signer.sessions()).toMatchObject([{ relays: [RELAY_2] }])
  await world.signer.close()
})

test('get_relays is answered exactly when there is something to answer', async () => {
  const userRelays = { 'wss://mine.example': { read: true, write: false } }
  const world = await createWorld({ userRelays })
  const { client, to } = await connect(world, 'alice')
  const answer = await client.ask({ id: 'r', method: 'get_relays', params: [] }, to)
  expect(JSON.parse(String(answer?.result))).toEqual(userRelays)
  await world.signer.close()
})

test('a token planted by another process is good here, and its secret is kept nowhere', async () => {
  const signerKey = keyOf('signer')
  const world = await createWorld({ keys: signerKey, start: false })
  await plantOffer(world.store, {
    secret: 'planted-secret',
    signerPubkey: signerKey.pubkey,
    userPubkey: world.user.pubkey,
  })
  await world.signer.start()
  const client = world.client(keyOf('alice'))
  expect(await client.ask(connectTo(signerKey.pubkey, 'planted-secret'), signerKey.pubkey)).toMatchObject({
    result: 'ack',
  })
  expect(JSON.stringify(await world.store.load(0))).not.toContain('planted-secret')
  await world.signer.close()
})

test('a nostrconnect:// URI does not send a remote signer into its own machine or network', async () => {
  const world = await createWorld()
  const inside = ['ws://127.0.0.1:6379/', 'wss://10.0.0.1/', 'wss://localhost/'] as RelayUrl[]
  const { uri: mixed } = invitation(world, 'alice', { relays: [...inside, RELAY_2] })
  expect((await world.signer.accept(mixed, { approved: true })).relays).toEqual([RELAY_2, RELAY])
  const { uri: bad } = invitation(world, 'bob', { relays: inside })
  await expect(world.signer.accept(bad, { approved: true })).rejects.toMatchObject({
    code: 'uri/relay-invalid',
  })

  const home = 'ws://127.0.0.1:7777/' as RelayUrl
  const local = await createWorld({ relays: [home] })
  const { uri } = invitation(local, 'carol', { relays: inside })
  const accepted = local.signer.accept(uri, { approved: true })
  await local.clock.run(limits.LIVE_PATIENCE_MS)
  expect((await accepted).relays).toEqual([...inside, home])
})

test('other relays are for new connections; those that are there stay where they are', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  expect(() => world.signer.setRelays([])).toThrow('1 to')
  world.signer.setRelays([RELAY_2, RELAY_2])
  const { uri } = await world.signer.offer()
  expect(new URLSearchParams(uri.split('?')[1]).getAll('relay')).toEqual(['wss://relay-two.example'])
  expect(await client.ask({ id: 'ping', method: 'ping', params: [] }, to)).toMatchObject({ result: 'pong' })
  await world.signer.close()
})
