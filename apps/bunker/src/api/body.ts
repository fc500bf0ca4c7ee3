/**
 * Reading what was sent: the body up to its bound, then JSON or a form.
 * Never reads on past the bound, and never takes a body under a type that a foreign page could send unasked.
 */

import type { IncomingMessage } from 'node:http'
import { Fault } from './fault.ts'
import { BODY_BYTES } from './limits.ts'

/** The body as JSON; an absent one is an empty object. 415, 413, 400. */
export async function readJsonBody(request: IncomingMessage): Promise<unknown> {
  const type = mediaType(request)
  const declared = Number(request.headers['content-length'] ?? 0)
  const isEmpty = declared === 0 && request.headers['transfer-encoding'] === undefined
  if (type !== 'application/json' && !(isEmpty && type === undefined))
    throw new Fault(415, 'input/type', 'send JSON: content-type application/json')
  const text = await readText(request)
  if (text === '') return {}
  try {
    return JSON.parse(text)
  } catch (cause) {
    if (cause instanceof SyntaxError || cause instanceof RangeError)
      throw new Fault(400, 'input/json', 'the body is not JSON')
    throw cause
  }
}

/** The fields of a form of one of our pages. */
export async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  if (mediaType(request) !== 'application/x-www-form-urlencoded')
    throw new Fault(415, 'input/type', 'send the form of the page')
  return new URLSearchParams(await readText(request))
}

async function readText(request: IncomingMessage): Promise<string> {
  if (Number(request.headers['content-length'] ?? 0) > BODY_BYTES) throw tooLarge()
  const chunks: Buffer[] = []
  let size = 0
  // What is refused is still answered: leaving the loop must not end the connection.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > BODY_BYTES) throw tooLarge()
    chunks.push(chunk)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks))
  } catch (cause) {
    if (cause instanceof TypeError) throw new Fault(400, 'input/json', 'the body is not UTF-8')
    throw cause
  } finally {
    // A passphrase may have been in it.
    for (const chunk of chunks) chunk.fill(0)
  }
}

function tooLarge(): Fault {
  return new Fault(413, 'input/too-large', `a body has at most ${BODY_BYTES} bytes`)
}

function mediaType(request: IncomingMessage): string | undefined {
  return request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
}
