/**
 * How much of everything a run does: quick, complete, or the least that still runs every case (for tests).
 * Never decides what is measured against what: that is in the scenarios.
 */

import type { LoadPlan } from './load/loads.ts'
import type { Group } from './report/data.ts'
import type { ClientPlan } from './scenario/clients.ts'
import { SIZES } from './scenario/messages.ts'
import type { WorkerPlan } from './scenario/workers.ts'

export interface Plan {
  readonly mode: 'quick' | 'full' | 'smoke'
  readonly rounds: number
  readonly sliceMs: number
  readonly warmUpMs: number
  /** Bytes of NIP-44 plaintexts. */
  readonly sizes: readonly number[]
  readonly wraps: number
  readonly startUpRounds: number
  /** Conversations in the cache when its memory is taken. */
  readonly conversations: number
  readonly otherNodeRounds: number
  readonly load: LoadPlan
  readonly workers: WorkerPlan
  readonly clients: ClientPlan
  /** Whether every backend of ours serves as a bunker, or the fastest and `tiny` alone. */
  readonly bunkersOnAll: boolean
  /** What to leave out altogether. */
  readonly groups: readonly Group[] | 'all'
}

/** At most three and a half minutes on two cores. */
export const QUICK: Plan = {
  mode: 'quick',
  rounds: 7,
  sliceMs: 15,
  warmUpMs: 80,
  sizes: SIZES,
  wraps: 20,
  startUpRounds: 3,
  conversations: 20_000,
  otherNodeRounds: 5,
  load: { rounds: 1, windows: [1, 16, 64, 256], windowMs: 1_200, shares: [0.5], openMs: 2_000, clients: 16 },
  workers: { rounds: 5, count: 1_000, inFlight: 128, clients: 16, bareMs: 300 },
  clients: { rounds: 5, inARow: 30, atOnce: 100, warmUp: 3 },
  bunkersOnAll: false,
  groups: 'all',
}

export const FULL: Plan = {
  mode: 'full',
  rounds: 15,
  sliceMs: 40,
  warmUpMs: 300,
  sizes: SIZES,
  wraps: 1_000,
  startUpRounds: 9,
  conversations: 100_000,
  otherNodeRounds: 15,
  load: {
    rounds: 3,
    windows: [1, 16, 64, 256],
    windowMs: 3_000,
    shares: [0.25, 0.5, 0.75],
    openMs: 4_000,
    clients: 16,
  },
  workers: { rounds: 11, count: 2_000, inFlight: 128, clients: 40, bareMs: 1_000 },
  clients: { rounds: 15, inARow: 50, atOnce: 100, warmUp: 4 },
  bunkersOnAll: true,
  groups: 'all',
}

/** The least that runs everything, bunkers that begin again included. Its figures mean nothing. */
export const SMOKE: Plan = {
  mode: 'smoke',
  rounds: 1,
  sliceMs: 0.01,
  warmUpMs: 0.01,
  sizes: [100, 1_024],
  wraps: 2,
  startUpRounds: 1,
  conversations: 300,
  otherNodeRounds: 1,
  load: { rounds: 2, windows: [1, 4], windowMs: 50, shares: [0.5], openMs: 100, clients: 2 },
  workers: { rounds: 1, count: 20, inFlight: 4, clients: 2, bareMs: 5 },
  clients: { rounds: 1, inARow: 2, atOnce: 3, warmUp: 1 },
  bunkersOnAll: false,
  groups: 'all',
}

export function wants({ groups }: Plan, group: Group): boolean {
  return groups === 'all' || groups.includes(group)
}
