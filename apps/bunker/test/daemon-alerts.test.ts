/** What the owner has to be told: another daemon with the same keys (T25), a clock that relays disagree with, an end that was asked for twice. */

import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Filter, RelayUrl, SignedEvent, Transport } from '@nip46/core'
import { createRelay, type RelayServer } from '@nip46/relay'
import type { SessionInfo } from '@nip46/remote-signer'
import { createFakeClock, seededRandom } from '@nip46/testing'
import { type FaultyRelay, startFaultyRelay } from '@nip46/testing/faulty-relay'
import { createRelayPool } from '@nip46/transport-websocket'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDuplicateWatch } from '../src/daemon/duplicate-watch.ts'
import { DRAIN_MS, OWN_EVENTS, WATCHED_PER_FILTER, WATCHED_SESSIONS } from '../src/daemon/limits.ts'
import { hostClock } from '../src/keys/host-clock.ts'
import { initVault, openVault } from '../src/keys/open-vault.ts'
import { startDaemonProcess } from './daemon-process.ts'
import { connectApp, crypto, PASSPHRASE, startWorld, until } from './daemon-world.ts'

let relay: RelayServer
let url: RelayUrl
let front: FaultyRelay
beforeAll(async () => {
  relay = createRelay({ crypto })
  url = (await relay.listen()).url
  front = await startFaultyRelay({ target: url })
})
afterAll(async () => {
  await front.close()
  await relay.close()
})

test('two daemons with one key: both notice the other, one goes on and says so, the other stops as it was told', async () => {
  const first = await startWorld({ flags: { serve: 'off', relays: url } })
  const copy = await mkdtemp(join(tmpdir(), 'nip46-copy-'))
  try {
    const app = await connectApp(first, { grants: 'sign_event:1' })
    await first.daemon.close()
    // As a machine that is restored from a backup while the old one still runs.
    await cp(join(first.directory, 'data'), join(copy, 'data'), { recursive: true })
    const flags = { serve: 'off', relays: url }
    const old = await startWorld({ directory: first.directory, flags })
    const restored = await startWorld({ directory: copy, flags: { ...flags, onDuplicate: 'stop' } })
    try {
      for (const { api } of [old, restored])
        await until(async () => (await api.call('status.get')).checks.every(({ ok }) => ok))
      const seen = async (): Promise<boolean> =>
        (await old.api.call('status.get')).ailments.includes('duplicate-signer') &&
        restored.log.some((line) => line.includes('signer/duplicate'))
      // Both answer. What they send within the second of their start is not held against anybody.
      await until(async () => {
        await app.signEvent({ kind: 1, content: 'twice' })
        return seen()
      })
      const { findings } = await old.api.call('doctor.get')
      expect(findings).toContainEqual(
        expect.objectContaining({
          level: 'error',
          what: 'duplicate signer',
          fix: expect.stringContaining('revoke'),
        }),
      )
      const alerts = old.log
        .filter((line) => line.includes('signer/duplicate'))
        .map((line) => JSON.parse(line))
      // Once a minute, however much the other one says.
      expect(alerts).toMatchObject([{ level: 'error', relay: expect.stringContaining('ws://127.0.0.1') }])
      await restored.daemon.stopped
      expect((await app.signEvent({ kind: 1, content: 'the old one goes on' })).kind).toBe(1)
    } finally {
      await app.close()
      await old.close()
      await restored.close()
    }
  } finally {
    await first.pool.close()
    await rm(copy, { recursive: true, force: true })
  }
})

test('who is watched has bounds, and what was sent here long ago is not held against anybody', () => {
  const filters: Filter[] = []
  let deliver: (event: unknown) => void = () => undefined
  const transport: Transport = {
    publish: async () => ({ ok: true, value: [] }) as never,
    subscribe(request) {
      filters.push(...request.filters)
      deliver = (event) => request.onEvent(event, url)
      return { close: () => undefined }
    },
    close: async () => undefined,
  }
  const foreign: SignedEvent[] = []
  const watch = createDuplicateWatch({
    transport,
    crypto,
    clock: createFakeClock(1_000_000),
    onForeign: (event) => void foreign.push(event),
  })
  const key = crypto.importKey(seededRandom('signer').bytes(32))
  const sessions = Array.from({ length: WATCHED_SESSIONS + 1 }, (_, at) => ({
    signerPubkey: key.pubkey,
    clientPubkey: at.toString(16).padStart(64, '0'),
    relays: [url],
  })) as unknown as SessionInfo[]
  watch.watch(sessions)
  expect(filters).toHaveLength(WATCHED_SESSIONS / WATCHED_PER_FILTER)
  const watched = filters.flatMap((filter) => filter['#p'])
  expect(watched).toHaveLength(WATCHED_SESSIONS)
  expect(filters.every((filter) => filter['#p']?.length === WATCHED_PER_FILTER)).toBe(true)

  const eventAt = (created_at: number, content: string): SignedEvent => {
    const unsigned = { kind: 24_133, pubkey: key.pubkey, created_at, tags: [], content }
    const id = crypto.eventId(unsigned)
    return { ...unsigned, id, sig: key.sign(id, new Uint8Array(32)) }
  }
  const own = eventAt(2_000, 'ours')
  watch.sent(own)
  for (let at = 1; at < OWN_EVENTS; at++) watch.sent({ ...own, id: at.toString(16).padStart(64, '0') })
  deliver(own)
  expect(foreign).toEqual([])
  watch.sent({ ...own, id: 'f'.repeat(64) })
  // One over: it is no longer known as ours.
  deliver(own)
  expect(foreign).toEqual([own])
  const forged = { ...eventAt(2_000, 'forged'), sig: '0'.repeat(128) }
  for (const event of [eventAt(1_000, 'of the second of our start'), forged, { ...own, pubkey: 'x' }, null])
    deliver(event)
  expect(foreign).toHaveLength(1)
})

test('relays that refuse the time of our answers make the daemon not ready, and the clock is named', async () => {
  // As strict about the future as common relays are about the past.
  const strict = createRelay({ crypto, limits: { futureSeconds: 60 } })
  const { url: relays } = await strict.listen()
  const clock = { ...hostClock, now: () => Date.now() + 200_000 }
  const world = await startWorld({
    flags: { http: '127.0.0.1:0', serve: 'off', relays },
    deps: { clock },
  })
  try {
    expect((await world.api.call('status.get')).checks).toContainEqual(
      expect.objectContaining({ name: 'clock', ok: true }),
    )
    const connecting = connectApp(world, { grants: 'sign_event:1' })
    connecting.catch(() => undefined)
    const check = await until(async () => {
      const { checks } = await world.api.call('status.get')
      return checks.find(({ name, ok }) => name === 'clock' && !ok)
    })
    expect(check.words).toContain("set this machine's clock")
    const ready = await fetch(`${world.daemon.url}/readyz`)
    expect([ready.status, await ready.text()]).toEqual([503, 'not ready\n'])
    expect(world.log.join('\n')).toContain('clock-skew')
  } finally {
    await world.close()
    await strict.close()
  }
})

test('a clock that is far ahead is told at once by what the relay says, though nothing is heard, and no more once it is set', async () => {
  let shift = 660_000
  const clock = { ...hostClock, now: () => Date.now() + shift }
  const world = await startWorld({
    flags: { http: '127.0.0.1:0', serve: 'off', relays: url },
    deps: { clock },
  })
  try {
    const { links } = await world.api.call('link.create', {})
    expect(links).toHaveLength(1)
    const check = await until(async () => {
      const { checks } = await world.api.call('status.get')
      return checks.find(({ name, ok }) => name === 'clock' && !ok)
    })
    expect(check.words).toMatch(/^relays say that our clock is 11 min ahead: .*NTP/)
    expect((await fetch(`${world.daemon.url}/readyz`)).status).toBe(503)
    const { findings } = await world.api.call('doctor.get')
    expect(findings).toContainEqual({
      level: 'error',
      what: 'clock',
      words: 'relays say that our clock is 11 min ahead',
      fix: "set this machine's clock, and let NTP keep it right",
    })
    expect(world.log.join('\n')).toContain('"clock-off"')
    shift = 0
    await until(async () => (await fetch(`${world.daemon.url}/readyz`)).status === 200)
    expect(world.log.join('\n')).toContain('"clock-right"')
  } finally {
    await world.close()
  }
})

test.each([
  [720_000, '12 min ahead'],
  [-720_000, '12 min behind'],
])('the program whose clock is %i ms beside that of its relay says so', async (clockShiftMs, words) => {
  const directory = await mkdtemp(join(tmpdir(), 'nip46-clock-'))
  const passphrase = new TextEncoder().encode(PASSPHRASE)
  await initVault(join(directory, 'data', 'vault'), passphrase, { logN: 16 })
  const vault = await openVault(join(directory, 'data', 'vault'), passphrase, { logN: 16 })
  await vault.create('me', passphrase)
  await vault.close()
  const daemon = await startDaemonProcess(['--unlock', 'me', '--relays', url], { directory, clockShiftMs })
  try {
    await daemon.api.call('link.create', {})
    const check = await until(async () =>
      (await daemon.status()).checks.find(({ name, ok }) => name === 'clock' && !ok),
    )
    expect(check.words).toContain(words)
    await until(() => daemon.out().includes('clock-off'))
  } finally {
    await daemon.end()
    await rm(directory, { recursive: true, force: true })
  }
})

test('SIGTERM waits for what is under way; a second one ends at once', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'nip46-signals-'))
  const passphrase = new TextEncoder().encode(PASSPHRASE)
  await initVault(join(directory, 'data', 'vault'), passphrase, { logN: 16 })
  const vault = await openVault(join(directory, 'data', 'vault'), passphrase, { logN: 16 })
  await vault.create('me', passphrase)
  await vault.close()
  const pool = createRelayPool()
  const args = ['--unlock', 'me', '--relays', front.url]
  const daemon = await startDaemonProcess(args, { directory })
  try {
    // The socket and the data are told as what they are from, like every setting.
    const { findings } = await daemon.api.call('doctor.get')
    for (const name of ['data', 'socket'])
      expect(findings.find(({ what }) => what === `setting ${name}`)?.words).toContain('(environment)')
    const app = await connectApp({ api: daemon.api, pool }, { grants: 'sign_event:1' })
    // No relay says that it has the answer: the daemon owes it.
    front.setFaults({ loseOk: true })
    await app.signEvent({ kind: 1, content: 'without an OK' })
    const began = performance.now()
    daemon.child.kill('SIGTERM')
    await until(() => daemon.out().includes('"stopping"'))
    await new Promise((resolve) => setTimeout(resolve, 500))
    daemon.child.kill('SIGTERM')
    const took = performance.now() - began
    const code = await daemon.ended
    // It may have ended by itself only if this machine stood still for as long as it waits.
    if (code !== 130) expect(took).toBeGreaterThanOrEqual(DRAIN_MS)
    else expect(daemon.out()).not.toContain('"stopped"')
    await app.close()
  } finally {
    await daemon.end()
    await pool.close()
    await rm(directory, { recursive: true, force: true })
  }
})
