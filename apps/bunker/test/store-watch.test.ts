/** When a store that failed is tried, and when no more. */

import type { HostRecords } from '@nip46/core/remote-signer'
import { createFakeClock } from '@nip46/testing'
import { expect, test } from 'vitest'
import { STORE_TRY_MS } from '../src/daemon/limits.ts'
import { createStoreWatch } from '../src/daemon/store-watch.ts'

function createWorld() {
  const clock = createFakeClock()
  const world = { clock, works: false, tries: 0, news: [] as boolean[] }
  const records: HostRecords = {
    async readHostRecords() {
      world.tries += 1
      if (!world.works) throw Object.assign(new Error('no space is left'), { code: 'store/full' })
      return []
    },
    writeHostRecords: () => Promise.resolve('done'),
  }
  const onChanged = (isAway: boolean): void => void world.news.push(isAway)
  return { ...world, world, watch: createStoreWatch({ records, clock, isShared: false, onChanged }) }
}

test('a store that failed is tried until a commit is heard to have worked', async () => {
  const { watch, world, clock } = createWorld()
  watch.failed(new Error('no space is left'))
  await clock.run(3 * STORE_TRY_MS)
  expect([world.tries, watch.isAway, watch.reason]).toEqual([3, true, 'no space is left'])
  world.works = true
  await clock.run(STORE_TRY_MS)
  expect([watch.isAway, world.news]).toEqual([false, [false]])
  watch.worked()
  await clock.run(3 * STORE_TRY_MS)
  expect([world.tries, clock.pending]).toEqual([4, 0])
})

test('what fails after the end is not tried', async () => {
  const { watch, world, clock } = createWorld()
  watch.failed(new Error('no space is left'))
  watch.close()
  watch.failed(new Error('no space is left'))
  await clock.run(3 * STORE_TRY_MS)
  expect([world.tries, clock.pending]).toEqual([0, 0])
})
