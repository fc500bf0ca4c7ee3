/**
 * The users' keys as the remote signer uses them: behind the brake, with crash marks, counted, and told to the lists.
 * Never holds a key: those stay with the vault.
 */

import type { Pubkey, UserSigner } from '@nip46/core'
import { withBrake } from './brake.ts'
import type { Host } from './host.ts'

export interface Performing {
  /** Operations that a key works on. */
  readonly underWay: number
  /** Undefined if there is no such key. */
  userSigner(user: Pubkey): UserSigner | undefined
}

export function createPerforming({
  vault,
  brake,
  crashMarks,
  lists,
}: Pick<Host, 'vault' | 'brake' | 'crashMarks' | 'lists'>): Performing {
  let underWay = 0
  return {
    get underWay() {
      return underWay
    },
    userSigner(user) {
      const signer = vault.userSigner(user)
      if (signer === undefined) return undefined
      return {
        userPubkey: user,
        repeatable: signer.repeatable,
        perform: withBrake(
          brake,
          crashMarks.guard(user, async (operation) => {
            underWay += 1
            try {
              const outcome = await signer.perform(operation)
              if (operation.method === 'sign_event' && outcome.ok) lists.signed(user, outcome.value)
              return outcome
            } finally {
              underWay -= 1
            }
          }),
        ),
      }
    },
  }
}
