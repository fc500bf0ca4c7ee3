import { limits } from '@nip46/core'
import { createFakeClock } from '@nip46/testing'
import { describe, expect, test, vi } from 'vitest'
import {
  AUTH_KEYS,
  AUTH_WAIT_MS,
  EOSE_WAIT_MS,
  LINK_WANTS,
  LIVE_WAIT_MS,
  PUBLISH_TRIES,
  QUEUE_CHARS,
  SEND_BUFFER_BYTES,
} from '../src/link-wants.ts'
import {
  BAD_FRAMES,
  CONNECT_MS,
  DIAL_GAP_MS,
  EARLY_DIALS,
  IDLE_MS,
  PROBE_EVERY_MS,
  PROBE_MS,
  WORTHWHILE_MS,
} from '../src/relay-link.ts'
import { authenticateAs, bench, event, FILTERS, ME, RELAY, START, untilDialled } from './fixture.ts'

const SINCE = START / 1_000 - 120

describe('dialling', () => {
  test('nothing is dialled before something is wanted', () => {
    const { clock, sockets, link } = bench()
    clock.advance(100_000)
    expect(sockets.all).toHaveLength(0)
    expect(link.size()).toBe(0)
  })

  test('a handshake may take ten seconds, and no longer', () => {
    const { clock, sockets, health, subscribe } = bench()
    const { log } = subscribe()
    clock.advance(CONNECT_MS - 1)
    expect(health()?.state).toBe('connecting')
    expect(log).toEqual([])
    clock.advance(1)
    expect(sockets.all[0]?.closeCodes).toEqual([1000])
    expect(log).toEqual(['down unreachable: the connection took too long'])
    expect(health()?.state).toBe('down')
  })

  test('waits between dials stay under a ceiling, which doubles after the first few, and are not all alike', () => {
    const { clock, sockets, subscribe } = bench()
    subscribe()
    const waits: number[] = []
    for (let i = 0; i < 40; i += 1) {
      const failedAt = clock.now()
      sockets.last.end()
      untilDialled({ clock, sockets })
      waits.push(clock.now() - failedAt)
    }
    waits.forEach((wait, i) => {
      expect(wait).toBeLessThan(Math.min(30_000, 1_000 * 2 ** Math.max(0, i - EARLY_DIALS)))
    })
    const late = waits.slice(6)
    expect(Math.max(...late)).toBeGreaterThan(20_000)
    expect(Math.min(...late)).toBeLessThan(10_000)
    expect(new Set(waits).size).toBeGreaterThan(35)
  })

  test('an hour without the relay costs few dials, one report, and no memory', () => {
    const { clock, sockets, link, subscribe } = bench()
    const { log } = subscribe()
    sockets.last.end()
    let answered = sockets.all.length
    const end = START + 3_600_000
    while (clock.now() < end) {
      clock.advance(Math.min(end, clock.nextAt ?? end) - clock.now())
      if (sockets.all.length > answered) sockets.last.end()
      answered = sockets.all.length
    }
    expect(sockets.all.length).toBeGreaterThan(100)
    expect(sockets.all.length).toBeLessThan(400)
    expect(log).toEqual(['down unreachable: closed (1006)'])
    expect(clock.pending).toBe(1)
    expect(link.size()).toBe(1)
  })

  test('after a connection that lasted a second, the wait is one second at most again', () => {
    const { clock, sockets, subscribe } = bench()
    subscribe()
    for (let i = 0; i < 20; i += 1) {
      for (let failed = 0; failed < 3; failed += 1) {
        sockets.last.end()
        untilDialled({ clock, sockets })
      }
      sockets.last.open()
      clock.advance(WORTHWHILE_MS)
      sockets.last.end()
      const failedAt = clock.now()
      untilDialled({ clock, sockets })
      expect(clock.now() - failedAt).toBeLessThan(1_000)
    }
  })

  test('connections that break at once back off like failed dials', () => {
    const { clock, sockets, subscribe } = bench()
    subscribe()
    let longest = 0
    for (let i = 0; i < 40; i += 1) {
      sockets.last.open()
      clock.advance(WORTHWHILE_MS - 1)
      sockets.last.end()
      const failedAt = clock.now()
      untilDialled({ clock, sockets })
      longest = Math.max(longest, clock.now() - failedAt)
    }
    expect(longest).toBeGreaterThan(15_000)
  })

  test('somebody who publishes does not wait for a long backoff, and dials stay a second apart', () => {
    const { clock, sockets, subscribe, publish } = bench()
    subscribe()
    for (let i = 0; i < 8; i += 1) {
      sockets.last.end()
      untilDialled({ clock, sockets })
    }
    const before = clock.now()
    sockets.last.end()
    publish(1)
    const dials = sockets.all.length
    clock.advance(DIAL_GAP_MS - 1)
    expect(sockets.all.length).toBe(dials)
    clock.advance(1)
    expect(sockets.all.length).toBe(dials + 1)
    expect(clock.now() - before).toBe(DIAL_GAP_MS)
  })

  test('somebody who publishes does not put off a dial that is due sooner', () => {
    const { clock, sockets, subscribe, publish } = bench({ randomBytes: (length) => new Uint8Array(length) })
    subscribe()
    sockets.last.end()
    publish(1)
    clock.advance(0)
    expect(sockets.all).toHaveLength(2)
  })

  test('nobody is dialled for a want that is gone', () => {
    const { clock, sockets, subscribe, link } = bench()
    const { close } = subscribe()
    sockets.last.end()
    close()
    clock.advance(29_000)
    expect(sockets.all).toHaveLength(1)
    expect(link.size()).toBe(0)
    subscribe()
    expect(sockets.all).toHaveLength(2)
  })

  test('wake dials at once, and probes a connection that seems open', () => {
    const { sockets, link, goLive, clock } = bench()
    goLive()
    link.wake()
    expect(sockets.last.pings).toBe(1)
    sockets.last.pong()
    sockets.last.end()
    link.wake()
    expect(sockets.all).toHaveLength(2)
    expect(clock.now()).toBe(START)
  })

  test('an address that is forbidden is final, for subscriptions and publishes, and is not dialled', () => {
    const { clock, sockets, subscribe, publish } = bench({
      relay: 'ws://10.0.0.1/' as typeof RELAY,
      allowAddress: () => false,
    })
    const { log } = subscribe()
    const published = publish(1)
    clock.advance(1)
    expect(log).toEqual(['final relay/forbidden-address'])
    expect(published.outcome).toEqual({ ok: false, reason: 'relay/forbidden-address' })
    clock.advance(3_600_000)
    expect(sockets.all).toHaveLength(0)
  })

  test('a name that resolves to a forbidden address is final too', () => {
    const { clock, sockets, subscribe } = bench()
    const { log } = subscribe()
    sockets.last.end('relay/forbidden-address')
    clock.advance(3_600_000)
    expect(log).toEqual(['final relay/forbidden-address'])
    expect(sockets.all).toHaveLength(1)
  })
})

describe('a connection that falls silent', () => {
  test('is asked for a sign of life after a minute, and given up ten seconds later', () => {
    const { clock, sockets, goLive } = bench()
    const { log } = goLive()
    clock.advance(PROBE_EVERY_MS - 1)
    expect(sockets.last.pings).toBe(0)
    clock.advance(1)
    expect(sockets.last.pings).toBe(1)
    clock.advance(PROBE_MS - 1)
    expect(log).toEqual(['live'])
    const silent = sockets.last
    clock.advance(1)
    expect(silent.closeCodes).toEqual([1000])
    expect(log).toEqual(['live', 'down unreachable: the relay fell silent'])
    clock.advance(1_000)
    expect(sockets.all).toHaveLength(2)
  })

  test('lives on if it answers the ping, and is asked again a minute later', () => {
    const { clock, sockets, goLive } = bench()
    const { log } = goLive()
    for (let i = 1; i <= 5; i += 1) {
      clock.advance(PROBE_EVERY_MS)
      expect(sockets.last.pings).toBe(i)
      clock.advance(5_000)
      sockets.last.pong()
    }
    expect(log).toEqual(['live'])
    expect(sockets.all).toHaveLength(1)
  })

  test('takes whatever comes as a sign of life', () => {
    const { clock, sockets, goLive } = bench()
    const { log } = goLive()
    for (let i = 0; i < 5; i += 1) {
      clock.advance(PROBE_EVERY_MS + PROBE_MS - 1)
      sockets.last.get('NOTICE', 'still here')
    }
    expect(log).toEqual(['live'])
    expect(sockets.last.pings).toBe(5)
  })

  test('is asked with a REQ where there is no ping, and the answer is taken back', () => {
    const { clock, sockets, goLive, health } = bench({ canPing: false })
    goLive()
    clock.advance(PROBE_EVERY_MS)
    const [, probe] = sockets.last.frames('REQ')
    expect(probe?.[2]).toMatchObject({ kinds: [24133], limit: 0 })
    sockets.last.get('EOSE', probe?.[1])
    expect(sockets.last.frames('CLOSE')).toEqual([['CLOSE', probe?.[1]]])
    clock.advance(PROBE_MS)
    expect(health()?.state).toBe('open')
    clock.advance(PROBE_EVERY_MS)
    clock.advance(PROBE_MS)
    expect(health()?.state).not.toBe('open')
  })

  test('is noticed though the wall clock was set back', () => {
    const monotonic = createFakeClock(START)
    let offset = 0
    const { goLive, health } = bench({ clock: { ...monotonic, now: () => monotonic.now() + offset } })
    goLive()
    monotonic.advance(30_000)
    offset = -3_600_000
    monotonic.advance(2 * PROBE_EVERY_MS + PROBE_MS)
    expect(health()?.state).not.toBe('open')
  })
})

describe('bad frames', () => {
  test('twenty a minute are borne, one more closes the connection', () => {
    const { sockets, goLive, health } = bench()
    const { log } = goLive()
    const first = sockets.last
    for (let i = 0; i < BAD_FRAMES; i += 1) first.getData('junk')
    expect(log).toEqual(['live'])
    first.getData('junk')
    expect(first.closeCodes).toEqual([1000])
    expect(log).toEqual(['live', 'down unreachable: too many bad frames'])
    expect(health()?.drops).toEqual({ 'frame/json': 21 })
  })

  test('may make the host close the link', () => {
    let closed = 0
    const { sockets, goLive, link, clock, health } = bench({
      onDrop: () => {
        closed += 1
        if (closed > BAD_FRAMES) void link.close()
      },
    })
    const { log } = goLive()
    for (let i = 0; i < 30; i += 1) sockets.last.getData('junk')
    clock.advance(100_000)
    expect(health()).toBeUndefined()
    expect(log).toEqual(['live'])
    expect(sockets.all).toHaveLength(1)
  })

  test('are forgotten after a minute', () => {
    const { clock, sockets, goLive } = bench()
    const { log } = goLive()
    for (let minute = 0; minute < 5; minute += 1) {
      for (let i = 0; i < BAD_FRAMES; i += 1) sockets.last.getData('[]')
      clock.advance(60_001)
      sockets.last.pong()
    }
    expect(log).toEqual(['live'])
  })

  test('late answers are not bad frames', () => {
    const { sockets, goLive, health } = bench()
    const { log } = goLive()
    for (let i = 0; i < 100; i += 1) {
      sockets.last.get('OK', event(i).id, true, '')
      sockets.last.get('EVENT', 'gone', {})
      sockets.last.get('CLOSED', 'gone', '')
    }
    expect(log).toEqual(['live'])
    expect(health()?.drops).toEqual({ 'frame/unknown-ok': 100, 'frame/unknown-subscription': 200 })
  })

  test('a binary message is one', () => {
    const { sockets, goLive, drops } = bench()
    goLive()
    sockets.last.getData(new ArrayBuffer(8))
    expect(drops).toEqual(['frame/json'])
  })
})

describe('subscriptions', () => {
  test('are live at EOSE, or half a second after the REQ', () => {
    const { clock, sockets, subscribe } = bench()
    const { log } = subscribe()
    sockets.last.open()
    clock.advance(EOSE_WAIT_MS - 1)
    expect(log).toEqual([])
    clock.advance(1)
    expect(log).toEqual(['live'])
    sockets.last.get('EOSE', sockets.last.frames('REQ')[0]?.[1])
    expect(log).toEqual(['live'])
  })

  test('have ids of sixteen hex characters that do not repeat', () => {
    const { sockets, subscribe, goLive } = bench()
    goLive()
    for (let i = 0; i < 50; i += 1) subscribe()
    const ids = sockets.last.frames('REQ').map(([, id]) => id)
    expect(new Set(ids).size).toBe(51)
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{16}$/)
  })

  test('ask after a gap from a minute before the newest event, with the same id', () => {
    const { clock, sockets, goLive } = bench()
    goLive({
      filters: [
        { kinds: [24133], '#p': [ME], limit: 0 },
        { kinds: [24133], '#p': [ME], since: SINCE },
      ],
    })
    const [, id] = sockets.last.frames('REQ')[0] ?? []
    clock.advance(50_000)
    sockets.last.get('EVENT', id, { created_at: START / 1_000 + 40 })
    sockets.last.get('EVENT', id, { created_at: START / 1_000 + 20 })
    sockets.last.end()
    clock.advance(1_000)
    sockets.last.open()
    expect(sockets.last.frames('REQ')).toEqual([
      [
        'REQ',
        id,
        { kinds: [24133], '#p': [ME], limit: 0 },
        { kinds: [24133], '#p': [ME], since: START / 1_000 - 20 },
      ],
    ])
  })

  test.each([
    ['from the future', START / 1_000 + 100_000, START / 1_000 - 60],
    ['without a time', 'soon', SINCE],
    ['from long ago', 1, SINCE],
    ['with half a second', START / 1_000 + 0.5, SINCE],
  ])('are not led astray by an event %s', (_, created_at, since) => {
    const { clock, sockets, goLive } = bench()
    goLive()
    sockets.last.get('EVENT', sockets.last.frames('REQ')[0]?.[1], { created_at })
    sockets.last.end()
    clock.advance(1_000)
    sockets.last.open()
    expect(sockets.last.frames('REQ')[0]?.[2]).toMatchObject({ since })
  })

  test('never ask from the future, though the wall clock was set back', () => {
    const monotonic = createFakeClock(START)
    let offset = 0
    const { sockets, goLive } = bench({ clock: { ...monotonic, now: () => monotonic.now() + offset } })
    goLive()
    sockets.last.get('EVENT', sockets.last.frames('REQ')[0]?.[1], { created_at: START / 1_000 })
    offset = -30_000
    sockets.last.end()
    monotonic.advance(1_000)
    sockets.last.open()
    expect(sockets.last.frames('REQ')[0]?.[2]).toMatchObject({ since: START / 1_000 - 29 - 60 })
  })

  test('that the relay closed are not closed again, nor asked for twice when it says so twice', () => {
    const { clock, sockets, goLive } = bench()
    const { close } = goLive()
    const [, id] = sockets.last.frames('REQ')[0] ?? []
    sockets.last.get('CLOSED', id, 'error: busy')
    sockets.last.get('CLOSED', id, 'error: busy')
    clock.advance(2_000)
    expect(sockets.last.frames('REQ')).toHaveLength(2)
    sockets.last.get('CLOSED', id, 'error: busy')
    close()
    expect(sockets.last.frames('CLOSE')).toEqual([])
    clock.advance(5_000)
    expect(sockets.last.frames('REQ')).toHaveLength(2)
  })

  test('are told of each loss once, and of each return', () => {
    const { clock, sockets, goLive } = bench()
    const { log } = goLive()
    for (let i = 0; i < 2; i += 1) {
      sockets.last.end('lost')
      untilDialled({ clock, sockets })
      sockets.last.end('refused')
      untilDialled({ clock, sockets })
      sockets.last.open()
      sockets.last.get('EOSE', sockets.last.frames('REQ')[0]?.[1])
      clock.advance(2_000)
    }
    const loss = ['down unreachable: lost', 'live']
    expect(log).toEqual(['live', ...loss, ...loss])
  })

  test('a since that already lies later stays', () => {
    const { clock, sockets, goLive } = bench()
    goLive({ filters: [{ kinds: [24133], '#p': [ME], since: START / 1_000 + 50 }] })
    sockets.last.get('EVENT', sockets.last.frames('REQ')[0]?.[1], { created_at: START / 1_000 })
    sockets.last.end()
    clock.advance(1_000)
    sockets.last.open()
    expect(sockets.last.frames('REQ')[0]?.[2]).toMatchObject({ since: START / 1_000 + 50 })
  })

  test.each(['rate-limited: slow down', 'error: busy', 'closing down', ''])(
    'closed with "%s" ask again, later each time, until they last a minute',
    (reason) => {
      const { clock, sockets, goLive } = bench()
      const { log } = goLive()
      const [, id] = sockets.last.frames('REQ')[0] ?? []
      const waits: number[] = []
      for (let i = 0; i < 8; i += 1) {
        const closedAt = clock.now()
        const requests = sockets.last.frames('REQ').length
        sockets.last.get('CLOSED', id, reason)
        while (sockets.last.frames('REQ').length === requests) {
          clock.advance((clock.nextAt ?? 0) - clock.now())
          sockets.last.pong()
          if (clock.now() - closedAt > 60_000) throw new Error('never asked again')
        }
        waits.push(clock.now() - closedAt)
      }
      for (const [i, wait] of waits.entries()) {
        expect(wait).toBeGreaterThanOrEqual(1_000)
        expect(wait).toBeLessThanOrEqual(1_000 + Math.min(30_000, 1_000 * 2 ** i))
      }
      expect(Math.max(...waits)).toBeGreaterThan(3_000)
      expect(log).toEqual(['live', `down ${reason}`])
      sockets.last.get('EOSE', id)
      expect(log).toEqual(['live', `down ${reason}`, 'live'])
      expect(sockets.all).toHaveLength(1)
      for (let second = 0; second < 60; second += 1) {
        clock.advance(1_000)
        sockets.last.pong()
      }
      sockets.last.get('CLOSED', id, reason)
      const requests = sockets.last.frames('REQ').length
      clock.advance(2_000)
      expect(sockets.last.frames('REQ')).toHaveLength(requests + 1)
    },
  )

  test.each(['blocked: no', 'restricted: not yours', 'unsupported: no kind 24133', 'invalid: bad filter'])(
    'closed with "%s" are over',
    (reason) => {
      const { clock, sockets, goLive, link } = bench()
      const { log } = goLive()
      sockets.last.get('CLOSED', sockets.last.frames('REQ')[0]?.[1], reason)
      expect(log).toEqual(['live', `final ${reason}`])
      expect(link.size()).toBe(0)
      sockets.last.end()
      clock.advance(60_000)
      expect(log).toHaveLength(2)
    },
  )

  test.each(['invalid: limit', 'unsupported: limit 0'])(
    'refused with "%s" drop the filter of limit 0, once, and keep to that',
    (reason) => {
      const { clock, sockets, goLive } = bench()
      const live = { kinds: [24133], '#p': [ME], limit: 0 }
      const { log } = goLive({ filters: [live, ...FILTERS] })
      const [, id] = sockets.last.frames('REQ')[0] ?? []
      sockets.last.get('CLOSED', id, reason)
      expect(sockets.last.frames('REQ')[1]).toEqual(['REQ', id, ...FILTERS])
      expect(log).toEqual(['live'])
      sockets.last.end()
      clock.advance(1_000)
      sockets.last.open()
      expect(sockets.last.frames('REQ')[0]).toEqual(['REQ', id, ...FILTERS])
      sockets.last.get('CLOSED', id, reason)
      expect(log.at(-1)).toBe(`final ${reason}`)
    },
  )

  test('of nothing but limit 0 ask for one event instead', () => {
    const { sockets, goLive } = bench()
    goLive({ filters: [{ kinds: [24133], '#p': [ME], limit: 0 }] })
    const [, id] = sockets.last.frames('REQ')[0] ?? []
    sockets.last.get('CLOSED', id, 'invalid: limit')
    expect(sockets.last.frames('REQ')[1]).toEqual(['REQ', id, { kinds: [24133], '#p': [ME], limit: 1 }])
  })

  test('that end say CLOSE, and nothing is passed on after', () => {
    const { sockets, goLive } = bench()
    const { events, close } = goLive()
    const [, id] = sockets.last.frames('REQ')[0] ?? []
    close()
    close()
    expect(sockets.last.frames('CLOSE')).toEqual([['CLOSE', id]])
    sockets.last.get('EVENT', id, {})
    expect(events).toEqual([])
  })

  test('may be as many as the limit, and the next is told so', () => {
    const { clock, sockets, goLive, subscribe, link } = bench()
    goLive()
    for (let i = 1; i < LINK_WANTS; i += 1) expect(subscribe().log).toEqual([])
    const one = subscribe()
    const other = subscribe()
    other.close()
    clock.advance(1)
    expect(one.log).toEqual(['final queue-full'])
    expect(other.log).toEqual([])
    expect(link.size()).toBe(LINK_WANTS)
    expect(sockets.last.frames('REQ')).toHaveLength(LINK_WANTS)
  })

  test('a callback that throws does not stop the others, and its error comes to light', async () => {
    const { sockets, goLive, subscribe } = bench()
    const uncaught: unknown[] = []
    const spy = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((run) => {
      try {
        run()
      } catch (error) {
        uncaught.push(error)
      }
    })
    goLive({
      onEvent: () => {
        throw new Error('a bug of the host')
      },
    })
    const { events } = subscribe()
    const [first, second] = sockets.last.frames('REQ').map(([, id]) => id)
    sockets.last.get('EVENT', first, { id: 1 })
    sockets.last.get('EVENT', second, { id: 1 })
    spy.mockRestore()
    expect(events).toEqual([{ id: 1 }])
    expect(uncaught).toEqual([new Error('a bug of the host')])
  })

  test('a callback may end everything', () => {
    const { clock, sockets, goLive, link } = bench()
    const { log } = goLive({
      onEvent: () => {
        void link.close()
      },
    })
    const [, id] = sockets.last.frames('REQ')[0] ?? []
    sockets.last.get('EVENT', id, {})
    sockets.last.get('EVENT', id, {})
    sockets.last.end()
    clock.advance(100_000)
    expect(log).toEqual(['live'])
    expect(clock.pending).toBe(0)
  })
})

describe('publishing', () => {
  test('waits for a subscription that is on its way, and two seconds at most', () => {
    const { clock, sockets, subscribe, publish } = bench()
    subscribe({ authenticate: authenticateAs(1) })
    publish(1)
    sockets.last.open()
    // The subscription needs AUTH, and this relay never sends a challenge.
    sockets.last.get('CLOSED', sockets.last.frames('REQ')[0]?.[1], 'auth-required: x')
    clock.advance(LIVE_WAIT_MS - 1)
    expect(sockets.last.frames('EVENT')).toHaveLength(0)
    clock.advance(1)
    expect(sockets.last.frames('EVENT')).toHaveLength(1)
  })

  test('waits for the subscription again after a loss', () => {
    const again = bench()
    again.subscribe()
    again.publish(1)
    again.sockets.last.open()
    again.clock.advance(EOSE_WAIT_MS)
    expect(again.sockets.last.frames('EVENT')).toHaveLength(1)
    again.sockets.last.end()
    untilDialled(again)
    again.sockets.last.open()
    expect(again.sockets.last.frames('EVENT')).toHaveLength(0)
    again.sockets.last.get('EOSE', again.sockets.last.frames('REQ')[0]?.[1])
    expect(again.sockets.last.frames('EVENT')).toHaveLength(1)
  })

  test('waits for the subscriptions before it also if it is published while they are lost', () => {
    const { clock, sockets, link, goLive, publish } = bench()
    const old = { kind: 'event', id: event(9).id, chars: 9, authenticate: undefined } as const
    link.add({ ...old, frame: () => '["EVENT",9]', onLive() {}, onDown: () => publish(1) })
    goLive()
    sockets.last.end()
    untilDialled({ clock, sockets })
    sockets.last.open()
    expect(sockets.last.sent.map(([verb]) => verb)).toEqual(['EVENT', 'REQ'])
    sockets.last.get('EOSE', sockets.last.frames('REQ')[0]?.[1])
    expect(sockets.last.sent.map(([verb]) => verb)).toEqual(['EVENT', 'REQ', 'EVENT'])
  })

  test('goes on waiting for a subscription that is asked for again', () => {
    const { sockets, subscribe, publish } = bench()
    const filters = [...FILTERS, { kinds: [24133], limit: 0 }]
    subscribe({ filters })
    publish(1)
    sockets.last.open()
    const [, id] = sockets.last.frames('REQ')[0] ?? []
    sockets.last.get('CLOSED', id, 'invalid: limit')
    expect(sockets.last.sent.map(([verb]) => verb)).toEqual(['REQ', 'REQ'])
    sockets.last.get('EOSE', id)
    expect(sockets.last.sent.map(([verb]) => verb)).toEqual(['REQ', 'REQ', 'EVENT'])
  })

  test('waits for the subscriptions before it only', () => {
    const { clock, sockets, subscribe, publish } = bench()
    publish(1)
    subscribe()
    publish(2)
    sockets.last.open()
    expect(sockets.last.sent.map(([verb]) => verb)).toEqual(['EVENT', 'REQ'])
    clock.advance(EOSE_WAIT_MS - 1)
    subscribe()
    clock.advance(1)
    expect(sockets.last.sent.map(([verb]) => verb)).toEqual(['EVENT', 'REQ', 'REQ', 'EVENT'])
  })

  test('has the whole two seconds on each connection', () => {
    const { clock, sockets, subscribe, publish } = bench()
    subscribe({ authenticate: authenticateAs(1) })
    publish(1)
    const stall = (): void => {
      sockets.last.open()
      sockets.last.get('CLOSED', sockets.last.frames('REQ')[0]?.[1], 'auth-required: x')
    }
    stall()
    clock.advance(LIVE_WAIT_MS - 500)
    sockets.last.end()
    untilDialled({ clock, sockets })
    stall()
    clock.advance(LIVE_WAIT_MS - 1)
    expect(sockets.last.frames('EVENT')).toHaveLength(0)
    clock.advance(1)
    expect(sockets.last.frames('EVENT')).toHaveLength(1)
  })

  test('a refusal that is said twice counts once', () => {
    const { clock, sockets, goLive, publish } = bench()
    goLive()
    const published = publish(1)
    sockets.last.get('OK', event(1).id, false, 'rate-limited: x')
    sockets.last.get('OK', event(1).id, false, 'rate-limited: x')
    sockets.last.get('OK', event(1).id, false, 'blocked: x')
    clock.advance(2_000)
    expect(sockets.last.frames('EVENT')).toHaveLength(2)
    clock.advance(30_000)
    expect(sockets.last.frames('EVENT')).toHaveLength(2)
    expect(published.outcome).toBeUndefined()
  })

  test('does not wait for a subscription that the relay told to slow down', () => {
    const { sockets, goLive, publish } = bench()
    goLive()
    sockets.last.get('CLOSED', sockets.last.frames('REQ')[0]?.[1], 'rate-limited: x')
    publish(1)
    expect(sockets.last.frames('EVENT')).toHaveLength(1)
  })

  test('writes events in the order in which they came', () => {
    const { sockets, subscribe, publish } = bench()
    subscribe()
    for (let i = 1; i <= 5; i += 1) publish(i)
    sockets.last.open()
    sockets.last.get('EOSE', sockets.last.frames('REQ')[0]?.[1])
    const ids = sockets.last.frames('EVENT').map(([, sent]) => (sent as { id: string }).id)
    expect(ids).toEqual([1, 2, 3, 4, 5].map((number) => event(number).id))
  })

  test('gives up as unreachable after the second dial that fails', () => {
    const { clock, sockets, publish } = bench()
    const published = publish(1)
    sockets.last.end('ECONNREFUSED')
    expect(published.outcome).toBeUndefined()
    clock.advance(DIAL_GAP_MS)
    sockets.last.end('ECONNREFUSED')
    expect(published.outcome).toEqual({ ok: false, reason: 'unreachable: ECONNREFUSED' })
  })

  test('writes an event four times at most, whatever happens in between', () => {
    const { clock, sockets, publish } = bench()
    const published = publish(1)
    for (let i = 0; i < PUBLISH_TRIES; i += 1) {
      expect(published.outcome).toBeUndefined()
      sockets.last.open()
      expect(sockets.last.frames('EVENT')).toHaveLength(1)
      sockets.last.end()
      clock.advance(DIAL_GAP_MS)
    }
    expect(published.outcome).toEqual({ ok: false, reason: 'unreachable: closed (1006)' })
    expect(sockets.all).toHaveLength(PUBLISH_TRIES)
  })

  test('a relay that always says rate-limited is tried four times, later each time', () => {
    const randomBytes = (length: number): Uint8Array => new Uint8Array(length).fill(128, 0, 1)
    const { clock, sockets, goLive, publish } = bench({ randomBytes })
    goLive()
    const published = publish(1)
    const times = [clock.now()]
    for (let i = 1; i < PUBLISH_TRIES; i += 1) {
      sockets.last.get('OK', event(1).id, false, 'rate-limited: slow down')
      while (sockets.last.frames('EVENT').length === i) clock.advance((clock.nextAt ?? 0) - clock.now())
      times.push(clock.now())
    }
    sockets.last.get('OK', event(1).id, false, 'rate-limited: slow down')
    expect(published.outcome).toEqual({ ok: false, reason: 'rate-limited: slow down' })
    expect(times.map((time) => time - START)).toEqual([0, 1_500, 3_500, 6_500])
  })

  test.each([
    'mute: nobody listens',
    'blocked: no',
    'invalid: id',
    'pow: 20',
    'restricted: no',
    'error: x',
    'no',
  ])('a relay that says "%s" has refused', (reason) => {
    const { sockets, goLive, publish } = bench()
    goLive()
    const published = publish(1)
    sockets.last.get('OK', event(1).id, false, reason)
    expect(published.outcome).toEqual({ ok: false, reason })
  })

  test('an OK before the event was written settles nothing', () => {
    const { sockets, subscribe, publish, drops } = bench()
    subscribe()
    const published = publish(1)
    sockets.last.open()
    sockets.last.get('OK', event(1).id, true, '')
    expect(published.outcome).toBeUndefined()
    expect(drops).toEqual(['frame/unknown-ok'])
  })

  test('the same event published twice at a time is written once, and one OK is for all', () => {
    const { sockets, goLive, publish } = bench()
    goLive()
    const first = publish(1)
    const second = publish(1)
    const third = publish(1)
    expect(sockets.last.frames('EVENT')).toHaveLength(1)
    first.cancel()
    sockets.last.get('OK', event(1).id, true, '')
    expect(first.outcome).toBeUndefined()
    expect([second.outcome, third.outcome]).toEqual([{ ok: true }, { ok: true }])
    expect(third.cancel()).toBeUndefined()
  })

  test('the same event published twice is written once on each connection, and again after each refusal', () => {
    const { clock, sockets, publish } = bench()
    const outcomes = [publish(1), publish(1)]
    sockets.last.open()
    expect(sockets.last.frames('EVENT')).toHaveLength(1)
    sockets.last.end()
    untilDialled({ clock, sockets })
    sockets.last.open()
    expect(sockets.last.frames('EVENT')).toHaveLength(1)
    sockets.last.get('OK', event(1).id, false, 'rate-limited: slow down')
    clock.advance(30_000)
    expect(sockets.last.frames('EVENT')).toHaveLength(2)
    sockets.last.get('OK', event(1).id, false, 'blocked: no')
    const refused = { ok: false, reason: 'blocked: no' }
    expect(outcomes.map(({ outcome }) => outcome)).toEqual([refused, refused])
  })

  test.each([true, false])(
    'an event that is published again as its OK %s is heard has one of its own to come',
    (isTaken) => {
      const { sockets, goLive, link } = bench()
      goLive()
      const log: string[] = []
      const frame = '["EVENT",1]'
      const request = {
        kind: 'event',
        id: event(1).id,
        chars: 9,
        authenticate: undefined,
        frame: () => frame,
      } as const
      const add = (name: string, run: () => void): void => {
        const hear = (outcome: string) => (): void => {
          log.push(`${name} ${outcome}`)
          run()
        }
        link.add({ ...request, onLive: hear('taken'), onDown: hear('refused') })
      }
      add('first', () => add('third', () => undefined))
      add('second', () => undefined)
      expect(sockets.last.frames('EVENT')).toHaveLength(1)
      sockets.last.get('OK', event(1).id, isTaken, 'error: x')
      const word = isTaken ? 'taken' : 'refused'
      expect(log).toEqual([`first ${word}`, `second ${word}`])
      expect(sockets.last.frames('EVENT')).toHaveLength(2)
      sockets.last.get('OK', event(1).id, true, '')
      expect(log.at(-1)).toBe('third taken')
    },
  )

  test('an event with another signature under the same id is another frame', () => {
    const { sockets, goLive, link } = bench()
    goLive()
    const add = (text: string): void => {
      const request = { kind: 'event', id: event(1).id, chars: 9, authenticate: undefined } as const
      link.add({ ...request, frame: () => text, onLive() {}, onDown() {} })
    }
    for (const text of ['["EVENT",1]', '["EVENT",2]', '["EVENT",1]']) add(text)
    expect(sockets.last.frames('EVENT')).toEqual([
      ['EVENT', 1],
      ['EVENT', 2],
    ])
  })

  test('giving up what is settled does not touch the same event published later', () => {
    const { sockets, goLive, publish } = bench()
    goLive()
    const first = publish(1)
    sockets.last.get('OK', event(1).id, false, 'error: try later')
    const second = publish(1)
    first.cancel()
    sockets.last.get('OK', event(1).id, true, '')
    expect(second.outcome).toEqual({ ok: true })
  })

  test('whoever gives up hears the last word of the relay', () => {
    const { sockets, goLive, publish, link, subscribe } = bench()
    expect(publish(9).cancel()).toBe('unreachable: not connected yet')
    subscribe().close()
    goLive()
    const slow = publish(1)
    sockets.last.get('OK', event(1).id, false, 'rate-limited: slow down')
    expect(slow.cancel()).toBe('rate-limited: slow down')
    expect(publish(2).cancel()).toBeUndefined()
    expect(link.size()).toBe(1)
  })

  test('the queue holds as many events as the limit, and refuses the next', () => {
    const { clock, publish, link } = bench()
    for (let i = 0; i < LINK_WANTS; i += 1) publish(i)
    const next = publish(LINK_WANTS)
    clock.advance(1)
    expect(next.outcome).toEqual({ ok: false, reason: 'queue-full' })
    expect(link.size()).toBe(LINK_WANTS)
  })

  test('the queue holds as many characters as the limit, and refuses the next', () => {
    const { clock, link } = bench()
    const outcomes: unknown[] = []
    const add = (id: string, length: number): (() => string | undefined) =>
      link.add({
        kind: 'event',
        id,
        chars: length,
        authenticate: undefined,
        frame: () => '[]'.padEnd(length, ' '),
        onLive: () => outcomes.push('accepted'),
        onDown: (reason, final) => final && outcomes.push(reason),
      })
    const cancel = add('a', QUEUE_CHARS / 2)
    add('b', QUEUE_CHARS / 2)
    clock.advance(1)
    expect(outcomes).toEqual([])
    add('c', 2)
    clock.advance(1)
    expect(outcomes).toEqual(['queue-full'])
    cancel()
    add('d', QUEUE_CHARS / 2)
    clock.advance(1)
    expect(outcomes).toHaveLength(1)
  })

  test('writing pauses while the socket holds more than the limit', () => {
    const { clock, sockets, goLive, publish } = bench()
    goLive()
    sockets.last.backlog = SEND_BUFFER_BYTES + 1
    publish(1)
    clock.advance(5_000)
    expect(sockets.last.frames('EVENT')).toHaveLength(0)
    sockets.last.backlog = SEND_BUFFER_BYTES
    clock.advance(100)
    expect(sockets.last.frames('EVENT')).toHaveLength(1)
  })
})

describe('NIP-42', () => {
  const challenged = (): ReturnType<typeof bench> => {
    const one = bench()
    one.goLive()
    one.sockets.last.get('AUTH', 'c1')
    return one
  }
  const refuse = (one: ReturnType<typeof bench>, number: number): void =>
    one.sockets.last.get('OK', event(number).id, false, 'auth-required: x')
  const authId = (one: ReturnType<typeof bench>, at = -1): string =>
    (one.sockets.last.frames('AUTH').at(at)?.[1] as { id: string } | undefined)?.id ?? 'no AUTH'

  test('one AUTH serves every event and REQ of its key', () => {
    const one = challenged()
    const authenticate = authenticateAs(1)
    const outcomes = [1, 2, 3].map((number) => one.publish(number, authenticate))
    for (const number of [1, 2, 3]) refuse(one, number)
    expect(one.sockets.last.frames('AUTH')).toHaveLength(1)
    expect(authenticate.asked).toHaveLength(1)
    one.sockets.last.get('OK', authId(one), true, '')
    expect(one.sockets.last.frames('EVENT')).toHaveLength(6)
    for (const number of [1, 2, 3]) one.sockets.last.get('OK', event(number).id, true, '')
    expect(outcomes.map(({ outcome }) => outcome)).toEqual([{ ok: true }, { ok: true }, { ok: true }])
  })

  test('two functions that sign with one key make one AUTH', () => {
    const one = challenged()
    one.publish(1, authenticateAs(1))
    one.publish(2, authenticateAs(1))
    refuse(one, 1)
    refuse(one, 2)
    expect(one.sockets.last.frames('AUTH')).toHaveLength(1)
  })

  test('each key authenticates for itself', () => {
    const one = challenged()
    const first = one.publish(1, authenticateAs(1))
    const second = one.publish(2, authenticateAs(2))
    refuse(one, 1)
    refuse(one, 2)
    expect(one.sockets.last.frames('AUTH')).toHaveLength(2)
    one.sockets.last.get('OK', authId(one, 0), true, '')
    one.sockets.last.get('OK', authId(one, 1), false, 'restricted: not you')
    expect(second.outcome).toEqual({ ok: false, reason: 'restricted: not you' })
    one.sockets.last.get('OK', event(1).id, true, '')
    expect(first.outcome).toEqual({ ok: true })
  })

  test('the same event published twice is written again when it is refused for want of an AUTH that was taken before', () => {
    const one = bench()
    const authenticate = authenticateAs(1)
    one.subscribe({ authenticate })
    one.sockets.last.open()
    one.sockets.last.get('AUTH', 'c')
    const [, id] = one.sockets.last.frames('REQ')[0] ?? []
    one.sockets.last.get('CLOSED', id, 'auth-required: x')
    one.sockets.last.get('OK', authId(one), true, '')
    one.sockets.last.get('EOSE', id)
    const outcomes = [one.publish(1, authenticate), one.publish(1, authenticate)]
    one.sockets.last.get('OK', event(1).id, false, 'auth-required: not yet')
    expect(one.sockets.last.frames('EVENT')).toHaveLength(2)
    one.sockets.last.get('OK', event(1).id, true, '')
    expect(outcomes.map(({ outcome }) => outcome)).toEqual([{ ok: true }, { ok: true }])
  })

  test('a second refusal after AUTH is the end of it', () => {
    const one = challenged()
    const published = one.publish(1, authenticateAs(1))
    refuse(one, 1)
    one.sockets.last.get('OK', authId(one), true, '')
    refuse(one, 1)
    expect(published.outcome).toEqual({ ok: false, reason: 'auth-required: x' })
    expect(one.sockets.last.frames('AUTH')).toHaveLength(1)
  })

  test('a CLOSED that is said twice before the AUTH is answered counts once', () => {
    const one = bench()
    const { log } = one.subscribe({ authenticate: authenticateAs(1) })
    one.sockets.last.open()
    one.sockets.last.get('AUTH', 'c')
    const [, id] = one.sockets.last.frames('REQ')[0] ?? []
    one.sockets.last.get('CLOSED', id, 'auth-required: x')
    one.sockets.last.get('CLOSED', id, 'auth-required: x')
    one.sockets.last.get('OK', authId(one), true, '')
    one.sockets.last.get('EOSE', id)
    expect(log).toEqual(['live'])
  })

  test('a subscription that is ended when it is asked for other filters is written no more', () => {
    const { sockets, goLive, link } = bench()
    goLive()
    const end = link.add({
      ...{ kind: 'subscription', id: 'sub', chars: 9, authenticate: undefined, frame: () => '["REQ","sub"]' },
      ...{ onLive() {}, onDown() {} },
      relax() {
        end()
        return true
      },
    })
    sockets.last.get('CLOSED', 'sub', 'invalid: x')
    expect(sockets.last.sent.slice(-2)).toEqual([
      ['REQ', 'sub'],
      ['CLOSE', 'sub'],
    ])
    expect(link.size()).toBe(1)
  })

  test('a second CLOSED after AUTH is the end of a subscription', () => {
    const one = bench()
    const { log } = one.subscribe({ authenticate: authenticateAs(1) })
    one.sockets.last.open()
    one.sockets.last.get('AUTH', 'c')
    const [, id] = one.sockets.last.frames('REQ')[0] ?? []
    one.sockets.last.get('CLOSED', id, 'auth-required: x')
    one.sockets.last.get('OK', authId(one), true, '')
    one.sockets.last.get('CLOSED', id, 'auth-required: y')
    expect(log).toEqual(['final auth-required: y'])
    expect(one.sockets.last.frames('REQ')).toHaveLength(2)
  })

  test('a relay that never answers the AUTH gets the event once more after five seconds', () => {
    const one = challenged()
    one.publish(1, authenticateAs(1))
    refuse(one, 1)
    one.clock.advance(AUTH_WAIT_MS - 1)
    expect(one.sockets.last.frames('EVENT')).toHaveLength(1)
    one.clock.advance(1)
    expect(one.sockets.last.frames('EVENT')).toHaveLength(2)
  })

  test('a challenge that comes late is still answered, and one that never comes is not waited for', () => {
    const one = bench()
    one.goLive()
    const late = one.publish(1, authenticateAs(1))
    refuse(one, 1)
    one.clock.advance(AUTH_WAIT_MS - 1)
    one.sockets.last.get('AUTH', 'c')
    expect(one.sockets.last.frames('AUTH')).toHaveLength(1)
    one.sockets.last.get('OK', authId(one), true, '')
    one.sockets.last.get('OK', event(1).id, true, '')
    expect(late.outcome).toEqual({ ok: true })

    const other = bench()
    other.goLive()
    const never = other.publish(1, authenticateAs(1))
    refuse(other, 1)
    other.clock.advance(AUTH_WAIT_MS)
    expect(never.outcome).toEqual({ ok: false, reason: 'auth-required: no challenge came' })
  })

  test('a new challenge is answered anew, and the answer to the old one still counts', () => {
    const one = challenged()
    const authenticate = authenticateAs(1)
    one.publish(1, authenticate)
    refuse(one, 1)
    one.sockets.last.get('AUTH', 'c2')
    one.publish(2, authenticate)
    refuse(one, 2)
    expect(authenticate.asked).toEqual([
      [RELAY, 'c1'],
      [RELAY, 'c2'],
    ])
    expect(one.sockets.last.frames('AUTH')).toHaveLength(2)
    one.sockets.last.get('OK', authId(one, 0), true, '')
    expect(one.sockets.last.frames('EVENT')).toHaveLength(3)
    one.sockets.last.get('OK', authId(one, 1), true, '')
    expect(one.sockets.last.frames('EVENT')).toHaveLength(4)
  })

  test('a challenge that is only repeated is answered once', () => {
    const one = challenged()
    one.publish(1, authenticateAs(1))
    refuse(one, 1)
    one.sockets.last.get('OK', authId(one), true, '')
    one.sockets.last.get('AUTH', 'c1')
    one.publish(2, authenticateAs(1))
    refuse(one, 2)
    expect(one.sockets.last.frames('AUTH')).toHaveLength(1)
  })

  test('the key that authenticated longest ago is forgotten first, and only past the limit', () => {
    const one = challenged()
    const authenticated = (key: number, number: number): number => {
      const before = one.sockets.last.frames('AUTH').length
      one.publish(number, authenticateAs(key))
      refuse(one, number)
      const after = one.sockets.last.frames('AUTH').length
      if (after > before) one.sockets.last.get('OK', authId(one), true, '')
      one.clock.advance(0)
      one.sockets.last.get('OK', event(number).id, true, '')
      return after - before
    }
    for (let key = 0; key < AUTH_KEYS; key += 1) expect(authenticated(key, key)).toBe(1)
    expect(authenticated(0, 50_000)).toBe(0)
    expect(authenticated(AUTH_KEYS, 50_001)).toBe(1)
    expect(authenticated(1, 50_002)).toBe(0)
    expect(authenticated(0, 50_003)).toBe(1)
  })

  test('an AUTH belongs to its connection', () => {
    const one = challenged()
    one.publish(1, authenticateAs(1))
    refuse(one, 1)
    const id = authId(one)
    one.sockets.last.end()
    one.clock.advance(DIAL_GAP_MS)
    one.sockets.last.open()
    one.sockets.last.get('EOSE', one.sockets.last.frames('REQ')[0]?.[1])
    one.sockets.last.get('OK', id, true, '')
    expect(one.drops).toEqual(['frame/unknown-ok'])
    expect(one.sockets.last.frames('EVENT')).toHaveLength(1)
    one.sockets.last.get('AUTH', 'c2')
    refuse(one, 1)
    expect(one.sockets.last.frames('AUTH')).toHaveLength(1)
  })

  test('an authenticate that throws or signs something else is a refusal', () => {
    const one = challenged()
    const uncaught: unknown[] = []
    const spy = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((run) => {
      try {
        run()
      } catch (error) {
        uncaught.push(error)
      }
    })
    const throws = one.publish(1, () => {
      throw new Error('a bug of the host')
    })
    const other = one.publish(2, () => event(7))
    refuse(one, 1)
    refuse(one, 2)
    one.clock.advance(1)
    spy.mockRestore()
    const reason = expect.stringMatching(/^auth-required: /)
    expect(throws.outcome).toEqual({ ok: false, reason })
    expect(other.outcome).toEqual({ ok: false, reason })
    expect(one.sockets.last.frames('AUTH')).toHaveLength(0)
    expect(uncaught).toEqual([new Error('a bug of the host')])
  })

  test('an authenticate may end everything', async () => {
    const one = challenged()
    const published = one.publish(1, (relay, challenge) => {
      void one.link.close()
      return authenticateAs(1)(relay, challenge)
    })
    refuse(one, 1)
    one.sockets.last.end()
    expect(published.outcome).toEqual({ ok: false, reason: 'closed' })
    await one.link.close()
    expect(one.clock.pending).toBe(0)
  })

  test('keys past the limit authenticate too, and what is forgotten meanwhile goes on without the answer', () => {
    const one = challenged()
    const all = Array.from({ length: AUTH_KEYS }, (_, i) => {
      const published = one.publish(i, authenticateAs(i))
      refuse(one, i)
      return published
    })
    all[AUTH_KEYS - 1]?.cancel()
    one.publish(AUTH_KEYS, authenticateAs(AUTH_KEYS))
    refuse(one, AUTH_KEYS)
    expect(one.sockets.last.frames('AUTH')).toHaveLength(AUTH_KEYS + 1)
    one.sockets.last.get('OK', authId(one, 0), false, 'restricted: no')
    expect(one.drops).toEqual(['frame/unknown-ok'])
    expect(all[0]?.outcome).toBeUndefined()
    const written = one.sockets.last.frames('EVENT').length
    one.sockets.last.get('OK', authId(one, 1), true, '')
    expect(one.sockets.last.frames('EVENT')).toHaveLength(written + 1)
    one.clock.advance(AUTH_WAIT_MS)
    one.sockets.last.get('OK', event(0).id, true, '')
    expect(all[0]?.outcome).toEqual({ ok: true })
  })
})

describe('the end', () => {
  test('thirty seconds without a want close the link', () => {
    const { clock, sockets, goLive, health } = bench()
    const { close } = goLive()
    clock.advance(IDLE_MS)
    sockets.last.get('NOTICE', 'still here')
    close()
    clock.advance(IDLE_MS - 1)
    expect(health()?.state).toBe('open')
    clock.advance(1)
    expect(sockets.last.closeCodes).toEqual([1000])
    expect(health()).toBeUndefined()
    clock.advance(100)
    expect(clock.pending).toBe(0)
  })

  test('a want within them keeps it', () => {
    const { clock, goLive, subscribe, health } = bench()
    const { close } = goLive()
    close()
    clock.advance(IDLE_MS - 1)
    subscribe()
    clock.advance(IDLE_MS)
    expect(health()?.state).toBe('open')
  })

  test('close settles what waits, says CLOSE and goodbye, and leaves no timer', async () => {
    const { clock, sockets, goLive, publish, link } = bench()
    const { log } = goLive()
    const published = publish(1)
    const closed = link.close()
    expect(published.outcome).toEqual({ ok: false, reason: 'closed' })
    expect(sockets.last.frames('CLOSE')).toHaveLength(1)
    expect(sockets.last.closeCodes).toEqual([1000])
    sockets.last.end('closed (1000)')
    await closed
    expect(clock.pending).toBe(0)
    expect(log).toEqual(['live'])
  })

  test('a peer that does not say goodbye is not waited for', async () => {
    const { clock, sockets, goLive, link } = bench()
    goLive()
    const closed = link.close()
    await clock.run(50)
    await closed
    expect(sockets.last.closeCodes).toEqual([1000])
    expect(clock.pending).toBe(0)
  })

  test.each([
    ['an AUTH that waits for its OK', (one: ReturnType<typeof bench>) => one.sockets.last.get('AUTH', 'c')],
    ['an AUTH that waits for a challenge', () => undefined],
  ])('close leaves nothing of %s', async (_, prepare) => {
    const one = bench()
    one.goLive()
    prepare(one)
    one.publish(1, authenticateAs(1))
    one.sockets.last.get('OK', event(1).id, false, 'auth-required: x')
    const closed = one.link.close()
    one.sockets.last.end()
    await closed
    expect(one.clock.pending).toBe(0)
  })

  test('a challenge that comes in time leaves no timer of the wait for it', () => {
    const one = bench()
    one.goLive()
    one.publish(1, authenticateAs(1))
    one.sockets.last.get('OK', event(1).id, false, 'auth-required: x')
    const before = one.clock.pending
    one.sockets.last.get('AUTH', 'c')
    expect(one.clock.pending).toBe(before)
  })

  test('close leaves nothing of a full socket, nor of an idle link', async () => {
    const full = bench()
    full.goLive()
    full.sockets.last.backlog = SEND_BUFFER_BYTES + 1
    full.publish(1)
    const first = full.link.close()
    full.sockets.last.end()
    await first
    expect(full.clock.pending).toBe(0)

    const idle = bench()
    idle.goLive().close()
    const second = idle.link.close()
    idle.sockets.last.end()
    await second
    expect(idle.clock.pending).toBe(0)
  })

  test('close while connecting or backing off leaves nothing either', async () => {
    const connecting = bench()
    connecting.subscribe()
    const first = connecting.link.close()
    await connecting.clock.run(50)
    await first
    expect(connecting.clock.pending).toBe(0)

    const waiting = bench()
    waiting.subscribe()
    waiting.sockets.last.end()
    await waiting.link.close()
    expect(waiting.clock.pending).toBe(0)
    expect(waiting.health()).toBeUndefined()
  })

  test('what a closed socket still says is not heard', () => {
    const { sockets, goLive, drops, clock } = bench()
    const { log, events } = goLive()
    const [, id] = sockets.last.frames('REQ')[0] ?? []
    const old = sockets.last
    old.end()
    old.get('EVENT', id, {})
    old.getData('junk')
    old.end()
    clock.advance(1_000)
    expect(events).toEqual([])
    expect(drops).toEqual([])
    expect(log).toEqual(['live', 'down unreachable: closed (1006)'])
    expect(sockets.all).toHaveLength(2)
  })

  test('texts of the relay in health are bounded', () => {
    const { sockets, goLive, health } = bench()
    goLive()
    sockets.last.get('NOTICE', 'n'.repeat(10_000))
    sockets.last.end('e'.repeat(10_000))
    expect(health()?.lastNotice).toHaveLength(limits.ERROR_CHARS)
    expect(health()?.lastFailure).toHaveLength(limits.ERROR_CHARS)
  })
})
