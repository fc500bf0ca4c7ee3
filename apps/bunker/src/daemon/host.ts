/**
 * What the operations work with: the running parts of one daemon.
 * Only types: importing this file costs nothing and runs nothing.
 */

import type { Clock, RandomBytes, RelayUrl } from '@nip46/core'
import type { RemoteSigner } from '@nip46/remote-signer'
import type { PoolHealth } from '@nip46/transport-websocket'
import type { Browsers } from '../api/browsers.ts'
import type { EventHub } from '../api/events.ts'
import type { Status } from '../api/shapes.ts'
import type { Tokens } from '../api/tokens.ts'
import type { Vault } from '../keys/vault.ts'
import type { Brake } from './brake.ts'
import type { ClockWatch } from './clock-watch.ts'
import type { LoadedConfig } from './config.ts'
import type { CrashMarks } from './crash-marks.ts'
import type { Desk } from './desk.ts'
import type { Log } from './log.ts'
import type { PolicyBook } from './policy-book.ts'
import type { Settings } from './settings.ts'
import type { OpenStore } from './store.ts'
import type { StoreWatch } from './store-watch.ts'
import type { UserLists } from './user-lists.ts'
import type { Uses } from './uses.ts'

export interface Host {
  readonly version: string
  readonly loaded: LoadedConfig
  readonly clock: Clock
  readonly random: RandomBytes
  readonly vault: Vault
  readonly signer: RemoteSigner
  readonly poolHealth: PoolHealth
  readonly store: OpenStore
  readonly storeWatch: StoreWatch
  readonly desk: Desk
  readonly brake: Brake
  readonly clockWatch: ClockWatch
  readonly book: PolicyBook
  readonly lists: UserLists
  readonly settings: Settings
  readonly tokens: Tokens
  readonly browsers: Browsers
  readonly hub: EventHub
  readonly log: Log
  readonly uses: Uses
  readonly crashMarks: CrashMarks
  /** The relay that is run here; null if none is. */
  readonly served: RelayUrl | null
  readonly startedAt: number
  /** Where the pages are; null if none are served. */
  pagesUrl: string | null
  isDraining: boolean
  /** When another daemon was last seen answering with our keys. */
  duplicateAt: number | null
  readonly status: () => Status
}
