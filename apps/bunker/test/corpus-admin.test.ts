/** Area I of the corpus, as far as it is about the API: each row over HTTP, with the status or the header that it names. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectApp, type DaemonWorld, nextQuestion, startWorld, until } from './daemon-world.ts'
import { hasShared, sharedCorpus } from './shared.ts'

/** Rows of area I whose tests are elsewhere, and where. */
const ELSEWHERE: { readonly [id: string]: string } = {
  I01: 'packages/policy: policy-json.test.ts',
  I07: 'packages/policy: policy-json.test.ts',
  I08: 'packages/policy: policy-json.test.ts',
  I09: 'packages/policy: policy-json.test.ts',
  I11: 'packages/policy: policy-json.test.ts',
  I13: 'packages/policy: judge.test.ts',
  I14: 'packages/policy: policy-json.test.ts',
  I15: 'packages/policy: policy-json.test.ts',
  I17: 'apps/bunker: keys-vault.test.ts',
  I18: 'apps/bunker: keys-vault.test.ts',
  I19: 'apps/bunker: keys-vault.test.ts',
  I25: 'packages/store-sqlite: fault.test.ts',
}

describe.skipIf(!hasShared('the bad-input corpus, area I, over HTTP'))('the API meets the corpus', () => {
  let world: DaemonWorld
  let token: string
  const corpus = sharedCorpus
  const wanted = (id: string) =>
    corpus().row(id).expect as { readonly http?: number; readonly header?: string }
  beforeAll(async () => {
    world = await startWorld({ flags: { http: '127.0.0.1:0', decideSeconds: '5' } })
    const scopes = ['read', 'approve', 'admin'] as const
    token = (await world.api.call('token.create', { label: 'corpus', scopes })).token
  })
  afterAll(() => world.close())

  const post = (path: string, body: string, type = 'application/json'): Promise<Response> =>
    fetch(`${world.daemon.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': type },
      body,
    })
  const approve = (id: string, hash: string): Promise<Response> =>
    post(`/api/v1/requests/${id}/approve`, JSON.stringify({ hash }))

  test('I30, I31, I36, I37: another type, no token, 10 MB, a frame', async () => {
    expect((await post('/api/v1/panic', '{}', 'text/plain')).status).toBe(wanted('I30').http)
    const { status, headers } = await fetch(`${world.daemon.url}/api/v1/apps`)
    expect(status).toBe(wanted('I31').http)
    expect((await post('/api/v1/policy/lint', 'x'.repeat(10_000_000))).status).toBe(wanted('I36').http)
    expect(headers.get('content-security-policy')).toContain(wanted('I37').header)
  })

  test('I32 approve twice, I34 approve after the client timed out: nothing is signed', async () => {
    const app = await connectApp(world)
    const signing = app.signEvent({ kind: 1, content: 'decided' })
    const first = await nextQuestion(world.api)
    expect((await approve(first.id, first.hash)).status).toBe(200)
    await signing
    expect((await approve(first.id, first.hash)).status).toBe(wanted('I32').http)

    const late = app.signEvent({ kind: 1, content: 'too late' })
    late.catch(() => undefined)
    const second = await nextQuestion(world.api)
    await until(async () => (await world.api.call('request.list')).requests.length === 0)
    const { performed } = await world.api.call('status.get')
    expect((await approve(second.id, second.hash)).status).toBe(wanted('I34').http)
    await expect(late).rejects.toBeDefined()
    expect((await world.api.call('status.get')).performed).toBe(performed)
    await app.close()
  })

  test('every row of the area has its test', () => {
    const here = ['I30', 'I31', 'I32', 'I34', 'I36', 'I37']
    const ids = corpus()
      .rows('I')
      .map(({ id }) => id)
    expect(ids.filter((id) => !here.includes(id) && ELSEWHERE[id] === undefined)).toEqual([])
    const lines = Object.entries(ELSEWHERE).map(([id, where]) => `  ${id} is tested in ${where}`)
    process.stdout.write(`corpus rows of the API: ${here.join(', ')}\n${lines.join('\n')}\n`)
  })
})
