/**
 * The suite that every `Transport` over real sockets passes: publishing, subscribing, coming back after a loss, AUTH,
 * hostile relays, and an end that settles everything.
 * Never needs a test runner, and never reaches beyond 127.0.0.1.
 */

import {
  AUTH_KIND,
  type Authenticate,
  CARRIER_KIND,
  type Crypto,
  type Filter,
  type RelayRefusal,
  type RelayUrl,
  type SignedEvent,
  type SubscribeRequest,
  type Transport,
} from '@nip46/core'
import { type Listen, type RelayScript, type ScriptedRelay, startScriptedRelay } from './scripted-relay.ts'
import { type SeededRandom, seededRandom } from './seeded-random.ts'

/** What a case is run with. */
export interface TransportCaseContext {
  /**
   * Milliseconds that a case waits for what must come, before it fails. Default 60,000: nothing of
   * this suite takes as long, on any machine.
   */
  readonly patienceMs?: number
  /** A new transport. Its first wait before it dials a lost relay again should be well below a second. */
  createTransport(): Transport
  readonly listen: Listen
  /** Signs the events of the case. */
  readonly crypto: Pick<Crypto, 'eventId' | 'importKey'>
}

/** How long a case waits, unless told otherwise. */
const PATIENCE_MS = 60_000

/** One case: `run` rejects if the transport under test does not do what `name` says. On a quiet machine each takes below 5 s. */
export interface TransportCase {
  readonly name: string
  run(context: TransportCaseContext): Promise<void>
}

export const transportCases: readonly TransportCase[] = [
  // -- publishing --------------------------------------------------------------------------------
  test('publish resolves with the relay that said OK', async ({ relay, transport, key }) => {
    const one = await relay()
    const event = key(1).carrier(key(2).pubkey)
    const result = await transport.publish([one.url], event)
    check(result.ok && result.value.relay === one.url, `expected OK from ${one.url}`, result)
    check(one.events[0]?.sig === event.sig, 'the relay got another event', one.events)
  }),
  test('publish writes exactly the seven members of an event', async ({ relay, transport, key }) => {
    const one = await relay()
    const extra = { ...key(1).carrier(key(2).pubkey), seen: true }
    await transport.publish([one.url], extra)
    const sent = Object.keys(one.received('EVENT')[0]?.frame[1] as object).sort()
    check(sent.join() === 'content,created_at,id,kind,pubkey,sig,tags', 'members on the wire', sent)
  }),
  test('publish reaches every relay, though it resolves at the first OK', async ({
    relay,
    transport,
    key,
    until,
  }) => {
    const relays = [await relay(), await relay(), await relay()]
    const result = await transport.publish(urls(relays), key(1).carrier(key(2).pubkey))
    check(result.ok, 'one of three should have said OK', result)
    await until(() => relays.every(({ events }) => events.length === 1), 'all three have the event')
  }),
  test('when every relay refuses, the error lists each relay with its reason', async (world) => {
    const blocked = await world.relay({ onEvent: () => 'blocked: not you' })
    const invalid = await world.relay({ onEvent: () => 'invalid: created_at too early' })
    const mute = await world.relay({ onEvent: () => 'mute: nobody is listening' })
    const error = await refusals(world, [blocked, invalid, mute])
    check(reasonOf(error, blocked) === 'blocked: not you', 'reason of the first', error)
    check(reasonOf(error, invalid) === 'invalid: created_at too early', 'reason of the second', error)
    check(reasonOf(error, mute) === 'mute: nobody is listening', 'reason of the third', error)
    check(error.length === 3, 'one entry for each relay', error)
  }),
  test('one relay that accepts outweighs one that refuses', async ({ relay, transport, key }) => {
    const bad = await relay({ onEvent: () => 'blocked: no' })
    const good = await relay()
    const result = await transport.publish([bad.url, good.url], key(1).carrier(key(2).pubkey))
    check(result.ok && result.value.relay === good.url, 'expected the good relay', result)
  }),
  test('an event the relay has already counts as published', async ({ relay, transport, key }) => {
    const one = await relay({ onEvent: () => 'duplicate: have it' })
    const result = await transport.publish([one.url], key(1).carrier(key(2).pubkey))
    check(result.ok, 'OK false duplicate: is a success', result)
  }),
  test('a relay URL given twice is one relay', async ({ relay, transport, key }) => {
    const one = await relay({ onEvent: () => 'blocked: no' })
    const result = await transport.publish([one.url, one.url], key(1).carrier(key(2).pubkey))
    check(!result.ok && result.error.length === 1, 'one relay, one reason', result)
    check(one.received('EVENT').length === 1, 'one EVENT', one.frames)
  }),
  test('publishing to no relay is an error without reasons, not a hang', async ({ transport, key }) => {
    const result = await transport.publish([], key(1).carrier(key(2).pubkey))
    check(!result.ok && result.error.length === 0, 'an empty list', result)
  }),
  test('a relay that cannot be reached is reported as unreachable, before the time is up', async (world) => {
    const gone = await world.relay()
    await gone.down()
    const error = await refusals(world, [gone])
    check(/^unreachable/.test(reasonOf(error, gone)), 'reason', error)
  }),
  test('one dead relay of three delays nothing', async ({ relay, transport, key, watch, until }) => {
    const [first, dead, last] = [await relay(), await relay(), await relay()]
    await dead.down()
    const seen = watch(urls([first, dead, last]), key(2))
    await until(() => seen.live.length === 2, 'both living relays are live')
    const event = key(1).carrier(key(2).pubkey)
    const result = await transport.publish(urls([first, dead, last]), event)
    check(result.ok, 'a living relay should have said OK', result)
    await until(() => seen.events.length === 2, 'the event came from both')
  }),
  test('a silent relay is given up when the time is up', async ({ relay, transport, key }) => {
    const silent = await relay({ onEvent: () => ({ silent: true }) })
    const began = Date.now()
    const settled: string[] = []
    // Told by their order, not by a clock: the machine may be busy.
    const [, result] = await Promise.all(
      (['later', 'sooner'] as const).map(async (name) => {
        const timeoutMs = name === 'sooner' ? 300 : 1_500
        const result = await transport.publish([silent.url], key(1).carrier(key(2).pubkey), { timeoutMs })
        check(Date.now() - began >= timeoutMs - 10, 'milliseconds', Date.now() - began)
        settled.push(name)
        return result
      }),
    )
    check(result?.ok === false && /^timeout/.test(reasonOf(result.error, silent)), 'reason', result)
    check(settled.join() === 'sooner,later', 'each at its own time', settled)
  }),
  test('abort settles a publish at once', async ({ relay, transport, key }) => {
    const silent = await relay({ onEvent: () => ({ silent: true }) })
    const abort = new AbortController()
    setTimeout(() => abort.abort(), 100)
    const event = key(1).carrier(key(2).pubkey)
    const result = await transport.publish([silent.url], event, { signal: abort.signal })
    check(!result.ok && reasonOf(result.error, silent) === 'aborted', 'reason', result)
  }),
  test('a publish that is aborted before it begins sends nothing', async ({ relay, transport, key }) => {
    const one = await relay()
    const signal = AbortSignal.abort()
    const result = await transport.publish([one.url], key(1).carrier(key(2).pubkey), { signal })
    check(!result.ok && reasonOf(result.error, one) === 'aborted', 'reason', result)
    await pause(100)
    check(one.received('EVENT').length === 0, 'nothing sent', one.frames)
  }),
  test('a rate-limited event goes to the same relay again, a second later or more', async (world) => {
    const { relay, transport, key } = world
    let refusals = 1
    const slow = await relay({ onEvent: () => (refusals-- > 0 ? 'rate-limited: slow down' : undefined) })
    const result = await transport.publish([slow.url], key(1).carrier(key(2).pubkey))
    check(result.ok, 'accepted at the second try', result)
    const [first, second] = slow.received('EVENT')
    check((second?.at ?? 0) - (first?.at ?? 0) >= 990, 'milliseconds between', [first?.at, second?.at])
  }),
  test('other relays do not wait for a rate-limited one', async ({ relay, transport, key }) => {
    const slow = await relay({ onEvent: () => 'rate-limited: slow down' })
    const good = await relay()
    const result = await transport.publish([slow.url, good.url], key(1).carrier(key(2).pubkey))
    check(result.ok && result.value.relay === good.url, 'the good relay', result)
  }),
  test('an event whose connection broke before the OK is written again', async ({
    relay,
    transport,
    key,
  }) => {
    const one = await relay({
      onEvent: (_, connection) => {
        if (connection > 1) return undefined
        one.drop()
        return { silent: true }
      },
    })
    const result = await transport.publish([one.url], key(1).carrier(key(2).pubkey))
    check(result.ok, 'accepted on the second connection', result)
  }),

  // -- subscribing -------------------------------------------------------------------------------
  test('a live subscription gets an event, with the relay it came from', async (world) => {
    const { relay, transport, key, watch, until } = world
    const one = await relay()
    const seen = watch([one.url], key(2))
    await until(() => seen.live.includes(one.url), 'live')
    const event = key(1).carrier(key(2).pubkey)
    await transport.publish([one.url], event)
    await until(() => seen.events.length === 1, 'one event')
    check(seen.ids()[0] === event.id && seen.events[0]?.relay === one.url, 'event and relay', seen.events)
  }),
  test('all filters of a subscription travel in one REQ, as they were given', async ({
    relay,
    key,
    watch,
    until,
  }) => {
    const one = await relay()
    const base = { kinds: [CARRIER_KIND], '#p': [key(2).pubkey], authors: [key(1).pubkey] }
    const filters: readonly Filter[] = [
      { ...base, limit: 0 },
      { ...base, since: 1_700_000_000 },
      { kinds: [31_990], '#k': ['24133'], limit: 5 },
    ]
    const seen = watch([one.url], key(2), { filters })
    await until(() => seen.live.length === 1, 'live')
    const requests = one.received('REQ')
    check(requests.length === 1, 'one REQ', requests)
    check(
      JSON.stringify(requests[0]?.frame.slice(2)) === JSON.stringify(filters),
      'filters',
      requests[0]?.frame,
    )
  }),
  test('an event waits for the subscription on its relay to be live', async ({
    relay,
    transport,
    key,
    watch,
  }) => {
    let live: number | undefined
    const one = await relay({
      eoseDelayMs: 200,
      onEvent: () => {
        live ??= seen.live.length
        return undefined
      },
    })
    const seen = watch([one.url], key(2))
    await transport.publish([one.url], key(1).carrier(key(2).pubkey))
    const [request, event] = one.frames
    check(request?.frame[0] === 'REQ' && event?.frame[0] === 'EVENT', 'order', one.frames)
    check(live === 1, 'after the subscription was live', live)
  }),
  test('a relay that never says EOSE is live after half a second', async ({ relay, key, watch, until }) => {
    const one = await relay({ onRequest: () => ({ silent: true }) })
    const began = Date.now()
    const seen = watch([one.url], key(2))
    await until(() => seen.live.length === 1, 'live')
    check(Date.now() - began >= 450, 'milliseconds', Date.now() - began)
  }),
  test('the same event from several relays is passed on from each', async ({
    relay,
    transport,
    key,
    watch,
    until,
  }) => {
    const relays = [await relay(), await relay(), await relay()]
    const seen = watch(urls(relays), key(2))
    await until(() => seen.live.length === 3, 'all three live')
    await transport.publish(urls(relays), key(1).carrier(key(2).pubkey))
    await until(() => new Set(seen.events.map((one) => one.relay)).size === 3, 'an event from each relay')
  }),
  test('two subscriptions on one relay get each its own, and one ends alone', async (world) => {
    const { relay, transport, key, watch, until } = world
    const one = await relay()
    const second = watch([one.url], key(2))
    const third = watch([one.url], key(3))
    await until(() => second.live.length === 1 && third.live.length === 1, 'both live')
    await transport.publish([one.url], key(1).carrier(key(2).pubkey))
    await transport.publish([one.url], key(1).carrier(key(3).pubkey))
    await until(() => second.events.length === 1 && third.events.length === 1, 'one event each')
    second.close()
    await until(() => one.received('CLOSE').length === 1, 'one CLOSE')
    await transport.publish([one.url], key(1).carrier(key(2).pubkey))
    await transport.publish([one.url], key(1).carrier(key(3).pubkey))
    await until(() => third.events.length === 2, 'the other goes on')
    check(second.events.length === 1, 'nothing after the end', second.events)
    check(one.connections === 1, 'they share a connection', one.connections)
  }),
  test('after a subscription ends, none of its callbacks is called', async (world) => {
    const { relay, key, watch, until } = world
    const one = await relay()
    const seen = watch([one.url], key(2))
    await until(() => seen.live.length === 1, 'live')
    seen.close()
    one.deliver(key(1).carrier(key(2).pubkey))
    one.drop()
    await pause(300)
    check(seen.events.length === 0 && seen.downs.length === 0 && seen.live.length === 1, 'silence', seen)
  }),

  // -- losing and coming back --------------------------------------------------------------------
  test('a relay that drops the connection is back without being asked', async (world) => {
    const { relay, transport, key, watch, until } = world
    const one = await relay()
    const seen = watch([one.url], key(2))
    await until(() => seen.live.length === 1, 'live')
    one.drop()
    await until(() => seen.live.length === 2, 'live again')
    check(seen.downs.length === 1 && seen.downs[0]?.final === false, 'told once, not as final', seen.downs)
    await transport.publish([one.url], key(1).carrier(key(2).pubkey))
    await until(() => seen.events.length === 1, 'an event after the loss')
  }),
  test('what came while the relay was away is caught up', async ({ relay, key, watch, until }) => {
    const one = await relay()
    const since = now() - 120
    const seen = watch([one.url], key(2), { since })
    await until(() => seen.live.length === 1, 'live')
    one.deliver(key(1).carrier(key(2).pubkey, { created_at: now() - 1 }))
    await until(() => seen.events.length === 1, 'the first event')
    await one.down()
    await until(() => seen.downs.length === 1, 'down')
    const missed = key(1).carrier(key(2).pubkey, { content: 'missed' })
    one.deliver(missed)
    await pause(200)
    await one.up()
    await until(() => seen.ids().includes(missed.id), 'the missed event')
    const asked = one.received('REQ').map(({ frame }) => (frame[2] as Filter).since ?? 0)
    check(asked[0] === since, 'the first REQ asks as it was told', asked)
    const again = asked[asked.length - 1] ?? 0
    check(
      again > since && again <= now() - 55,
      'the last REQ asks from a minute before the newest event',
      asked,
    )
  }),
  test('an event dated into the future does not make the next catch-up miss others', async (world) => {
    const { relay, key, watch, until } = world
    const one = await relay()
    const seen = watch([one.url], key(2), { since: now() - 120 })
    await until(() => seen.live.length === 1, 'live')
    one.deliver(key(1).carrier(key(2).pubkey, { created_at: now() + 100_000 }))
    await until(() => seen.events.length === 1, 'the future event')
    one.drop()
    await until(() => seen.live.length === 2, 'live again')
    const filter = one.received('REQ')[1]?.frame[2] as Filter | undefined
    const asked = filter?.since ?? Number.POSITIVE_INFINITY
    check(asked <= now() - 55, 'since is in the past', asked - now())
  }),
  test('a filter without since never gets one', async ({ relay, key, watch, until }) => {
    const one = await relay()
    const filters: readonly Filter[] = [{ kinds: [CARRIER_KIND], '#p': [key(2).pubkey], limit: 0 }]
    const seen = watch([one.url], key(2), { filters })
    await until(() => seen.live.length === 1, 'live')
    one.deliver(key(1).carrier(key(2).pubkey))
    await until(() => seen.events.length === 1, 'an event')
    one.drop()
    await until(() => seen.live.length === 2, 'live again')
    const filter = one.received('REQ')[1]?.frame[2] as Filter
    check(JSON.stringify(filter) === JSON.stringify(filters[0]), 'the same filter', filter)
  }),
  test('a subscription waits for a relay that is not there yet', async ({ relay, key, watch, until }) => {
    const one = await relay()
    await one.down()
    const seen = watch([one.url], key(2))
    await until(() => seen.downs.length === 1, 'told that it is down')
    check(seen.downs[0]?.final === false, 'not final', seen.downs)
    await one.up()
    await until(() => seen.live.length === 1, 'live')
  }),
  test('one relay down leaves the subscription on the other alone', async ({ relay, key, watch, until }) => {
    const [stays, leaves] = [await relay(), await relay()]
    const seen = watch(urls([stays, leaves]), key(2))
    await until(() => seen.live.length === 2, 'both live')
    await leaves.down()
    await until(() => seen.downs.length === 1, 'one is down')
    check(seen.downs[0]?.relay === leaves.url, 'the right one', seen.downs)
    stays.deliver(key(1).carrier(key(2).pubkey))
    await until(() => seen.events.length === 1, 'the other delivers')
    await leaves.up()
    await until(() => seen.live.filter((url) => url === leaves.url).length === 2, 'both live again')
    check(stays.connections === 1, 'the living connection was left alone', stays.connections)
  }),

  // -- CLOSED ------------------------------------------------------------------------------------
  test('CLOSED for a passing reason is asked again', async ({ relay, key, watch, until }) => {
    let closings = 1
    const one = await relay({
      onRequest: () => (closings-- > 0 ? 'error: shutting down idle query' : undefined),
    })
    const seen = watch([one.url], key(2))
    await until(() => seen.live.length === 1, 'live after a second REQ')
    const [down] = seen.downs
    check(down?.final === false && down.reason.startsWith('error:'), 'told in between', seen.downs)
    const [first, second] = one.received('REQ')
    check((second?.at ?? 0) - (first?.at ?? 0) >= 990, 'not at once', [first?.at, second?.at])
    check(one.connections === 1, 'on the same connection', one.connections)
  }),
  test('CLOSED for good is final, and says so once', async ({ relay, key, watch, until }) => {
    const one = await relay({ onRequest: () => 'blocked: not welcome' })
    const seen = watch([one.url], key(2))
    await until(() => seen.downs.length === 1, 'told')
    await pause(300)
    const [down] = seen.downs
    check(
      down?.final === true && down.reason === 'blocked: not welcome',
      'final, with the reason',
      seen.downs,
    )
    check(seen.downs.length === 1 && one.received('REQ').length === 1, 'once', one.frames)
  }),
  test('a relay that refuses limit 0 gets the other filters', async ({
    relay,
    transport,
    key,
    watch,
    until,
  }) => {
    const one = await relay({
      onRequest: (_, filters) =>
        filters.some(({ limit }) => limit === 0) ? 'invalid: limit must be at least 1' : undefined,
    })
    const base = { kinds: [CARRIER_KIND], '#p': [key(2).pubkey] }
    const filters = [
      { ...base, limit: 0 },
      { ...base, since: now() - 60 },
    ]
    const seen = watch([one.url], key(2), { filters })
    await until(() => seen.live.length === 1, 'live')
    await transport.publish([one.url], key(1).carrier(key(2).pubkey))
    await until(() => seen.events.length > 0, 'an event')
    check(one.received('REQ').length === 2, 'two REQs', one.frames)
  }),

  // -- NIP-42 ------------------------------------------------------------------------------------
  test('a REQ that needs AUTH is authenticated and asked again', async ({ relay, key, watch, until }) => {
    const one = await relay({ auth: true })
    const seen = watch([one.url], key(2), { authenticate: key(2).authenticate })
    await until(() => seen.live.length === 1, 'live')
    one.deliver(key(1).carrier(key(2).pubkey))
    await until(() => seen.events.length === 1, 'an event')
    check(seen.downs.length === 0, 'never down', seen.downs)
  }),
  test('an EVENT that needs AUTH is authenticated and written again', async ({ relay, transport, key }) => {
    const one = await relay({ auth: true })
    const { authenticate } = key(1)
    const result = await transport.publish([one.url], key(1).carrier(key(2).pubkey), { authenticate })
    check(result.ok, 'accepted', result)
    check(one.received('EVENT').length === 2 && one.received('AUTH').length === 1, 'frames', one.frames)
  }),
  test('an authenticated subscription is authenticated again after a loss', async ({
    relay,
    key,
    watch,
    until,
  }) => {
    const one = await relay({ auth: true })
    const seen = watch([one.url], key(2), { authenticate: key(2).authenticate })
    await until(() => seen.live.length === 1, 'live')
    one.drop()
    await until(() => seen.live.length === 2, 'live again')
    check(one.received('AUTH').length === 2, 'one AUTH for each connection', one.received('AUTH'))
  }),
  test('two keys authenticate on one relay, each for its own', async ({ relay, key, watch, until }) => {
    const one = await relay({ auth: true })
    const second = watch([one.url], key(2), { authenticate: key(2).authenticate })
    await until(() => second.live.length === 1, 'the first key is live')
    const third = watch([one.url], key(3), { authenticate: key(3).authenticate })
    await until(() => third.live.length === 1, 'the second key is live')
  }),
  test('without a way to authenticate, the relay has the last word', async ({
    relay,
    transport,
    key,
    watch,
    until,
  }) => {
    const one = await relay({ auth: true })
    const seen = watch([one.url], key(2))
    const result = await transport.publish([one.url], key(1).carrier(key(2).pubkey), {})
    check(!result.ok && reasonOf(result.error, one).startsWith('auth-required:'), 'publish', result)
    await until(() => seen.downs.length === 1, 'told')
    check(
      seen.downs[0]?.final === true && seen.downs[0].reason.startsWith('auth-required'),
      'final',
      seen.downs,
    )
    check(one.received('AUTH').length === 0, 'no AUTH', one.frames)
  }),
  test('an authenticate that refuses is final, and does not hang', async ({
    relay,
    transport,
    key,
    watch,
    until,
  }) => {
    const one = await relay({ auth: true })
    const authenticate: Authenticate = () => undefined
    const seen = watch([one.url], key(2), { authenticate })
    const event = key(1).carrier(key(2).pubkey)
    const result = await transport.publish([one.url], event, { authenticate })
    check(!result.ok && reasonOf(result.error, one).startsWith('auth-required:'), 'publish', result)
    await until(() => seen.downs.some(({ final }) => final), 'the subscription is told')
  }),
  test('nobody authenticates to a relay that does not ask for it', async ({
    relay,
    transport,
    key,
    watch,
    until,
  }) => {
    const one = await relay({ onConnect: (_, send) => send('["AUTH","who are you?"]') })
    const seen = watch([one.url], key(2), { authenticate: key(2).authenticate })
    await until(() => seen.live.length === 1, 'live')
    const { authenticate } = key(1)
    const result = await transport.publish([one.url], key(1).carrier(key(2).pubkey), { authenticate })
    check(result.ok && one.received('AUTH').length === 0, 'no AUTH', one.frames)
  }),

  // -- hostile relays ----------------------------------------------------------------------------
  test('a dozen junk frames change nothing', async ({ relay, transport, key, watch, until }) => {
    const one = await relay()
    const seen = watch([one.url], key(2))
    await until(() => seen.live.length === 1, 'live')
    for (const junk of JUNK.slice(0, 12)) one.send(junk)
    const event = key(1).carrier(key(2).pubkey)
    const result = await transport.publish([one.url], event)
    check(result.ok, 'publish', result)
    await until(() => seen.ids().includes(event.id), 'the event')
    check(one.connections === 1, 'the same connection', one.connections)
  }),
  test('a relay that sends mostly junk does not stop it or the others', async (world) => {
    const { relay, transport, key, watch, until } = world
    const random = seededRandom('junk')
    const junk = await relay({
      onRequest: (id, _, connection) => {
        if (connection === 1) for (const frame of mutatedFrames(random, id, 400)) junk.send(frame)
        return undefined
      },
    })
    const good = await relay()
    const seen = watch(urls([junk, good]), key(2))
    await until(() => seen.live.includes(good.url), 'the good relay is live')
    await pause(300)
    const event = key(1).carrier(key(2).pubkey)
    const result = await transport.publish(urls([junk, good]), event)
    check(result.ok, 'publish', result)
    await until(() => seen.came(event.id, good.url), 'through the good relay')
    await until(() => seen.came(event.id, junk.url), 'through the other')
  }),
  test('a binary frame does no harm', async ({ relay, transport, key, watch, until }) => {
    const one = await relay()
    const seen = watch([one.url], key(2))
    await until(() => seen.live.length === 1, 'live')
    one.send(new Uint8Array([0, 255, 91, 93]))
    one.send(new TextEncoder().encode('["EOSE","x"]'))
    await pause(100)
    const event = key(1).carrier(key(2).pubkey)
    await transport.publish([one.url], event)
    await until(() => seen.ids().includes(event.id), 'the event')
  }),
  test('a frame far over the limit ends the connection, not the process', async (world) => {
    const { relay, transport, key, watch, until } = world
    const one = await relay()
    const seen = watch([one.url], key(2))
    await until(() => seen.live.length === 1, 'live')
    one.send(`["NOTICE","${'x'.repeat(10_000_000)}"]`)
    await until(() => one.endCodes.length === 1, 'the connection ended')
    await until(() => seen.live.length === 2, 'live again')
    const event = key(1).carrier(key(2).pubkey)
    await transport.publish([one.url], event)
    await until(() => seen.ids().includes(event.id), 'the event')
  }),
  test('an OK for another event does not settle a publish', async ({ relay, transport, key }) => {
    const one = await relay({
      onEvent: () => {
        one.send(JSON.stringify(['OK', 'ab'.repeat(32), true, '']))
        return { silent: true }
      },
    })
    const result = await transport.publish([one.url], key(1).carrier(key(2).pubkey), { timeoutMs: 300 })
    check(!result.ok, 'not settled by it', result)
  }),
  test('a relay that drops every connection soon still takes events', async ({ relay, transport, key }) => {
    const one = await relay({ onConnect: (_, _send, drop) => setTimeout(drop, 300) })
    for (let i = 0; i < 3; i += 1) {
      const result = await transport.publish([one.url], key(1).carrier(key(2).pubkey))
      check(result.ok, `event ${i}`, result)
      await pause(200)
    }
  }),

  // -- the end -----------------------------------------------------------------------------------
  test('close settles every publish, ends every connection, and is soon done', async (world) => {
    const { relay, transport, key, watch, until, patienceMs } = world
    const silent = await relay({ onEvent: () => ({ silent: true }) })
    const gone = await relay()
    await gone.down()
    const seen = watch(urls([silent, gone]), key(2))
    await until(() => seen.live.length === 1, 'live')
    const publish = transport.publish(urls([silent, gone]), key(1).carrier(key(2).pubkey))
    await until(() => silent.received('EVENT').length === 1, 'the event is on its way')
    const downs = seen.downs.length
    const began = Date.now()
    await transport.close()
    const result = await publish
    check(!result.ok && result.error.length === 2, 'the publish is settled', result)
    check(Date.now() - began < patienceMs, 'before its time is up', Date.now() - began)
    await until(() => silent.open === 0, 'no connection is left')
    await gone.up()
    await pause(700)
    check(gone.connections === 0 && silent.connections === 1, 'nobody dials again', silent.connections)
    check(seen.downs.length === downs && seen.live.length === 1, 'silence after the end', seen)
  }),
  test('close while a relay is being dialled harms nobody', async ({
    relay,
    transport,
    key,
    watch,
    patienceMs,
  }) => {
    const one = await relay()
    const seen = watch([one.url], key(2))
    const publish = transport.publish([one.url], key(1).carrier(key(2).pubkey))
    const began = Date.now()
    await transport.close()
    const result = await publish
    check(!result.ok && Date.now() - began < patienceMs, 'the publish is settled', result)
    await pause(200)
    check(one.open === 0 && seen.live.length === 0 && seen.downs.length === 0, 'nothing came of it', seen)
  }),
  test('after close, publishing is an error and subscribing is final', async (world) => {
    const { relay, transport, key, watch, until } = world
    const one = await relay()
    await transport.close()
    await transport.close()
    const result = await transport.publish([one.url], key(1).carrier(key(2).pubkey))
    check(!result.ok && reasonOf(result.error, one) !== '', 'an error with a reason', result)
    const seen = watch([one.url], key(2))
    await until(() => seen.downs.some(({ final }) => final), 'told that it is final')
    check(one.connections === 0, 'nobody dialled', one.connections)
  }),
]

// -- the world of one case -----------------------------------------------------------------------

interface Key {
  readonly pubkey: string
  readonly authenticate: Authenticate
  /** A carrier from this key to another. */
  carrier(to: string, fields?: { readonly content?: string; readonly created_at?: number }): SignedEvent
}

interface Seen {
  readonly events: readonly { readonly event: unknown; readonly relay: RelayUrl }[]
  /** Relays in the order in which they became live, once for each time. */
  readonly live: readonly RelayUrl[]
  readonly downs: readonly { readonly relay: RelayUrl; readonly reason: string; readonly final: boolean }[]
  ids(): readonly unknown[]
  came(id: string, relay: RelayUrl): boolean
  close(): void
}

interface World {
  /** Publishes with the patience of the case, unless told otherwise. */
  readonly transport: Transport
  readonly patienceMs: number
  until(condition: () => boolean, what: string): Promise<void>
  relay(script?: RelayScript): Promise<ScriptedRelay>
  key(number: number): Key
  /** Subscribes to what is sent to a key, and notes what comes. */
  watch(relays: readonly RelayUrl[], to: Key, options?: WatchOptions): Seen
}

interface WatchOptions {
  readonly since?: number
  readonly filters?: readonly Filter[]
  readonly authenticate?: Authenticate
}

function test(name: string, run: (world: World) => Promise<void>): TransportCase {
  return {
    name,
    async run(context) {
      const relays: ScriptedRelay[] = []
      const { patienceMs = PATIENCE_MS } = context
      const bare = context.createTransport()
      const transport: Transport = {
        publish: (relays, event, options) =>
          bare.publish(relays, event, { timeoutMs: patienceMs, ...options }),
        subscribe: (request) => bare.subscribe(request),
        close: () => bare.close(),
      }
      const world: World = {
        transport,
        patienceMs,
        until: (condition, what) => until(patienceMs, condition, what),
        async relay(script) {
          const started = await startScriptedRelay(context.listen, script)
          relays.push(started)
          return started
        },
        key: (number) => makeKey(context.crypto, number),
        watch: (urls, to, options = {}) => watchOn(transport, urls, to, options),
      }
      try {
        await run(world)
      } finally {
        await transport.close()
        await Promise.all(relays.map((relay) => relay.close()))
      }
    },
  }
}

function makeKey(crypto: TransportCaseContext['crypto'], number: number): Key {
  const handle = crypto.importKey(new Uint8Array(32).fill(number))
  const sign = (kind: number, tags: string[][], content: string, created_at: number): SignedEvent => {
    const unsigned = { pubkey: handle.pubkey, created_at, kind, tags, content }
    const id = crypto.eventId(unsigned)
    return { ...unsigned, id, sig: handle.sign(id, new Uint8Array(32)) }
  }
  return {
    pubkey: handle.pubkey,
    authenticate: (relay, challenge) => {
      const tags = [
        ['relay', relay],
        ['challenge', challenge],
      ]
      return sign(AUTH_KIND, tags, '', now())
    },
    carrier: (to, fields = {}) =>
      sign(CARRIER_KIND, [['p', to]], fields.content ?? unique(), fields.created_at ?? now()),
  }
}

function watchOn(transport: Transport, relays: readonly RelayUrl[], to: Key, options: WatchOptions): Seen {
  const events: { event: unknown; relay: RelayUrl }[] = []
  const live: RelayUrl[] = []
  const downs: { relay: RelayUrl; reason: string; final: boolean }[] = []
  const filter: Filter = { kinds: [CARRIER_KIND], '#p': [to.pubkey], since: options.since ?? now() - 60 }
  const request: SubscribeRequest = {
    relays,
    filters: options.filters ?? [filter],
    onEvent: (event, relay) => events.push({ event, relay }),
    onLive: (relay) => live.push(relay),
    onDown: (relay, reason, final) => downs.push({ relay, reason, final }),
    ...(options.authenticate === undefined ? {} : { authenticate: options.authenticate }),
  }
  const subscription = transport.subscribe(request)
  const idOf = (event: unknown): unknown => (event as { readonly id?: unknown }).id
  return {
    events,
    live,
    downs,
    ids: () => events.map(({ event }) => idOf(event)),
    came: (id, url) => events.some(({ event, relay }) => relay === url && idOf(event) === id),
    close: () => subscription.close(),
  }
}

// -- helpers -------------------------------------------------------------------------------------

/** Publishes to relays none of which accepts, and gives their reasons. */
async function refusals(
  { transport, key, patienceMs }: World,
  relays: readonly ScriptedRelay[],
): Promise<readonly RelayRefusal[]> {
  const began = Date.now()
  const result = await transport.publish(urls(relays), key(1).carrier(key(2).pubkey))
  check(!result.ok, 'a refusal', result)
  check(Date.now() - began < patienceMs, 'settled before the time is up', Date.now() - began)
  return result.ok ? [] : result.error
}

function reasonOf(error: readonly RelayRefusal[], relay: ScriptedRelay): string {
  return error.find((one) => one.relay === relay.url)?.reason ?? ''
}

function urls(relays: readonly ScriptedRelay[]): readonly RelayUrl[] {
  return relays.map(({ url }) => url)
}

function check(condition: boolean, expected: string, found: unknown): asserts condition {
  if (condition) return
  throw new Error(`expected: ${expected}; found: ${JSON.stringify(found)?.slice(0, 600)}`)
}

async function until(patienceMs: number, condition: () => boolean, what: string): Promise<void> {
  const end = Date.now() + patienceMs
  while (!condition()) {
    if (Date.now() > end) throw new Error(`after ${patienceMs} ms still waiting for: ${what}`)
    await pause(5)
  }
}

function pause(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms))
}

function now(): number {
  return Math.floor(Date.now() / 1_000)
}

let counter = 0
function unique(): string {
  counter += 1
  return `event ${counter}`
}

const JUNK: readonly string[] = [
  'not json',
  '[]',
  '{}',
  '["EVENT"]',
  '["EVENT","nobody",{}]',
  '["FOO","x"]',
  '["OK","ab","true",""]',
  `["OK","${'ab'.repeat(32)}",true,""]`,
  '["AUTH",5]',
  `["AUTH","${'x'.repeat(1_000_000)}"]`,
  `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
  '["EOSE",null]',
]

const GOOD_FRAMES = (id: string): readonly string[] => [
  JSON.stringify([
    'EVENT',
    id,
    { id: 'ab'.repeat(32), kind: CARRIER_KIND, tags: [['p', 'cd']], content: 'x' },
  ]),
  JSON.stringify(['EVENT', id, null]),
  JSON.stringify(['EOSE', id]),
  JSON.stringify(['OK', 'ab'.repeat(32), false, 'blocked: no']),
  JSON.stringify(['CLOSED', 'another', 'error: no']),
  JSON.stringify(['NOTICE', 'hello \u{1f984}']),
  JSON.stringify(['AUTH', 'challenge']),
  '{"__proto__":{"polluted":true},"constructor":null}',
]

const SPLINTERS = [
  'null',
  '[',
  ']',
  '{',
  '}',
  '"',
  ',',
  '\\u0000',
  '-1e999',
  '__proto__',
  '\u202e',
  'true',
  '[[[[',
]

/** Good frames with pieces cut out, doubled, swapped or replaced. */
function mutatedFrames(random: SeededRandom, id: string, count: number): readonly string[] {
  const good = GOOD_FRAMES(id)
  const pick = <T>(from: readonly T[]): T => from[random.below(from.length)] as T
  return Array.from({ length: count }, () => {
    let text = pick(good)
    for (let i = random.below(3); i >= 0; i -= 1) {
      const at = random.below(text.length + 1)
      const end = at + random.below(12)
      const piece = pick(['', pick(SPLINTERS), text.slice(at, end).repeat(2)])
      text = text.slice(0, at) + piece + text.slice(end)
    }
    return text
  })
}
