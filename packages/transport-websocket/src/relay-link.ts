/**
 * One relay: dialling, coming back after a loss, noticing a dead peer, and sharing one connection among all that is
 * wanted of the relay.
 * Never throws on what a relay does, never verifies events, and never dials unless something is wanted of it.
 */

import { bytesToHex, type Clock, type RandomBytes, type RelayUrl, relayHost, utf8Length } from '@nip46/core'
import { FRAME_BYTES } from '@nip46/core/limits'
import { backoffMs } from './backoff.ts'
import { closeFrame, type FrameDrop, parseRelayFrame, plainText, requestFrame } from './frame.ts'
import { arm } from './host.ts'
import { createLinkWants, type LinkWant, type LinkWants } from './link-wants.ts'
import { CLOSE_GRACE_MS, FORBIDDEN_ADDRESS, type OpenSocket, type Socket } from './socket.ts'

/** How long TCP, TLS and the WebSocket handshake may take together, in milliseconds. */
export const CONNECT_MS = 10_000
/** A connection that lived so long starts the backoff anew; shorter ones count like failed dials. In milliseconds. */
export const WORTHWHILE_MS = 1_000
/** Dials that may fail before the waits grow: a relay that only restarts is reached within a second or so. */
export const EARLY_DIALS = 3
/** At most one dial in so long, whoever asks, in milliseconds. */
export const DIAL_GAP_MS = 1_000
/** How often the peer is asked whether it lives, in milliseconds. */
export const PROBE_EVERY_MS = 60_000
/** How long it may then be silent, in milliseconds. */
export const PROBE_MS = 10_000
/** Frames between two probes that may be no NIP-01; one more closes the connection. */
export const BAD_FRAMES = 20
/** A link of which nothing is wanted is closed after so long, in milliseconds. */
export const IDLE_MS = 30_000
/** The close code of a farewell (RFC 6455). */
const CLOSE_NORMAL = 1000

/**
 * What can be told of a relay:
 *
 * - `connecting`, `open`, `down` with why, `closed` when there is no link to it any more,
 * - `date` with what it said the time is (on Node, without a `WebSocket` of yours, where the relay says it),
 * - `notice` with its words, `accepted` when it took an event, `refused` with its reason for not taking one (or ours), `dropped` with
 *   the code of a frame.
 */
export type RelayFact =
  | 'connecting'
  | 'open'
  | 'down'
  | 'closed'
  | 'date'
  | 'notice'
  | 'accepted'
  | 'refused'
  | 'dropped'

export interface RelayLinkOptions {
  readonly relay: RelayUrl
  readonly openSocket: OpenSocket
  readonly clock: Clock
  /** For subscription ids and jitter. */
  readonly randomBytes: RandomBytes
  /** Whether an address may be dialled. */
  readonly allowAddress: (host: string, ip: string) => boolean
  /**
   * Never throws. Once `closed` the link is of no further use: nothing was wanted for {@link IDLE_MS}, or `close` was called.
   */
  readonly tell: (fact: RelayFact, detail?: string) => void
}

export interface RelayLink {
  /** See `LinkWants.add`. */
  add(want: LinkWant): () => string | undefined
  /** How many things are wanted of it. */
  size(): number
  /** The network is back, or the machine woke up: dial now, or make sure that the connection lives. */
  wake(): void
  /**
   * Settles everything, refuses what comes later with `reason`, and resolves once the socket is gone, within {@link CLOSE_GRACE_MS} or
   * so.
   */
  close(reason?: string): Promise<void>
}

export function createRelayLink(options: RelayLinkOptions): RelayLink {
  const { relay, openSocket, clock, randomBytes, allowAddress, tell } = options

  /** From the dial to the loss. */
  let connection: { socket?: Socket; openedAt?: number } | undefined
  /** Of the connection: for the dial, then for the next probe, for the answer to it, for the farewell. */
  const life: { timer: unknown } = { timer: undefined }
  /** The subscription id of a probe, empty for a ping; undefined if there is none under way. */
  let probeId: string | undefined
  let badFrames = 0
  /** In a row. */
  let failures = 0
  let dialledAt = 0
  const nextDial: { timer: unknown } = { timer: undefined }
  let dialDueAt = 0
  const rest: { timer: unknown } = { timer: undefined }
  let farewell: Promise<void> | undefined

  const wants: LinkWants = createLinkWants({
    relay,
    clock,
    randomBytes,
    onEmpty: () =>
      arm(clock, rest, IDLE_MS, () => {
        if (wants.size() === 0) void close()
      }),
  })

  // -- dialling ------------------------------------------------------------------------------------

  const dialIn = (afterMs: number): void => {
    dialDueAt = clock.now() + afterMs
    arm(clock, nextDial, afterMs, dial)
  }

  /** Somebody waits: the backoff may not keep them longer than the gap. */
  const hurry = (): void => {
    if (connection !== undefined) return
    const now = clock.now()
    const gap = Math.min(DIAL_GAP_MS, dialledAt + DIAL_GAP_MS - now)
    if (nextDial.timer !== undefined && dialDueAt <= now + gap) return
    if (gap > 0) dialIn(gap)
    else dial()
  }

  const dial = (): void => {
    arm(clock, nextDial)
    if (wants.size() === 0) return
    dialledAt = clock.now()
    const mine: { socket?: Socket; openedAt?: number } = {}
    connection = mine
    probeId = undefined
    badFrames = 0
    arm(clock, life, CONNECT_MS, () => lose('the connection took too long'))
    const host = relayHost(relay)
    const ours =
      <E>(run: (event: E) => void) =>
      (event: E): void => {
        if (mine === connection) run(event)
      }
    try {
      // A host of digits and dots, or with a colon, is an address.
      if (/^[\d.]+$|:/.test(host) && !allowAddress(host, host)) throw new Error(FORBIDDEN_ADDRESS)
      const socket = openSocket(relay, {
        allowAddress,
        onPong: ours(heard),
        onDate: ours((date: string) => tell('date', date)),
      })
      let cause = ''
      mine.socket = socket
      // So that binary messages cost nothing.
      socket.binaryType = 'arraybuffer'
      socket.onopen = ours(() => {
        mine.openedAt = clock.now()
        arm(clock, life, PROBE_EVERY_MS, probe)
        tell('open')
        wants.opened(socket)
      })
      socket.onmessage = ours(({ data }: { readonly data: unknown }) => receive(data))
      // A close follows; browsers say nothing about the cause.
      socket.onerror = ours(({ message }: { readonly message?: unknown }) => {
        if (typeof message === 'string') cause ||= message
      })
      socket.onclose = ours(({ code, reason }: { readonly code: number; readonly reason?: string }) =>
        lose(cause || `closed (${code})${reason ? `: ${reason}` : ''}`),
      )
    } catch (error) {
      arm(clock, life, 0, () => lose(error instanceof Error ? error.message : 'cannot connect'))
    }
    tell('connecting')
  }

  // -- losing --------------------------------------------------------------------------------------

  const lose = (detail: string): void => {
    if (connection === undefined) return
    const now = clock.now()
    const { socket, openedAt = now } = connection
    if (now - openedAt >= WORTHWHILE_MS) failures = 0
    connection = undefined
    arm(clock, life)
    hangUp(socket)
    /** The relay's address is one that must not be dialled: there will be no other try. */
    const final = detail === FORBIDDEN_ADDRESS
    const reason = plainText(final ? detail : `unreachable: ${detail}`)
    if (!final) dialIn(backoffMs(Math.max(0, failures - EARLY_DIALS), randomBytes))
    failures += 1
    tell('down', reason)
    if (wants.lost(reason, final)) hurry()
  }

  // -- listening -----------------------------------------------------------------------------------

  const send = (frame: string): void => connection?.socket?.send(frame)

  /** Whatever the peer says, it lives. */
  const heard = (): void => {
    if (probeId === undefined) return
    if (probeId !== '') send(closeFrame(probeId))
    probeId = undefined
    arm(clock, life, PROBE_EVERY_MS, probe)
  }

  const probe = (): void => {
    if (probeId !== undefined) return
    badFrames = 0
    arm(clock, life, PROBE_MS, () => lose('the relay fell silent'))
    const { socket } = connection ?? {}
    probeId = socket?.ping === undefined ? bytesToHex(randomBytes(8)) : ''
    if (probeId === '') socket?.ping?.()
    else send(requestFrame(probeId, [{ kinds: [24133], '#p': ['0'.repeat(64)], limit: 0 }]))
  }

  const receive = (data: unknown): void => {
    heard()
    const text = typeof data === 'string' ? data : ''
    // A UTF-16 unit takes one to three bytes of UTF-8.
    if (text.length * 3 > FRAME_BYTES && utf8Length(text) > FRAME_BYTES) return lose('message over the limit')
    const frame = parseRelayFrame(text)
    if (typeof frame === 'string') drop(frame)
    else if (frame.verb === 'NOTICE') tell('notice', plainText(frame.subject))
    else drop(wants.take(frame))
  }

  const drop = (code: FrameDrop | undefined): void => {
    if (code === undefined) return
    tell('dropped', code)
    // Late answers to what we gave up are nobody's fault.
    if (!code.startsWith('frame/unknown-')) badFrames += 1
    if (badFrames > BAD_FRAMES) lose('too many bad frames')
  }

  // -- ending --------------------------------------------------------------------------------------

  const close = (reason = 'closed'): Promise<void> => {
    if (farewell !== undefined) return farewell
    let gone: () => void = () => undefined
    farewell = new Promise((resolve) => {
      gone = resolve
    })
    wants.close(reason)
    for (const one of [nextDial, rest, life]) arm(clock, one)
    const { socket } = connection ?? {}
    // Nothing it still says is heard.
    connection = undefined
    if (socket === undefined) gone()
    else {
      arm(clock, life, CLOSE_GRACE_MS, gone)
      socket.onclose = () => {
        arm(clock, life)
        gone()
      }
      hangUp(socket)
    }
    tell('closed')
    return farewell
  }

  return {
    add(want) {
      const cancel = wants.add(want)
      if (wants.size() > 0) hurry()
      return cancel
    },
    size: wants.size,
    wake() {
      if (connection?.openedAt !== undefined) probe()
      else if (connection === undefined) dial()
    },
    close,
  }
}

// -- helpers -------------------------------------------------------------------------------------

function hangUp(socket: Socket | undefined): void {
  try {
    socket?.close(CLOSE_NORMAL)
  } catch {
    // Some hosts refuse to close twice, or with a code; the socket is given up either way.
  }
}
