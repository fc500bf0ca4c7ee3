/**
 * What the API answers: probes, figures, its own document, the stream of events, and every operation of the table.
 * Never serves anything but "alive" and "ready" without knowing who asks.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AuditTail } from '../daemon/audit-tail.ts'
import { readJsonBody } from './body.ts'
import { type Caller, requireScope } from './caller.ts'
import type { EventHub } from './events.ts'
import { Fault } from './fault.ts'
import { type ApiCounts, writeMetrics } from './metrics.ts'
import { openApiDocument } from './openapi.ts'
import { EVENTS_PATH, type Handlers, OPERATIONS, type OperationName, type OutputOf } from './operations.ts'
import { sendJson, sendText } from './reply.ts'
import { findRoute, parseTarget, readQuery } from './routes.ts'
import type { Status, Topic } from './shapes.ts'

export interface AnswererOptions {
  readonly handlers: Handlers
  readonly hub: EventHub
  /** Where the stream's entries of the log come from. */
  readonly tail: Pick<AuditTail, 'ready' | 'stir'>
  readonly status: () => Status
  readonly version: string
  /** An exception that is nobody's input: to be logged without what was sent. */
  readonly onFault: (operation: string, cause: unknown) => void
}

/** Answers one request; rejects with a `Fault`. `whoAsks` throws one for a stranger. */
export type Answerer = (
  request: IncomingMessage,
  response: ServerResponse,
  whoAsks: () => Caller,
) => Promise<void>

const TOPICS: ReadonlySet<string> = new Set<Topic>(['requests', 'notices', 'audit', 'log'])

export function createAnswerer(options: AnswererOptions, counts: () => ApiCounts): Answerer {
  const { handlers, hub, tail, status, version, onFault } = options

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

  return async (request, response, whoAsks) => {
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
}
