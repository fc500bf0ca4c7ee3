/**
 * A user's key of the vault behind the `UserSigner` port, and the operations that wait for it to be unlocked.
 * Never asks the worker for a key that is locked, and never keeps an operation waiting past its time.
 */

import { type Clock, err, type Operation, type Pubkey, type Result, UsageError } from '@nip46/core'
import { UNLOCK_WAIT_MS_MAX, UNLOCK_WAITERS } from './limits.ts'
import type { UserSignerOptions, VaultSigner } from './vault.ts'
import { LOCKED, type WorkerLink } from './worker-link.ts'

/** What a signer asks about its key at the moment of use. */
export interface SignerKey {
  readonly pubkey: Pubkey
  usable(): boolean
}

export interface UnlockWaiters {
  /** Resolves with whether the key can be used now. */
  wait(key: SignerKey, ms: number): Promise<boolean>
  /** Lets those go that wait for this key: it was unlocked, or is gone for good. */
  wake(pubkey: Pubkey): void
  wakeAll(): void
}

interface Waiter {
  readonly pubkey: Pubkey
  readonly go: () => void
}

export function createUnlockWaiters(clock: Clock): UnlockWaiters {
  const waiters = new Set<Waiter>()
  const wake = (fits: (waiter: Waiter) => boolean): void => {
    for (const waiter of [...waiters]) if (fits(waiter)) waiter.go()
  }
  return {
    wait(key, ms) {
      if (ms === 0 || waiters.size >= UNLOCK_WAITERS) return Promise.resolve(false)
      return new Promise((resolve) => {
        const go = (): void => {
          waiters.delete(waiter)
          clock.clearTimer(timer)
          resolve(key.usable())
        }
        const waiter: Waiter = { pubkey: key.pubkey, go }
        const timer = clock.setTimer(go, ms)
        waiters.add(waiter)
      })
    },
    wake: (pubkey) => wake((waiter) => waiter.pubkey === pubkey),
    wakeAll: () => wake(() => true),
  }
}

/** Throws `UsageError` for a wait longer than `UNLOCK_WAIT_MS_MAX`. */
export function createVaultSigner(
  key: SignerKey,
  worker: WorkerLink,
  waiters: UnlockWaiters,
  options: UserSignerOptions,
): VaultSigner {
  const { waitForUnlockMs = 0 } = options
  if (!Number.isInteger(waitForUnlockMs) || waitForUnlockMs < 0 || waitForUnlockMs > UNLOCK_WAIT_MS_MAX)
    throw new UsageError(`waitForUnlockMs is a whole number from 0 to ${UNLOCK_WAIT_MS_MAX}`)
  const locked = async (operation: Operation): Promise<Result<string, string>> =>
    (await waiters.wait(key, waitForUnlockMs)) ? worker.perform(key.pubkey, operation) : err(LOCKED)
  return {
    userPubkey: key.pubkey,
    repeatable: true,
    perform: (operation) => (key.usable() ? worker.perform(key.pubkey, operation) : locked(operation)),
  }
}
