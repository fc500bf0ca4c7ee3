/**
 * The API as functions: over the daemon's unix socket, or over HTTP with a token.
 * Never retries, and never prints what it sends or gets.
 */

import type { ClientRequest, IncomingMessage } from 'node:http'
import type { JsonValue } from '@nip46/core'
import { Fault } from './fault.ts'
import {
  API_ROOT,
  EVENTS_PATH,
  type InputOf,
  OPERATIONS,
  type OperationName,
  type OutputOf,
} from './operations.ts'
import type { StreamMessage, Topic } from './shapes.ts'

/** A call that is not answered in this time is given up, in milliseconds. Unlocking a key takes seconds; a backup longer. */
export const CALL_MS = 120_000
/** Characters of an answer. */
export const ANSWER_CHARS = 67_108_864

export type ApiAddress =
  /** The daemon's socket: who may open the file is its owner. */
  { readonly socketPath: string } | { readonly url: string; readonly token: string }

export interface ApiClient {
  /**
   * Rejects with a {@link Fault} if the daemon refused, and with one of status 0 and code `daemon/not-running` or
   * `daemon/unreachable` if there was no answer.
   */
  call<Name extends OperationName>(
    name: Name,
    ...input: object extends InputOf<Name> ? [input?: InputOf<Name>] : [input: InputOf<Name>]
  ): Promise<OutputOf<Name>>
  /** What happens, until the signal is aborted or the daemon ends; then it is over without an error. */
  watch(topics: readonly Topic[], signal: AbortSignal): AsyncIterable<StreamMessage>
  /** Likewise, resolved once the daemon has it open: what is done from then on is in it. Rejects as {@link ApiClient.call}. */
  follow(topics: readonly Topic[], signal: AbortSignal): Promise<AsyncIterator<StreamMessage>>
}

export function createApiClient(address: ApiAddress): ApiClient {
  return {
    call: async (name, ...[input]) => {
      const { method, path } = OPERATIONS[name]
      const rest: Record<string, unknown> = { ...input }
      let target = `${API_ROOT}${path.replace(/\{(\w+)\}/g, (_, field: string) => {
        const value = String(rest[field])
        delete rest[field]
        return encodeURIComponent(value)
      })}`
      const given = Object.entries(rest).flatMap(([field, value]): [string, string][] =>
        value === undefined ? [] : [[field, String(value)]],
      )
      const hasBody = method === 'POST' || method === 'PUT'
      if (!hasBody && given.length > 0) target += `?${new URLSearchParams(given)}`
      const response = await send(address, method, target, hasBody ? JSON.stringify(rest) : undefined)
      const answer = await readAnswer(response)
      if (response.statusCode !== 200) throw faultOf(response.statusCode ?? 0, answer)
      return answer as OutputOf<typeof name>
    },
    watch: (topics, signal) => ({
      async *[Symbol.asyncIterator]() {
        const response = await openStream(address, topics, signal)
        if (response !== undefined) yield* readStream(response, signal)
      },
    }),
    async follow(topics, signal) {
      const response = await openStream(address, topics, signal)
      return response === undefined ? over() : readStream(response, signal)
    },
  }
}

/** Undefined if it is not wanted any more. */
async function openStream(
  address: ApiAddress,
  topics: readonly Topic[],
  signal: AbortSignal,
): Promise<IncomingMessage | undefined> {
  if (signal.aborted) return undefined
  const response = await send(address, 'GET', `${EVENTS_PATH}?topics=${topics.join(',')}`, undefined, true)
  if (response.statusCode !== 200) throw faultOf(response.statusCode ?? 0, await readAnswer(response))
  // It may break before anybody reads it; then reading says so.
  response.on('error', () => undefined)
  return response
}

/** A stream without a message. */
async function* over(): AsyncGenerator<StreamMessage> {}

async function* readStream(response: IncomingMessage, signal: AbortSignal): AsyncGenerator<StreamMessage> {
  const stop = (): void => void response.destroy()
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  try {
    let rest = ''
    response.setEncoding('utf8')
    for await (const chunk of response) {
      const lines = `${rest}${chunk}`.split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > ANSWER_CHARS)
        throw new Fault(0, 'daemon/unreachable', 'the answer is larger than anything a daemon says')
      for (const line of lines)
        if (line.startsWith('data: ')) yield JSON.parse(line.slice(6)) as StreamMessage
    }
  } catch (cause) {
    // The daemon is gone, or the caller had enough: both end the stream.
    if (!signal.aborted && (cause instanceof Fault || !(cause instanceof Error && 'code' in cause)))
      throw cause
  } finally {
    signal.removeEventListener('abort', stop)
    response.destroy()
  }
}

function send(
  address: ApiAddress,
  method: string,
  target: string,
  body: string | undefined,
  stream = false,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = {
      accept: stream ? 'text/event-stream' : 'application/json',
      ...(body !== undefined && {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      }),
      ...('token' in address && { authorization: `Bearer ${address.token}` }),
    }
    const sent = open(address, { method, headers, agent: false, timeout: stream ? 0 : CALL_MS }, target)
    sent.on('response', resolve)
    sent.on('timeout', () => sent.destroy(new Error('no answer in time')))
    sent.on('error', (cause: NodeJS.ErrnoException) => reject(unreachable(cause)))
    sent.end(body)
  })
}

interface SendOptions {
  readonly method: string
  readonly headers: Record<string, string | number>
  readonly agent: false
  readonly timeout: number
}

function open(address: ApiAddress, options: SendOptions, path: string): ClientRequest {
  // When it is needed, and not imported: that would also load Node's HTTP client of another kind, for a name that it exports.
  const http = process.getBuiltinModule('node:http')
  if ('socketPath' in address)
    return http.request({
      ...options,
      socketPath: address.socketPath,
      path,
      headers: { ...options.headers, host: 'localhost' },
    })
  const url = new URL(path, address.url)
  return url.protocol === 'https:'
    ? process.getBuiltinModule('node:https').request(url, options)
    : http.request(url, options)
}

function unreachable(cause: NodeJS.ErrnoException): Fault {
  const absent = cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED'
  if (absent) return new Fault(0, 'daemon/not-running', 'the daemon does not run: start it with "up"')
  if (cause.code === 'EACCES')
    return new Fault(
      0,
      'daemon/unreachable',
      "the daemon's socket belongs to another user: run this as that user",
    )
  return new Fault(0, 'daemon/unreachable', `no answer from the daemon: ${cause.message}`)
}

async function readAnswer(response: IncomingMessage): Promise<JsonValue> {
  let answer = ''
  response.setEncoding('utf8')
  for await (const chunk of response) {
    answer += chunk as string
    if (answer.length > ANSWER_CHARS) {
      response.destroy()
      throw new Fault(0, 'daemon/unreachable', 'the answer is larger than anything a daemon says')
    }
  }
  try {
    return JSON.parse(answer) as JsonValue
  } catch (cause) {
    if (cause instanceof SyntaxError)
      throw new Fault(response.statusCode ?? 0, 'daemon/unreachable', 'what answered is no bunker daemon')
    throw cause
  }
}

function faultOf(status: number, answer: JsonValue): Fault {
  const { error } = answer as { readonly error?: { readonly [name: string]: JsonValue } }
  const { code, message, ...facts } = error ?? {}
  return new Fault(
    status,
    String(code ?? 'daemon/unreachable'),
    String(message ?? 'refused without a reason'),
    facts,
  )
}
