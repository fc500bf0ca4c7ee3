/** The API over HTTP as strangers, foreign pages and programs with a token meet it. */

import { request as httpRequest } from 'node:http'
import { connect as connectSocket } from 'node:net'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApiClient } from '../src/api/client.ts'
import { BODY_BYTES, CONNECTIONS, HEADERS_MS, STREAMS, WRONG_TOKENS_PER_MINUTE } from '../src/api/limits.ts'
import { OPERATIONS, type OperationName } from '../src/api/operations.ts'
import type { Scope } from '../src/api/shapes.ts'
import { connectApp, type DaemonWorld, nextQuestion, PASSPHRASE, startWorld, until } from './daemon-world.ts'

let world: DaemonWorld
let url: string
let admin: string

beforeAll(async () => {
  world = await startWorld({ flags: { http: '127.0.0.1:0' } })
  url = world.daemon.url ?? ''
  admin = (
    await world.api.call('token.create', {
      label: 'tests',
      scopes: ['read', 'approve', 'manage', 'keys', 'admin'],
    })
  ).token
})
afterAll(() => world.close())

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

function ask(
  path: string,
  options: {
    readonly method?: string
    readonly headers?: Record<string, string>
    readonly body?: string | Buffer
  } = {},
): Promise<Answer> {
  const { port } = new URL(url)
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      {
        host: '127.0.0.1',
        port,
        path,
        method: options.method ?? 'GET',
        agent: false,
        headers: { ...options.headers },
      },
      (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (chunk) => {
          body += chunk
        })
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        )
      },
    )
    sent.on('error', reject)
    sent.end(options.body)
  })
}

const bearer = (token: string, more: Record<string, string> = {}) => ({
  authorization: `Bearer ${token}`,
  ...more,
})
const json = { 'content-type': 'application/json' }
const hasBody = (method: string): boolean => method === 'POST' || method === 'PUT'
const codeOf = ({ body }: Answer): string => JSON.parse(body).error.code

describe('who may not', () => {
  test('nothing is served without a token but alive and ready', async () => {
    expect(await ask('/healthz')).toMatchObject({ status: 200, body: 'alive\n' })
    const ready = await ask('/readyz')
    expect([200, 503]).toContain(ready.status)
    expect(ready.body).toMatch(/^(not )?ready\n$/)
    for (const path of [
      '/metrics',
      '/openapi.json',
      '/api/v1/events?topics=requests',
      '/api/v1/nothing',
      '/',
      '/x',
    ])
      expect((await ask(path)).status, path).toBe(401)
    for (const name of Object.keys(OPERATIONS) as OperationName[]) {
      const { method, path } = OPERATIONS[name]
      const answer = await ask(`/api/v1${path.replace(/\{\w+\}/g, 'ab')}`, {
        method,
        headers: json,
        ...(hasBody(method) && { body: '{}' }),
      })
      expect(answer.status, `${name} (I31)`).toBe(401)
      expect(answer.headers['www-authenticate']).toBe('Bearer')
    }
  })

  test('every answer forbids framing and everything that a page could load (I37)', async () => {
    for (const path of ['/healthz', '/api/v1/status', '/']) {
      const { headers } = await ask(path)
      expect(headers['content-security-policy']).toContain("frame-ancestors 'none'")
      expect(headers['content-security-policy']).toContain("default-src 'none'")
      expect(headers).toMatchObject({
        'x-frame-options': 'DENY',
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
      })
    }
  })

  test('another host name is refused, with a good token too: a page that rebinds its name gets nothing', async () => {
    for (const host of [
      'evil.example',
      'evil.example:80',
      `evil.example:${new URL(url).port}`,
      'localhost',
      '0.0.0.0',
    ])
      expect(await ask('/api/v1/status', { headers: bearer(admin, { host }) }), host).toMatchObject({
        status: 421,
      })
    const { port } = new URL(url)
    for (const host of [`127.0.0.1:${port}`, `LOCALHOST:${port}`])
      expect((await ask('/api/v1/status', { headers: bearer(admin, { host }) })).status, host).toBe(200)
  })

  test('what a foreign page sends is refused, with a good token too', async () => {
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `https://127.0.0.1:${new URL(url).port}` },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
    ]) {
      const answer = await ask('/api/v1/status', { headers: bearer(admin, headers) })
      expect(answer.status, JSON.stringify(headers)).toBe(403)
      expect(codeOf(answer)).toBe('origin/foreign')
      expect(answer.headers['access-control-allow-origin']).toBe(undefined)
    }
    expect((await ask('/api/v1/status', { headers: bearer(admin, { origin: url }) })).status).toBe(200)
  })

  test('a token does what its scopes say, until it is revoked', async () => {
    const made = new Map<Scope, { token: string; id: string }>()
    for (const scope of ['read', 'approve', 'manage', 'keys', 'admin'] as const) {
      const { token, info } = await world.api.call('token.create', {
        label: scope,
        scopes: [scope],
        forMs: 60_000,
      })
      made.set(scope, { token, id: info.id })
    }
    for (const name of Object.keys(OPERATIONS) as OperationName[]) {
      const { method, path, scope } = OPERATIONS[name]
      for (const [has, { token }] of made) {
        // What is sent is not what the operation takes: only whether it is let in counts here, and nothing is done.
        const options = {
          method,
          headers: bearer(token, json),
          ...(hasBody(method) && { body: '{"nothing":"known"}' }),
        }
        const answer = await ask(`/api/v1${path.replace(/\{\w+\}/g, '!!')}?nothing=known`, options)
        if (has === scope) expect([400, 404], `${name} with ${has}`).toContain(answer.status)
        else expect(codeOf(answer), `${name} with ${has}`).toBe('auth/scope')
      }
    }
    const { token = '', id = '' } = made.get('read') ?? {}
    expect((await ask('/api/v1/status', { headers: bearer(token) })).status).toBe(200)
    await world.api.call('token.revoke', { id })
    expect(codeOf(await ask('/api/v1/status', { headers: bearer(token) }))).toBe('auth/wrong')
  })
})

describe('bad input', () => {
  test('JSON under another type is refused: a form of a foreign page has no other (I30)', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'text/json',
    ])
      expect(
        await ask('/api/v1/panic', {
          method: 'POST',
          headers: bearer(admin, { 'content-type': type }),
          body: '{}',
        }),
        type,
      ).toMatchObject({ status: 415 })
    expect(await ask('/api/v1/links', { method: 'POST', headers: bearer(admin), body: '{}' })).toMatchObject({
      status: 415,
    })
  })

  test('a body is read up to its bound and not beyond (I36)', async () => {
    const body = (size: number) => `{"policy":{"grants":"${'x'.repeat(size - 24)}"}}`
    expect(body(BODY_BYTES)).toHaveLength(BODY_BYTES)
    const send = (text: string) =>
      ask('/api/v1/policy/lint', { method: 'POST', headers: bearer(admin, json), body: text })
    expect((await send(body(BODY_BYTES))).status).toBe(400)
    expect(await send(body(BODY_BYTES + 1))).toMatchObject({ status: 413 })
    const chunked = await new Promise<number>((resolve) => {
      const { port } = new URL(url)
      const sent = httpRequest(
        {
          host: '127.0.0.1',
          port,
          path: '/api/v1/policy/lint',
          method: 'POST',
          agent: false,
          headers: bearer(admin, json),
        },
        (response) => {
          resolve(response.statusCode ?? 0)
          response.resume()
        },
      )
      sent.on('error', () => undefined)
      for (let at = 0; at < 160; at++) sent.write('x'.repeat(65_536))
      sent.end()
    })
    expect(chunked).toBe(413)
  })

  test('what is no JSON, no object, or has other fields is told apart, and echoed nowhere', async () => {
    const post = (body: string | Buffer) =>
      ask('/api/v1/links', { method: 'POST', headers: bearer(admin, json), body })
    for (const body of [
      '{',
      '[1]',
      '1',
      'null',
      '"x"',
      '{"forMs":0}',
      '{"forMs":1e400}',
      '{"count":"2"}',
      '{"__proto__":{"count":2}}',
      '{"canary-7a":1,"x":2}',
    ])
      expect((await post(body)).status, body).toBe(400)
    expect((await post(Buffer.from([0x7b, 0xff, 0x7d]))).status).toBe(400)
    expect((await post('['.repeat(100_000))).status).toBe(400)
    expect(({} as { count?: number }).count).toBe(undefined)
  })

  test('no path leads anywhere but to an operation', async () => {
    const token = bearer(admin)
    for (const path of [
      '/api/v1/../v1/status',
      '/api/v1/../../etc/passwd',
      '/api/v1/keys/..%2f..%2fetc',
      '//evil.example/api/v1/status',
      '/api/v1/keys/%00',
      '/api/v1/keys/%zz',
      '/api/v1/KEYS',
      '/api/v1/status/',
      '/api/v2/status',
      '/api/v1/keys/constructor/__proto__',
      '/%2e%2e/healthz',
    ])
      expect([400, 404], path).toContain((await ask(path, { headers: token })).status)
    expect(
      await ask('/api/v1/status', { method: 'POST', headers: bearer(admin, json), body: '{}' }),
    ).toMatchObject({ status: 405, headers: { allow: 'GET' } })
    expect((await ask('/api/v1/status', { method: 'TRACE', headers: token })).status).toBe(405)
  })

  test('a request that does not come to its end is ended, and costs one connection only', async () => {
    const { port } = new URL(url)
    const socket = connectSocket(Number(port), '127.0.0.1')
    socket.on('error', () => undefined)
    const ended = new Promise<void>((resolve) => socket.on('close', () => resolve()))
    socket.write('GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ')
    const before = Date.now()
    await ended
    expect(Date.now() - before).toBeLessThan(HEADERS_MS + 60_000)
    const sockets = Array.from({ length: CONNECTIONS + 8 }, () =>
      connectSocket(Number(port), '127.0.0.1').on('error', () => undefined),
    )
    await until(() => sockets.filter((each) => each.closed).length >= 8)
    for (const each of sockets) each.destroy()
    await until(async () => (await ask('/healthz').catch(() => undefined))?.status === 200)
  })
})

describe('what is described is what is answered', () => {
  test('every operation answers as the OpenAPI document says', async () => {
    const document = JSON.parse((await ask('/openapi.json', { headers: bearer(admin) })).body)
    const ajv = new Ajv2020({ strict: false, allErrors: true })
    const seen = new Set<string>()
    const client = createApiClient({ url, token: admin })
    const check = async (name: OperationName, input: object = {}): Promise<unknown> => {
      const answer = await (client.call as (name: OperationName, input: object) => Promise<unknown>)(
        name,
        input,
      )
      const operation = Object.values(
        document.paths as Record<string, Record<string, { operationId: string }>>,
      )
        .flatMap((methods) => Object.values(methods))
        .find(({ operationId }) => operationId === name) as unknown as {
        responses: { 200: { content: { 'application/json': { schema: object } } } }
      }
      const validate = ajv.compile(operation.responses[200].content['application/json'].schema)
      expect(validate(answer), `${name}: ${JSON.stringify(validate.errors)}`).toBe(true)
      expect(OPERATIONS[name].output.read(answer, name)).toMatchObject({ ok: true })
      seen.add(name)
      return answer
    }
    await connectApp(world, { grants: 'sign_event:1', label: 'App' }).then((app) =>
      app.signEvent({ kind: 1, content: 'x' }),
    )
    const session = await connectApp(world, { label: 'Asks' })
    const signing = session.signEvent({ kind: 7, content: '+' })
    const refused = session.signEvent({ kind: 6, content: '' }).catch(() => undefined)
    const [{ clientPubkey: app = '' } = {}] = (await world.api.call('app.list')).apps
    for (const name of [
      'status.get',
      'health.get',
      'doctor.get',
      'key.list',
      'link.list',
      'app.list',
      'request.list',
      'policy.presets',
      'audit.list',
      'audit.verify',
      'relay.list',
      'token.list',
      'browser.invite',
    ] as const)
      await check(name)
    const key = { name: 'other', passphrase: PASSPHRASE }
    const renewed = { passphrase: PASSPHRASE, newPassphrase: 'of the vault' }
    await check('vault.passwd', renewed)
    await check('vault.passwd', { passphrase: 'of the vault', newPassphrase: PASSPHRASE })
    await check('key.create', key)
    await check('key.show', { name: 'other' })
    await check('key.unlock', { ...key, forMs: 60_000 })
    await check('key.lock', { name: 'other' })
    const { ncryptsec } = (await check('key.export', {
      ...key,
      exportPassphrase: 'other words',
      logN: 16,
    })) as { ncryptsec: string }
    await check('key.rename', { name: 'other', newName: 'third' })
    await check('key.passwd', { name: 'third', passphrase: PASSPHRASE, newPassphrase: 'new words' })
    await check('key.delete', { name: 'third', passphrase: 'new words' })
    await check('key.import', {
      name: 'fourth',
      passphrase: PASSPHRASE,
      secret: ncryptsec,
      secretPassphrase: 'other words',
    })
    await check('key.delete', { name: 'fourth', passphrase: PASSPHRASE })
    const made = (await check('link.create', {
      key: 'me',
      count: 2,
      label: 'Two',
      forMs: 60_000,
      approval: 'ask',
    })) as { links: { id: string }[] }
    await check('link.revoke', { id: made.links[0]?.id ?? '' })
    const uri = `nostrconnect://${'79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'}?relay=${encodeURIComponent(world.daemon.relay ?? '')}&secret=0123456789abcdef&perms=sign_event%3A1%2Cfrob&name=Other`
    const { hash } = (await check('connect.preview', { uri })) as { hash: string }
    await expect(client.call('connect.accept', { uri, hash: '0'.repeat(64) })).rejects.toMatchObject({
      status: 409,
    })
    await check('connect.accept', { uri, hash, label: 'Other' })
    await check('app.show', { clientPubkey: app })
    await check('app.rename', { clientPubkey: app, label: 'Renamed' })
    await check('app.origins', { clientPubkey: app, origins: ['https://app.example'] })
    await check('app.policy.get', { clientPubkey: app })
    await check('app.policy.set', { clientPubkey: app, policy: { grants: 'sign_event:1' } })
    await check('app.suspend', { clientPubkey: app, forMs: 60_000 })
    await check('app.resume', { clientPubkey: app })
    await check('app.trim', { clientPubkey: app })
    const asked = await nextQuestion(world.api, ({ kind }) => kind === 7)
    await check('request.show', { id: asked.id })
    await check('request.approve', { id: asked.id, hash: asked.hash })
    await signing
    const denied = await nextQuestion(world.api, ({ kind }) => kind === 6)
    await check('request.deny', { id: denied.id, hash: denied.hash })
    await refused
    await expect(client.call('request.deny', { id: asked.id, hash: asked.hash })).rejects.toMatchObject({
      status: 409,
      code: 'request/decided',
    })
    const request = { method: 'sign_event', event: { kind: 1 } }
    await check('policy.lint', { policy: { grants: 'sign_event:1' } })
    await check('policy.test', { request, clientPubkey: app })
    await check('policy.explain', { request, policy: { grants: 'sign_event:1' } })
    await check('policy.replay', { policy: { grants: 'sign_event:1' } })
    await check('relay.add', { url: 'wss://relay.example' })
    await check('relay.remove', { url: 'wss://relay.example' })
    const backup = { directory: `${world.directory}/backup` }
    if (world.loaded.config.store.kind === 'sqlite') await check('backup.create', backup)
    else {
      await expect(client.call('backup.create', backup)).rejects.toMatchObject({ code: 'backup/store' })
      seen.add('backup.create')
    }
    await check('backup.verify', backup)
    const { info } = (await check('token.create', { label: 'x', scopes: ['read'] })) as {
      info: { id: string }
    }
    await check('token.revoke', { id: info.id })
    await check('app.revoke', { clientPubkey: app })
    await check('host.lock-all')
    await check('host.panic')
    await check('host.resume')
    await world.api.call('key.unlock', { name: 'me', passphrase: PASSPHRASE })
    expect([...Object.keys(OPERATIONS)].filter((name) => !seen.has(name))).toEqual([])
  })

  test('metrics are in the text format of Prometheus, and name no app', async () => {
    const { body, headers } = await ask('/metrics', { headers: bearer(admin) })
    expect(headers['content-type']).toContain('text/plain; version=0.0.4')
    for (const line of body.trimEnd().split('\n'))
      expect(line).toMatch(/^(# (HELP|TYPE) nip46_\w+ .+|nip46_\w+(\{\w+="[^"]*"\})? -?[\d.e+]+)$/)
    expect(body).not.toMatch(/[0-9a-f]{64}/)
    expect(body).toContain('\nnip46_crash_refusals_total 0\n')
  })

  test('what happens is told as it happens, to as many as may read along', async () => {
    const reader = createApiClient({ url, token: admin })
    const stop = new AbortController()
    const heard: string[] = []
    const reading = (async () => {
      for await (const message of reader.watch(['requests', 'audit'], stop.signal))
        heard.push(
          message.topic === 'requests' ? message.type : message.topic === 'audit' ? message.entry.type : '',
        )
    })()
    await until(async () =>
      (await ask('/metrics', { headers: bearer(admin) })).body.includes('nip46_api_streams 1'),
    )
    const app = await connectApp(world)
    const signing = app.signEvent({ kind: 1, content: 'x' })
    const { id, hash } = await nextQuestion(world.api)
    await world.api.call('request.approve', { id, hash })
    await signing
    await until(() => heard.includes('settled') && heard.includes('performed'))
    expect(heard.filter((each) => each === 'asked' || each === 'settled')).toEqual(['asked', 'settled'])
    const streams = Array.from({ length: STREAMS - 1 }, () =>
      httpRequest({
        host: '127.0.0.1',
        port: new URL(url).port,
        path: '/api/v1/events?topics=log',
        headers: bearer(admin),
        agent: false,
      }).on('error', () => undefined),
    )
    for (const stream of streams) stream.end()
    await until(async () =>
      (await ask('/metrics', { headers: bearer(admin) })).body.includes(`nip46_api_streams ${STREAMS}`),
    )
    expect(await ask('/api/v1/events?topics=log', { headers: bearer(admin) })).toMatchObject({ status: 503 })
    for (const stream of streams) stream.destroy()
    stop.abort()
    await reading
  })

  test('guessing tokens is stopped for everybody, and only for a minute', async () => {
    for (let tries = 0; tries < WRONG_TOKENS_PER_MINUTE - 1; tries++)
      expect([401, 429]).toContain(
        (await ask('/api/v1/status', { headers: bearer(`nbt_${'0'.repeat(16)}_${'0'.repeat(64)}`) })).status,
      )
    const answer = await ask('/api/v1/status', { headers: bearer('nonsense') })
    const after = await ask('/api/v1/status', { headers: bearer('nonsense') })
    expect([answer.status, after.status]).toContain(429)
    expect(after.headers['retry-after']).toBe('60')
    // The owner is not locked out by strangers.
    expect((await world.api.call('status.get')).pid).toBe(process.pid)
  })
})
