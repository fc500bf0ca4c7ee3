/**
 * Sockets on Node through the `ws` package: bounded messages, pings, and a look at each address before it is dialled.
 * Never follows redirects and never negotiates compression.
 */

import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import type { Writable } from 'node:stream'
import { FRAME_BYTES } from '@nip46/core/limits'
import { type ClientOptions, WebSocket } from 'ws'
import { CLOSE_GRACE_MS, FORBIDDEN_ADDRESS, type OpenSocket } from './socket.ts'

/** No more, so that the peer is at work on the first while we make the others. */
const FRAMES_TOGETHER = 4

/** Opens sockets with `ws`. A message over the limit ends one with the code 1009. */
export const openSocket: OpenSocket = (url, { allowAddress, onPong, onDate }) => {
  const socket = new WebSocket(url, {
    maxPayload: FRAME_BYTES,
    perMessageDeflate: false,
    followRedirects: false,
    closeTimeout: CLOSE_GRACE_MS,
    lookup: guardLookup(allowAddress),
  } as ClientOptions)
  socket.on('upgrade', ({ headers, socket: stream }) => {
    // Bun's own `ws` tells none.
    if (stream?.cork !== undefined) sendTogether(socket, stream)
    if (headers.date !== undefined) onDate(headers.date)
  })
  socket.on('pong', onPong)
  socket.on('error', nameError)
  return socket
}

// -- helpers -------------------------------------------------------------------------------------

/** Of what is sent in one turn the first frame leaves at once, and the others in one system call for every few. */
function sendTogether(socket: WebSocket, stream: Writable): void {
  const send = socket.send.bind(socket)
  let hasBegun = false
  let held = 0
  const release = (): void => {
    if (held > 0) stream.uncork()
    held = 0
  }
  socket.send = (frame: string) => {
    if (!hasBegun) {
      hasBegun = true
      process.nextTick(() => {
        hasBegun = false
        release()
      })
    } else if (held++ === 0) stream.cork()
    send(frame)
    if (held === FRAMES_TOGETHER) release()
  }
}

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
