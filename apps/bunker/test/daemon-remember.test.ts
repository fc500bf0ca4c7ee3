/** What is remembered of a decision: of a yes and of a no, through the API and the command line, and what it settles. */

import type { BunkerSession } from '@nip46/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EXIT } from '../src/cli/exit-code.ts'
import { cliOf } from './cli-world.ts'
import { connectApp, type DaemonWorld, nextQuestion, startWorld, until } from './daemon-world.ts'

let world: DaemonWorld
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())

interface Asking {
  readonly app: BunkerSession
  /** Signs; `undefined` once it is refused. */
  sign(kind: number, more?: object): Promise<unknown>
  question(isIt: (facts: { readonly kind: number | null; readonly lines: string }) => boolean): Promise<{
    readonly id: string
    readonly hash: string
  }>
}

async function asking(): Promise<Asking> {
  const app = await connectApp(world)
  const { apps } = await world.api.call('app.list')
  const client = apps.at(-1)?.clientPubkey
  return {
    app,
    sign: (kind, more = {}) =>
      app.signEvent({ kind, content: '', tags: [], ...more }).catch((cause: { readonly code?: string }) => {
        expect(cause.code).toBe('remote/error')
        return undefined
      }),
    question: (isIt) =>
      nextQuestion(
        world.api,
        ({ kind, lines, clientPubkey: of }) => of === client && isIt({ kind, lines: lines.join() }),
      ),
  }
}

const relayTag = (relay: string) => ({
  tags: [
    ['relay', relay],
    ['challenge', 'x'],
  ],
})
const urlTag = (url: string) => ({
  tags: [
    ['u', url],
    ['method', 'GET'],
  ],
})

test('a yes to a login holds for that login, and not for another one', async () => {
  const { sign, question, app } = await asking()
  const cli = cliOf(world)
  const first = sign(22_242, relayTag('wss://one.example/'))
  const { id, hash } = await question(({ kind }) => kind === 22_242)
  const shown = (await cli('req', 'show', id)).out
  expect(shown).toContain('a yes can be remembered: --for 5m|1h|today|session --scope exact|kind')
  expect(shown).toContain(
    'a no can be remembered: --for 5m|1h|today|session|always --scope exact|kind|category',
  )
  const approve = ['req', 'approve', id, '--hash', hash.slice(0, 12), '--scope', 'exact']
  expect((await cli(...approve, '--for', 'always')).err).toContain('a yes to this can be remembered for 5m')
  expect((await cli(...approve, '--for', '1h')).exit).toBe(EXIT.done)
  expect(await first).toMatchObject({ kind: 22_242 })
  expect(await sign(22_242, relayTag('wss://one.example/'))).toMatchObject({ kind: 22_242 })
  const second = sign(22_242, relayTag('wss://two.example/'))
  const other = await question(({ kind }) => kind === 22_242)
  await world.api.call('request.deny', { id: other.id, hash: other.hash })
  expect(await second).toBeUndefined()
  await app.close()
})

test('a no can be remembered further than a yes, and settles what waits beside it', async () => {
  const { sign, question, app } = await asking()
  const waiting = [
    sign(27_235, urlTag('https://a.example/x')),
    sign(27_235, urlTag('https://b.example/y')),
    sign(1),
  ]
  const { id, hash } = await question(({ kind, lines }) => kind === 27_235 && lines.includes('a.example'))
  await question(({ kind, lines }) => kind === 27_235 && lines.includes('b.example'))
  const note = await question(({ kind }) => kind === 1)
  await expect(
    world.api.call('request.approve', { id, hash, remember: { for: '5m', scope: 'kind' } }),
  ).rejects.toMatchObject({ status: 400, code: 'request/remember' })
  const decided = await cliOf(world)('req', 'deny', id, '--for', 'today', '--scope', 'category', '--json')
  expect(decided.json).toMatchObject({ decision: 'deny', also: [expect.any(String)] })
  expect(await waiting[0]).toBeUndefined()
  expect(await waiting[1]).toBeUndefined()
  // Without a question from now on.
  expect(await sign(27_235, urlTag('https://c.example/z'))).toBeUndefined()
  const { requests } = await world.api.call('request.list')
  expect(requests.map((request) => request.id)).toEqual([note.id])
  await world.api.call('request.approve', { id: note.id, hash: note.hash })
  expect(await waiting[2]).toMatchObject({ kind: 1 })
  await app.close()
})

test('a yes for all of the same sort settles what the policy then allows, and not what a guard still asks about', async () => {
  const { sign, question, app } = await asking()
  const late = { created_at: Math.floor(Date.now() / 1_000) + 7_200, content: 'tomorrow' }
  const waiting = [sign(1, { content: 'now' }), sign(7, { content: '+' }), sign(1, late)]
  await until(async () => (await world.api.call('request.list')).requests.length === 3)
  const now = await question(({ lines }) => lines.includes('now'))
  const tomorrow = await question(({ lines }) => lines.includes('tomorrow'))
  const decided = await world.api.call('request.approve', {
    id: now.id,
    hash: now.hash,
    remember: { for: '1h', scope: 'category' },
  })
  expect(decided.also).toHaveLength(1)
  expect(await waiting[0]).toMatchObject({ content: 'now' })
  expect(await waiting[1]).toMatchObject({ content: '+' })
  expect((await world.api.call('request.list')).requests.map(({ id }) => id)).toEqual([tomorrow.id])
  await world.api.call('request.deny', { id: tomorrow.id, hash: tomorrow.hash })
  expect(await waiting[2]).toBeUndefined()
  expect(await sign(6)).toMatchObject({ kind: 6 })
  await app.close()
})
