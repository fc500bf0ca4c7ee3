/**
 * What a daemon is given and what it is to whoever started it.
 * Only types: importing this file costs nothing and runs nothing.
 */

import type { Clock, Crypto, RandomBytes, RelayUrl } from '@nip46/core'
import type { Vault } from '../keys/vault.ts'
import type { OpenStore } from './store.ts'

export interface DaemonDeps {
  /** Open. Closed with the daemon, or if it does not start. */
  readonly vault: Vault
  /** Takes one line of the log, without its end. */
  readonly print: (line: string) => void
  /** Default: what the settings name. Closed with the daemon. */
  readonly store?: OpenStore
  readonly crypto?: Crypto
  readonly clock?: Clock
  readonly random?: RandomBytes
}

export interface Daemon {
  /** The unix socket of the API. */
  readonly socket: string
  /** The API and the pages over HTTP; null if that is off. */
  readonly url: string | null
  /** The relay that is run here; null if none is. */
  readonly relay: RelayUrl | null
  /**
   * For a fault that nobody caught: writes it to the log, masked, closes the sockets and marks in the store what was in work. Settles
   * within `CRASH_MARK_MS`; the process is to end then.
   */
  fault(cause: unknown): Promise<void>
  /** Settles when it has stopped, whoever asked for that; rejects with a `UsageError` if another daemon took its place. */
  readonly stopped: Promise<void>
  /**
   * Reads no more requests, finishes those under way for at most `DRAIN_MS`, publishes their answers, closes everything. What waits
   * for the owner stays in the store, and is asked again after a start. Calling again waits for the same.
   */
  close(): Promise<void>
}
