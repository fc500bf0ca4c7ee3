import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { parseRelayUrl, type RelayUrl, type SignedEvent, UsageError } from '@nip46/core'
import { createFakeClock, type ScriptedRelay, startScriptedRelay } from '@nip46/testing'
import { SimplePool } from 'nostr-tools/pool'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createNostrToolsTransport } from '../src/index.ts'
import { BACKOFF_CAP_MS, PUBLISHES } from '../src/limits.ts'
import { listen } from './listen.ts'

const ME = '11'.repeat(32)
const FILTERS = [{ kinds: [24133], '#p': [ME] }]

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

function create(
  pool: SimplePool = new SimplePool(),
  options: Parameters<typeof createNostrToolsTransport>[1] = {},
): ReturnType<typeof createNostrToolsTransport> {
  const transport = createNostrToolsTransport(pool, options)
  cleanups.push(() => transport.close())
  return transport
}

async function relay(script?: Parameters<typeof startScriptedRelay>[1]): Promise<ScriptedRelay> {
  const started = await startScriptedRelay(listen, script)
  cleanups.push(() => started.close())
  return started
}

function event(number: number): SignedEvent {
  const id = number.toString(16).padStart(64, '0')
  return { id, pubkey: ME, created_at: 0, kind: 24133, tags: [['p', ME]], content: '', sig: '33'.repeat(64) }
}

function urlAt(port: number): RelayUrl {
  const parsed = parseRelayUrl(`ws://127.0.0.1:${port}`)
  if (!parsed.ok) throw new Error(parsed.error)
  return parsed.value
}

describe('mistakes of the caller', () => {
  test('a pool that reconnects by itself is refused, with what to do', () => {
    const pool = new SimplePool({ enableReconnect: true })
    expect(() => createNostrToolsTransport(pool)).toThrow(UsageError)
    expect(() => createNostrToolsTransport(pool)).toThrow(/without enableReconnect/)
  })

  test('a subscription without filters is refused', () => {
    const transport = create()
    expect(() => transport.subscribe({ relays: [], filters: [], onEvent: () => undefined })).toThrow(
      UsageError,
    )
  })
})

describe('a pool that others use too', () => {
  test('keeps their connections when the transport closes', async () => {
    const [shared, own] = [await relay(), await relay()]
    const pool = new SimplePool()
    cleanups.push(() => pool.destroy())
    const seen: unknown[] = []
    let ready = false
    pool.subscribe(
      [shared.url],
      { kinds: [1] },
      { onevent: (one) => seen.push(one), oneose: () => (ready = true) },
    )
    const transport = create(pool)
    const live: RelayUrl[] = []
    transport.subscribe({
      relays: [shared.url, own.url],
      filters: FILTERS,
      onEvent: () => undefined,
      onLive: (url) => live.push(url),
    })
    await expect.poll(() => live.length).toBe(2)
    expect(ready).toBe(true)
    await transport.close()
    await expect.poll(() => own.open).toBe(0)
    expect(shared.open).toBe(1)
    expect(shared.received('CLOSE')).toHaveLength(1)
  })

  test('may drop a connection under the transport, which then comes back', async () => {
    const one = await relay()
    const pool = new SimplePool()
    const log: string[] = []
    create(pool, { random: (length) => new Uint8Array(length) }).subscribe({
      relays: [one.url],
      filters: FILTERS,
      onEvent: () => undefined,
      onLive: () => log.push('live'),
      onDown: (_, reason) => log.push(reason),
    })
    await expect.poll(() => log).toEqual(['live'])
    pool.close([one.url])
    const down = 'unreachable: relay connection closed by us'
    await expect.poll(() => log).toEqual(['live', down, 'live'])
  })

  test('is asked whether a relay may be used at all', async () => {
    const one = await relay()
    const pool = new SimplePool()
    pool.allowConnectingToRelay = () => false
    const transport = create(pool)
    const downs: unknown[] = []
    transport.subscribe({
      relays: [one.url],
      filters: FILTERS,
      onEvent: () => undefined,
      onDown: (_, reason, final) => downs.push([reason, final]),
    })
    await expect.poll(() => downs).toEqual([['relay/not-allowed', true]])
    expect(await transport.publish([one.url], event(1))).toEqual({
      ok: false,
      error: [{ relay: one.url, reason: 'relay/not-allowed' }],
    })
    expect(one.connections).toBe(0)
  })
})

describe('waits and limits', () => {
  test('dials of a relay that is gone are spread, up to thirty seconds apart', async () => {
    const gone = await relay()
    await gone.down()
    const clock = createFakeClock()
    const transport = create(new SimplePool(), {
      clock,
      random: (length) => new Uint8Array(length).fill(255),
    })
    const downs: string[] = []
    transport.subscribe({
      relays: [gone.url],
      filters: FILTERS,
      onEvent: () => undefined,
      onDown: (_, reason) => downs.push(reason),
    })
    const waits: number[] = []
    for (let i = 0; i < 7; i += 1) {
      await expect.poll(() => clock.pending).toBe(1)
      waits.push((clock.nextAt ?? 0) - clock.now())
      clock.advance(waits[i] ?? 0)
    }
    const ceilings = [1_000, 2_000, 4_000, 8_000, 16_000, BACKOFF_CAP_MS, BACKOFF_CAP_MS]
    for (const [i, wait] of waits.entries()) {
      expect(wait).toBeLessThan(ceilings[i] ?? 0)
      expect(wait).toBeGreaterThan((ceilings[i] ?? 0) * 0.99)
    }
    expect(downs).toHaveLength(1)
  })

  test('a subscription that was live for a minute starts its waits anew', async () => {
    const one = await relay()
    await one.down()
    const clock = createFakeClock()
    const randomBytes = (length: number): Uint8Array => new Uint8Array(length).fill(255)
    const transport = create(new SimplePool(), { clock, random: randomBytes })
    let live = 0
    transport.subscribe({
      relays: [one.url],
      filters: FILTERS,
      onEvent: () => undefined,
      onLive: () => {
        live += 1
      },
    })
    const wait = async (): Promise<number> => {
      await expect.poll(() => clock.pending).toBe(1)
      return (clock.nextAt ?? 0) - clock.now()
    }
    for (let i = 0; i < 4; i += 1) clock.advance(await wait())
    expect(await wait()).toBeGreaterThan(15_000)
    await one.up()
    clock.advance(await wait())
    await expect.poll(() => live).toBe(1)
    clock.advance(60_000)
    one.drop()
    expect(await wait()).toBeLessThan(1_000)
  })

  test('a server that accepts and says nothing is given up after the pool’s own wait', async () => {
    const hung = createServer((socket) => socket.resume()).listen(0, '127.0.0.1')
    await once(hung, 'listening')
    cleanups.push(() => hung.close())
    const address = hung.address()
    const url = urlAt(typeof address === 'object' && address !== null ? address.port : 0)
    const pool = new SimplePool()
    pool.maxWaitForConnection = 200
    const result = await create(pool).publish([url], event(1), { timeoutMs: 60_000 })
    expect(result).toEqual({
      ok: false,
      error: [{ relay: url, reason: 'unreachable: connection timed out' }],
    })
  })

  test('as many publishes as the limit may be under way, and the next is refused', async () => {
    const silent = await relay({ onEvent: () => ({ silent: true }) })
    const transport = create()
    const under = Array.from({ length: PUBLISHES }, (_, i) => transport.publish([silent.url], event(i)))
    expect(await transport.publish([silent.url], event(PUBLISHES))).toEqual({
      ok: false,
      error: [{ relay: silent.url, reason: 'queue-full' }],
    })
    await transport.close()
    for (const result of await Promise.all(under)) {
      expect(result).toEqual({ ok: false, error: [{ relay: silent.url, reason: 'closed' }] })
    }
  })
})

test('a callback that throws does not end the subscription, and its error comes to light', async () => {
  const one = await relay()
  const uncaught: unknown[] = []
  const queue = globalThis.queueMicrotask
  const spy = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((run) =>
    queue(() => {
      try {
        run()
      } catch (error) {
        uncaught.push(error)
      }
    }),
  )
  cleanups.push(() => spy.mockRestore())
  let live = 0
  create(undefined, { random: (length) => new Uint8Array(length) }).subscribe({
    relays: [one.url],
    filters: FILTERS,
    onEvent: () => undefined,
    onLive: () => {
      live += 1
    },
    onDown: () => {
      throw new Error('a bug of the host')
    },
  })
  await expect.poll(() => live).toBe(1)
  one.drop()
  await expect.poll(() => live).toBe(2)
  expect(uncaught).toEqual([new Error('a bug of the host')])
})

describe('one binary frame of a relay', { concurrent: true }, () => {
  const run = async (...args: string[]): Promise<{ code: unknown; output: string }> => {
    const program = fileURLToPath(new URL('./crash.ts', import.meta.url))
    const child = spawn(process.execPath, ['--conditions=@nip46/source', '--no-warnings', program, ...args])
    let output = ''
    child.stdout.on('data', (data) => {
      output += data
    })
    const [code] = await once(child, 'close')
    return { code, output }
  }

  test('does nothing to a process whose WebSocket is guarded', async () => {
    expect(await run('guarded')).toEqual({ code: 0, output: 'survived' })
  })

  test('ends a process that uses nostr-tools without the guard, which is why there is one', async () => {
    expect(await run()).toMatchObject({ code: 1, output: '' })
  })
})
