/**
 * The API over HTTP: on a unix socket whose file says who may use it, and on loopback with tokens if wanted.
 * Never lets what a request leads to reach the host as an exception.
 */

import { chmod, rm } from 'node:fs/promises'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '@nip46/core'
import { type AnswererOptions, createAnswerer } from './answerer.ts'
import { createTokenCheck, OWNER } from './caller.ts'
import { type GuardOptions, guardFor, guardNetwork, guardSocket } from './guard.ts'
import { CONNECTIONS, HEADER_BYTES, HEADERS_MS, KEEP_ALIVE_MS, REQUEST_MS } from './limits.ts'
import type { ApiCounts } from './metrics.ts'
import type { Pages } from './pages.ts'
import { SAFE_HEADERS, sendFault } from './reply.ts'
import { parseTarget } from './routes.ts'
import type { Tokens } from './tokens.ts'
import { clearSocketPath } from './unix-socket.ts'

export interface ApiServerOptions extends AnswererOptions {
  readonly tokens: Tokens
  readonly clock: Clock
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

type Work = (request: IncomingMessage, response: ServerResponse) => Promise<void>

export function createApiServer(options: ApiServerOptions): ApiServer {
  const { tokens, hub, clock, onFault } = options
  const servers: Server[] = []
  const sockets: string[] = []
  const answers = new Map<number, number>()

  const counts = (): ApiCounts => ({ answers, streams: hub.size })
  const answer = createAnswerer(options, counts)
  const callerOf = createTokenCheck(tokens, clock)

  /** Whatever `work` rejects with becomes an answer; nothing of it reaches the host. */
  const settle = async (request: IncomingMessage, response: ServerResponse, work: Work): Promise<void> => {
    for (const [name, value] of Object.entries(SAFE_HEADERS)) response.setHeader(name, value)
    response.on('finish', () => answers.set(response.statusCode, (answers.get(response.statusCode) ?? 0) + 1))
    try {
      await work(request, response)
    } catch (cause) {
      sendFault(request, response, cause, (fault) => onFault('http', fault))
    }
  }

  const serve = (work: Work): Server => {
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
      await clearSocketPath(path)
      const server = serve(async (request, response) => {
        guardSocket(request)
        await answer(request, response, () => OWNER)
      })
      await listening(server, { path })
      await chmod(path, 0o600)
      sockets.push(path)
    },
    async listenOnHttp({ host, port, publicUrl, pages }) {
      let guard: GuardOptions = { hosts: new Set(), origins: new Set() }
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

function listening(server: Server, where: { path: string } | { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
