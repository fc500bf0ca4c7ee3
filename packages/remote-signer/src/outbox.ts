/**
 * Seals answers, the answers of one turn in one batch, and publishes them until a relay takes them.
 * Never publishes an answer that was not committed: it is only handed what was; never retries with the same event.
 */

import {
  type Authenticate,
  type Clock,
  type Crypto,
  err,
  type KeyHandle,
  type Millis,
  type Pubkey,
  type RandomBytes,
  type RelayRefusal,
  type RelayUrl,
  type RequestId,
  type Result,
  type Scheme,
  type SignedEvent,
  sealBatch,
  type Transport,
} from '@nip46/core'
import {
  CLOCK_SKEW_REFUSALS,
  CLOCK_SKEW_WINDOW_MS,
  OUTBOX,
  OUTBOX_MEMORY_MS,
  PUBLISH_PAUSES_MS,
  SEAL_BATCH,
} from './limits.ts'
import type { Reporter } from './reporter.ts'

export interface Answer {
  readonly key: KeyHandle
  readonly to: Pubkey
  readonly relays: readonly RelayUrl[]
  readonly scheme: Scheme
  readonly text: string
  readonly requestId: RequestId
  /** Until when it is tried again. Default: `limits.OUTBOX_MEMORY_MS` from now on. */
  readonly until?: Millis
  /** Called once: true if a relay took it, false if it was given up. */
  readonly onSettled?: (taken: boolean) => void
}

export interface Outbox {
  post(answers: readonly Answer[]): void
  /** Whether an answer under this key still waits. */
  uses(key: KeyHandle): boolean
  /** Resolves when nothing is under way. */
  idle(): Promise<void>
  /** Gives up what waits for another try; what is under way is aborted. */
  close(): void
  readonly size: number
}

export interface OutboxHost {
  readonly crypto: Crypto
  readonly random: RandomBytes
  readonly transport: Transport
  readonly clock: Clock
  readonly now: () => number
  readonly reporter: Reporter
  readonly authenticate: (relay: RelayUrl, challenge: string, key: Pubkey) => ReturnType<Authenticate>
}

interface Parcel {
  readonly answer: Answer
  readonly until: Millis
  tries: number
  refusals: readonly RelayRefusal[]
  timer: unknown
}

export function createOutbox(host: OutboxHost): Outbox {
  const { clock, now, reporter, transport } = host
  const parcels = new Set<Parcel>()
  const idlers = new Set<() => void>()
  const abort = new AbortController()
  let skewed: number[] = []

  const send = (batch: readonly Parcel[]): void => {
    const createdAt = Math.floor(now() / 1_000)
    const requests = batch.map(({ answer }) => {
      const { text, to, key, scheme } = answer
      return { text, to, key, scheme, createdAt }
    })
    const sealed = sealBatch(requests, host)
    batch.forEach((parcel, i) => {
      const event = sealed[i]
      if (event?.ok === true) publish(parcel, event.value)
      // Core fits every answer into one event, and a peer that wrote to us has a key: this is a fault of ours.
      else giveUp(parcel, [{ relay: '' as RelayUrl, reason: event?.error ?? 'not sealed' }])
    })
  }

  const publish = (parcel: Parcel, event: SignedEvent): void => {
    const { relays, key } = parcel.answer
    parcel.tries += 1
    void ask(relays, event, key.pubkey).then((result) => {
      if (!parcels.has(parcel)) return
      if (result.ok) {
        settle(parcel, true)
        reporter.counts.published += 1
        reporter.heal('clock-skew')
        return
      }
      noticeSkew(result.error)
      parcel.refusals = result.error
      const pause = PUBLISH_PAUSES_MS[Math.min(parcel.tries, PUBLISH_PAUSES_MS.length) - 1] ?? 0
      const left = parcel.until - now()
      if (left <= 0 || abort.signal.aborted) giveUp(parcel, result.error)
      else if (pause <= left) parcel.timer = clock.setTimer(() => send([parcel]), pause)
      else parcel.timer = clock.setTimer(() => giveUp(parcel, result.error), left)
    })
  }

  const ask = async (
    relays: readonly RelayUrl[],
    event: SignedEvent,
    key: Pubkey,
  ): Promise<Result<unknown, readonly RelayRefusal[]>> => {
    try {
      return await transport.publish(relays, event, {
        authenticate: (relay, challenge) => host.authenticate(relay, challenge, key),
        signal: abort.signal,
      })
    } catch (cause) {
      reporter.fail('transport', cause)
      return err(relays.map((relay) => ({ relay, reason: 'the transport failed' })))
    }
  }

  const settle = (parcel: Parcel, taken: boolean): void => {
    if (!parcels.delete(parcel)) return
    clock.clearTimer(parcel.timer)
    parcel.answer.onSettled?.(taken)
    if (parcels.size > 0) return
    for (const idler of idlers) idler()
    idlers.clear()
  }

  const giveUp = (parcel: Parcel, refusals: readonly RelayRefusal[]): void => {
    const { to, requestId } = parcel.answer
    reporter.counts.publishFailures += 1
    settle(parcel, false)
    reporter.tell({ type: 'publish-failed', clientPubkey: to, requestId, refusals })
  }

  /** Relays that refuse for `created_at` have a better clock than we do, if several answers meet them. */
  const noticeSkew = (refusals: readonly RelayRefusal[]): void => {
    const refusal = refusals.find(({ reason }) => /^invalid:.*created_at/is.test(reason))
    if (refusal === undefined) return
    const at = now()
    skewed = [...skewed.filter((then) => at - then < CLOCK_SKEW_WINDOW_MS), at].slice(-CLOCK_SKEW_REFUSALS)
    if (skewed.length >= CLOCK_SKEW_REFUSALS) reporter.ail('clock-skew', refusal.reason)
  }

  return {
    post(answers) {
      const batch = answers.map((answer) => {
        const until = answer.until ?? now() + OUTBOX_MEMORY_MS
        return { answer, until, tries: 0, refusals: [], timer: undefined }
      })
      for (const parcel of batch) parcels.add(parcel)
      for (const parcel of parcels) {
        if (parcels.size <= OUTBOX) break
        giveUp(parcel, parcel.refusals)
      }
      const kept = batch.filter((parcel) => parcels.has(parcel))
      for (let at = 0; at < kept.length; at += SEAL_BATCH) send(kept.slice(at, at + SEAL_BATCH))
    },
    uses(key) {
      for (const { answer } of parcels) if (answer.key === key) return true
      return false
    },
    idle() {
      if (parcels.size === 0) return Promise.resolve()
      return new Promise((resolve) => idlers.add(resolve))
    },
    close() {
      abort.abort()
      for (const parcel of parcels) settle(parcel, false)
    },
    get size() {
      return parcels.size
    },
  }
}
