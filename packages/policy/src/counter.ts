/**
 * What is counted against a limit, as small JSON: uses in a window, a rate, uses with each peer, different peers, amounts.
 * Never forgets a use early, and late by at most one part of its window. Holds no clock: `now` is Unix milliseconds.
 */

import { PEERS_COUNTED, WINDOW_PARTS } from './limits.ts'
import type { Quota, Rate } from './rule.ts'

/** Part of the time line, uses in it, the next part, uses in it, and so on; parts grow. */
export type Parts = readonly number[]

/** Uses within a window of so many seconds; with 0 seconds: in all, under part 0. */
export interface Windowed {
  readonly seconds: number
  readonly parts: Parts
}

/** A bucket that leaks: when it was looked at last, and what was in it then, in uses. */
export type Bucket = readonly [at: number, level: number]

export interface EachPeer {
  readonly seconds: number
  readonly peers: { readonly [peer: string]: Parts }
  /** Of all peers for which there was no room. */
  readonly rest: Parts
}

export interface Breadth {
  readonly seconds: number
  /** The part of the time line in which a peer was there last. */
  readonly peers: { readonly [peer: string]: number }
}

/** What one rule has counted. */
export interface RuleCount {
  readonly uses?: number
  readonly max?: Windowed
  readonly rate?: Bucket
  readonly each?: EachPeer
  readonly breadth?: Breadth
  readonly spent?: Windowed
}

/** Whether one more fits; if not, when it would, or null if never. */
export type Room =
  | { readonly fits: true }
  | { readonly fits: false; readonly used: number; readonly at: number | null }

const FITS: Room = { fits: true }
const NO_PARTS: Parts = []

// -- uses in a window --------------------------------------------------------------------------

export function roomInWindow(counted: Windowed | undefined, limit: Quota, now: number, amount = 1): Room {
  return roomInParts(partsOf(counted, limit.seconds, now), limit, now, amount)
}

export function countInWindow(
  counted: Windowed | undefined,
  seconds: number,
  now: number,
  amount = 1,
): Windowed {
  return { seconds, parts: addToParts(partsOf(counted, seconds, now), seconds, now, amount) }
}

function roomInParts(parts: Parts, { count, seconds }: Quota, now: number, amount: number): Room {
  let used = totalOf(parts)
  if (used + amount <= count) return FITS
  const all = used
  for (let i = 0; i < parts.length; i += 2) {
    used -= parts[i + 1] ?? 0
    if (seconds > 0 && used + amount <= count)
      return {
        fits: false,
        used: all,
        at: Math.max(now, ((parts[i] ?? 0) + WINDOW_PARTS + 1) * partMs(seconds)),
      }
  }
  return { fits: false, used: all, at: null }
}

/**
 * What still counts now. Parts that lie ahead (a clock was set back) count as if they were now, and uses that were counted
 * for another length of window too.
 */
function partsOf(counted: Windowed | undefined, seconds: number, now: number): Parts {
  if (counted === undefined) return NO_PARTS
  if (counted.seconds !== seconds) {
    const kept = counted.seconds === 0 ? counted.parts : liveParts(counted.parts, counted.seconds, now)
    const total = totalOf(kept)
    return total === 0 ? NO_PARTS : [partAt(seconds, now), total]
  }
  return liveParts(counted.parts, seconds, now)
}

function liveParts(parts: Parts, seconds: number, now: number): Parts {
  if (seconds === 0 || parts.length === 0) return parts
  const current = partAt(seconds, now)
  const first = parts[0] ?? 0
  const last = parts[parts.length - 2] ?? 0
  if (first >= current - WINDOW_PARTS && last <= current) return parts
  const kept: number[] = []
  let ahead = 0
  for (let i = 0; i < parts.length; i += 2) {
    const [part = 0, uses = 0] = [parts[i], parts[i + 1]]
    if (part > current) ahead += uses
    else if (part >= current - WINDOW_PARTS) kept.push(part, uses)
  }
  return ahead === 0 ? kept : addToParts(kept, seconds, now, ahead)
}

function addToParts(parts: Parts, seconds: number, now: number, amount: number): Parts {
  const current = partAt(seconds, now)
  const end = parts.length - 2
  if (parts[end] !== current) return [...parts, current, amount]
  return [...parts.slice(0, end), current, Math.min(Number.MAX_SAFE_INTEGER, (parts[end + 1] ?? 0) + amount)]
}

function totalOf(parts: Parts): number {
  let total = 0
  for (let i = 1; i < parts.length; i += 2) total += parts[i] ?? 0
  return total
}

function partMs(seconds: number): number {
  return Math.ceil((seconds * 1_000) / WINDOW_PARTS)
}

function partAt(seconds: number, now: number): number {
  return seconds === 0 ? 0 : Math.floor(now / partMs(seconds))
}

// -- a rate ------------------------------------------------------------------------------------

/** Rounding must not cost a use that is due. */
const SLACK = 1e-6

export function roomInBucket(bucket: Bucket | undefined, rate: Rate, now: number): Room {
  const level = levelOf(bucket, rate, now)
  const burst = rate.burst ?? rate.count
  if (level + 1 <= burst + SLACK) return FITS
  const wait = ((level + 1 - burst) * rate.seconds * 1_000) / rate.count
  return { fits: false, used: Math.ceil(level - SLACK), at: now + Math.ceil(wait) }
}

export function countInBucket(bucket: Bucket | undefined, rate: Rate, now: number): Bucket {
  return [now, levelOf(bucket, rate, now) + 1]
}

/** Never more than the burst, so that a limit that was lowered is not waited for longer than its own time. */
function levelOf(bucket: Bucket | undefined, rate: Rate, now: number): number {
  if (bucket === undefined) return 0
  const leaked = (Math.max(0, now - bucket[0]) * rate.count) / (rate.seconds * 1_000)
  return Math.max(0, Math.min(bucket[1], rate.burst ?? rate.count) - leaked)
}

// -- peers -------------------------------------------------------------------------------------

/** Sixteen hex characters of a pubkey tell peers apart well enough: nobody can afford to make two that share them with a third. */
const PEER_CHARS = 16

export function roomForPeer(counted: EachPeer | undefined, limit: Quota, peer: string, now: number): Room {
  const each = eachOf(counted, limit.seconds, now)
  const own = each.peers[peer.slice(0, PEER_CHARS)]
  const parts = own ?? (isShared(each) ? each.rest : NO_PARTS)
  return roomInParts(parts, limit, now, 1)
}

export function countPeer(
  counted: EachPeer | undefined,
  seconds: number,
  peer: string,
  now: number,
): EachPeer {
  const each = eachOf(counted, seconds, now)
  const key = peer.slice(0, PEER_CHARS)
  const own = each.peers[key]
  if (own === undefined && isShared(each)) return { ...each, rest: addToParts(each.rest, seconds, now, 1) }
  return { ...each, peers: { ...each.peers, [key]: addToParts(own ?? NO_PARTS, seconds, now, 1) } }
}

/** While anything stands in `rest`, whose it is cannot be told: a new peer counts there. */
function isShared(each: EachPeer): boolean {
  return each.rest.length > 0 || Object.keys(each.peers).length >= PEERS_COUNTED
}

function eachOf(counted: EachPeer | undefined, seconds: number, now: number): EachPeer {
  if (counted === undefined) return { seconds, peers: {}, rest: NO_PARTS }
  const live = (parts: Parts): Parts => partsOf({ seconds: counted.seconds, parts }, seconds, now)
  const peers: { [peer: string]: Parts } = {}
  for (const [peer, parts] of Object.entries(counted.peers)) {
    const kept = live(parts)
    if (kept.length > 0) peers[peer] = kept
  }
  return { seconds, peers, rest: live(counted.rest) }
}

export function roomForBreadth(counted: Breadth | undefined, limit: Quota, peer: string, now: number): Room {
  const { seconds } = limit
  const { peers } = breadthOf(counted, seconds, now)
  const key = peer.slice(0, PEER_CHARS)
  const last = Object.values(peers)
  if (peers[key] !== undefined || last.length < limit.count) return FITS
  last.sort((a, b) => a - b)
  const leaves = last[last.length - limit.count] ?? 0
  return { fits: false, used: last.length, at: (leaves + WINDOW_PARTS + 1) * partMs(seconds) }
}

export function countBreadth(
  counted: Breadth | undefined,
  seconds: number,
  peer: string,
  now: number,
): Breadth {
  const { peers } = breadthOf(counted, seconds, now)
  return { seconds, peers: { ...peers, [peer.slice(0, PEER_CHARS)]: partAt(seconds, now) } }
}

function breadthOf(counted: Breadth | undefined, seconds: number, now: number): Breadth {
  if (counted === undefined) return { seconds, peers: {} }
  const current = partAt(seconds, now)
  const oldCurrent = partAt(counted.seconds, now)
  const peers: { [peer: string]: number } = {}
  for (const [peer, part] of Object.entries(counted.peers)) {
    if (part < oldCurrent - WINDOW_PARTS) continue
    peers[peer] = counted.seconds === seconds ? Math.min(part, current) : current
  }
  return { seconds, peers }
}
