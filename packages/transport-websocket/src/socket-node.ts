/**
 * Sockets on Node through the `ws` package: bounded messages, pings, and a look at each address before it is dialled.
 * Never follows redirects and never negotiates compression.
 */

import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { FRAME_BYTES } from '@nip46/core/limits'
import { type ClientOptions, WebSocket } from 'ws'
import { CLOSE_GRACE_MS, FORBIDDEN_ADDRESS, type OpenSocket } from './socket.ts'

/** Opens sockets with `ws`. A message over the limit ends one with the code 1009. */
export const openSocket: OpenSocket = (url, { allowAddress, onPong, onDate }) => {
  const socket = new WebSocket(url, {
    maxPayload: FRAME_BYTES,
    perMessageDeflate: false,
    followRedirects: false,
    closeTimeout: CLOSE_GRACE_MS,
    lookup: guardLookup(allowAddress),
  } as ClientOptions)
  socket.on('upgrade', ({ headers }) => {
    if (headers.date !== undefined) onDate(headers.date)
  })
  socket.on('pong', onPong)
  socket.on('error', nameError)
  return socket
}

// -- helpers -------------------------------------------------------------------------------------

/**
 * Resolves as Node does, and keeps the addresses that may be dialled. The socket connects to exactly these, so a name
 * that resolves differently a moment later (DNS rebinding) changes nothing.
 */
function guardLookup(allowAddress: (host: string, ip: string) => boolean): LookupFunction {
  return (host, options, callback) => {
    lookup(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, options.all === true ? [] : '', 0)
      const allowed = addresses.filter(({ address }) => allowAddress(host, address))
      const [first] = allowed
      if (first === undefined) {
        return callback(new Error(FORBIDDEN_ADDRESS), options.all === true ? [] : '', 0)
      }
      if (options.all === true) callback(null, allowed)
      else callback(null, first.address, first.family)
    })
  }
}

/** Node joins the failures of several addresses under an empty message, which would tell nobody anything. */
function nameError(error: Error): void {
  const { code } = error as { readonly code?: unknown }
  error.message ||= typeof code === 'string' ? code : error.name
}
