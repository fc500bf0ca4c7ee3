/**
 * One relay: dialling, coming back after a loss, noticing a dead peer, and sharing one connection among any number of
 * subscriptions, publishes and transport keys.
 * Never throws on what a relay does, never verifies events, and never dials unless something is wanted of it.
 */

import {
  bytesToHex,
  type Clock,
  err,
  type Millis,
  type RandomBytes,
  type RelayUrl,
  relayHost,
} from '@nip46/core'
import { FRAME_BYTES } from '@nip46/core/limits'
import { backoffMs, randomFraction } from './backoff.ts'
import {
  closeFrame,
  type FrameDrop,
  parseRelayFrame,
  plainText,
  type RelayFrame,
  requestFrame,
} from './frame.ts'
import { callHost, hostClock, hostRandomBytes } from './host.ts'
import {
  createLinkPublications,
  type LinkPublications,
  type LinkPublishRequest,
} from './link-publications.ts'
import {
  createLinkSubscriptions,
  type LinkSubscribeRequest,
  type LinkSubscriptions,
} from './link-subscriptions.ts'
import { createRelayAuth, type RelayAuth } from './relay-auth.ts'
import { CLOSE_GRACE_MS, FORBIDDEN_ADDRESS, type OpenSocket, type Socket } from './socket.ts'

/** How long TCP, TLS and the WebSocket handshake may take together, in milliseconds. */
export const CONNECT_MS = 10_000
/** A connection that lived so long starts the backoff anew, in milliseconds. */
export const STEADY_MS = 60_000
/**
 * A connection that lived so long was worth making: however often such connections are lost, the wait stays below
 * 2 s. Shorter ones count like failed dials. In milliseconds.
 */
export const WORTHWHILE_MS = 1_000
/** Failures that losses of worthwhile connections add up to. */
const WORTHWHILE_FAILURES = 1
/** At most one dial in so long, whoever asks, in milliseconds. */
export const DIAL_GAP_MS = 1_000
/** Silence after which the peer is asked whether it lives, in milliseconds. */
export const QUIET_MS = 60_000
/** How long it may take to answer, in milliseconds. */
export const PROBE_MS = 10_000
/** Frames a minute that may be no NIP-01; one more closes the connection. */
export const BAD_FRAMES_PER_MINUTE = 20
/** A link of which nothing is wanted is closed after so long, in milliseconds. */
export const IDLE_MS = 30_000
/** Refusals of `created_at` within {@link SKEW_WINDOW_MS} that make health say `clockSkew`. */
export const SKEW_REFUSALS = 3
export const SKEW_WINDOW_MS = 300_000

export interface RelayLinkOptions {
  readonly relay: RelayUrl
  readonly openSocket: OpenSocket
  /** Default: the host's. */
  readonly clock?: Clock | undefined
  /** For subscription ids and jitter. Default: the host's. */
  readonly randomBytes?: RandomBytes | undefined
  /** Whether an address may be dialled. Default: any. */
  readonly allowAddress?: ((host: string, ip: string) => boolean) | undefined
  /** A frame of the relay was dropped. */
  readonly onDrop?: ((code: FrameDrop) => void) | undefined
  /** Nothing was wanted for {@link IDLE_MS}; the link is closed and of no further use. */
  readonly onIdle?: (() => void) | undefined
}

export type LinkState = 'idle' | 'connecting' | 'open' | 'backoff' | 'closed'

/** How one relay is doing. Texts are the relay's own: show them, never act on them. */
export interface RelayHealth {
  readonly relay: RelayUrl
  readonly state: LinkState
  /** When it came into that state. */
  readonly since: Millis
  readonly subscriptions: number
  /** Of these, how many deliver. */
  readonly live: number
  /** Events that wait for their OK. */
  readonly publishing: number
  /** Failures in a row. */
  readonly failures: number
  readonly lastFailure: string | undefined
  readonly lastNotice: string | undefined
  /** Frames dropped since the link exists, by code. */
  readonly drops: Readonly<Partial<Record<FrameDrop, number>>>
  /** The relay keeps refusing the time of our events: one of the two clocks is wrong. */
  readonly clockSkew: boolean
}

export interface RelayLink {
  readonly relay: RelayUrl
  /** The function returned ends the subscription. */
  subscribe(request: LinkSubscribeRequest): () => void
  /** The function returned gives up; see `LinkPublications.add`. */
  publish(request: LinkPublishRequest): () => string | undefined
  /** The network is back, or the machine woke up: dial now, or make sure that the connection lives. */
  wake(): void
  health(): RelayHealth
  /** Whether anything is wanted of it. */
  busy(): boolean
  /** Settles everything and resolves once the socket is gone, within {@link CLOSE_GRACE_MS} or so. */
  close(): Promise<void>
}

/** What lives as long as one connection. */
interface Connection {
  readonly socket: Socket
  readonly auth: RelayAuth
  open: boolean
  openedAt: Millis
  heardAt: Millis
  /** Of the dial, then of the next look at silence, then of the answer to a probe. */
  timer: unknown
  steadyTimer: unknown
  probe: 'none' | 'ping' | { readonly id: string }
  /** Set when this connection is no longer the link's. */
  gone: (() => void) | undefined
}

export function createRelayLink(options: RelayLinkOptions): RelayLink {
  const { relay, openSocket, onDrop, onIdle, allowAddress = () => true } = options
  const clock = options.clock ?? hostClock
  const randomBytes = options.randomBytes ?? hostRandomBytes
  const random = (): number => randomFraction(randomBytes)

  let state: LinkState = 'idle'
  let stateSince = clock.now()
  let connection: Connection | undefined
  let failures = 0
  let lastDialAt = Number.NEGATIVE_INFINITY
  let dialTimer: unknown
  let dialDueAt = Number.POSITIVE_INFINITY
  let idleTimer: unknown
  let lastFailure: string | undefined
  let lastNotice: string | undefined
  const drops: Partial<Record<FrameDrop, number>> = {}
  let badFrames: Millis[] = []
  let skewRefusals: Millis[] = []
  const farewells = new Set<Promise<void>>()

  const isOpen = (): boolean => connection?.open === true
  const send = (frame: string): void => connection?.socket.send(frame)
  const newId = (): string => bytesToHex(randomBytes(8))
  const authenticate: Parameters<typeof createLinkSubscriptions>[0]['authenticate'] = (by, done) => {
    const at = connection
    at?.auth.authenticate(by, (outcome) => {
      if (connection === at) done(outcome)
    })
  }

  const subscriptions: LinkSubscriptions = createLinkSubscriptions({
    relay,
    clock,
    random,
    newId,
    isOpen,
    send,
    authenticate,
    onChange: () => {
      publications.flush()
      attend()
    },
  })
  const publications: LinkPublications = createLinkPublications({
    clock,
    random,
    isOpen,
    isStarting: () => subscriptions.starting(),
    send,
    buffered: () => connection?.socket.buffered() ?? 0,
    authenticate,
    onRefusal: (reason) => {
      if (/^invalid:.*(?:created_at|timestamp)/i.test(reason)) {
        skewRefusals = [...skewRefusals, clock.now()].slice(-SKEW_REFUSALS)
      }
    },
    onChange: () => attend(),
  })

  const busy = (): boolean => subscriptions.wanted() > 0 || publications.size() > 0

  const enter = (next: LinkState): void => {
    state = next
    stateSince = clock.now()
  }

  // -- wanting and dialling ------------------------------------------------------------------------

  /** Brings the link in line with what is wanted of it. */
  const attend = (): void => {
    if (state === 'closed') return
    if (!busy()) {
      idleTimer ??= clock.setTimer(() => {
        finish('closed')
        onIdle?.()
      }, IDLE_MS)
      return
    }
    clock.clearTimer(idleTimer)
    idleTimer = undefined
    if (state === 'idle') scheduleDial(gapLeft())
  }

  /** Milliseconds until another dial is decent. */
  const gapLeft = (): number => Math.min(DIAL_GAP_MS, Math.max(0, lastDialAt + DIAL_GAP_MS - clock.now()))

  const scheduleDial = (afterMs: number): void => {
    clock.clearTimer(dialTimer)
    if (afterMs <= 0) {
      dial()
      return
    }
    dialDueAt = clock.now() + afterMs
    dialTimer = clock.setTimer(dial, afterMs)
    if (state !== 'backoff') enter('backoff')
  }

  /** Somebody waits: the backoff may not keep them longer than the gap. */
  const hurry = (): void => {
    if (state !== 'backoff') return
    const gap = gapLeft()
    if (clock.now() + gap < dialDueAt) scheduleDial(gap)
  }

  const dial = (): void => {
    clock.clearTimer(dialTimer)
    dialTimer = undefined
    dialDueAt = Number.POSITIVE_INFINITY
    if (!busy()) {
      enter('idle')
      return
    }
    enter('connecting')
    lastDialAt = clock.now()

    const host = relayHost(relay)
    if (isAddress(host) && !allowAddress(host, host)) {
      dialTimer = clock.setTimer(forbid, 0)
      return
    }
    let mine: Connection | undefined
    const ours = (run: (at: Connection) => void): void => {
      if (mine !== undefined && mine === connection) run(mine)
    }
    const socket = openSocket(
      relay,
      {
        onOpen: () => ours(opened),
        onMessage: (text) =>
          ours((at) => {
            heard(at)
            receive(text)
          }),
        onPong: () => ours(heard),
        onEnd: (reason) => {
          mine?.gone?.()
          ours(() => (reason === FORBIDDEN_ADDRESS ? forbid() : lose(reason)))
        },
      },
      { maxBytes: FRAME_BYTES, allowAddress },
    )
    mine = {
      socket,
      auth: createRelayAuth({ relay, clock, send }),
      open: false,
      openedAt: 0,
      heardAt: 0,
      timer: clock.setTimer(() => lose('the connection took too long'), CONNECT_MS),
      steadyTimer: undefined,
      probe: 'none',
      gone: undefined,
    }
    connection = mine
  }

  const opened = (at: Connection): void => {
    at.open = true
    at.openedAt = clock.now()
    at.heardAt = at.openedAt
    enter('open')
    clock.clearTimer(at.timer)
    at.timer = clock.setTimer(() => lookForSilence(at), QUIET_MS)
    at.steadyTimer = clock.setTimer(() => {
      failures = 0
    }, STEADY_MS)
    subscriptions.opened()
    publications.flush()
  }

  // -- losing --------------------------------------------------------------------------------------

  /** Takes the connection away from the link; its socket may live on to say goodbye. */
  const detach = (): Connection | undefined => {
    const at = connection
    connection = undefined
    if (at === undefined) return undefined
    clock.clearTimer(at.timer)
    clock.clearTimer(at.steadyTimer)
    at.auth.end()
    return at
  }

  const lose = (detail: string): void => {
    if (state === 'closed') return
    const at = detach()
    at?.socket.terminate()
    const reason = plainText(`unreachable: ${detail}`)
    lastFailure = reason
    if (at?.open === true && clock.now() - at.openedAt >= WORTHWHILE_MS) {
      failures = Math.min(failures, WORTHWHILE_FAILURES)
    }
    const delay = backoffMs(failures, random())
    failures += 1
    enter('backoff')
    dialDueAt = clock.now() + delay
    dialTimer = clock.setTimer(dial, delay)
    if (at?.open === true) publications.lost(reason)
    else publications.dialFailed(reason)
    subscriptions.lost(reason)
    if (publications.size() > 0) hurry()
  }

  /** The relay's address is one that must not be dialled. */
  const forbid = (): void => {
    detach()?.socket.terminate()
    lastFailure = FORBIDDEN_ADDRESS
    enter('idle')
    publications.end(FORBIDDEN_ADDRESS)
    subscriptions.giveUp(FORBIDDEN_ADDRESS)
    attend()
  }

  // -- listening -----------------------------------------------------------------------------------

  const heard = (at: Connection): void => {
    at.heardAt = clock.now()
    if (at.probe === 'none') return
    if (at.probe !== 'ping') at.socket.send(closeFrame(at.probe.id))
    at.probe = 'none'
    clock.clearTimer(at.timer)
    at.timer = clock.setTimer(() => lookForSilence(at), QUIET_MS)
  }

  const lookForSilence = (at: Connection): void => {
    // After the wall clock was set back, the last frame seems to lie in the future.
    at.heardAt = Math.min(at.heardAt, clock.now())
    const left = at.heardAt + QUIET_MS - clock.now()
    if (left > 0) at.timer = clock.setTimer(() => lookForSilence(at), left)
    else probe(at)
  }

  const probe = (at: Connection): void => {
    if (at.probe !== 'none') return
    clock.clearTimer(at.timer)
    at.timer = clock.setTimer(() => lose('the relay fell silent'), PROBE_MS)
    if (at.socket.ping !== undefined) {
      at.probe = 'ping'
      at.socket.ping()
      return
    }
    const id = newId()
    at.probe = { id }
    at.socket.send(requestFrame(id, [{ kinds: [24133], '#p': ['0'.repeat(64)], limit: 0 }]))
  }

  const receive = (text: string | undefined): void => {
    const parsed = text === undefined ? err('frame/json' as const) : parseRelayFrame(text)
    const problem = parsed.ok ? take(parsed.value) : parsed.error
    if (problem !== undefined) drop(problem)
  }

  const take = (frame: RelayFrame): FrameDrop | undefined => {
    switch (frame.type) {
      case 'event':
        return subscriptions.event(frame.subscription, frame.event) ? undefined : 'frame/unknown-subscription'
      case 'eose':
        return subscriptions.eose(frame.subscription) ? undefined : 'frame/unknown-subscription'
      case 'closed':
        return subscriptions.closed(frame.subscription, frame.reason)
          ? undefined
          : 'frame/unknown-subscription'
      case 'ok': {
        const { id, accepted, reason } = frame
        if (connection?.auth.ok(id, accepted, reason) === true) return undefined
        return publications.ok(id, accepted, reason) ? undefined : 'frame/unknown-ok'
      }
      case 'notice':
        lastNotice = frame.text
        return undefined
      case 'auth':
        connection?.auth.challenge(frame.challenge)
        return undefined
    }
  }

  const drop = (code: FrameDrop): void => {
    drops[code] = (drops[code] ?? 0) + 1
    callHost(() => onDrop?.(code))
    // Late answers to what we gave up are nobody's fault.
    if (code === 'frame/unknown-ok' || code === 'frame/unknown-subscription') return
    const now = clock.now()
    badFrames = [...badFrames.filter((at) => at > now - 60_000), now]
    if (badFrames.length <= BAD_FRAMES_PER_MINUTE) return
    badFrames = []
    lose('too many frames that are no NIP-01')
  }

  // -- ending --------------------------------------------------------------------------------------

  const finish = (reason: string): void => {
    if (state === 'closed') return
    clock.clearTimer(dialTimer)
    clock.clearTimer(idleTimer)
    enter('closed')
    publications.end(reason)
    subscriptions.end()
    const at = detach()
    if (at === undefined) return
    const farewell = new Promise<void>((resolve) => {
      const timer = clock.setTimer(() => {
        at.socket.terminate()
        resolve()
      }, CLOSE_GRACE_MS)
      at.gone = () => {
        clock.clearTimer(timer)
        resolve()
      }
    })
    farewells.add(farewell)
    if (at.open) at.socket.close(1000)
    else at.socket.terminate()
  }

  return {
    relay,
    subscribe(request) {
      const close = subscriptions.add(request)
      attend()
      hurry()
      return close
    },
    publish(request) {
      const cancel = publications.add(request)
      publications.flush()
      hurry()
      return () => cancel(lastFailure ?? 'unreachable: not connected yet')
    },
    wake() {
      if (state === 'backoff') scheduleDial(0)
      else if (state === 'open' && connection !== undefined) probe(connection)
    },
    health: () => ({
      relay,
      state,
      since: stateSince,
      subscriptions: subscriptions.wanted(),
      live: subscriptions.live(),
      publishing: publications.size(),
      failures,
      lastFailure,
      lastNotice,
      drops: { ...drops },
      clockSkew:
        skewRefusals.length >= SKEW_REFUSALS && (skewRefusals[0] ?? 0) > clock.now() - SKEW_WINDOW_MS,
    }),
    busy,
    async close() {
      finish('closed')
      await Promise.all(farewells)
    },
  }
}

// -- helpers -------------------------------------------------------------------------------------

function isAddress(host: string): boolean {
  return host.includes(':') || /^[0-9]+(?:\.[0-9]+){3}$/.test(host)
}
