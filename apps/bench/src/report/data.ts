/**
 * What a run found, as data: figures, loads, what was not run, the machine, and the bars. JSON through and through.
 * Only types and the names of the groups: reading this file runs nothing.
 */

import type { Spread } from '../statistics.ts'

/** In the order of the report. */
export const GROUPS = [
  { name: 'request', title: 'One whole sign_event request' },
  { name: 'relay', title: 'Whole bunkers over a relay' },
  { name: 'client', title: 'Client libraries over a relay' },
  { name: 'workers', title: 'Workers' },
  { name: 'primitive', title: 'Primitives' },
  { name: 'message', title: 'Messages: NIP-44 and NIP-04' },
  { name: 'envelope', title: 'Envelope' },
  { name: 'wraps', title: 'Gift wraps' },
  { name: 'machine', title: 'State machines of core' },
  { name: 'other-node', title: 'NIP-44 on other Nodes' },
  { name: 'start-up', title: 'Start-up, each in a fresh process' },
  { name: 'memory', title: 'Memory' },
] as const

export type Group = (typeof GROUPS)[number]['name']

/** `us` and `ms` of processor time unless the scenario says otherwise. `x` is a ratio; of it and of `1/s` more is better. */
export type Unit = 'us' | 'ms' | 'B' | 'MB' | '1/s' | 'x'

export interface Figure {
  readonly group: Group
  readonly scenario: string
  readonly subject: string
  readonly unit: Unit
  readonly value: Spread
  /** Wall time in the same unit, where `value` is processor time. */
  readonly wall?: Spread
  readonly samples: number
  readonly note?: string
}

export interface NotRun {
  readonly group: Group
  readonly scenario: string
  readonly subject: string
  readonly reason: string
}

/** One load on one whole bunker. */
export interface Load {
  readonly bunker: string
  /** `window`: so many requests are always in flight. `open`: they arrive at a rate, whatever is answered. */
  readonly kind: 'window' | 'open'
  /** With `window`: requests in flight. */
  readonly inFlight: number | null
  /** With `open`: requests a second that arrive, and the share of the bunker's own throughput that this is. */
  readonly offered: number | null
  readonly share: number | null
  /** Requests answered rightly, of all rounds. */
  readonly answered: number
  /** Requests without an answer within the patience of the generator, of all rounds. */
  readonly lost: number
  /** Answers a second. */
  readonly throughput: Spread
  /** Microseconds of the bunker's processor time for one answer. */
  readonly cpu: Spread
  /** Milliseconds from the moment a request was due to its answer: quantiles of all rounds together. */
  readonly latency: {
    readonly p50: number
    readonly p90: number
    readonly p99: number
    readonly p999: number
    readonly max: number
    /** Points of the whole distribution: the share of answers that were there by then, from 0 to 1. */
    readonly curve: readonly { readonly share: number; readonly ms: number }[]
  }
  /** Shares of one core that each process used, to tell who was the bottleneck. */
  readonly busy: { readonly bunker: number; readonly relay: number; readonly generator: number }
}

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly platform: string
  /** The host that ran it all: a version of Node, or a browser. */
  readonly node: string
  /** One-minute load average when the run began and when it ended; null where the host does not say. */
  readonly loads: { readonly before: number; readonly after: number } | null
}

/** One line of the table of what the project has to show. */
export interface Bar {
  readonly figure: string
  readonly atLeast: string
  /** Undefined if what it needs was not run. */
  readonly measured: string | null
  readonly holds: boolean | null
  readonly note: string | null
}

export interface Report {
  readonly format: 'nip46-bench'
  readonly version: 1
  readonly mode: string
  /** ISO 8601. */
  readonly startedAt: string
  readonly seconds: number
  readonly rounds: number
  readonly machine: Machine
  /** Of the packages that were measured, by name. */
  readonly versions: { readonly [name: string]: string }
  /** What stands behind a subject, where its name does not say it. */
  readonly remarks: readonly string[]
  readonly figures: readonly Figure[]
  readonly loads: readonly Load[]
  readonly notRun: readonly NotRun[]
  readonly bars: readonly Bar[]
}

/** The yardstick of ratios. */
export const BASELINE = 'nostr-tools'

export function findFigure(
  { figures }: Pick<Report, 'figures'>,
  scenario: string,
  subject: string,
): Figure | undefined {
  return figures.find((figure) => figure.scenario === scenario && figure.subject === subject)
}

export function findLoad(
  { loads }: Pick<Report, 'loads'>,
  bunker: string,
  inFlight: number,
): Load | undefined {
  return loads.find((load) => load.bunker === bunker && load.kind === 'window' && load.inFlight === inFlight)
}
