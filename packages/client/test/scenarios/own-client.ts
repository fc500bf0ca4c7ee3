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

/**
 * A client whose time passes so many times as fast while its first event is signed, for waiting out what lasts a minute. Before and
 * after, its deadlines are as long as a busy machine needs.
 */
export function hurriedClient(pace: number): ClientUnderTest {
  const clock = fastClock()
  const client = createOwnClient({ clock })
  let isFirst = true
  return {
    ...client,
    async signEvent(template) {
      if (!isFirst) return client.signEvent(template)
      isFirst = false
      clock.hurry(pace)
      try {
        return await client.signEvent(template)
      } finally {
        clock.hurry(1)
      }
    },
  }
}

function fastClock(): Clock & { hurry(pace: number): void } {
  let pace = 1
  let began = Date.now()
  let own = began
  const now = (): number => own + (Date.now() - began) * pace
  return {
    now,
    setTimer: (run, afterMs) => setTimeout(run, afterMs / pace),
    clearTimer: (handle) => clearTimeout(handle as NodeJS.Timeout),
    hurry(next) {
      own = now()
      began = Date.now()
      pace = next
    },
  }
}
