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
import { backoffMs } from './backoff.ts'
import {
  closeFrame,
  type FrameDrop,
  parseRelayFrame,
  plainText,
  type RelayFrame,
  requestFrame,
} from './frame.ts'
import { arm, callHost } from './host.ts'
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
import type { LinkPort } from './link-want.ts'
import { createRelayAuth } from './relay-auth.ts'
import { CLOSE_GRACE_MS, FORBIDDEN_ADDRESS, type OpenSocket, type Socket } from './socket.ts'

/** How long TCP, TLS and the WebSocket handshake may take together, in milliseconds. */
export const CONNECT_MS = 10_000
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
/** A connection that lived until the first look at its silence starts the backoff anew, in milliseconds. */
export const STEADY_MS: number = QUIET_MS
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
  readonly clock: Clock
  /** For subscription ids and jitter. */
  readonly randomBytes: RandomBytes
  /** Whether an address may be dialled. */
  readonly allowAddress: (host: string, ip: string) => boolean
  /** A frame of the relay was dropped. */
  readonly onDrop: (code: FrameDrop) => void
  /** The relay said what time it is. */
  readonly onDate: (date: Millis) => void
  /** Nothing was wanted for {@link IDLE_MS}; the link is closed and of no further use. */
  readonly onIdle: () => void
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

export function createRelayLink(options: RelayLinkOptions): RelayLink {
  const { relay, openSocket, clock, randomBytes, allowAddress, onDrop, onDate, onIdle } = options

  let state: LinkState = 'idle'
  let since = clock.now()
  /** Tells the connection of the link from those before. */
  let connection: object | undefined
  /** Of the connection: for the dial, then for the next look at silence, for the answer to a probe, for the farewell. */
  const life: { timer: unknown } = { timer: undefined }
  let socket: Socket | undefined
  let heardAt = 0
  /** The subscription id of a probe, empty for a ping; undefined if there is none under way. */
  let probeId: string | undefined
  let failures = 0
  let lastDialAt = Number.NEGATIVE_INFINITY
  /** Of the next dial, or, if nothing is wanted, of the end. */
  const link: { timer: unknown } = { timer: undefined }
  let dialDueAt = 0
  /** Nothing is wanted, and the end draws near. */
  let resting = false
  let lastFailure: string | undefined
  let lastNotice: string | undefined
  const drops: Partial<Record<FrameDrop, number>> = {}
  let badFrames: readonly Millis[] = []
  let skewRefusals: readonly Millis[] = []
  let farewell: Promise<void> | undefined
  let onGone: (() => void) | undefined

  const send = (frame: string): void => socket?.send(frame)
  const newId = (): string => bytesToHex(randomBytes(8))
  const recent = (times: readonly Millis[], windowMs: number): readonly Millis[] =>
    times.filter((at) => at > clock.now() - windowMs)

  const auth = createRelayAuth({ relay, clock, send })
  const port: LinkPort = {
    relay,
    clock,
    randomBytes,
    newId,
    isOpen: () => state === 'open',
    isStarting: () => subscriptions.count('sent', 'authenticating') > 0,
    send,
    buffered: () => socket?.buffered() ?? 0,
    authenticate: auth.authenticate,
    onRefusal(reason) {
      if (/^invalid:.*(?:created_at|timestamp)/i.test(reason))
        skewRefusals = [...skewRefusals, clock.now()].slice(-SKEW_REFUSALS)
    },
    onChange() {
      publications.flush()
      attend()
    },
  }
  const subscriptions: LinkSubscriptions = createLinkSubscriptions(port)
  const publications: LinkPublications = createLinkPublications(port)

  const busy = (): boolean => subscriptions.wanted() + publications.size() > 0

  const enter = (next: LinkState): void => {
    if (state !== next) since = clock.now()
    state = next
  }

  // -- wanting and dialling ------------------------------------------------------------------------

  /** Brings the link in line with what is wanted of it. If somebody waits, the backoff may not keep them longer than the gap. */
  const attend = (hurried = false): void => {
    const wanted = busy()
    if (state === 'closed' || (resting && !wanted)) return
    if (!wanted) {
      if (state === 'backoff') enter('idle')
      arm(clock, link, IDLE_MS, () => {
        void close()
        onIdle()
      })
    } else if (state === 'idle' || (hurried && state === 'backoff' && clock.now() + gapLeft() < dialDueAt)) {
      if (gapLeft() > 0) dialIn(gapLeft())
      else dial()
    } else if (resting) {
      arm(clock, link)
    }
    resting = !wanted
  }

  /** Milliseconds until another dial is decent. */
  const gapLeft = (): number => Math.min(DIAL_GAP_MS, Math.max(0, lastDialAt + DIAL_GAP_MS - clock.now()))

  const dialIn = (afterMs: number): void => {
    dialDueAt = clock.now() + afterMs
    enter('backoff')
    arm(clock, link, afterMs, dial)
  }

  const dial = (): void => {
    arm(clock, link)
    enter('connecting')
    lastDialAt = clock.now()
    const at = {}
    connection = at
    probeId = undefined
    arm(clock, life, CONNECT_MS, () => lose('the connection took too long'))
    const ours =
      <V extends readonly unknown[]>(run: (...values: V) => void) =>
      (...values: V): void => {
        if (at === connection && state !== 'closed') run(...values)
      }
    const host = relayHost(relay)
    try {
      if (isAddress(host) && !allowAddress(host, host)) throw new Error(FORBIDDEN_ADDRESS)
      socket = openSocket(
        relay,
        {
          onOpen: ours(opened),
          onMessage: ours(receive),
          onPong: ours(heard),
          onEnd(reason) {
            if (at !== connection) return
            if (onGone === undefined) lose(reason)
            else onGone()
          },
        },
        { maxBytes: FRAME_BYTES, allowAddress },
      )
    } catch (error) {
      arm(clock, life, 0, () => lose(error instanceof Error ? error.message : 'cannot connect'))
    }
  }

  const opened = (date?: Millis): void => {
    heardAt = clock.now()
    enter('open')
    watch()
    if (date !== undefined) callHost(() => onDate(date))
    subscriptions.opened()
    publications.flush()
  }

  // -- losing --------------------------------------------------------------------------------------

  const lose = (detail: string): void => {
    if (state === 'closed') return
    const wasOpen = state === 'open'
    /** The relay's address is one that must not be dialled: there will be no other try. */
    const final = detail === FORBIDDEN_ADDRESS
    if (wasOpen && clock.now() - since >= WORTHWHILE_MS) failures = Math.min(failures, WORTHWHILE_FAILURES)
    arm(clock, life)
    connection = undefined
    auth.reset()
    socket?.terminate()
    socket = undefined
    const reason = plainText(final ? detail : `unreachable: ${detail}`)
    lastFailure = reason
    enter('idle')
    if (!resting && !final) dialIn(backoffMs(failures, randomBytes))
    failures += 1
    publications.lost(reason, final ? 'end' : wasOpen ? 'open' : 'dial')
    subscriptions.lost(reason, final)
    attend(publications.size() > 0)
  }

  // -- listening -----------------------------------------------------------------------------------

  const heard = (): void => {
    heardAt = clock.now()
    if (probeId === undefined) return
    if (probeId !== '') send(closeFrame(probeId))
    probeId = undefined
    watch()
  }

  const watch = (afterMs = QUIET_MS): void =>
    arm(clock, life, afterMs, () => {
      failures = 0
      // After the wall clock was set back, the last frame seems to lie in the future.
      heardAt = Math.min(heardAt, clock.now())
      const left = heardAt + QUIET_MS - clock.now()
      if (left > 0) watch(left)
      else probe()
    })

  const probe = (): void => {
    if (probeId !== undefined) return
    arm(clock, life, PROBE_MS, () => lose('the relay fell silent'))
    probeId = socket?.ping === undefined ? newId() : ''
    if (probeId === '') socket?.ping?.()
    else send(requestFrame(probeId, [{ kinds: [24133], '#p': ['0'.repeat(64)], limit: 0 }]))
  }

  const receive = (text: string | undefined): void => {
    heard()
    const parsed = text === undefined ? err('frame/json' as const) : parseRelayFrame(text)
    const problem = parsed.ok ? take(parsed.value) : parsed.error
    if (problem !== undefined) drop(problem)
  }

  const take = (frame: RelayFrame): FrameDrop | undefined => {
    if (frame.type === 'notice') {
      lastNotice = frame.text
    } else if (frame.type === 'auth') {
      auth.challenge(frame.challenge)
    } else if (frame.type === 'ok') {
      const { id, accepted, reason } = frame
      if (!auth.ok(id, accepted, reason) && !publications.ok(id, accepted, reason)) return 'frame/unknown-ok'
    } else if (!subscriptions.take(frame)) {
      return 'frame/unknown-subscription'
    }
    return undefined
  }

  const drop = (code: FrameDrop): void => {
    drops[code] = (drops[code] ?? 0) + 1
    callHost(() => onDrop(code))
    // Late answers to what we gave up are nobody's fault.
    if (code.startsWith('frame/unknown-')) return
    badFrames = [...recent(badFrames, 60_000), clock.now()]
    if (badFrames.length <= BAD_FRAMES_PER_MINUTE) return
    badFrames = []
    lose('too many frames that are no NIP-01')
  }

  // -- ending --------------------------------------------------------------------------------------

  const close = (): Promise<void> => {
    farewell ??= new Promise((resolve) => {
      const wasOpen = state === 'open'
      subscriptions.end()
      enter('closed')
      arm(clock, link)
      arm(clock, life)
      auth.reset()
      publications.lost('closed', 'end')
      if (socket === undefined) return resolve()
      onGone = () => {
        arm(clock, life)
        connection = undefined
        resolve()
      }
      arm(clock, life, CLOSE_GRACE_MS, () => {
        socket?.terminate()
        onGone?.()
      })
      if (wasOpen) socket.close()
      else socket.terminate()
    })
    return farewell
  }

  return {
    relay,
    subscribe(request) {
      const end = subscriptions.add(request)
      attend(true)
      return end
    },
    publish(request) {
      const cancel = publications.add(request)
      attend(true)
      return () => cancel(lastFailure ?? 'unreachable: not connected yet')
    },
    wake() {
      if (state === 'backoff') dial()
      else if (state === 'open') probe()
    },
    health: () => ({
      relay,
      state,
      since,
      subscriptions: subscriptions.wanted(),
      live: subscriptions.count('live'),
      publishing: publications.size(),
      failures,
      lastFailure,
      lastNotice,
      drops: { ...drops },
      clockSkew: recent(skewRefusals, SKEW_WINDOW_MS).length >= SKEW_REFUSALS,
    }),
    busy,
    close,
  }
}

// -- helpers -------------------------------------------------------------------------------------

function isAddress(host: string): boolean {
  return host.includes(':') || /^[0-9]+(?:\.[0-9]+){3}$/.test(host)
}
