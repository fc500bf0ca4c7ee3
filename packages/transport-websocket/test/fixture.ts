/** What the tests of links and pools share: URLs, events, filters, and a link on fake sockets and a fake clock. */

import {
  type Authenticate,
  bytesToHex,
  type Filter,
  parseRelayUrl,
  type RelayUrl,
  type SignedEvent,
  type SubscribeRequest,
} from '@nip46/core'
import { createFakeClock, type FakeClock, seededRandom } from '@nip46/testing'
import { signedFrame } from '../src/frame.ts'
import { linkSubscription } from '../src/link-subscription.ts'
import { createPoolHealth, type LinkHealth } from '../src/pool-health.ts'
import { createRelayLink, type RelayLink, type RelayLinkOptions } from '../src/relay-link.ts'
import { type FakeSockets, fakeSockets } from './fake-socket.ts'

export const START = 1_767_225_600_000
export const ME = '11'.repeat(32)
export const RELAY = relayUrl('wss://relay.example.com')

export function relayUrl(text: string): RelayUrl {
  const parsed = parseRelayUrl(text)
  if (!parsed.ok) throw new Error(`${text} is no relay URL: ${parsed.error}`)
  return parsed.value
}

/** An event by its number; the transport never looks at ids and signatures. */
export function event(number: number, fields: Partial<SignedEvent> = {}): SignedEvent {
  return {
    id: number.toString(16).padStart(64, '0'),
    pubkey: '22'.repeat(32),
    created_at: START / 1_000,
    kind: 24133,
    tags: [['p', ME]],
    content: 'x',
    sig: '33'.repeat(64),
    ...fields,
  }
}

/** An AUTH event by a key given as a number. */
export function authenticateAs(number: number): Authenticate & { readonly asked: [RelayUrl, string][] } {
  const asked: [RelayUrl, string][] = []
  const authenticate: Authenticate = (relay, challenge) => {
    asked.push([relay, challenge])
    const tags = [
      ['relay', relay],
      ['challenge', challenge],
    ]
    const pubkey = `aa${number.toString(16).padStart(62, '0')}`
    return event(1_000_000 + number * 1_000 + asked.length, { kind: 22242, pubkey, tags })
  }
  return Object.assign(authenticate, { asked })
}

export const FILTERS: readonly Filter[] = [{ kinds: [24133], '#p': [ME], since: START / 1_000 - 120 }]

/** Lets time pass until the link dials again. */
export function untilDialled({ clock, sockets }: Pick<Bench, 'clock' | 'sockets'>): void {
  const dials = sockets.all.length
  while (sockets.all.length === dials) {
    if (clock.nextAt === undefined) throw new Error('nobody is going to dial')
    clock.advance(Math.max(0, clock.nextAt - clock.now()))
  }
}

export type PublishOutcome = { readonly ok: true } | { readonly ok: false; readonly reason: string }

export interface Bench {
  readonly clock: FakeClock
  readonly sockets: FakeSockets
  readonly link: RelayLink
  /** Codes of the frames that were dropped. */
  readonly drops: readonly string[]
  /** What the link told, added up. Undefined before it is used, and once it is closed. */
  health(): LinkHealth | undefined
  /** Subscribes and notes what happens. */
  subscribe(request?: Partial<SubscribeRequest>): {
    readonly log: readonly string[]
    readonly events: readonly unknown[]
    close(): void
  }
  /** Publishes and notes the outcome. */
  publish(
    number: number,
    authenticate?: Authenticate,
  ): { outcome: PublishOutcome | undefined; cancel(): string | undefined }
  /** Subscribes, opens the connection and says EOSE. */
  goLive(request?: Partial<SubscribeRequest>): ReturnType<Bench['subscribe']>
}

export function bench(
  options: Partial<RelayLinkOptions> & { readonly canPing?: boolean; readonly onDrop?: () => void } = {},
): Bench {
  const clock = createFakeClock(START)
  const sockets = fakeSockets(options.canPing)
  const drops: string[] = []
  const health = createPoolHealth(clock)
  const settings: RelayLinkOptions = {
    relay: RELAY,
    openSocket: sockets.openSocket,
    clock,
    randomBytes: (length) => random.bytes(length),
    allowAddress: () => true,
    tell(fact, detail = '') {
      health.hear(settings.relay, fact, detail)
      if (fact !== 'dropped') return
      drops.push(detail)
      options.onDrop?.()
    },
    ...options,
  }
  const link = createRelayLink(settings)
  const subscribe: Bench['subscribe'] = (request = {}) => {
    const log: string[] = []
    const events: unknown[] = []
    const end = link.add(
      linkSubscription(settings.relay, bytesToHex(settings.randomBytes(8)), settings.clock, {
        relays: [settings.relay],
        filters: FILTERS,
        onEvent: (one) => events.push(one),
        onLive: () => log.push('live'),
        onDown: (_, reason, final) => log.push(`${final ? 'final' : 'down'} ${reason}`),
        ...request,
      }),
    )
    return { log, events, close: () => void end() }
  }
  return {
    clock,
    sockets,
    link,
    drops,
    health: () => health.read()[0],
    subscribe,
    publish(number, authenticate) {
      const one = event(number)
      const frame = signedFrame('EVENT', one)
      const settle = (outcome: PublishOutcome): void => {
        if (noted.outcome !== undefined) throw new Error('settled twice')
        noted.outcome = outcome
      }
      const noted: { outcome: PublishOutcome | undefined; cancel(): string | undefined } = {
        outcome: undefined,
        cancel: link.add({
          kind: 'event',
          id: one.id,
          chars: frame.length,
          authenticate,
          frame: () => frame,
          onLive: () => settle({ ok: true }),
          onDown: (reason, final) => final && settle({ ok: false, reason }),
        }),
      }
      return noted
    },
    goLive(request) {
      const subscription = subscribe(request)
      if (sockets.all.length === 0 || sockets.last.closeCodes.length > 0) throw new Error('nobody dialled')
      sockets.last.open()
      sockets.last.get('EOSE', sockets.last.frames('REQ').at(-1)?.[1])
      return subscription
    },
  }
}

const random = seededRandom('transport-websocket')
