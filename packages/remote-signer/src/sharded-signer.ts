/**
 * A remote signer that is several: one in each worker, each with its own connections, behind the relays of the main thread.
 * Never holds a key, opens an event or knows a plaintext: events go by the key they are addressed to.
 */

import { type Clock, type JsonValue, type Pubkey, type Transport, UsageError } from '@nip46/core'
import { closedError, RemoteSignerError } from './error.ts'
import { hostClock, steadyNow } from './host.ts'
import { SHARDS } from './limits.ts'
import type { AcceptOptions, MadeOffer, OfferInfo, OfferOptions } from './options.ts'
import { createShard, type Shard, type ShardEvent, type ShardState, type ShardWorker } from './shard.ts'
import { createShardGate } from './shard-gate.ts'
import type { SessionInfo, SignerStats } from './signer-event.ts'

/** What a sharded signer is made of. */
export interface ShardedSignerOptions {
  /** Workers, from 1 to `limits.SHARDS`. As many as there are cores to spare; the main thread needs part of one. */
  readonly shards: number
  /**
   * Makes the worker of a shard, from 0; again after it died, with the same number, so that it finds its own store. What it
   * is given (`workerData`) is all it knows: hand each the keys it needs and no others.
   */
  readonly createWorker: (shard: number) => ShardWorker
  /** The relays of all of them. Stays the caller's: `close()` leaves it open. */
  readonly transport: Transport
  /** Which shard gets the connections of a user, from 0. Default: they take turns. Needed if not every worker has every user's key. */
  readonly shardOf?: (user: Pubkey | undefined) => number
  /** Default: the host's. */
  readonly clock?: Clock
  readonly onEvent?: (event: ShardEvent) => void
}

/** One shard, as the main thread sees it. */
export interface ShardStats {
  readonly state: ShardState
  /** Times it was started again. */
  readonly restarts: number
  /** Events that were not for it, no events at all, too many for it, or more than their relay's budget pays for. */
  readonly dropped: number
  /** Events that it has not taken yet, and calls that it has not answered. */
  readonly waiting: { readonly events: number; readonly calls: number }
  /** What its remote signer says; undefined while it is down. */
  readonly signer: SignerStats | undefined
}

/** As a `RemoteSigner`, but that everything crosses to a worker, and can fail with `shard/down`, `shard/busy` or `shard/timeout`. */
export interface ShardedSigner {
  /** Resolves once all of them have started; if one cannot, rejects with its reason and ends the others. */
  start(): Promise<void>
  offer(options?: OfferOptions): Promise<MadeOffer>
  withdraw(token: string): Promise<void>
  offers(): Promise<readonly OfferInfo[]>
  accept(uri: string, options?: AcceptOptions): Promise<SessionInfo>
  sessions(): Promise<readonly SessionInfo[]>
  /** In every shard. Rejects if one could not do it (those that could have done it): call it again. */
  revoke(clientPubkey: Pubkey): Promise<number>
  /**
   * In every shard, as a value, since a function does not cross: what the judge counted in the old policy is gone unless it is in
   * this one. Resolves with how many sessions the client has. Rejects if one shard could not do it: call it again.
   */
  setPolicy(clientPubkey: Pubkey, policy: JsonValue | null): Promise<number>
  stats(): Promise<readonly ShardStats[]>
  /** Lets every worker finish for at most `limits.SHARD_CLOSE_MS`, then ends it. */
  close(): Promise<void>
}

/**
 * Spreads connections over workers. Each connection has a remote-signer key of its own, made in one worker and never known
 * elsewhere; that key says which worker an event is for.
 *
 * ```ts
 * const signer = createShardedSigner({
 *   shards: 2,
 *   transport,
 *   createWorker: (shard) => new Worker(new URL('./shard.js', import.meta.url), { workerData: { shard } }),
 * })
 * await signer.start()
 * ```
 *
 * Throws `UsageError` on options that cannot work.
 */
export function createShardedSigner(options: ShardedSignerOptions): ShardedSigner {
  const { shards: count, shardOf, transport, createWorker } = options
  if (!Number.isSafeInteger(count) || count < 1 || count > SHARDS)
    throw new UsageError(`shards is a whole number from 1 to ${SHARDS}`)
  const clock = options.clock ?? hostClock
  const gate = createShardGate(steadyNow(clock))
  let state: 'new' | 'running' | 'closed' = 'new'
  let closing: Promise<void> | undefined
  let turn = 0

  const shards: readonly Shard[] = Array.from({ length: count }, (_, shard) =>
    createShard({
      shard,
      createWorker,
      transport,
      clock,
      gate,
      tell: (event) => options.onEvent?.(event),
      isElsewhere: (keys) => shards.some((other, i) => i !== shard && other.ownsAny(keys)),
    }),
  )

  const expectRunning = (): void => {
    if (state === 'closed') throw closedError()
    if (state !== 'running') throw new RemoteSignerError('not-started', 'call start() first, and wait for it')
  }

  const place = (user: Pubkey | undefined): Shard => {
    expectRunning()
    if (shardOf !== undefined) {
      const chosen = shards[shardOf(user)]
      if (chosen === undefined) throw new UsageError(`shardOf returns a number from 0 to ${count - 1}`)
      return chosen
    }
    // The next one that runs, so that a new connection need not wait for one that does not.
    for (let i = 0; i < count; i++) {
      const next = shards[turn++ % count]
      if (next?.state === 'running') return next
    }
    throw new RemoteSignerError('shard/down', 'no shard is running: try later')
  }

  /** Every shard is asked, whatever becomes of the others. Throws the first failure. */
  const askAll = async <T>(ask: (shard: Shard) => Promise<T>): Promise<readonly T[]> => {
    expectRunning()
    const outcomes = await Promise.allSettled(shards.map(ask))
    return outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason
      return outcome.value
    })
  }

  const close = async (): Promise<void> => {
    state = 'closed'
    await Promise.all(shards.map((shard) => shard.close()))
  }

  return {
    async start() {
      if (state === 'closed') throw closedError()
      if (state !== 'new') throw new UsageError('start() once')
      state = 'running'
      try {
        await Promise.all(shards.map((shard) => shard.start()))
      } catch (cause) {
        closing ??= close()
        await closing
        throw cause
      }
    },
    offer: async (made = {}) => place(made.user).call('offer', made),
    async withdraw(token) {
      const isThere = await askAll(async (shard) => {
        const offers = await shard.call('offers')
        if (!offers.some((offer) => offer.token === token)) return false
        await shard.call('withdraw', token)
        return true
      })
      if (!isThere.includes(true)) throw new RemoteSignerError('offer/unknown', 'there is no such token')
    },
    offers: async () => (await askAll((shard) => shard.call('offers'))).flat(),
    accept: async (uri, accepted = {}) => place(accepted.user).call('accept', uri, accepted),
    sessions: async () => (await askAll((shard) => shard.call('sessions'))).flat(),
    async revoke(clientPubkey) {
      const ended = await askAll((shard) => shard.call('revoke', clientPubkey))
      return ended.reduce((sum, each) => sum + each, 0)
    },
    async setPolicy(clientPubkey, policy) {
      const changed = await askAll((shard) => shard.call('setPolicy', clientPubkey, policy))
      return changed.reduce((sum, each) => sum + each, 0)
    },
    stats() {
      const read = async (shard: Shard): Promise<ShardStats> => {
        const signer =
          shard.state === 'running' ? await shard.call('stats').catch(() => undefined) : undefined
        const { state: at, restarts, dropped, waiting } = shard
        return { state: at, restarts, dropped, waiting, signer }
      }
      return Promise.all(shards.map(read))
    },
    close() {
      closing ??= close()
      return closing
    },
  }
}
