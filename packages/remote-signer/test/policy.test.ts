import type { JsonValue, Judge, JudgedRequest, Operation } from '@nip46/core'
import type { AuditRecord } from '@nip46/core/remote-signer'
import { expect, test } from 'vitest'
import { limits, type MemoryStore } from '../src/index.ts'
import {
  approver,
  connect,
  createWorld,
  keyOf,
  NOW_SECONDS,
  RELAY,
  secretOf,
  type World,
  type WorldOptions,
} from './world.ts'

const FRIEND = keyOf('friend').pubkey

/** Signs so many notes (kind 1) as the policy says, refuses to decrypt, asks about the rest. */
function notesJudge(change: Partial<Judge> = {}): Judge {
  return {
    judge({ operation, policy }) {
      const left = leftIn(policy)
      if (operation.method.endsWith('decrypt'))
        return { effect: 'deny', rule: 'no reading', error: 'denied: this policy lets nobody read' }
      if (operation.method !== 'sign_event' || operation.template.kind !== 1 || left === 0)
        return { effect: 'ask', rule: 'the rest', denial: null }
      return { effect: 'allow', rule: 'notes', policy: { left: left - 1 } }
    },
    approve: ({ policy }, remember) =>
      typeof remember === 'number' ? { left: leftIn(policy) + remember } : policy,
    facts: (operation) => ({
      chars: operation.method === 'sign_event' ? operation.template.content.length : 0,
    }),
    ...change,
  }
}

function leftIn(policy: JsonValue): number {
  return (policy as { readonly left: number } | null)?.left ?? 2
}

function sign(id: string, kind = 1) {
  const template = { kind, content: id, tags: [], created_at: NOW_SECONDS }
  return { id, method: 'sign_event', params: [JSON.stringify(template)] }
}

const decrypt = (id: string) => ({ id, method: 'nip44_decrypt', params: [FRIEND, 'x'] })

async function createPolicyWorld(change: WorldOptions = {}) {
  const world = await createWorld({ judge: notesJudge(), ...change })
  const { client, to } = await connect(world, 'alice', [])
  return { world, client, to }
}

/** What is on record of these types, without who and when. */
function records(world: World, ...types: readonly AuditRecord['type'][]) {
  return (world.store as MemoryStore).audit().flatMap((record) => {
    const { at: _, signerPubkey: __, userPubkey: ___, clientPubkey: ____, ...deed } = record
    return types.includes(record.type) ? [deed] : []
  })
}

test('the judge decides instead of the grants, what it counts is stored, and the record names rule and facts', async () => {
  const { world, client, to } = await createPolicyWorld()
  for (const id of ['one', 'four']) expect((await client.ask(sign(id), to))?.error).toBeUndefined()
  expect(world.signer.sessions()).toMatchObject([{ policy: { left: 0 } }])
  expect(await client.ask(sign('three'), to)).toMatchObject({ error: 'denied: the user said no' })
  expect(await client.ask(decrypt('d'), to)).toMatchObject({ error: 'denied: this policy lets nobody read' })
  const subject = { method: 'sign_event', kind: 1, eventId: expect.stringMatching(/^[0-9a-f]{64}$/) }
  const done = { type: 'performed', error: null, delivered: true, rule: 'notes' }
  expect(records(world, 'performed', 'refused', 'decided')).toEqual([
    { ...done, subject: { ...subject, facts: { chars: 3 } } },
    { ...done, subject: { ...subject, facts: { chars: 4 } } },
    { type: 'decided', subject: { ...subject, facts: { chars: 5 } }, allow: false, granted: [] },
    {
      ...{ type: 'refused', error: 'denied: this policy lets nobody read', rule: 'no reading' },
      subject: { method: 'nip44_decrypt', peer: FRIEND, facts: { chars: 0 } },
    },
  ])
  const told = world.events.filter(({ type }) => type === 'refused')
  expect(told).toMatchObject([{ clientPubkey: client.pubkey, rule: 'no reading' }])
  await world.signer.close()
})

test('after a restart a policy goes on where it was', async () => {
  const { world, client, to } = await createPolicyWorld()
  await client.ask(sign('one'), to)
  await world.signer.close()
  const again = await world.restart()
  expect(again.signer.sessions()).toMatchObject([{ policy: { left: 1 } }])
  expect((await client.ask(sign('two'), to))?.error).toBeUndefined()
  expect((await client.ask(sign('three'), to))?.error).toContain('denied')
  await again.signer.close()
})

test('what a person wants remembered reaches the judge and the record', async () => {
  const decide = approver(async () => ({ allow: true, remember: 5 }))
  const { world, client, to } = await createPolicyWorld({ approver: decide })
  expect((await client.ask(sign('x', 7), to))?.error).toBeUndefined()
  expect(world.signer.sessions()).toMatchObject([{ policy: { left: 7 } }])
  expect(records(world, 'decided', 'performed')).toMatchObject([
    { type: 'decided', allow: true, remember: 5 },
    { type: 'performed', rule: null },
  ])
  await world.signer.close()
})

test('a policy comes with a token, an acceptance, or the yes to a connection', async () => {
  const world = await createWorld({
    judge: notesJudge(),
    approver: approver(async () => ({ allow: true, policy: { left: 30 } })),
  })
  const policyOf = (name: string) =>
    world.signer.sessions().find(({ clientPubkey }) => clientPubkey === keyOf(name).pubkey)?.policy
  const { uri, remoteSigner, token } = await world.signer.offer({ policy: { left: 10 } })
  expect(world.signer.offers()).toMatchObject([{ token, policy: { left: 10 } }])
  const connectOver = async (name: string, to: typeof remoteSigner, link: string) =>
    world.client(keyOf(name)).ask({ id: 'c', method: 'connect', params: [to, secretOf(link)] }, to)
  await connectOver('a', remoteSigner, uri)
  expect(policyOf('a')).toEqual({ left: 10 })
  const asking = await world.signer.offer({ policy: { left: 20 }, approval: 'ask' })
  await connectOver('b', asking.remoteSigner, asking.uri)
  expect(policyOf('b')).toEqual({ left: 30 })
  const link = (name: string) =>
    `nostrconnect://${keyOf(name).pubkey}?relay=${encodeURIComponent(RELAY)}&secret=0123456789`
  await world.signer.accept(link('c'), { policy: { left: 40 }, approved: true })
  expect(policyOf('c')).toEqual({ left: 40 })
  await world.signer.accept(link('d'), { policy: { left: 40 } })
  expect(policyOf('d')).toEqual({ left: 30 })
  await world.signer.close()
})

test('setPolicy changes the policy as it is now, and what comes after is judged by it', async () => {
  const { world, client, to } = await createPolicyWorld()
  await client.ask(sign('one'), to)
  const given: JsonValue[] = []
  const changed = await world.signer.setPolicy(client.pubkey, (policy) => {
    given.push(policy)
    return { left: 0 }
  })
  expect([changed, given]).toEqual([1, [{ left: 1 }]])
  expect((await client.ask(sign('two'), to))?.error).toContain('denied')
  expect(records(world, 'policy-changed')).toEqual([{ type: 'policy-changed' }])
  // The same policy again is no change, and an unknown client has none.
  expect(await world.signer.setPolicy(client.pubkey, (policy) => policy)).toBe(1)
  expect(records(world, 'policy-changed')).toHaveLength(1)
  expect(await world.signer.setPolicy(FRIEND, () => null)).toBe(0)
  await world.signer.close()
})

test('what setPolicy is given wrong comes back to its caller, and nothing is changed', async () => {
  const { world, client, to } = await createPolicyWorld()
  const fault = new Error('no such rule')
  await expect(
    world.signer.setPolicy(client.pubkey, () => {
      throw fault
    }),
  ).rejects.toBe(fault)
  const nothing = () => undefined as unknown as JsonValue
  await expect(world.signer.setPolicy(client.pubkey, nothing)).rejects.toThrow('return the policy, or null')
  expect((await client.ask(sign('one'), to))?.error).toBeUndefined()
  expect(world.signer.stats().failures).toEqual({})
  await world.signer.close()
})

test('setPolicy takes a change of another process as its base, and rejects if nothing can be stored', async () => {
  const key = keyOf('one signer key')
  const world = await createWorld({ judge: notesJudge(), keys: key })
  const { client, to } = await connect(world, 'alice', [])
  // Another process stores a count that this one has not heard of.
  const [stored] = (await world.store.load(world.clock.now())).sessions
  if (stored === undefined) throw new Error('no session')
  const { revision, value } = stored
  const after = { ...value, policy: { left: 7 } }
  const { signerPubkey, clientPubkey } = value
  const session = { signerPubkey, clientPubkey, revision, before: value, after }
  await world.store.commit([{ session }], world.clock.now())
  await world.signer.setPolicy(client.pubkey, (policy) => ({ left: leftIn(policy) + 1 }))
  expect(world.signer.sessions()).toMatchObject([{ policy: { left: 8 } }])
  expect((await client.ask(sign('one'), to))?.error).toBeUndefined()

  const { commit } = world.store
  world.store.commit = () => Promise.reject(new Error('disk full'))
  await expect(world.signer.setPolicy(client.pubkey, () => null)).rejects.toMatchObject({
    code: 'store/failed',
  })
  world.store.commit = commit
  expect(world.signer.sessions()).toMatchObject([{ policy: { left: 7 } }])
  await world.signer.close()
})

test('a judge that throws denies, is reported, and stops nobody else', async () => {
  const boom = (): never => {
    throw new Error('boom')
  }
  const broken = (operation: Operation) => operation.method === 'sign_event' && operation.template.kind === 4
  const { judge, approve, facts } = notesJudge()
  const failing: Judge = {
    judge: (request: JudgedRequest) => (broken(request.operation) ? boom() : judge(request)),
    approve: (request, remember) => (remember === 'boom' ? boom() : approve(request, remember)),
    facts: (operation) => (broken(operation) ? boom() : facts(operation)),
  }
  const { world, client, to } = await createPolicyWorld({
    judge: failing,
    approver: approver(async () => ({ allow: true, remember: 'boom' })),
  })
  expect(await client.ask(sign('x', 4), to)).toMatchObject({ error: 'internal: the policy failed' })
  expect((await client.ask(sign('y', 7), to))?.error).toBeUndefined()
  expect((await client.ask(sign('z'), to))?.error).toBeUndefined()
  expect(world.signer.stats().failures).toEqual({ judge: 3 })
  expect(records(world, 'refused')).toMatchObject([{ rule: 'the judge failed', subject: { facts: null } }])
  await world.signer.close()
})

test('a client cannot fill the records with refusals: past the limit they are counted, in one record', async () => {
  const { world, client, to } = await createPolicyWorld()
  let serial = 0
  const refuse = async (count: number) => {
    for (let i = 0; i < count; i++) await client.send(decrypt(`d${serial++}`), to)
  }
  await refuse(limits.REFUSALS_RECORDED)
  expect(records(world, 'refused')).toHaveLength(limits.REFUSALS_RECORDED)
  const since = world.clock.now()
  await refuse(5)
  expect(records(world, 'refused', 'refusals-omitted')).toHaveLength(limits.REFUSALS_RECORDED)
  expect(world.events.filter(({ type }) => type === 'refused')).toHaveLength(limits.REFUSALS_RECORDED + 5)
  await world.clock.run(limits.REFUSALS_WINDOW_MS)
  await refuse(1)
  expect(records(world, 'refusals-omitted')).toEqual([{ type: 'refusals-omitted', count: 5, since }])
  expect(records(world, 'refused')).toHaveLength(limits.REFUSALS_RECORDED + 1)

  // What nothing follows is put on record by the next sweep, or by the end of the session.
  await refuse(limits.REFUSALS_RECORDED + 2)
  await world.clock.run(limits.SWEEP_MS)
  expect(records(world, 'refusals-omitted').at(-1)).toMatchObject({ count: 3 })
  await refuse(limits.REFUSALS_RECORDED + 4)
  await world.signer.revoke(client.pubkey)
  expect(records(world, 'refusals-omitted', 'session-ended').slice(-2)).toMatchObject([
    { count: 4 },
    { type: 'session-ended' },
  ])
  await world.signer.close()
})
