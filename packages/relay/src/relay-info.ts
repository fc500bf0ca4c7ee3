/**
 * What the relay says about itself over plain HTTP (NIP-11).
 * Never says anything about who uses it.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { limits as protocol } from '@nip46/core'
import type { RelayLimits } from './limits.ts'

/** What the owner may say. All optional, all public. */
export interface RelayInfo {
  readonly name?: string
  readonly description?: string
  /** The owner's public key, 64 lowercase hex characters. */
  readonly pubkey?: string
  /** A URI such as `mailto:owner@example.com`. */
  readonly contact?: string
}

export interface RelayFacts {
  readonly info: RelayInfo
  readonly limits: RelayLimits
  readonly kinds: readonly number[]
  readonly authRequired: boolean
  readonly retention: { readonly seconds: number; readonly events: number } | undefined
}

/** Answers one HTTP request at the path of the relay; there is nothing at another. */
export function answerRequest(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  facts: RelayFacts,
): void {
  request.resume()
  const answer = (status: number, type: string, body: string): void => {
    response.writeHead(status, {
      'Content-Type': type,
      'Content-Length': Buffer.byteLength(body),
      Connection: 'close',
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Allow-Headers': '*',
      'Access-Control-Allow-Methods': 'GET, HEAD, OPTIONS',
      'X-Content-Type-Options': 'nosniff',
    })
    response.end(request.method === 'HEAD' ? '' : body)
  }
  const { method } = request
  if (pathOf(request) !== path) answer(404, TEXT, 'Not found\n')
  else if (method === 'OPTIONS') answer(200, TEXT, '')
  else if (method !== 'GET' && method !== 'HEAD') answer(405, TEXT, 'Only GET\n')
  else if (request.headers.accept?.includes(NOSTR_JSON)) answer(200, NOSTR_JSON, describeRelay(facts))
  else answer(200, TEXT, greetVisitor(facts))
}

/** Where a request goes, without its query. */
export function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split(/[?#]/, 1)[0] ?? '/'
}

/** The NIP-11 document, as JSON. */
function describeRelay(facts: RelayFacts): string {
  const { info, limits, kinds, authRequired, retention } = facts
  return JSON.stringify({
    name: info.name ?? 'NIP-46 relay',
    description: info.description ?? `A small relay for kind ${kinds.join(', ')}.`,
    pubkey: info.pubkey,
    contact: info.contact,
    supported_nips: authRequired ? [1, 11, 42, 46] : [1, 11, 46],
    software: 'https://www.npmjs.com/package/@nip46/relay',
    limitation: {
      max_message_length: limits.frameBytes,
      max_subscriptions: limits.subscriptions,
      max_subid_length: limits.subscriptionIdChars,
      max_limit: retention?.events ?? 0,
      max_event_tags: protocol.CARRIER_TAGS,
      max_content_length: protocol.EVENT_CHARS_IN,
      min_pow_difficulty: 0,
      auth_required: authRequired,
      payment_required: false,
      restricted_writes: true,
      created_at_lower_limit: limits.pastSeconds,
      created_at_upper_limit: limits.futureSeconds,
    },
    retention: [
      retention === undefined
        ? { kinds, time: 0 }
        : { kinds, time: retention.seconds, count: retention.events },
    ],
  })
}

/** What a browser shows. */
function greetVisitor(facts: RelayFacts): string {
  return `${facts.info.name ?? 'NIP-46 relay'}\n\nThis is a Nostr relay for kind ${facts.kinds.join(', ')}. Use a Nostr client.\n`
}

const TEXT = 'text/plain; charset=utf-8'
const NOSTR_JSON = 'application/nostr+json'
