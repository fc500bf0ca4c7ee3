/**
 * How every answer of the API is written: safe headers for browsers, a text, JSON, or what went wrong.
 * Never tells what went wrong inside, and never lets a failed answer reach the host.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { Fault } from './fault.ts'

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

export function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) })
  response.end(text)
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  sendText(response, status, JSON.stringify(value), 'application/json')
}

/** Answers with what handling a request was rejected with. `onFault` is told what is nobody's input. */
export function sendFault(
  request: IncomingMessage,
  response: ServerResponse,
  cause: unknown,
  onFault: (cause: unknown) => void,
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  if (request.destroyed && !request.complete) return
  const fault = cause instanceof Fault ? cause : new Fault(500, 'internal', 'this went wrong inside')
  if (!(cause instanceof Fault)) onFault(cause)
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
