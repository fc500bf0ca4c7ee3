/** A panic while another one ends, here or on another daemon of the same store: whichever came last holds. */

import { memoryStore, type SignerStore } from '@nip46/remote-signer'
import { expect, test } from 'vitest'
import { createBrake } from '../src/daemon/brake.ts'
import { followSettings } from '../src/daemon/follow-settings.ts'
import { panicHandlers } from '../src/daemon/handlers/panic.ts'
import type { Host } from '../src/daemon/host.ts'
import { openSettings } from '../src/daemon/settings.ts'
import { hearOnTheWay } from '../src/daemon/sharing.ts'
import { hostClock } from '../src/keys/host-clock.ts'

const CALLER = { name: 'test' } as never
const NOW = 1_767_225_600_000
let passed = 0
/** A millisecond later each time. */
const now = (): number => NOW + passed++

type Store = ReturnType<typeof memoryStore>

/** A daemon as far as a panic goes; `refreshing` is waited for where the sessions are read. */
async function daemonOn(records: Store) {
  const brake = createBrake({ stop: () => 0, resume: () => undefined })
  const gate = { refreshing: Promise.resolve() }
  const lines: string[] = []
  const host = {
    brake,
    vault: { lockAll: async () => 0 },
    signer: {
      refresh: () => gate.refreshing,
      offers: () => [],
      sessions: () => [],
    },
    store: { facts: { daemons: ['one', 'other'] } },
    log: {
      write: (level: string, type: string, { caller = '' }) => void lines.push(`${level} ${type} ${caller}`),
      fault: () => undefined,
    },
    clock: { now },
  } as unknown as Host
  const settings = await openSettings({
    records,
    isShared: true,
    now,
    onChanged: (before, after) => followSettings(whole, before, after),
  })
  const whole: Host = { ...host, settings }
  const { 'host.panic': panic, 'host.resume': resume } = panicHandlers(whole)
  return {
    brake,
    settings,
    gate,
    lines,
    panic: async () => panic({}, CALLER),
    resume: async () => resume({}, CALLER),
  }
}

test('a panic holds on a daemon that did not hear yet that the one before was ended elsewhere', async () => {
  const records = memoryStore()
  const [one, other] = [await daemonOn(records), await daemonOn(records)]
  await one.panic()
  await other.settings.refresh()
  await one.resume()
  await other.panic()
  expect(other.brake.isOn).toBe(true)
  await one.settings.refresh()
  expect(one.brake.isOn).toBe(true)
  await other.settings.refresh()
  expect(other.brake.isOn).toBe(true)
  await one.resume()
  await other.settings.refresh()
  expect([one.brake.isOn, other.brake.isOn]).toEqual([false, false])
})

test.each(['here', 'on another daemon'])('a panic %s outlives a resume that was under way', async (where) => {
  const records = memoryStore()
  const one = await daemonOn(records)
  await one.panic()
  let goOn: () => void = () => undefined
  one.gate.refreshing = new Promise((resolve) => {
    goOn = resolve
  })
  const resumed = one.resume().then(
    () => 'resumed',
    (cause) => cause.code,
  )
  // It has read what there is to end.
  await one.settings.refresh()
  const panicking = where === 'here' ? one.panic() : (await daemonOn(records)).panic()
  await (where === 'here' ? one.settings.refresh() : panicking)
  goOn()
  expect(await resumed).toBe('host/panic')
  await panicking
  expect(one.brake.isOn).toBe(true)
  expect((await daemonOn(records)).settings.state.panicAt).not.toBeNull()
  expect(await one.resume()).toEqual({ apps: 0 })
  expect(one.brake.isOn).toBe(false)
})

test('what one daemon knows of an earlier panic does not end a later one', async () => {
  const records = memoryStore()
  const [one, other] = [await daemonOn(records), await daemonOn(records)]
  await one.panic()
  await other.settings.refresh()
  const { panicAt } = other.settings.state
  await one.resume()
  await one.panic()
  await other.settings.change((state) => (state.panicAt === panicAt ? { ...state, panicAt: null } : state))
  expect((await daemonOn(records)).settings.state.panicAt).toBeGreaterThan(panicAt ?? 0)
  expect(other.brake.isOn).toBe(true)
})

test('what stopped everything while a daemon was away is done and logged when it is back, once', async () => {
  const records = memoryStore()
  const [one, other] = [await daemonOn(records), await daemonOn(records)]
  await other.panic()
  await other.settings.change((state) => ({ ...state, lockedAt: NOW }))
  expect([one.brake.isOn, one.lines]).toEqual([false, []])
  const sharing = {
    leaseMs: 1_000,
    join: async () => ({ leave: async () => undefined }),
  } as unknown as NonNullable<SignerStore['sharing']>
  const { store, close } = hearOnTheWay({ ...records, sharing } as SignerStore, {
    clock: hostClock,
    onMembers: () => undefined,
    refresh: one.settings.refresh,
    onFault(cause) {
      throw cause
    },
  })
  for (let joins = 0; joins < 2; joins++) {
    await store.sharing?.join({} as never)
    expect(one.brake.isOn).toBe(true)
    expect(one.lines).toEqual(['warning panic another daemon', 'info lock-all another daemon'])
  }
  close()
})
