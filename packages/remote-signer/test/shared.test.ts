import type { Approver, SignedEvent } from '@nip46/core'
import { createFakeClock } from '@nip46/testing'
import { expect, test } from 'vitest'
import { limits } from '../src/index.ts'
import { type SharedMember, type SharedStore, sharedStore } from './shared-store.ts'
import {
  approver,
  type connect,
  createWorld,
  keyOf,
  NOW_SECONDS,
  RELAY,
  secretOf,
  type World,
  type WorldOptions,
} from './world.ts'

function sign(id: string, kind = 1) {
  const template = { kind, content: id, tags: [], created_at: NOW_SECONDS }
  return { id, method: 'sign_event', params: [JSON.stringify(template)] }
}

interface Daemon {
  readonly world: World
  readonly member: SharedMember
}

interface Daemons {
  readonly shared: SharedStore
  readonly first: Daemon
  readonly second: Daemon
  readonly add: (change?: WorldOptions, instance?: string) => Promise<Daemon>
  readonly close: () => Promise<void>
}

async function createDaemons(options: WorldOptions = {}): Promise<Daemons> {
  const shared = sharedStore()
  const opened: Daemon[] = []
  const open = async (change: WorldOptions = {}, instance?: string): Promise<Daemon> => {
    const member = shared.open(instance)
    const [first] = opened
    const world =
      first === undefined
        ? await createWorld({ ...options, ...change, store: member.store })
        : await createWorld({
            ...options,
            ...change,
            store: member.store,
            net: first.world.net,
            fakeClock: first.world.clock,
            user: first.world.user,
          })
    const daemon = { world, member }
    opened.push(daemon)
    return daemon
  }
  const first = await open()
  const second = await open()
  await first.world.clock.settle()
  return {
    shared,
    first,
    second,
    add: open,
    async close() {
      for (const { world } of opened) {
        const closed = world.signer.close()
        await world.clock.run(limits.CLOSE_PATIENCE_MS)
        await closed
      }
    },
  }
}

/** Connects so many clients over the first daemon, and lets the second learn of them. */
async function connectMany({ world }: Daemon, count: number, granted?: Parameters<typeof connect>[2]) {
  const made: Awaited<ReturnType<typeof connect>>[] = []
  for (let i = 0; i < count; i++) made.push(await connectSlowly(world, `client ${i}`, granted))
  await world.clock.run(2 * limits.FOLLOW_EVERY_MS)
  return made
}

/** The daemon that serves it may be the one that made the offer or the other, after a while. */
async function connectSlowly(world: World, name: string, granted: Parameters<typeof connect>[2]) {
  const { uri, remoteSigner } = await world.signer.offer(
    granted === undefined ? { granted: [{ method: 'sign_event' }] } : { granted },
  )
  await world.clock.run(2 * limits.FOLLOW_MS)
  const client = world.client(keyOf(name))
  await client.send(
    { id: `connect ${name}`, method: 'connect', params: [remoteSigner, secretOf(uri)] },
    remoteSigner,
  )
  await world.clock.run(2 * limits.TAKE_OVER_MS)
  if (client.answers.length !== 1) throw new Error(`${name}: ${JSON.stringify(client.answers)}`)
  client.answers.splice(0)
  return { client, to: remoteSigner }
}

test('two daemons share the sessions: each request is signed once, by one of them, and opened by one only', async () => {
  const daemons = await createDaemons()
  const { first, second } = daemons
  const clients = await connectMany(first, 12)
  const before = [first, second].map(({ world }) => world.signer.stats().opened)
  for (let i = 0; i < 5; i++) {
    for (const [c, { client, to }] of clients.entries()) await client.send(sign(`s${c}-${i}`), to)
  }
  // At once, though nobody waited for anything.
  for (const { client } of clients) {
    expect(client.answers.map(({ error }) => error)).toEqual(Array(5).fill(undefined))
  }
  const performed = [first, second].map(({ world }) => world.performed())
  expect(performed.reduce((sum, each) => sum + each)).toBe(60)
  expect(Math.min(...performed)).toBeGreaterThan(0)
  await first.world.clock.run(5_000)
  const opened = [first, second].map(({ world }, i) => world.signer.stats().opened - (before[i] ?? 0))
  expect(opened).toEqual(performed)
  for (const { client } of clients) expect(client.answers).toHaveLength(5)
  expect([first, second].map(({ world }) => world.signer.stats().waiting.leftToOthers)).toEqual([0, 0])
  await daemons.close()
})

test('a daemon that hears nothing is stood in for after a short while, and one that died at once after its lease', async () => {
  const daemons = await createDaemons()
  const { first, second } = daemons
  const clients = await connectMany(first, 8)
  const { clock } = first.world
  second.member.die()
  for (const [c, { client, to }] of clients.entries()) await client.send(sign(`a${c}`), to)
  const answered = () => clients.filter(({ client }) => client.answers.length > 0).length
  const own = answered()
  expect(own).toBeGreaterThan(0)
  expect(own).toBeLessThan(8)
  await clock.run(limits.TAKE_OVER_MS)
  expect(answered()).toBe(8)
  second.member.expire()
  await clock.settle()
  for (const { client } of clients) client.answers.splice(0)
  for (const [c, { client, to }] of clients.entries()) await client.send(sign(`b${c}`), to)
  expect(answered()).toBe(8)
  await first.world.signer.close()
})

test('what a daemon had claimed or committed when it died is finished by the other, once', async () => {
  const daemons = await createDaemons({
    userSigner: (own) => ({
      ...own,
      perform: (operation) => hold(operation.method) ?? own.perform(operation),
    }),
  })
  let holding = false
  function hold(_method: string) {
    return holding ? new Promise<never>(() => undefined) : undefined
  }
  const { first, second } = daemons
  const clients = await connectMany(first, 8)
  const { clock } = first.world
  holding = true
  for (const [c, { client, to }] of clients.entries()) await client.send(sign(`k${c}`), to)
  await clock.run(3_000)
  for (const { client } of clients) expect(client.answers).toEqual([])
  const before = second.world.performed()
  first.member.die()
  holding = false
  first.member.expire()
  await clock.settle()
  const taken = second.world.performed() - before
  expect(taken).toBeGreaterThan(0)
  expect(taken).toBeLessThan(8)
  const answered = clients.filter(({ client }) => client.answers.length === 1)
  expect(answered).toHaveLength(taken)
  await second.world.signer.close()
})

test('an answer that was stored and not published is published by the other once the first is gone', async () => {
  const daemons = await createDaemons()
  const { first, second } = daemons
  const clients = await connectMany(first, 6)
  const { clock } = first.world
  const { transport } = first.world.options
  ;(transport as { publish: unknown }).publish = () => new Promise(() => undefined)
  for (const [c, { client, to }] of clients.entries()) await client.send(sign(`o${c}`), to)
  await clock.run(3_000)
  const answered = () => clients.filter(({ client }) => client.answers.length > 0).length
  expect(answered()).toBeLessThan(6)
  const performed = first.world.performed() + second.world.performed()
  expect(performed).toBe(6)
  first.member.die()
  first.member.expire()
  await clock.settle()
  expect(answered()).toBe(6)
  expect(first.world.performed() + second.world.performed()).toBe(6)
  for (const { client } of clients) expect(client.answers).toHaveLength(1)
  await second.world.signer.close()
})

test('a revocation on one daemon counts on the other when it resolves', async () => {
  const daemons = await createDaemons()
  const { first, second } = daemons
  const clients = await connectMany(first, 6)
  const { clock } = first.world
  for (const { client, to } of clients) {
    expect(await second.world.signer.revoke(client.pubkey)).toBe(1)
    const before = daemons.shared.memory.audit().filter(({ type }) => type === 'performed').length
    await client.send(sign('late'), to)
    await clock.run(2 * limits.TAKE_OVER_MS)
    expect(client.answers).toMatchObject([{ id: 'late', error: 'unauthorized: session revoked' }])
    expect(daemons.shared.memory.audit().filter(({ type }) => type === 'performed')).toHaveLength(before)
  }
  expect(first.world.performed() + second.world.performed()).toBe(0)
  await clock.run(2 * limits.FOLLOW_EVERY_MS)
  expect(first.world.signer.sessions()).toEqual([])
  await daemons.close()
})

test('a revocation that is too late for a busy session again and again goes first', async () => {
  const daemons = await createDaemons()
  const { first, second } = daemons
  const { clock } = first.world
  const clients = await connectMany(first, 8)
  // The second one takes longer for a commit than the first one is ever idle.
  second.member.lag(() => new Promise((resolve) => clock.setTimer(resolve, 35)))
  let serial = 0
  const busy: typeof clients = []
  for (const each of clients) {
    const before = first.world.performed()
    await each.client.send(sign(`probe ${serial++}`), each.to)
    await clock.run(200)
    if (first.world.performed() > before) busy.push(each)
  }
  expect(busy.length).toBeGreaterThan(0)
  const work = async (until: () => boolean): Promise<void> => {
    for (let ticks = 0; ticks < 600 && !until(); ticks++) {
      for (const { client, to } of busy) await client.send(sign(`load ${serial++}`), to)
      await clock.run(10)
    }
  }
  const [one] = busy
  if (one === undefined) throw new Error('the first daemon serves nobody')
  let outcome: unknown
  const revoked = second.world.signer.revoke(one.client.pubkey).then(
    (count) => (outcome = count),
    (cause: unknown) => (outcome = cause),
  )
  await work(() => outcome !== undefined)
  await revoked
  expect(outcome).toBe(1)
  const performed = () =>
    daemons.shared.memory
      .audit()
      .filter(({ type, clientPubkey }) => type === 'performed' && clientPubkey === one.client.pubkey).length
  const then = performed()
  await one.client.send(sign('late'), one.to)
  await clock.run(2 * limits.FOLLOW_EVERY_MS)
  expect(performed()).toBe(then)
  await daemons.close()
})

test('a daemon that was asked to let another go first waits for it, and not for ever', async () => {
  const daemons = await createDaemons()
  const { first, second } = daemons
  const { clock } = first.world
  const [{ client, to } = missing()] = await connectMany(first, 1)
  await client.send(sign('before'), to)
  await clock.run(2 * limits.TAKE_OVER_MS)
  const [serving, asking] = first.world.performed() > 0 ? [first, second] : [second, first]
  client.answers.splice(0)
  const ask = () =>
    asking.member.store.sharing?.requestTurn({ signerPubkey: to, clientPubkey: client.pubkey })
  await ask()
  await clock.settle()
  await client.send(sign('waits'), to)
  await clock.run(limits.TAKE_OVER_MS - 1)
  expect(client.answers).toEqual([])
  await clock.run(limits.TURN_MS + limits.TAKE_OVER_MS)
  expect(client.answers).toMatchObject([{ id: 'waits', result: expect.any(String) }])
  // Asked all the time, it still gets on.
  for (let at = 0; at < 10; at++) {
    await ask()
    await client.send(sign(`again ${at}`), to)
    await clock.run(limits.TURN_MS / 4)
  }
  await clock.run(2 * limits.TURN_MS + limits.TAKE_OVER_MS)
  expect(client.answers).toHaveLength(11)
  expect(serving.world.performed() + asking.world.performed()).toBe(12)
  await daemons.close()
})

test('a session that another daemon opened while a commit of its client was under way here is known here', async () => {
  const daemons = await createDaemons()
  const { first, second } = daemons
  const { clock } = first.world
  const names = Array.from({ length: 8 }, (_, i) => `late ${i}`)
  const offers = await Promise.all(
    names.map(() => first.world.signer.offer({ granted: [{ method: 'sign_event' }] })),
  )
  await clock.run(2 * limits.FOLLOW_MS)
  const letGo = second.member.holdCommits()
  for (const secret of ['f'.repeat(32), undefined]) {
    for (const [i, { uri, remoteSigner }] of offers.entries()) {
      const client = first.world.client(keyOf(names[i] ?? ''))
      const id = `${i} ${secret}`
      const params = [remoteSigner, secret ?? secretOf(uri)]
      await client.send({ id, method: 'connect', params }, remoteSigner)
    }
    await clock.run(3 * limits.TAKE_OVER_MS)
  }
  expect(first.world.signer.sessions()).toHaveLength(names.length)
  letGo()
  await clock.run(3 * limits.FOLLOW_EVERY_MS)
  expect(second.world.signer.sessions()).toHaveLength(names.length)
  await daemons.close()
})

test('a session that is being read while an event of its client is found to be claimed is known all the same', async () => {
  const daemons = await createDaemons()
  const { first, second } = daemons
  const { clock } = first.world
  const offers = await Promise.all(
    Array.from({ length: 8 }, () => first.world.signer.offer({ granted: [{ method: 'sign_event' }] })),
  )
  await clock.run(2 * limits.FOLLOW_MS)
  const letGo = second.member.holdReads()
  for (const [i, { uri, remoteSigner }] of offers.entries())
    await first.world
      .client(keyOf(`read ${i}`))
      .send({ id: `${i}`, method: 'connect', params: [remoteSigner, secretOf(uri)] }, remoteSigner)
  await clock.run(3 * limits.TAKE_OVER_MS)
  letGo()
  await clock.run(3 * limits.FOLLOW_EVERY_MS)
  for (const { world } of [first, second]) expect(world.signer.sessions()).toHaveLength(offers.length)
  await daemons.close()
})

test('a question is open on both daemons, whoever decides first decides, and the other takes its question back', async () => {
  const open = new Map<string, { yes: () => void; readonly signal: { readonly reason?: unknown } }>()
  const asking = (name: string): Approver =>
    approver(
      (_, { signal }) =>
        new Promise((resolve) => open.set(name, { yes: () => resolve({ allow: true }), signal })),
    )
  const shared = await createDaemons({ approver: asking('first') })
  const { first } = shared
  const third = await shared.add({ approver: asking('third') })
  const [{ client, to } = missing()] = await connectMany(first, 1, [])
  await client.send(sign('q'), to)
  await first.world.clock.run(2_000)
  expect([...open.keys()].sort()).toEqual(['first', 'third'])
  expect(third.world.signer.sessions()).toMatchObject([{ pending: 1 }])
  open.get('third')?.yes()
  await first.world.clock.run(2_000)
  expect(client.answers).toMatchObject([{ id: 'q', result: expect.stringContaining('"sig"') }])
  expect(open.get('first')?.signal).toMatchObject({ aborted: true, reason: 'elsewhere' })
  open.get('first')?.yes()
  await first.world.clock.run(2_000)
  expect(client.answers).toHaveLength(1)
  expect(shared.shared.memory.audit().filter(({ type }) => type === 'decided')).toHaveLength(1)
  await shared.close()
})

test('of two verdicts at the same moment on two daemons one counts, and each is told whether its own did', async () => {
  const open = new Map<string, { decide: (allow: boolean) => void; counted: Promise<boolean> | undefined }>()
  const asking = (name: string): Approver =>
    approver(
      (_, { counted }) =>
        new Promise((resolve) => open.set(name, { decide: (allow) => resolve({ allow }), counted })),
    )
  const shared = await createDaemons({ approver: asking('first') })
  const { first } = shared
  await shared.add({ approver: asking('third') })
  const [{ client, to } = missing()] = await connectMany(first, 1, [])
  for (const [turn, yes] of ['first', 'third'].entries()) {
    open.clear()
    await client.send(sign(`q${turn}`), to)
    await first.world.clock.run(2_000)
    for (const [name, { decide }] of open) decide(name === yes)
    await first.world.clock.run(2_000)
    const counted = await Promise.all([...open.values()].map((each) => each.counted))
    expect(counted.toSorted()).toEqual([false, true])
    const [winner] = [...open.keys()].filter((_, i) => counted[i] === true)
    expect(client.answers.splice(0)).toMatchObject([
      { id: `q${turn}`, [winner === yes ? 'result' : 'error']: expect.any(String) },
    ])
  }
  expect(shared.shared.memory.audit().filter(({ type }) => type === 'decided')).toHaveLength(2)
  await shared.close()
})

test('a daemon that was fenced commits nothing, joins again, and goes on with what is stored', async () => {
  for (const tell of [true, false]) {
    const daemons = await createDaemons()
    const { first, second } = daemons
    const clients = await connectMany(first, 6)
    const { clock } = first.world
    second.member.fence(tell)
    for (const [c, { client, to }] of clients.entries()) await client.send(sign(`f${c}`), to)
    await clock.run(5_000)
    for (const { client } of clients) expect(client.answers.map(({ error }) => error)).toEqual([undefined])
    const records = daemons.shared.memory.audit().filter(({ type }) => type === 'performed')
    expect(records).toHaveLength(6)
    // Back again: it serves its share.
    const before = second.world.performed()
    for (const [c, { client, to }] of clients.entries()) await client.send(sign(`g${c}`), to)
    await clock.run(100)
    for (const { client } of clients) expect(client.answers).toHaveLength(2)
    expect(second.world.performed()).toBeGreaterThan(before)
    expect(second.world.signer.stats().ailments).toEqual([])
    await daemons.close()
  }
})

test('a fenced daemon that cannot come back tells its clients so, and serves them when it can', async () => {
  const daemons = await createDaemons()
  const { first, second } = daemons
  const clients = await connectMany(first, 6)
  const { clock } = first.world
  first.member.cut(true)
  second.member.cut(true)
  first.member.fence(true)
  second.member.fence(true)
  await clock.run(1_000)
  expect(first.world.signer.stats().ailments).toEqual(['store'])
  for (const [c, { client, to }] of clients.entries()) await client.send(sign(`u${c}`), to)
  await clock.run(10_000)
  for (const { client } of clients)
    expect(client.answers[0]).toMatchObject({ error: 'unavailable: storage cannot be written' })
  first.member.cut(false)
  second.member.cut(false)
  await clock.run(10_000)
  for (const { client } of clients) client.answers.splice(0)
  for (const [c, { client, to }] of clients.entries()) await client.send(sign(`v${c}`), to)
  await clock.run(100)
  for (const { client } of clients) expect(client.answers.map(({ error }) => error)).toEqual([undefined])
  expect(first.world.signer.stats().ailments).toEqual([])
  await daemons.close()
})

test('a daemon that comes back under its name takes its sessions over at once, though its lease has not run out', async () => {
  const daemons = await createDaemons()
  const third = await daemons.add({}, 'third')
  const clients = await connectMany(daemons.first, 12)
  const { clock } = third.world
  third.member.die()
  for (const [c, { client, to }] of clients.entries()) await client.send(sign(`d${c}`), to)
  const again = await daemons.add({}, 'third')
  const before = again.world.performed()
  for (const [c, { client, to }] of clients.entries()) await client.send(sign(`e${c}`), to)
  // Shorter than anybody stands in for a member that is thought to be alive.
  await clock.run(limits.TAKE_OVER_MS / 3)
  const answered = clients.filter(({ client }) => client.answers.some(({ id }) => id?.startsWith('e')))
  expect(answered).toHaveLength(clients.length)
  expect(again.world.performed()).toBeGreaterThan(before)
  await clock.run(10_000)
  for (const { client } of clients)
    expect(client.answers.map(({ error }) => error)).toEqual([undefined, undefined])
  expect(daemons.shared.memory.audit().filter(({ type }) => type === 'performed')).toHaveLength(24)
  await daemons.close()
})

test('of two daemons with one name the older one closes, says why, and answers nobody any more', async () => {
  const daemons = await createDaemons()
  const clients = await connectMany(daemons.first, 6)
  const older = await daemons.add({}, 'one')
  const newer = await daemons.add({}, 'one')
  const { clock } = older.world
  for (const [c, { client, to }] of clients.entries()) await client.send(sign(`o${c}`), to)
  const offering = expect(older.world.signer.offer()).rejects.toMatchObject({ code: 'store/superseded' })
  await clock.run(5_000)
  await offering
  for (const { client } of clients) expect(client.answers.map(({ error }) => error)).toEqual([undefined])
  expect(older.world.events.filter(({ type }) => type === 'superseded')).toHaveLength(1)
  expect(older.world.events.filter(({ type }) => type === 'degraded')).toEqual([])
  await expect(older.world.signer.revoke(keyOf('nobody').pubkey)).rejects.toMatchObject({
    code: 'store/superseded',
  })
  expect(newer.world.events.filter(({ type }) => type === 'superseded' || type === 'degraded')).toEqual([])
  expect(await newer.world.signer.revoke(clients[0]?.client.pubkey ?? missing())).toBe(1)
  await daemons.close()
})

test('an offer that meets the end of the lease is made once the daemon is back, and refused if it cannot be', async () => {
  const daemons = await createDaemons()
  const { first, second } = daemons
  const { clock, signer } = second.world
  second.member.fence(false)
  const offering = signer.offer()
  await clock.run(100)
  const { token } = await offering
  expect(signer.offers()).toMatchObject([{ token }])
  await clock.run(1_000)
  expect(first.world.signer.offers()).toMatchObject([{ token }])
  second.member.fence(false)
  second.member.cutJoin(true)
  const refused = expect(signer.offer()).rejects.toMatchObject({
    code: 'store/failed',
    cause: { message: 'no connection' },
  })
  await clock.run(1_000)
  await refused
  expect(signer.offers()).toMatchObject([{ token }])
  second.member.cutJoin(false)
  await clock.run(10_000)
  const again = signer.offer()
  await clock.run(100)
  expect((await again).uri).toContain('bunker://')
  await daemons.close()
})

test('an offer that is being stored while everything is read again is not forgotten', async () => {
  const daemons = await createDaemons()
  const { first } = daemons
  const { clock, signer } = first.world
  const letCommit = first.member.holdCommits()
  const offering = signer.offer()
  await clock.settle()
  // Reads everything; what is on its way is not there yet.
  await signer.revoke(keyOf('nobody').pubkey)
  letCommit()
  const { token } = await offering
  expect(signer.offers()).toMatchObject([{ token }])
  expect(signer.stats().keys).toBe(1)
  await daemons.close()
})

test('an offer that was withdrawn while a change of it failed here is withdrawn here', async () => {
  const daemons = await createDaemons()
  const { first, second } = daemons
  const { clock } = first.world
  const { token } = await first.world.signer.offer()
  await clock.run(2 * limits.FOLLOW_MS)
  const letGo = second.member.holdCommits()
  const withdrawn = second.world.signer.withdraw(token).catch((cause: unknown) => cause)
  second.member.reach(false)
  await first.world.signer.withdraw(token)
  // Reads everything while the token is held.
  await second.world.signer.refresh()
  second.member.cut(true)
  letGo()
  expect(await withdrawn).toMatchObject({ code: 'store/failed' })
  second.member.cut(false)
  await clock.run(3 * limits.FOLLOW_EVERY_MS)
  expect(second.world.signer.offers()).toMatchObject([{ token, withdrawn: true }])
  await daemons.close()
})

test('notices that were lost are made up for', async () => {
  const daemons = await createDaemons()
  const { first, second } = daemons
  second.member.reach(false)
  const { uri, remoteSigner } = await first.world.signer.offer()
  await first.world.clock.run(1_000)
  expect(second.world.signer.offers()).toEqual([])
  second.member.reach(true)
  await first.world.clock.run(1_000)
  expect(second.world.signer.offers()).toMatchObject([{ remoteSigner }])
  expect(uri).toContain(remoteSigner)
  await daemons.close()
})

test('what was noticed just before everything could not be read is read later', async () => {
  const daemons = await createDaemons()
  const { first, second } = daemons
  const { clock } = first.world
  const { remoteSigner } = await first.world.signer.offer()
  second.member.cut(true)
  await expect(second.world.signer.refresh()).rejects.toMatchObject({ code: 'store/failed' })
  second.member.cut(false)
  await clock.run(2 * limits.FOLLOW_EVERY_MS)
  expect(second.world.signer.offers()).toMatchObject([{ remoteSigner }])
  expect(second.world.signer.stats().ailments).toEqual([])
  await daemons.close()
})

test('a session is followed though the clock was set back by months since it was read', async () => {
  const daemons = await createDaemons()
  const { first, second } = daemons
  const { clock } = first.world
  const [{ client } = missing()] = await connectMany(first, 1)
  await first.world.signer.setPolicy(client.pubkey, () => 'before')
  await clock.run(limits.FOLLOW_EVERY_MS)
  clock.jump(-90 * 86_400_000)
  await first.world.signer.setPolicy(client.pubkey, () => 'after')
  await clock.run(2 * limits.FOLLOW_EVERY_MS)
  expect(second.world.signer.sessions()).toMatchObject([{ policy: 'after' }])
  await daemons.close()
})

test('what is held for a daemon that died is taken over in time though the clock was set back', async () => {
  // Timers go on as if nothing had happened, as those of a host do.
  const fakeClock = createFakeClock(NOW_SECONDS * 1_000)
  const { setTimer, clearTimer } = fakeClock
  let shift = 0
  const daemons = await createDaemons({
    fakeClock,
    clock: { now: () => fakeClock.now() + shift, setTimer, clearTimer },
  })
  const { first, second } = daemons
  const clients = await connectMany(first, 8)
  second.member.die()
  for (const [c, { client, to }] of clients.entries()) await client.send(sign(`back ${c}`), to)
  expect(first.world.signer.stats().waiting.leftToOthers).toBeGreaterThan(0)
  shift = -60_000
  // Later ones do not wait behind those that were held before.
  for (const [c, { client, to }] of clients.entries()) await client.send(sign(`then ${c}`), to)
  await fakeClock.run(4 * limits.TAKE_OVER_MS)
  for (const { client } of clients) expect(client.answers).toHaveLength(2)
  await daemons.close()
})

test('a session that was forgotten and made anew meanwhile is not taken for the one before', async () => {
  const daemons = await createDaemons()
  const { first, second } = daemons
  const { memory } = daemons.shared
  const { clock } = first.world
  const [{ client, to } = missing()] = await connectMany(first, 1)
  second.member.reach(false)
  const name = { signerPubkey: to, clientPubkey: client.pubkey }
  const [found] = (await memory.read({ sessions: [name] })).sessions
  if (found === undefined) throw new Error('nothing is stored')
  const { revision, value } = found
  const made = { ...value, pairedAt: value.pairedAt + 1, policy: 'anew' }
  await memory.commit([{ session: { ...name, revision, before: value, after: null } }], clock.now())
  for (let at = 0; at < revision; at++)
    await memory.commit(
      [{ session: { ...name, revision: at, before: at === 0 ? null : made, after: made } }],
      clock.now(),
    )
  second.member.reach(true)
  await clock.run(limits.FOLLOW_EVERY_MS)
  expect(second.world.signer.sessions()).toMatchObject([{ policy: 'anew' }])
  await daemons.close()
})

test('a daemon that is closed while it starts leaves the others', async () => {
  const daemons = await createDaemons()
  const { store } = daemons.shared.open()
  const { sharing } = store
  if (sharing === undefined) throw new Error('nobody shares this store')
  const { clock } = daemons.first.world
  const lives: string[] = []
  const { world } = await daemons.add({ start: false })
  await world.signer.close()
  const starting = await createWorld({
    fakeClock: clock,
    net: world.net,
    start: false,
    store: {
      ...store,
      load: () => new Promise(() => undefined),
      sharing: {
        ...sharing,
        async join(listener) {
          const member = await sharing.join(listener)
          lives.push('joined')
          return {
            ...member,
            async leave() {
              lives.push('left')
              await member.leave()
            },
          }
        },
      },
    },
  })
  const started = starting.signer.start()
  await clock.settle()
  const closed = starting.signer.close()
  await expect(started).rejects.toMatchObject({ code: 'closed' })
  await closed
  expect(lives).toEqual(['joined', 'left'])
  await daemons.close()
})

test('a store that throws when it is asked for a turn stops nothing', async () => {
  const daemons = await createDaemons()
  const { first, second } = daemons
  const { clock } = first.world
  const { sharing } = second.member.store
  if (sharing === undefined) throw new Error('nobody shares this store')
  let asked = 0
  sharing.requestTurn = () => {
    asked += 1
    throw new Error('no turn')
  }
  const [{ client } = missing()] = await connectMany(first, 1)
  let serial = 0
  second.member.lag(async () => {
    // Another one is faster each time, for a while.
    if (serial < limits.TURN_RACES) await first.world.signer.setPolicy(client.pubkey, () => `${serial++}`)
  })
  const set = second.world.signer.setPolicy(client.pubkey, () => 'mine')
  await clock.run(limits.FOLLOW_EVERY_MS)
  expect(await set).toBe(1)
  expect(asked).toBeGreaterThan(0)
  expect(second.world.signer.stats().failures).toEqual({ engine: asked })
  await daemons.close()
})

test('a token counts on both daemons as soon as its URI is known', async () => {
  const daemons = await createDaemons({ keys: keyOf('one key') })
  const { first } = daemons
  for (let i = 0; i < 8; i++) {
    const { uri, remoteSigner } = await first.world.signer.offer()
    const client = first.world.client(keyOf(`quick ${i}`))
    const request = { id: 'c', method: 'connect', params: [remoteSigner, secretOf(uri)] }
    await client.send(request, remoteSigner)
    expect(client.answers).toMatchObject([{ result: 'ack' }])
  }
  await daemons.close()
})

test('one token, many clients, two daemons: one session', async () => {
  const daemons = await createDaemons({ keys: keyOf('one key') })
  const { first } = daemons
  const { uri, remoteSigner } = await first.world.signer.offer()
  await first.world.clock.run(1_000)
  const clients = Array.from({ length: 20 }, (_, i) => first.world.client(keyOf(`racer ${i}`)))
  for (const [i, client] of clients.entries()) {
    const request = { id: `c${i}`, method: 'connect', params: [remoteSigner, secretOf(uri)] }
    first.world.net.inject(RELAY, client.sealed(JSON.stringify(request), remoteSigner))
  }
  await first.world.clock.run(5_000)
  const results = clients.flatMap(({ answers }) => answers.filter(({ result }) => result === 'ack'))
  expect(results).toHaveLength(1)
  expect((await daemons.shared.memory.load(first.world.clock.now())).sessions).toHaveLength(1)
  await daemons.close()
})

test('what is over the limit is answered by one daemon and not served by the other', async () => {
  const rate = { perSecond: 0.01, burst: 2 }
  const daemons = await createDaemons({ rates: { sign: rate } })
  const { first } = daemons
  const clients = await connectMany(first, 4)
  for (const { client, to } of clients) {
    const events: SignedEvent[] = []
    for (let i = 0; i < 4; i++) events.push(await client.send(sign(`l${i}`), to))
    await first.world.clock.run(limits.TAKE_OVER_PATIENCE_MS)
    expect(client.answers.map(({ error }) => error?.slice(0, 12))).toEqual([
      undefined,
      undefined,
      'rate-limited',
      'rate-limited',
    ])
  }
  await daemons.close()
})

function missing(): never {
  throw new Error('no client')
}
