/**
 * What stops this daemon at once, without a disk or a network: everything is denied while it is on.
 * Never forgets by itself and never remembers longer than the process: what is stored decides after a restart.
 */

import { err, type UserSigner } from '@nip46/core'

export interface Brake {
  readonly isOn: boolean
  /** Returns how many requests waited for the owner; they are denied. */
  pull(): number
  release(): void
}

export interface BrakeHost {
  /** Denies what waits, and returns how much that was. */
  readonly stop: () => number
  readonly resume: () => void
}

export function createBrake({ stop, resume }: BrakeHost): Brake {
  let isOn = false
  return {
    get isOn() {
      return isOn
    },
    pull() {
      isOn = true
      return stop()
    },
    release() {
      isOn = false
      resume()
    },
  }
}

/** Nothing that the key made leaves while the brake is on, also if it was begun before. */
export function withBrake(brake: Brake, perform: UserSigner['perform']): UserSigner['perform'] {
  const stopped = err('unavailable: the owner stopped everything')
  return async (operation) => {
    if (brake.isOn) return stopped
    const outcome = await perform(operation)
    return brake.isOn ? stopped : outcome
  }
}
