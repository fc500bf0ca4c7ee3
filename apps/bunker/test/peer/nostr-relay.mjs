/**
 * The relay of the npm package @nostr-relay/core on a loopback port, in its own process.
 * Says its URL, then serves until it hears anything.
 */

import { createServer } from 'node:http'
import { EventRepository } from '@nostr-relay/common'
import { NostrRelay } from '@nostr-relay/core'
import { Validator } from '@nostr-relay/validator'
import { WebSocketServer } from 'ws'
import { hear, run, say } from './line.mjs'

/** An event store that keeps nothing: what is tested is ephemeral. */
class EmptyRepository extends EventRepository {
  isSearchSupported() {
    return false
  }
  upsert() {
    return { isDuplicate: false }
  }
  find() {
    return []
  }
  async destroy() {
    return undefined
  }
}

await run(async () => {
  const server = createServer()
  const sockets = new WebSocketServer({ server })
  const relay = new NostrRelay(new EmptyRepository())
  const validator = new Validator()
  sockets.on('connection', (socket, request) => {
    relay.handleConnection(socket, request.socket.remoteAddress)
    socket.on('message', async (data) => {
      try {
        await relay.handleMessage(socket, await validator.validateIncomingMessage(data))
      } catch (cause) {
        socket.send(JSON.stringify(['NOTICE', cause instanceof Error ? cause.message : 'error']))
      }
    })
    socket.on('close', () => relay.handleDisconnect(socket))
    socket.on('error', (cause) => say({ type: 'socket-error', message: cause.message }))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  say({ type: 'url', url: `ws://127.0.0.1:${server.address().port}` })
  await hear()
})
