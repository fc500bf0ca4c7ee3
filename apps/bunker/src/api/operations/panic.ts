/**
 * Stopping everything, and going on.
 * Never unlocks a key.
 */

import { object } from '../schema.ts'
import type { Nothing } from '../shapes.ts'
import { amount, nothing } from './fields.ts'
import type { OperationTable } from './operation.ts'

export interface PanicOperations {
  /** Locks every key, withdraws every link, suspends every app, denies what waits. Stays until `host.resume`, over restarts. */
  'host.panic': { input: Nothing; output: { keys: number; links: number; apps: number; requests: number } }
  'host.lock-all': { input: Nothing; output: { keys: number } }
  /** Ends a panic: apps that were suspended by it go on. Keys stay locked until they are unlocked. */
  'host.resume': { input: Nothing; output: { apps: number } }
}

export const PANIC_OPERATIONS: OperationTable<PanicOperations> = {
  'host.panic': {
    method: 'POST',
    path: '/panic',
    scope: 'approve',
    words: 'Stops everything at once, until it is resumed.',
    input: nothing,
    output: object<PanicOperations['host.panic']['output']>({
      keys: amount,
      links: amount,
      apps: amount,
      requests: amount,
    }),
  },
  'host.lock-all': {
    method: 'POST',
    path: '/lock-all',
    scope: 'approve',
    words: 'Locks every key.',
    input: nothing,
    output: object<PanicOperations['host.lock-all']['output']>({ keys: amount }),
  },
  'host.resume': {
    method: 'POST',
    path: '/resume',
    scope: 'admin',
    words: 'Ends a panic.',
    input: nothing,
    output: object<PanicOperations['host.resume']['output']>({ apps: amount }),
  },
}
