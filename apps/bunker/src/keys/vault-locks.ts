/**
 * Locking and unlocking the keys of an open vault, by hand and by time.
 * Never says that a key is locked while the worker could still use it, nor unlocks one that was locked in the meantime.
 */

import type { Clock } from '@nip46/core'
import type { Moved, WorkerAnswer, WorkerCall } from './key-message.ts'
import { TIMER_MS } from './limits.ts'
import type { KeyInfo, VaultEvent } from './vault.ts'
import { type Entry, infoOf } from './vault-entries.ts'
import { VaultError } from './vault-error.ts'
import type { UnlockWaiters } from './vault-signer.ts'
import type { Acceptance } from './worker-answer.ts'

type LockReason = Extract<VaultEvent, { type: 'key-locked' }>['reason']

export interface Locks {
  /** For a key that the worker does not have any more, or will not in a moment. True if it was unlocked. */
  markLocked(entry: Entry, reason: LockReason): boolean
  /** Resolves when the worker has no such key any more. A worker that died has none either. */
  lockEntry(entry: Entry, reason: LockReason): Promise<boolean>
  /** True if its time is over, also where a timer is late, as after a machine slept. */
  lockIfDue(entry: Entry): boolean
  unlockNow(entry: Entry, passphrase: Moved, forMs: number | undefined): Promise<KeyInfo>
}

export interface LocksHost {
  readonly clock: Clock
  readonly ask: (call: WorkerCall) => Promise<WorkerAnswer>
  readonly waiters: UnlockWaiters
  readonly emit: (event: VaultEvent) => void
  readonly accept: Acceptance['accept']
}

export function createLocks({ clock, ask, accept, waiters, emit }: LocksHost): Locks {
  function markLocked(entry: Entry, reason: LockReason): boolean {
    clock.clearTimer(entry.timer)
    entry.timer = undefined
    entry.locksAt = null
    if (entry.state === 'locked') return false
    entry.state = 'locked'
    emit({ type: 'key-locked', key: infoOf(entry), reason })
    return true
  }

  async function lockEntry(entry: Entry, reason: LockReason): Promise<boolean> {
    entry.epoch++
    const was = markLocked(entry, reason)
    const { unlocking } = entry
    await wipe(entry)
    await unlocking?.catch(() => undefined)
    return was
  }

  async function wipe(entry: Entry): Promise<void> {
    try {
      await ask({ type: 'lock', pubkey: entry.record.pubkey })
    } catch (cause) {
      if (!(cause instanceof VaultError)) throw cause
    }
  }

  function startTimer(entry: Entry): void {
    clock.clearTimer(entry.timer)
    entry.timer = undefined
    if (entry.locksAt === null) return
    entry.timer = clock.setTimer(
      () => lockIfDue(entry),
      Math.min(Math.max(entry.locksAt - clock.now(), 0), TIMER_MS),
    )
  }

  function lockIfDue(entry: Entry): boolean {
    if (entry.state === 'locked' || entry.locksAt === null) return false
    if (clock.now() < entry.locksAt) {
      startTimer(entry)
      return false
    }
    // Its rejection would be a bug of ours: what a worker does wrong is a value by then.
    lockEntry(entry, 'timeout').catch((cause: unknown) => {
      queueMicrotask(() => {
        throw cause
      })
    })
    return true
  }

  async function unlockNow(entry: Entry, passphrase: Moved, forMs: number | undefined): Promise<KeyInfo> {
    const { epoch } = entry
    const { pubkey, ncryptsec } = entry.record
    const already = entry.state === 'unlocked'
    accept(await ask({ type: already ? 'check' : 'unlock', pubkey, ncryptsec, passphrase }), entry)
    if (entry.epoch !== epoch) {
      // Locked in the meantime: that counts.
      await wipe(entry)
      return infoOf(entry)
    }
    entry.state = 'unlocked'
    entry.locksAt = forMs === undefined ? null : clock.now() + forMs
    startTimer(entry)
    const key = infoOf(entry)
    emit({ type: 'key-unlocked', key })
    waiters.wake(pubkey)
    return key
  }

  return { markLocked, lockEntry, lockIfDue, unlockNow }
}
