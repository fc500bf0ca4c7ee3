/** The daemon as its owner and the apps of others meet it: over its socket, a real relay and a real client. */

import { createHash } from 'node:crypto'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { afterEach, expect, test } from 'vitest'
import {
  connectApp,
  crypto,
  type DaemonWorld,
  nextQuestion,
  PASSPHRASE,
  startWorld,
  until,
} from './daemon-world.ts'

const worlds: DaemonWorld[] = []
const start = async (...args: Parameters<typeof startWorld>): Promise<DaemonWorld> => {
  const world = await startWorld(...args)
  worlds.push(world)
  return world
}
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close()
})

test('a link lets an app in, what it asks is shown, and what was shown is signed', async () => {
  const { api, ...world } = await start()
  const app = await connectApp(
    { api, ...world },
    { grants: 'sign_event:1', label: 'Reader', name: 'Reader‮app' },
  )
  const [key] = (await api.call('key.list')).keys
  expect(await app.getPublicKey()).toBe(key?.pubkey)
  const granted = await app.signEvent({ kind: 1, content: 'granted' })
  expect(crypto.verify(granted)).toBe(true)

  const signing = app.signEvent({ kind: 3, content: '', tags: [['p', granted.pubkey]] })
  const question = await nextQuestion(api)
  expect(question).toMatchObject({
    type: 'operation',
    method: 'sign_event',
    kind: 3,
    userPubkey: key?.pubkey,
    label: 'Reader',
    times: 1,
  })
  const shown = await api.call('request.show', { id: question.id })
  expect(shown.event).toMatchObject({ kind: 3, tags: [['p', granted.pubkey]] })
  expect(question.expiresAt).toBeGreaterThan(Date.now() + 30_000)

  await expect(api.call('request.approve', { id: question.id, hash: '0'.repeat(64) })).rejects.toMatchObject({
    status: 409,
    code: 'request/changed',
  })
  const both = await Promise.allSettled([
    api.call('request.approve', { id: question.id, hash: question.hash }),
    api.call('request.deny', { id: question.id, hash: question.hash }),
  ])
  expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  const [late] = both.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
  expect(late).toMatchObject({ status: 409, code: 'request/decided', facts: { decision: 'allow' } })
  expect(await signing).toMatchObject({ kind: 3, tags: [['p', granted.pubkey]] })

  const [listed] = (await api.call('app.list')).apps
  expect(listed).toMatchObject({ label: 'Reader', claims: { name: 'Readerapp' }, userPubkey: key?.pubkey })
  expect((await api.call('app.show', { clientPubkey: listed?.clientPubkey ?? '' })).used).toEqual({
    'sign_event:1': 1,
    'sign_event:3': 1,
  })
})

test('a no, a yes for a while, and what it settles too', async () => {
  const { api, ...world } = await start()
  const app = await connectApp({ api, ...world })
  const refused = app.signEvent({ kind: 1, content: 'no' })
  refused.catch(() => undefined)
  const first = await nextQuestion(api)
  await api.call('request.deny', { id: first.id, hash: first.hash })
  await expect(refused).rejects.toMatchObject({ code: 'remote/error', reason: 'rejected' })

  const two = [app.signEvent({ kind: 1, content: 'one' }), app.signEvent({ kind: 1, content: 'two' })]
  const other = app.signEvent({ kind: 7, content: '+' })
  const waiting = await until(async () => {
    const { requests } = await api.call('request.list')
    return requests.length === 3 && requests
  })
  const one = waiting.find(({ kind, lines }) => kind === 1 && lines.join().includes('one'))
  const decided = await api.call('request.approve', {
    id: one?.id ?? '',
    hash: one?.hash ?? '',
    remember: { for: '5m', scope: 'kind' },
  })
  expect(decided.also).toHaveLength(1)
  expect((await Promise.all(two)).map(({ content }) => content)).toEqual(['one', 'two'])
  expect(await app.signEvent({ kind: 1, content: 'three' })).toMatchObject({ content: 'three' })
  const [left] = (await api.call('request.list')).requests
  expect(left).toMatchObject({ kind: 7 })
  await api.call('request.approve', { id: left?.id ?? '', hash: left?.hash ?? '' })
  await other
})

test('a policy is explained, tried on the past, and trimmed to what was used', async () => {
  const world = await start()
  const { api } = world
  const app = await connectApp(world, { preset: 'bot', grants: 'sign_event:1[max=1/1d],sign_event:7' })
  await app.signEvent({ kind: 1, content: 'one' })
  await expect(app.signEvent({ kind: 1, content: 'two' })).rejects.toMatchObject({ code: 'remote/error' })
  const [{ clientPubkey = '' } = {}] = (await api.call('app.list')).apps
  const request = { method: 'sign_event', event: { kind: 1 } } as const
  const explained = await api.call('policy.explain', { clientPubkey, request })
  expect(explained.effect).not.toBe('allow')
  expect(explained.words.join(' ')).toContain('max=1')
  expect(await api.call('policy.test', { request, policy: { preset: 'standard' } })).toMatchObject({
    effect: 'allow',
  })
  const replayed = await api.call('policy.replay', { policy: { preset: 'bot', grants: 'sign_event:7' } })
  expect(replayed.flips).toMatchObject([{ clientPubkey, kind: 1, was: 'allow', would: 'deny' }])
  const trimmed = await api.call('app.trim', { clientPubkey, apply: true })
  expect(trimmed).toMatchObject({ applied: true, proposals: [{ grant: 'sign_event:7' }] })
  expect(trimmed.policy.grants).toEqual(['sign_event:1[max=1/1d]'])
  await expect(api.call('link.create', { policy: { grants: 'sign_event:*' } })).rejects.toMatchObject({
    status: 400,
  })
  expect((await api.call('policy.lint', { policy: { grants: 'sign_event' } })).findings).toMatchObject([
    { level: 'warning', what: 'rules[0]', fix: 'Name the kinds.' },
    { level: 'warning', what: 'rules[0]' },
  ])
})

test('panic stops everything until it is ended', async () => {
  const world = await start()
  const { api } = world
  const app = await connectApp(world, { grants: 'sign_event:1' })
  await api.call('link.create', {})
  const waiting = app.signEvent({ kind: 7, content: '+' })
  waiting.catch(() => undefined)
  await nextQuestion(api)
  expect(await api.call('host.panic')).toEqual({ keys: 1, links: 1, apps: 1, requests: 1 })
  await expect(waiting).rejects.toMatchObject({ code: 'remote/error' })
  await expect(app.signEvent({ kind: 1, content: 'x' })).rejects.toMatchObject({ code: 'remote/error' })
  await expect(api.call('key.unlock', { name: 'me', passphrase: PASSPHRASE })).rejects.toMatchObject({
    code: 'host/panic',
  })
  await expect(api.call('link.create', {})).rejects.toMatchObject({ code: 'host/panic' })
  expect(await api.call('status.get')).toMatchObject({ state: 'panic', ready: false, links: 0 })
  expect(await api.call('host.resume')).toEqual({ apps: 1 })
  await api.call('key.unlock', { name: 'me', passphrase: PASSPHRASE })
  expect(await app.signEvent({ kind: 1, content: 'again' })).toMatchObject({ content: 'again' })
})

test('a suspended app is denied until it is resumed, and a revoked one is gone', async () => {
  const { api, ...world } = await start()
  const app = await connectApp({ api, ...world }, { grants: 'sign_event:1' })
  const [{ clientPubkey = '' } = {}] = (await api.call('app.list')).apps
  expect(await api.call('app.suspend', { clientPubkey, forMs: 3_600_000 })).toMatchObject({ suspended: true })
  await expect(app.signEvent({ kind: 1, content: 'x' })).rejects.toMatchObject({ reason: 'rejected' })
  expect(await api.call('app.resume', { clientPubkey })).toMatchObject({ suspended: false })
  expect(await app.signEvent({ kind: 1, content: 'x' })).toMatchObject({ kind: 1 })
  expect(await api.call('app.revoke', { clientPubkey })).toEqual({ ended: 1 })
  await expect(api.call('app.show', { clientPubkey })).rejects.toMatchObject({
    status: 404,
    code: 'app/unknown',
  })
  await expect(app.signEvent({ kind: 1, content: 'x' })).rejects.toBeDefined()
})

test('a restart keeps apps, names, what waits for the owner, and a panic', async () => {
  const world = await start()
  const app = await connectApp(world, { grants: 'sign_event:1', label: 'Kept' })
  const waiting = app.signEvent({ kind: 7, content: '+' })
  const before = await nextQuestion(world.api)
  const again = await world.restart()
  worlds.push(again)
  worlds.shift()
  const after = await nextQuestion(again.api)
  expect(after).toMatchObject({
    id: before.id,
    hash: before.hash,
    label: 'Kept',
    expiresAt: before.expiresAt,
  })
  await again.api.call('request.approve', { id: after.id, hash: after.hash })
  expect(await waiting).toMatchObject({ kind: 7 })
  expect(await app.signEvent({ kind: 1, content: 'after' })).toMatchObject({ content: 'after' })
  expect(await again.api.call('audit.verify')).toMatchObject({ ok: true, problems: [] })

  const directory = `${again.directory}/backup`
  // As a crash leaves it.
  await writeFile(`${again.directory}/data/vault/.half-written.tmp`, 'x', { mode: 0o600 })
  const made = await again.api.call('backup.create', { directory })
  expect(made.files.map(({ name }) => name).filter((name) => name.endsWith('.tmp'))).toEqual([])
  expect(made.files.map(({ name }) => name)).toContain('store.sqlite')
  expect(await again.api.call('backup.verify', { directory })).toMatchObject({ ok: true, problems: [] })
  await appendFile(`${directory}/store.sqlite`, ' ')
  expect(await again.api.call('backup.verify', { directory })).toMatchObject({
    ok: false,
    problems: ['store.sqlite was changed'],
  })
  // A manifest that was made to fit hides nothing from the store itself.
  const path = `${directory}/store.sqlite`
  const bytes = await readFile(path)
  bytes.fill(0xff, 8_192, 12_288)
  await writeFile(path, bytes)
  const manifest = JSON.parse(await readFile(`${directory}/manifest.json`, 'utf8')) as typeof made
  const files = manifest.files.map((file) =>
    file.name === 'store.sqlite'
      ? { ...file, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
      : file,
  )
  await writeFile(`${directory}/manifest.json`, JSON.stringify({ ...manifest, v: 1, files }))
  expect(await again.api.call('backup.verify', { directory })).toMatchObject({
    ok: false,
    problems: [expect.stringMatching(/^store\.sqlite: .*\(store\//)],
  })

  await again.api.call('host.panic')
  const third = await again.restart({ key: false })
  worlds.push(third)
  worlds.shift()
  expect(await third.api.call('status.get')).toMatchObject({ state: 'panic', ready: false })
  expect(third.log.map((line) => JSON.parse(line))).toContainEqual(
    expect.objectContaining({ level: 'warning', reason: expect.stringMatching(/^goes on since \d{4}-/) }),
  )
  expect(await third.api.call('host.resume')).toEqual({ apps: 1 })
  await third.api.call('key.unlock', { name: 'me', passphrase: PASSPHRASE })
  expect(await app.signEvent({ kind: 1, content: 'again' })).toMatchObject({ content: 'again' })
})

test('stopping lets what is under way finish, and a second daemon is told who is there', async () => {
  const { api, ...world } = await start()
  await expect(startWorld({ directory: world.directory, key: false })).rejects.toThrow(
    `process ${process.pid}`,
  )
  const app = await connectApp({ api, ...world }, { grants: 'sign_event:1' })
  const signing = Array.from({ length: 20 }, (_, at) => app.signEvent({ kind: 1, content: String(at) }))
  await until(async () => (await api.call('status.get')).performed > 0)
  const closed = world.daemon.close()
  expect(await Promise.all(signing)).toHaveLength(20)
  await closed
  await expect(api.call('status.get')).rejects.toMatchObject({ code: 'daemon/not-running' })
})
