/**
 * Sockets on Node through the `ws` package: bounded messages, pings, and a look at each address before it is dialled.
 * Never follows redirects and never negotiates compression.
 */

import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { type ClientOptions, WebSocket } from 'ws'
import { CLOSE_GRACE_MS, CLOSE_NORMAL, FORBIDDEN_ADDRESS, type OpenSocket } from './socket.ts'

/** Opens sockets with `ws`. */
export const openSocket: OpenSocket = (url, listener, { maxBytes, allowAddress }) => {
  let ended = false
  const end = (text: string): void => {
    if (ended) return
    ended = true
    listener.onEnd(text)
  }

  const socket = new WebSocket(url, {
    maxPayload: maxBytes,
    perMessageDeflate: false,
    followRedirects: false,
    closeTimeout: CLOSE_GRACE_MS,
    lookup: guardLookup(allowAddress),
  } as ClientOptions)
  let date: number | undefined
  socket.on('upgrade', ({ headers }) => {
    const told = Date.parse(headers.date ?? '')
    if (Number.isFinite(told)) date = told
  })
  socket.on('open', () => {
    if (!ended) listener.onOpen(date)
  })
  socket.on('message', (data, isBinary) => {
    if (!ended) listener.onMessage(isBinary ? undefined : String(data))
  })
  socket.on('pong', () => {
    if (!ended) listener.onPong()
  })
  // After an error `ws` says goodbye by itself (1009 for a message over the limit); nothing more is expected of it.
  socket.on('error', (error) => end(describe(error)))
  socket.on('close', (code, text) => end(`closed (${code})${text.length > 0 ? `: ${text}` : ''}`))

  return {
    send: (text) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text)
    },
    buffered: () => socket.bufferedAmount,
    close: () => socket.close(CLOSE_NORMAL),
    // After an error `ws` is saying its goodbye, which a cut would swallow; it waits for no more than `closeTimeout`.
    terminate: () => {
      if (!ended) socket.terminate()
    },
    ping: () => {
      if (socket.readyState === WebSocket.OPEN) socket.ping()
    },
  }
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

function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'cannot connect'
  if (error.message !== '') return error.message
  // Node joins the failures of several addresses under an empty message.
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'string' ? code : error.name
}
