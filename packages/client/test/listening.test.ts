import type { Pubkey, SubscribeRequest, Transport } from '@nip46/core'
import { createFakeClock } from '@nip46/testing'
import { expect, test } from 'vitest'
import type { JunkBudget } from '../src/junk-budget.ts'
import { RESUBSCRIBE_MS } from '../src/limits.ts'
import { createListening, type Listen } from '../src/listening.ts'
import { createTimers } from '../src/timers.ts'
import { ONE, TWO } from './world.ts'

const CLIENT = 'c'.repeat(64) as Pubkey
const SIGNER = 's'.repeat(64) as Pubkey

/** A transport that only writes down what it is asked, and lets the test speak for the relays. */
function start() {
  const clock = createFakeClock()
  const log: string[] = []
  const requests: SubscribeRequest[] = []
  const budgets: JunkBudget[] = []
  const transport: Pick<Transport, 'subscribe'> = {
    subscribe(request) {
      const name = `${requests.length} ${request.relays.join()}`
      requests.push(request)
      log.push(`open ${name}`)
      return { close: () => void log.push(`close ${name}`) }
    },
  }
  const unused = {
    publish: () => Promise.reject(new Error('unused')),
    close: () => Promise.resolve(),
  }
  const listening = createListening({ ...transport, ...unused }, createTimers(clock), () => undefined, {
    onEvent: (event, budget) => {
      budgets.push(budget)
      log.push(`event ${String(event)}`)
    },
    onRelay: (relay, live, reason) => void log.push(live ? `live ${relay}` : `down ${relay} ${reason}`),
  })
  const request = (index: number): SubscribeRequest => {
    const found = requests[index]
    if (found === undefined) throw new Error(`there is no subscription ${index}`)
    return found
  }
  return { clock, log, listening, request, budgets }
}

const wide = (relays: Listen['relays']): Listen => ({ relays, to: CLIENT, since: 100 })
const narrow = (relays: Listen['relays']): Listen => ({ ...wide(relays), from: SIGNER })

test('each relay has a subscription of its own, with live delivery apart from what was missed', () => {
  const { listening, log, request } = start()
  listening.adjust(narrow([ONE, TWO]))
  expect(log).toEqual([`open 0 ${ONE}`, `open 1 ${TWO}`])
  const filter = { kinds: [24_133], '#p': [CLIENT], authors: [SIGNER] }
  expect(request(0).filters).toEqual([
    { ...filter, limit: 0 },
    { ...filter, since: 100 },
  ])
})

test('a later since alone changes nothing', () => {
  const { listening, log } = start()
  listening.adjust(wide([ONE]))
  listening.adjust({ ...wide([ONE]), since: 200 })
  expect(log).toEqual([`open 0 ${ONE}`])
})

test('a relay that is no longer wanted is closed, and reported down if it was live', () => {
  const { listening, log, request } = start()
  listening.adjust(wide([ONE, TWO]))
  request(0).onLive?.(ONE)
  listening.adjust(wide([]))
  listening.adjust(undefined)
  expect(log.slice(2)).toEqual([
    `live ${ONE}`,
    `close 0 ${ONE}`,
    `down ${ONE} no longer used`,
    `close 1 ${TWO}`,
  ])
})

test('another author is listened to before the old subscription goes, and the relay is live throughout', () => {
  const { listening, log, request } = start()
  listening.adjust(wide([ONE]))
  request(0).onEvent('by the old', ONE)
  request(0).onLive?.(ONE)
  listening.adjust(narrow([ONE]))
  listening.adjust(narrow([ONE]))
  request(1).onEvent('by the new', ONE)
  request(1).onLive?.(ONE)
  request(0).onEvent('too late', ONE)
  request(0).onDown?.(ONE, 'too late', false)
  expect(log).toEqual([
    `open 0 ${ONE}`,
    'event by the old',
    `live ${ONE}`,
    `open 1 ${ONE}`,
    `close 0 ${ONE}`,
    'event by the new',
  ])
})

test('a relay that was not live becomes so with the new subscription', () => {
  const { listening, log, request } = start()
  listening.adjust(wide([ONE]))
  listening.adjust(narrow([ONE]))
  request(0).onLive?.(ONE)
  expect(log).toEqual([`open 0 ${ONE}`, `open 1 ${ONE}`, `close 0 ${ONE}`])
  request(1).onLive?.(ONE)
  expect(log.at(-1)).toBe(`live ${ONE}`)
})

test('a new subscription that is refused is told of, and asked for anew', () => {
  const { listening, log, request, clock } = start()
  listening.adjust(wide([ONE]))
  request(0).onLive?.(ONE)
  listening.adjust(narrow([ONE]))
  request(1).onDown?.(ONE, 'invalid: authors', true)
  listening.adjust(narrow([ONE]))
  expect(log.at(-1)).toBe(`down ${ONE} invalid: authors`)
  clock.advance(RESUBSCRIBE_MS)
  expect(log.slice(-2)).toEqual([`open 2 ${ONE}`, `close 1 ${ONE}`])
  request(2).onLive?.(ONE)
  expect(log.at(-1)).toBe(`live ${ONE}`)
  expect(clock.pending).toBe(0)
})

test('a relay that was given up on is asked anew after a while, or at once if another author is wanted', () => {
  const { listening, log, request, clock } = start()
  listening.adjust(wide([ONE]))
  request(0).onDown?.(ONE, 'restricted: no', true)
  request(0).onDown?.(ONE, 'restricted: no', true)
  expect(clock.pending).toBe(1)
  clock.advance(RESUBSCRIBE_MS - 1)
  expect(log.at(-1)).toBe(`down ${ONE} restricted: no`)
  clock.advance(1)
  expect(log.slice(-2)).toEqual([`open 1 ${ONE}`, `close 0 ${ONE}`])
  request(1).onDown?.(ONE, 'restricted: no', true)
  expect(clock.pending).toBe(1)
  listening.adjust(narrow([ONE]))
  expect(clock.pending).toBe(0)
  expect(log.slice(-2)).toEqual([`open 2 ${ONE}`, `close 1 ${ONE}`])
  request(2).onDown?.(ONE, 'restricted: no', true)
  listening.adjust(undefined)
  expect(clock.pending).toBe(0)
})

test('what a relay has used of its junk budget goes with it to its new subscription', () => {
  const { listening, request, budgets } = start()
  listening.adjust(wide([ONE, TWO]))
  request(0).onEvent('junk', ONE)
  for (const budget of budgets) budget.fullAt = 5_000
  listening.adjust(narrow([ONE, TWO]))
  request(2).onEvent('more junk', ONE)
  request(3).onEvent('more junk', TWO)
  expect(budgets.map(({ fullAt }) => fullAt)).toEqual([5_000, 5_000, 0])
})

test('a subscription that is given up while the transport still makes it is closed, too', () => {
  const log: string[] = []
  const transport: Transport = {
    subscribe({ relays: [relay = ONE], onLive }) {
      onLive?.(relay)
      return { close: () => void log.push(`close ${relay}`) }
    },
    publish: () => Promise.reject(new Error('unused')),
    close: () => Promise.resolve(),
  }
  const listening = createListening(transport, createTimers(createFakeClock()), () => undefined, {
    onEvent: () => undefined,
    onRelay(relay, live) {
      log.push(`${live ? 'live' : 'down'} ${relay}`)
      if (live) listening.adjust(undefined)
    },
  })
  listening.adjust(wide([ONE]))
  expect(log).toEqual([`live ${ONE}`, `down ${ONE}`, `close ${ONE}`])
})
