/**
 * What the main thread and the signing worker say to each other. Only types.
 */

import type { Pubkey } from '@nip46/core'
import type { SecretProblem } from './secret-text.ts'

/** Bytes that move with the message: the sender has none left, the receiver wipes them. */
export type Moved = Uint8Array<ArrayBuffer>

export type ToWorker =
  /** `operations[i]` is JSON of an operation for `keys[i]`; the answers are numbered from `first`. */
  | {
      readonly type: 'operations'
      readonly first: number
      readonly keys: readonly Pubkey[]
      readonly operations: readonly string[]
    }
  | { readonly type: 'call'; readonly id: number; readonly call: WorkerCall }

export type FromWorker =
  | { readonly type: 'ready'; readonly backend: string }
  | {
      readonly type: 'results'
      readonly first: number
      readonly outcomes: readonly Outcome[]
      readonly texts: readonly string[]
    }
  | { readonly type: 'answer'; readonly id: number; readonly answer: WorkerAnswer }

/** A result, an error text for the peer, no such key here, or an exception (its text is not sent). */
export type Outcome = 'done' | 'refused' | 'locked' | 'failed'

export type WorkerCall =
  /** A new key, encrypted. */
  | { readonly type: 'create'; readonly passphrase: Moved; readonly logN: number }
  | {
      readonly type: 'import'
      readonly secret: Moved
      readonly secretPassphrase?: Moved
      readonly account?: number
      readonly passphrase: Moved
      readonly logN: number
    }
  /** Takes the key into memory. */
  | {
      readonly type: 'unlock'
      readonly pubkey: Pubkey
      readonly ncryptsec: string
      readonly passphrase: Moved
    }
  /** The same key under another passphrase. */
  | {
      readonly type: 'recrypt'
      readonly pubkey: Pubkey
      readonly ncryptsec: string
      readonly passphrase: Moved
      readonly newPassphrase: Moved
      readonly logN: number
    }
  /** Whether this is the passphrase. */
  | {
      readonly type: 'check'
      readonly pubkey: Pubkey
      readonly ncryptsec: string
      readonly passphrase: Moved
    }
  /** Wipes the key, at once. */
  | { readonly type: 'lock'; readonly pubkey: Pubkey }

export type WorkerAnswer =
  | { readonly type: 'done' }
  | { readonly type: 'key'; readonly pubkey: Pubkey; readonly ncryptsec: string }
  | { readonly type: 'problem'; readonly problem: SecretProblem | 'key/mismatch' }
  | { readonly type: 'failed' }
