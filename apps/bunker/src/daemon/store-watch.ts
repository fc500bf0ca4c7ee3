/**
 * Why the store does not work, and whether it works again: an app that would show it may not ask for hours.
 * Never writes while the store works, and never passes on what another part of the program says.
 */

import type { Clock } from '@nip46/core'
import type { HostRecords } from '@nip46/core/remote-signer'
import { RemoteSignerError } from '@nip46/remote-signer'
import { STORE_TRY_MS } from './limits.ts'

export interface StoreWatch {
  /** Nothing can be stored, as far as is known. */
  readonly isAway: boolean
  /** Why, in the words of the store; null if it said nothing. */
  readonly reason: string | null
  /** A commit failed. It is tried until one is heard to have worked. */
  failed(cause: unknown): void
  /** A commit worked. */
  worked(): void
  /** Tries no more, whatever fails from now on. */
  close(): void
}

export interface StoreWatchHost {
  readonly records: HostRecords
  readonly clock: Clock
  /** Other daemons use it too: whether this one may write is not for a try to find out, as it joins them again by itself. */
  readonly isShared: boolean
  /** What a try showed, if it is news. */
  readonly onChanged: (isAway: boolean, reason: string | null) => void
}

/** A record that is written to see whether one can be. */
const TRIAL = 'store trial'

export function createStoreWatch({ records, clock, isShared, onChanged }: StoreWatchHost): StoreWatch {
  let isAway = false
  let reason: string | null = null
  /** Of the tries since a commit failed; those of an earlier failure say nothing any more. */
  let round = 0
  let timer: unknown
  let closed = false

  const trial = async (): Promise<void> => {
    const known = (await records.readHostRecords()).find(({ value }) => value.name === TRIAL)
    await records.writeHostRecords([{ name: TRIAL, revision: known?.revision ?? 0, after: clock.now() }])
  }

  const tell = (of: number, works: boolean, cause?: unknown): void => {
    if (of !== round) return
    const isNews = isAway === works
    isAway = !works
    reason = works ? null : storeTrouble(cause)
    if (isNews) onChanged(isAway, reason)
    timer = clock.setTimer(() => {
      trial().then(
        () => tell(of, true),
        (again: unknown) => tell(of, false, again),
      )
    }, STORE_TRY_MS)
  }

  const rest = (): void => {
    round += 1
    isAway = false
    reason = null
    clock.clearTimer(timer)
  }

  return {
    get isAway() {
      return isAway
    },
    get reason() {
      return reason
    },
    failed(cause) {
      rest()
      isAway = true
      reason = storeTrouble(cause)
      if (!isShared && !closed) tell(round, false, cause)
    },
    worked: rest,
    close() {
      closed = true
      rest()
    },
  }
}

/** What a store says, which holds no secret and nothing that was stored. Null if `cause` is no error of one. */
export function storeTrouble(cause: unknown): string | null {
  if (cause instanceof RemoteSignerError) return storeTrouble(cause.cause)
  if (!(cause instanceof Error) || !('code' in cause)) return null
  return typeof cause.code === 'string' && cause.code.startsWith('store/') ? cause.message : null
}
