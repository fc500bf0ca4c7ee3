/**
 * This package as a client under test, as an app sets it up: real sockets, the default settings.
 * Never told of anything that a peer would not be told of.
 */

import type { Clock } from '@nip46/core'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { type ClientUnderTest, createSessionClient, type HostedClient } from '@nip46/testing/client-scenarios'
import { createRelayPool } from '@nip46/transport-websocket'
import { connect, offer, type SessionOptions } from '../../src/index.ts'

export function createOwnClient(more: Partial<SessionOptions> = {}): ClientUnderTest {
  const transport = createRelayPool()
  const pages: string[] = []
  const options: SessionOptions = {
    crypto: tinyCrypto(),
    transport,
    onAuthUrl: ({ url }) => void pages.push(url),
    ...more,
  }
  return createSessionClient({
    pages,
    connect: (uri) => connect(uri, options),
    offer: (relays) => offer({ ...options, relays }),
    close: () => transport.close(),
  })
}

/** In this process: an unhandled rejection of it ends the whole run of the tests. */
export function hostHere(client: ClientUnderTest): HostedClient {
  return {
    ...client,
    ended: () => undefined,
    stop: () => client.close(),
  }
}

/** Time that passes so many times as fast, for waiting out what lasts a minute. */
export function fastClock(pace: number): Clock {
  const began = Date.now()
  return {
    now: () => began + (Date.now() - began) * pace,
    setTimer: (run, afterMs) => setTimeout(run, afterMs / pace),
    clearTimer: (handle) => clearTimeout(handle as NodeJS.Timeout),
  }
}
