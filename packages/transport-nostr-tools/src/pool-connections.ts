/**
 * Connections of the pool: dialled, authenticated, and the pauses in between.
 * Never closes one that somebody else subscribes on.
 */

import type { Authenticate, Clock, RandomBytes, RelayUrl } from '@nip46/core'
import type { AbstractSimplePool } from 'nostr-tools/abstract-pool'
import type { AbstractRelay } from 'nostr-tools/abstract-relay'
import type { VerifiedEvent } from 'nostr-tools/core'
import { callHost } from './host.ts'
import { AUTH_WAIT_MS, BACKOFF_BASE_MS, BACKOFF_CAP_MS } from './limits.ts'
import { copyEvent } from './own-copy.ts'
import { describe } from './reason.ts'

export interface PoolConnections {
  /** Rejects with what nostr-tools says. */
  connect(relay: RelayUrl): Promise<AbstractRelay>
  /** Resolves with the reason if the relay or `by` refused. A relay that answers no AUTH has not refused. */
  authenticate(connection: AbstractRelay, relay: RelayUrl, by: Authenticate): Promise<string | undefined>
  /** Resolves after so many milliseconds, or when everything is closed. */
  pause(ms: number): Promise<void>
  /** A random wait that grows with the failures before it, in milliseconds. */
  jitter(failures: number): number
  /** Ends every pause, and closes those connections that nothing else in the pool subscribes on; the pool itself stays usable. */
  close(): void
}

export function createPoolConnections(
  pool: AbstractSimplePool,
  clock: Clock,
  randomBytes: RandomBytes,
): PoolConnections {
  /** Ends each pause under way. */
  const pauses = new Set<() => void>()
  /** Every relay that was dialled, with its connection once it is made. */
  const used = new Map<RelayUrl, AbstractRelay | undefined>()

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const end = (): void => {
        clock.clearTimer(timer)
        pauses.delete(end)
        resolve()
      }
      const timer = clock.setTimer(end, ms)
      pauses.add(end)
    })

  return {
    async connect(relay) {
      if (!used.has(relay)) used.set(relay, undefined)
      const connection = await pool.ensureRelay(relay, { connectionTimeout: pool.maxWaitForConnection })
      used.set(relay, connection)
      return connection
    },
    authenticate: (connection, relay, by) =>
      new Promise((resolve) => {
        // The pool never settles its promise when signing fails or no OK comes.
        void pause(AUTH_WAIT_MS).then(() => resolve(undefined))
        const sign = async (template: { readonly tags: readonly string[][] }): Promise<VerifiedEvent> => {
          const challenge = template.tags.find(([name]) => name === 'challenge')?.[1] ?? ''
          const event = callHost(() => by(relay, challenge))
          if (event !== undefined) return copyEvent(event) as VerifiedEvent
          resolve('auth-required: we do not authenticate to this relay')
          throw new Error('not authenticating to this relay')
        }
        connection.auth(sign).then(
          () => resolve(undefined),
          (error) => resolve(describe(error)),
        )
      }),
    pause,
    jitter(failures) {
      const [byte = 0, next = 0] = randomBytes(2)
      return ((byte * 256 + next) / 65_536) * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** failures)
    },
    close() {
      for (const end of [...pauses]) end()
      for (const [relay, connection] of used) {
        if (connection === undefined || connection.openSubs.size === 0) pool.close([relay])
      }
      used.clear()
    },
  }
}
