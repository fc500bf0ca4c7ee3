/**
 * What the signing worker answered, as its asker wants it.
 * Never lets a problem pass for an answer.
 */

import type { Pubkey } from '@nip46/core'
import type { WorkerAnswer } from './key-message.ts'
import type { VaultEvent } from './vault.ts'
import { type Entry, infoOf } from './vault-entries.ts'
import { VaultError } from './vault-error.ts'

type Accepted = Exclude<WorkerAnswer, { type: 'problem' | 'failed' }>

export interface Acceptance {
  /** The answer if it is not a problem; a wrong passphrase of `entry` counts. */
  accept(answer: WorkerAnswer, entry?: Entry): Accepted
  /** Likewise, for a call that gives a key. */
  acceptKey(answer: WorkerAnswer, entry?: Entry): { pubkey: Pubkey; ncryptsec: string }
}

export function createAcceptance(emit: (event: VaultEvent) => void): Acceptance {
  function accept(answer: WorkerAnswer, entry?: Entry): Accepted {
    if (answer.type === 'failed')
      throw new VaultError(
        'vault/failed',
        'the signing worker could not do it: is there memory enough for scrypt?',
      )
    if (answer.type !== 'problem') {
      entry?.tries.right()
      return answer
    }
    switch (answer.problem) {
      case 'key/password':
        if (entry !== undefined)
          emit({ type: 'wrong-passphrase', key: infoOf(entry), tries: entry.tries.wrong() })
        throw new VaultError('key/password', 'wrong passphrase, or the text is damaged')
      case 'key/scrypt-cost':
        throw new VaultError('key/scrypt-cost', 'this key asks for more memory than is given (LOG_N over 22)')
      case 'key/shape':
        throw new VaultError(
          'key/shape',
          'this is no nsec1…, ncryptsec1…, 64 hex characters or seed words of a key',
        )
      case 'key/mismatch':
        throw new VaultError(
          'vault/damaged',
          'the file holds another key than it says: restore it from a backup',
        )
    }
  }

  function acceptKey(answer: WorkerAnswer, entry?: Entry): { pubkey: Pubkey; ncryptsec: string } {
    const accepted = accept(answer, entry)
    if (accepted.type !== 'key') throw new VaultError('vault/failed', 'the signing worker gave no key')
    return accepted
  }

  return { accept, acceptKey }
}
