/** How long a daemon that ends waits for a store that does not answer: at the bound and not before. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeClock } from '@nip46/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CRASH_MARK_MS } from '../src/daemon/limits.ts'
import { loadConfig } from '../src/daemon/load-config.ts'
import { runDaemon } from '../src/daemon/run.ts'
import { type OpenStore, openMemoryStore } from '../src/daemon/store.ts'
import { initVault, openVault } from '../src/keys/open-vault.ts'
import { until } from './daemon-world.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nip46-drain-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

/** What the host keeps, until it hangs for good. */
function hangingStore(): { readonly store: OpenStore; hang(): void; readonly asked: () => number } {
  const store = openMemoryStore()
  let isHanging = false
  let asked = 0
  return {
    store: {
      ...store,
      records: {
        readHostRecords: () => store.records.readHostRecords(),
        writeHostRecords(changes) {
          if (!isHanging) return store.records.writeHostRecords(changes)
          asked += 1
          return new Promise(() => undefined)
        },
      },
    },
    hang() {
      isHanging = true
    },
    asked: () => asked,
  }
}

test(`a store that does not take the end on record is waited for ${CRASH_MARK_MS / 1_000} s`, async () => {
  const passphrase = new TextEncoder().encode('of the vault')
  const data = join(directory, 'data')
  await initVault(join(data, 'vault'), passphrase, { logN: 16 })
  const vault = await openVault(join(data, 'vault'), passphrase, { logN: 16 })
  const clock = createFakeClock()
  const { store, hang, asked } = hangingStore()
  const loaded = await loadConfig({
    env: { HOME: directory },
    flags: { data, socket: join(directory, 'run', 'daemon.sock'), serve: '127.0.0.1:0' },
  })
  const log: string[] = []
  const daemon = await runDaemon(loaded, { vault, store, clock, print: (line) => log.push(line) })
  hang()
  let isClosed = false
  const closing = daemon.close().then(() => {
    isClosed = true
  })
  // What it does on the way waits for no time: only then is the store asked, and the time begins.
  await until(() => asked() > 0)
  await clock.run(CRASH_MARK_MS - 1)
  expect(isClosed).toBe(false)
  expect(log.join()).not.toContain('"stopped"')
  await clock.run(1)
  await closing
  await daemon.stopped
  expect(log.at(-1)).toContain('"stopped"')
})
