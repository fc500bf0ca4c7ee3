import { type Deliberation, err, ok, type Question, type Result, type Verdict } from '@nip46/core'
import { expect, test } from 'vitest'
import { dangerouslyAllowAll, denyAll, limits } from '../src/index.ts'
import { approver, connect, createWorld, EVERYTHING, keyOf, NOW_SECONDS, secretOf } from './world.ts'

const PAGE = 'https://signer.example/approve?x=1'

function sign(id: string, kind = 1) {
  const template = { kind, content: id, tags: [], created_at: NOW_SECONDS }
  return { id, method: 'sign_event', params: [JSON.stringify(template)] }
}

/** An approver that a test decides for, question by question. */
function patient() {
  const open: { question: Question; deliberation: Deliberation; decide: (verdict: Verdict) => void }[] = []
  const decide = (question: Question, deliberation: Deliberation) =>
    new Promise<Verdict>((resolve) => open.push({ question, deliberation, decide: resolve }))
  return { open, approver: approver(decide) }
}

test('what was not granted is asked about, and a yes may grant it for the next time', async () => {
  const { open, approver } = patient()
  const world = await createWorld({ approver })
  const { client, to } = await connect(world, 'alice', [])
  await client.send(sign('one'), to)
  expect(open).toMatchObject([
    { question: { type: 'operation', operation: { template: { content: 'one' } } } },
  ])
  expect(world.performed()).toBe(0)
  open[0]?.decide({ allow: true, grant: [{ method: 'sign_event', kind: 1 }] })
  await world.clock.settle()
  expect(client.answers.at(-1)).toMatchObject({ id: 'one' })
  expect(await client.ask(sign('two'), to)).toMatchObject({ id: 'two' })
  expect(open).toHaveLength(1)
  await client.send(sign('three', 7), to)
  expect(open).toHaveLength(2)
  await world.signer.close()
})

test('whoever decides is told whose key it is about, and when it is too late, also after a restart', async () => {
  const { open, approver } = patient()
  const world = await createWorld({ approver })
  const { client, to } = await connect(world, 'alice', [])
  await client.send(sign('one'), to)
  const now = NOW_SECONDS * 1_000
  expect(open[0]?.deliberation).toMatchObject({ userPubkey: world.user.pubkey, expiresAt: now + 60_000 })
  const restarted = await world.restart()
  await world.clock.settle()
  expect(open[1]?.deliberation).toMatchObject({ userPubkey: world.user.pubkey, expiresAt: now + 60_000 })
  await restarted.signer.close()
  await world.signer.close()
})

test('an approver that throws, rejects or answers nonsense says no', async () => {
  const deciders = [
    () => {
      throw new Error('broken')
    },
    () => Promise.reject(new Error('broken')),
    () => Promise.resolve(undefined as unknown as Verdict),
    () => Promise.resolve({ allow: 'yes' } as unknown as Verdict),
    () => Promise.resolve(null as unknown as Verdict),
  ]
  for (const decide of deciders) {
    const world = await createWorld({ approver: approver(decide) })
    const { client, to } = await connect(world, 'alice', [])
    expect(await client.ask(sign('one'), to)).toMatchObject({ error: 'denied: the user said no' })
    expect(world.performed()).toBe(0)
    await world.signer.close()
  }
})

test('a reason given is passed on, as a denial', async () => {
  const world = await createWorld({ approver: approver(async () => ({ allow: false, reason: 'not today' })) })
  const { client, to } = await connect(world, 'alice', [])
  expect(await client.ask(sign('one'), to)).toMatchObject({ error: 'denied: not today' })
  await world.signer.close()
})

test('a decision that never comes runs out, its prompt is taken away, and a late yes does nothing', async () => {
  const { open, approver } = patient()
  const world = await createWorld({ approver })
  const { client, to } = await connect(world, 'alice', [])
  await client.send(sign('one'), to)
  await world.clock.run(59_999)
  expect(client.answers).toHaveLength(1)
  expect(open[0]?.deliberation.signal.aborted).toBe(false)
  await world.clock.run(1)
  expect(client.answers.at(-1)).toMatchObject({ id: 'one', error: 'timeout: no approval' })
  expect(open[0]?.deliberation.signal.aborted).toBe(true)
  open[0]?.decide({ allow: true })
  await world.clock.settle()
  expect(world.performed()).toBe(0)
  expect(client.answers).toHaveLength(2)
  await world.signer.close()
})

test('a late yes does not decide another question under the same id', async () => {
  const { open, approver } = patient()
  const world = await createWorld({ approver })
  const { client, to } = await connect(world, 'alice', [])
  await client.send(sign('same', 1), to)
  await world.clock.run(60_000)
  await client.send(sign('same', 7), to)
  expect(open).toHaveLength(2)
  open[0]?.decide({ allow: true })
  await world.clock.settle()
  expect(world.performed()).toBe(0)
  open[1]?.decide({ allow: true })
  await world.clock.settle()
  expect(world.performed()).toBe(1)
  expect(JSON.parse(String(client.answers.at(-1)?.result))).toMatchObject({ kind: 7 })
  await world.signer.close()
})

test('a late yes to one connection does not open the next one', async () => {
  const { open, approver } = patient()
  const world = await createWorld({ approver })
  const { uri, remoteSigner } = await world.signer.offer({ approval: 'ask' })
  const client = world.client(keyOf('alice'))
  const join = (id: string) => ({ id, method: 'connect', params: [remoteSigner, secretOf(uri)] })
  await client.send(join('one'), remoteSigner)
  await world.clock.run(60_000)
  expect(client.answers).toMatchObject([{ id: 'one', error: 'timeout: no approval' }])
  await client.send(join('two'), remoteSigner)
  expect(open).toHaveLength(2)
  open[0]?.decide({ allow: true })
  await world.clock.settle()
  expect(world.signer.sessions()).toMatchObject([{ phase: 'pairing' }])
  await world.signer.close()
})

test('a client is sent to a page once, and its request waits longer for the verdict', async () => {
  const { open, approver } = patient()
  const world = await createWorld({ approver })
  const { client, to } = await connect(world, 'alice', [])
  client.answers.splice(0)
  await client.send(sign('one'), to)
  for (let i = 0; i < 3; i++) open[0]?.deliberation.challenge(PAGE)
  await world.clock.settle()
  await client.send(sign('one'), to)
  expect(client.answers).toMatchObject([{ id: 'one', result: 'auth_url', error: PAGE }])
  await world.clock.run(299_000)
  open[0]?.decide({ allow: true })
  await world.clock.settle()
  expect(client.answers).toHaveLength(2)
  expect(JSON.parse(String(client.answers[1]?.result))).toMatchObject({ content: 'one' })
  await world.signer.close()
})

test('a client that wants to connect is sent to a page once too', async () => {
  const { open, approver } = patient()
  const world = await createWorld({ approver })
  const { uri, remoteSigner } = await world.signer.offer({ approval: 'ask' })
  const client = world.client(keyOf('alice'))
  await client.send({ id: 'c', method: 'connect', params: [remoteSigner, secretOf(uri)] }, remoteSigner)
  open[0]?.deliberation.challenge(PAGE)
  open[0]?.deliberation.challenge(PAGE)
  await world.clock.run(200_000)
  expect(client.answers).toMatchObject([{ id: 'c', result: 'auth_url', error: PAGE }])
  open[0]?.decide({ allow: true })
  await world.clock.settle()
  expect(client.answers).toMatchObject([{ result: 'auth_url' }, { id: 'c', result: 'ack' }])
  await world.signer.close()
})

test('pages that clients would refuse are the host’s mistake', async () => {
  const { open, approver } = patient()
  const world = await createWorld({ approver })
  const { client, to } = await connect(world, 'alice', [])
  await client.send(sign('one'), to)
  const challenge = open[0]?.deliberation.challenge
  for (const url of [
    'javascript:alert(1)',
    'http://signer.example/',
    'https://user:pass@signer.example/',
    'not a url',
    `https://signer.example/${'x'.repeat(2_048)}`,
  ]) {
    expect(() => challenge?.(url)).toThrow('a page is an https:// URL')
  }
  expect(() => challenge?.('http://127.0.0.1:8080/approve')).not.toThrow()
  await world.signer.close()
})

test('nip44_get_key is unknown by default; switched on, it asks every time and is never remembered', async () => {
  const request = (id: string) => ({ id, method: 'nip44_get_key', params: [keyOf('third').pubkey] })
  const off = await createWorld({ approver: dangerouslyAllowAll })
  const session = await connect(off, 'alice')
  expect(await session.client.ask(request('k'), session.to)).toMatchObject({
    error: 'unsupported: unknown method',
  })
  await off.signer.close()

  let questions = 0
  const world = await createWorld({
    nip44GetKey: true,
    approver: approver(async () => {
      questions += 1
      return { allow: questions < 3, grant: [{ method: 'nip44_get_key' }] }
    }),
  })
  const { client, to } = await connect(world, 'alice', [...EVERYTHING, { method: 'nip44_get_key' }])
  const key = world.user.conversation(keyOf('third').pubkey)
  for (const id of ['a', 'b']) {
    expect(await client.ask(request(id), to)).toMatchObject({
      result: key.ok && key.value.dangerouslyExportKey(),
    })
  }
  expect(await client.ask(request('c'), to)).toMatchObject({ error: 'denied: the user said no' })
  expect(questions).toBe(3)
  await world.signer.close()
})

test('kind 24133 is signed for nobody, whoever says yes', async () => {
  const world = await createWorld({ approver: dangerouslyAllowAll })
  const { client, to } = await connect(world, 'alice', [...EVERYTHING, { method: 'sign_event', kind: 24133 }])
  expect(await client.ask(sign('one', 24133), to)).toMatchObject({
    error: 'denied: kind 24133 is never signed (NIP-46)',
  })
  expect(world.performed()).toBe(0)
  await world.signer.close()
})

test('nothing is encrypted or decrypted for a key that is or was the client of a session', async () => {
  const world = await createWorld({ keys: keyOf('signer') })
  const alice = await connect(world, 'alice')
  const bob = await connect(world, 'bob')
  const request = (id: string) => ({ id, method: 'nip44_encrypt', params: [bob.client.pubkey, 'x'] })
  const denied = { error: 'denied: pubkey belongs to a NIP-46 session' }
  expect(await alice.client.ask(request('1'), alice.to)).toMatchObject(denied)
  await bob.client.ask({ id: 'bye', method: 'logout', params: [] }, bob.to)
  expect(world.signer.sessions()).toHaveLength(1)
  expect(await alice.client.ask(request('2'), alice.to)).toMatchObject(denied)
  await world.signer.close()
  const again = await world.restart()
  expect(await alice.client.ask(request('3'), alice.to)).toMatchObject(denied)
  expect(again.performed()).toBe(0)
  await again.signer.close()
})

// -- the user's key ----------------------------------------------------------------------------

test('a user signer that throws, rejects or resolves with nonsense is an internal error', async () => {
  const performers: (() => Promise<Result<string, string>>)[] = [
    () => {
      throw new Error('secret detail')
    },
    () => Promise.reject(new Error('secret detail')),
    () => Promise.resolve(undefined as unknown as Result<string, string>),
    () => Promise.resolve({ ok: true, value: 5 } as unknown as Result<string, string>),
  ]
  for (const perform of performers) {
    const world = await createWorld({ userSigner: (own) => ({ ...own, perform }) })
    const { client, to } = await connect(world, 'alice')
    expect(await client.ask(sign('one'), to)).toMatchObject({ result: '', error: 'internal: the key failed' })
    expect(JSON.stringify(client.answers)).not.toContain('secret detail')
    expect(world.signer.stats().failures).toEqual({ 'user-signer': 1 })
    await world.signer.close()
  }
})

test('a user signer says why it refuses', async () => {
  const world = await createWorld({
    userSigner: (own) => ({ ...own, perform: async () => err('unavailable: the key is locked') }),
  })
  const { client, to } = await connect(world, 'alice')
  expect(await client.ask(sign('one'), to)).toMatchObject({ error: 'unavailable: the key is locked' })
  await world.signer.close()
})

test('a key that never answers runs out, and what it does later leaves no more but stays on record', async () => {
  let finish: (outcome: Result<string, string>) => void = () => undefined
  const world = await createWorld({
    userSigner: (own) => ({ ...own, perform: () => new Promise((resolve) => (finish = resolve)) }),
  })
  const { client, to } = await connect(world, 'alice')
  await client.send(sign('one'), to)
  await world.clock.run(limits.OPERATION_TIMEOUT_MS - 1)
  expect(client.answers).toHaveLength(1)
  await world.clock.run(1)
  expect(client.answers.at(-1)).toMatchObject({ id: 'one', error: 'timeout: the key did not answer' })
  finish(ok('late'))
  await world.clock.settle()
  expect(client.answers).toHaveLength(2)
  const audit = (world.store as import('../src/index.ts').MemoryStore).audit()
  expect(audit.slice(-2)).toMatchObject([
    { type: 'performed', delivered: true, error: 'timeout: the key did not answer' },
    { type: 'performed', delivered: false, error: null },
  ])
  await world.signer.close()
})

test('answers too large for one event are errors, not events nobody takes', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  const peer = keyOf('third').pubkey
  const encrypt = (id: string, bytes: number) => ({
    id,
    method: 'nip44_encrypt',
    params: [peer, 'x'.repeat(bytes)],
  })
  expect(await client.ask(encrypt('fits', 28_672), to)).toMatchObject({ result: expect.stringMatching(/^A/) })
  expect(await client.ask(encrypt('over', 28_673), to)).toMatchObject({
    error: 'too-large: the answer does not fit into one event',
  })
  await world.signer.close()
})

test('approvers that come with the package say no, and yes', async () => {
  const question: Question = {
    type: 'operation',
    clientPubkey: keyOf('alice').pubkey,
    operation: { method: 'nip44_get_key', peer: keyOf('bob').pubkey },
  }
  const deliberation: Deliberation = { challenge: () => undefined, signal: new AbortController().signal }
  expect(await denyAll.decide(question, deliberation)).toEqual({ allow: false })
  expect(await dangerouslyAllowAll.decide(question, deliberation)).toEqual({ allow: true })
})
