/**
 * The API over HTTP: on a unix socket whose file says who may use it, and on loopback with tokens if wanted.
 * Never serves anything but "alive" and "ready" without knowing who asks, and never tells what went wrong inside.
 */

import { chmod, rm, stat } from 'node:fs/promises'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { dirname } from 'node:path'
import { type Clock, UsageError } from '@nip46/core'
import type { AuditTail } from '../daemon/audit-tail.ts'
import { ensurePrivateDirectory } from '../daemon/private-file.ts'
import { readJsonBody } from './body.ts'
import type { EventHub } from './events.ts'
import { Fault } from './fault.ts'
import { guardNetwork, guardSocket } from './guard.ts'
import {
  CONNECTIONS,
  HEADER_BYTES,
  HEADERS_MS,
  KEEP_ALIVE_MS,
  REQUEST_MS,
  WRONG_TOKENS_PER_MINUTE,
} from './limits.ts'
import { type ApiCounts, writeMetrics } from './metrics.ts'
import { openApiDocument } from './openapi.ts'
import { EVENTS_PATH, type InputOf, OPERATIONS, type OperationName, type OutputOf } from './operations.ts'
import { findRoute, readQuery } from './routes.ts'
import type { Scope, Status, Topic } from './shapes.ts'
import type { Tokens } from './tokens.ts'

/** Who asks. */
export interface Caller {
  /** `owner` over the unix socket, otherwise the id of a token. */
  readonly name: string
  readonly scopes: ReadonlySet<Scope>
}

export type Handlers = {
  readonly [Name in OperationName]: (
    input: InputOf<Name>,
    caller: Caller,
  ) => Promise<OutputOf<Name>> | OutputOf<Name>
}

/** Pages for people; see `createPages`. */
export interface Pages {
  /** Whether this path is theirs. */
  owns(path: string): boolean
  /** Answers; rejects with a `Fault` that is shown as text. */
  handle(request: IncomingMessage, response: ServerResponse, path: string): Promise<void>
}

export interface ApiServerOptions {
  readonly handlers: Handlers
  readonly tokens: Tokens
  readonly hub: EventHub
  /** Where the stream's entries of the log come from. */
  readonly tail: Pick<AuditTail, 'ready' | 'stir'>
  readonly status: () => Status
  readonly version: string
  readonly clock: Clock
  /** An exception that is nobody's input: to be logged without what was sent. */
  readonly onFault: (operation: string, cause: unknown) => void
}

export interface HttpOptions {
  readonly host: string
  readonly port: number
  /** The address under which people and programs reach it, if a proxy stands in front. */
  readonly publicUrl?: string
  readonly pages?: Pages
}

export interface ApiServer {
  /** Rejects with `UsageError` if another daemon answers there. */
  listenOnSocket(path: string): Promise<void>
  /** Resolves with the URL without a final slash. */
  listenOnHttp(options: HttpOptions): Promise<string>
  counts(): ApiCounts
  /** Takes no more requests, lets those under way finish for `afterMs`, ends the rest. */
  close(afterMs: number): Promise<void>
}

const OWNER: Caller = {
  name: 'owner',
  scopes: new Set<Scope>(['read', 'approve', 'manage', 'keys', 'admin']),
}
const TOPICS: ReadonlySet<string> = new Set<Topic>(['requests', 'notices', 'audit', 'log'])

/** What every answer says to browsers. */
export const SAFE_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

type Answerer = (request: IncomingMessage, response: ServerResponse) => Promise<void>

export function createApiServer(options: ApiServerOptions): ApiServer {
  const { handlers, tokens, hub, tail, status, version, clock, onFault } = options
  const servers: Server[] = []
  const sockets: string[] = []
  const answers = new Map<number, number>()
  const wrong = createWrongTokens(clock)

  const counts = (): ApiCounts => ({ answers, streams: hub.size })

  const callerOf = (request: IncomingMessage): Caller => {
    if (wrong.isFull()) throw new Fault(429, 'auth/rate', 'too many wrong tokens: try again in a minute')
    const [, text] = /^Bearer ([!-~]{1,256})$/i.exec(request.headers.authorization ?? '') ?? []
    if (text === undefined) throw new Fault(401, 'auth/missing', 'send a token: authorization: Bearer nbt_…')
    const token = tokens.check(text)
    if (token === undefined) {
      wrong.count()
      throw new Fault(401, 'auth/wrong', 'this token is not good, or no longer: make one with "token create"')
    }
    return { name: token.id, scopes: new Set(token.scopes) }
  }

  const answer = async (
    request: IncomingMessage,
    response: ServerResponse,
    whoAsks: () => Caller,
  ): Promise<void> => {
    const url = parseTarget(request.url)
    const method = request.method ?? ''
    const isRead = method === 'GET' || method === 'HEAD'
    if (isRead && url.pathname === '/healthz') return sendText(response, 200, 'alive\n')
    if (isRead && url.pathname === '/readyz') {
      const { ready } = status()
      return sendText(response, ready ? 200 : 503, ready ? 'ready\n' : 'not ready\n')
    }
    const caller = whoAsks()
    if (isRead && url.pathname === '/metrics') {
      requireScope(caller, 'read')
      return sendText(
        response,
        200,
        writeMetrics(status(), counts()),
        'text/plain; version=0.0.4; charset=utf-8',
      )
    }
    if (isRead && url.pathname === '/openapi.json') {
      requireScope(caller, 'read')
      return sendJson(response, 200, openApiDocument(version))
    }
    if (isRead && url.pathname === EVENTS_PATH) {
      requireScope(caller, 'read')
      const topics = (url.searchParams.get('topics') ?? '').split(',')
      if (!topics.every((topic): topic is Topic => TOPICS.has(topic)))
        throw new Fault(
          400,
          'input/topics',
          'topics are requests, notices, audit and log, with commas between them',
        )
      if (topics.includes('audit')) await tail.ready()
      if (!hub.open(response, topics))
        throw new Fault(503, 'streams/full', 'too many event streams are open: close one')
      tail.stir()
      return
    }
    const route = findRoute(method, url.pathname)
    if (route.type === 'unknown') throw new Fault(404, 'route/unknown', 'there is nothing at this address')
    if (route.type === 'other-method') {
      response.setHeader('allow', route.allowed.join(', '))
      throw new Fault(405, 'route/method', `this address takes ${route.allowed.join(', ')}`)
    }
    const { name, inPath } = route
    requireScope(caller, OPERATIONS[name].scope)
    const hasBody = method === 'POST' || method === 'PUT'
    const sent = hasBody ? await readJsonBody(request) : readQuery(name, url.searchParams)
    sendJson(response, 200, await run(name, sent, inPath, caller))
  }

  const run = async <Name extends OperationName>(
    name: Name,
    sent: unknown,
    inPath: Readonly<Record<string, string>>,
    caller: Caller,
  ): Promise<OutputOf<Name>> => {
    if (typeof sent !== 'object' || sent === null || Array.isArray(sent))
      throw new Fault(400, 'input/shape', 'the body must be a JSON object')
    const twice = Object.keys(inPath).find((field) => Object.hasOwn(sent, field))
    if (twice !== undefined)
      throw new Fault(400, 'input/shape', `"${twice}" is in the address: leave it out of the body`)
    const input = OPERATIONS[name].input.read({ ...sent, ...inPath }, 'input')
    if (!input.ok) throw new Fault(400, 'input/shape', input.error)
    try {
      return await handlers[name](input.value, caller)
    } catch (cause) {
      if (cause instanceof Fault) throw cause
      onFault(name, cause)
      throw new Fault(500, 'internal', 'this went wrong inside: the log says more')
    }
  }

  /** Whatever `work` rejects with becomes an answer; nothing of it reaches the host. */
  const settle = async (
    request: IncomingMessage,
    response: ServerResponse,
    work: Answerer,
  ): Promise<void> => {
    for (const [name, value] of Object.entries(SAFE_HEADERS)) response.setHeader(name, value)
    response.on('finish', () => answers.set(response.statusCode, (answers.get(response.statusCode) ?? 0) + 1))
    try {
      await work(request, response)
    } catch (cause) {
      if (response.headersSent || response.destroyed) {
        response.destroy()
        return
      }
      if (request.destroyed && !request.complete) return
      const fault = cause instanceof Fault ? cause : new Fault(500, 'internal', 'this went wrong inside')
      if (!(cause instanceof Fault)) onFault('http', cause)
      // What was not read is not waited for.
      if (!request.complete) {
        response.setHeader('connection', 'close')
        request.resume()
      }
      if (fault.status === 401) response.setHeader('www-authenticate', 'Bearer')
      if (fault.status === 429) response.setHeader('retry-after', '60')
      const { code, message, facts } = fault
      sendJson(response, fault.status, { error: { code, message, ...facts } })
    }
  }

  const serve = (work: Answerer): Server => {
    // Not imported: that would also load Node's HTTP client of another kind, for a name that it exports.
    const server = process.getBuiltinModule('node:http').createServer(
      {
        maxHeaderSize: HEADER_BYTES,
        headersTimeout: HEADERS_MS,
        requestTimeout: REQUEST_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        connectionsCheckingInterval: 1_000,
      },
      (request, response) => {
        settle(request, response, work).catch((cause) => onFault('http', cause))
      },
    )
    server.maxConnections = CONNECTIONS
    server.on('connection', (socket) => socket.on('error', () => socket.destroy()))
    server.on('clientError', (_cause, socket) => socket.destroy())
    servers.push(server)
    return server
  }

  return {
    counts,
    async listenOnSocket(path) {
      // Longer ones are cut by the system, or refused with words that do not help.
      if (Buffer.byteLength(path) > 103)
        throw new UsageError(`${path} is too long for a socket: give a shorter one with --socket`)
      await ensurePrivateDirectory(dirname(path))
      await removeStaleSocket(path)
      const server = serve(async (request, response) => {
        guardSocket(request)
        await answer(request, response, () => OWNER)
      })
      await listening(server, { path })
      await chmod(path, 0o600)
      sockets.push(path)
    },
    async listenOnHttp({ host, port, publicUrl, pages }) {
      let guard = { hosts: new Set<string>(), origins: new Set<string>() }
      const server = serve(async (request, response) => {
        const { pathname } = parseTarget(request.url)
        const isPage = pages?.owns(pathname) === true
        const isProbe = pathname === '/healthz' || pathname === '/readyz'
        // Probes of a supervisor come by address, and are told one word.
        if (!isProbe) guardNetwork(request, guard, isPage)
        if (isPage) await pages.handle(request, response, pathname)
        else await answer(request, response, () => callerOf(request))
      })
      await listening(server, { host, port })
      const bound = (server.address() as AddressInfo).port
      const url = `http://${host.includes(':') ? `[${host}]` : host}:${bound}`
      guard = guardFor(url, bound, publicUrl)
      return url
    },
    async close(afterMs) {
      hub.close()
      const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
      for (const server of servers) server.closeIdleConnections()
      const timer = clock.setTimer(() => {
        for (const server of servers) server.closeAllConnections()
      }, afterMs)
      await Promise.all(closed)
      clock.clearTimer(timer)
      for (const path of sockets) await rm(path, { force: true })
    },
  }
}

function requireScope(caller: Caller, scope: Scope): void {
  if (!caller.scopes.has(scope))
    throw new Fault(403, 'auth/scope', `this token lacks the scope "${scope}": make one that has it`)
}

/** Wrong tokens of a minute, from everybody together. Guessing 256 bits is hopeless; this keeps the log quiet. */
function createWrongTokens(clock: Clock): { count(): void; isFull(): boolean } {
  let since = 0
  let count = 0
  const roll = (): void => {
    if (clock.now() - since < 60_000) return
    since = clock.now()
    count = 0
  }
  return {
    count() {
      roll()
      count += 1
    },
    isFull() {
      roll()
      return count >= WRONG_TOKENS_PER_MINUTE
    },
  }
}

function guardFor(
  url: string,
  port: number,
  publicUrl: string | undefined,
): { hosts: Set<string>; origins: Set<string> } {
  const { host } = new URL(url)
  const hosts = new Set([host, `localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`])
  const origins = new Set([...hosts].map((name) => `http://${name}`))
  if (publicUrl !== undefined) {
    const { host: publicHost, origin } = new URL(publicUrl)
    hosts.add(publicHost.toLowerCase())
    origins.add(origin)
  }
  return { hosts, origins }
}

function parseTarget(target: string | undefined): URL {
  const url = target?.startsWith('/') ? URL.parse(`http://host${target}`) : null
  // What is read is what was sent: dots, backslashes and the like mean one thing to a proxy and another to us.
  if (url === null || url.pathname !== target?.split(/[?#]/, 1)[0])
    throw new Fault(400, 'input/target', 'this is no path')
  return url
}

function listening(server: Server, where: { path: string } | { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** A socket that nobody listens on was left by a crash. */
async function removeStaleSocket(path: string): Promise<void> {
  try {
    const facts = await stat(path)
    if (!facts.isSocket()) throw new UsageError(`${path} is in the way: it is no socket`)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return
    throw cause
  }
  const isAlive = await new Promise<boolean>((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
  if (isAlive)
    throw new UsageError(`another daemon answers at ${path}: stop it first, or give another --socket`)
  await rm(path, { force: true })
}

export function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) })
  response.end(text)
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  sendText(response, status, JSON.stringify(value), 'application/json')
}
