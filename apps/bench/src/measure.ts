/**
 * Times cases side by side in one process: rounds interleaved, processor time beside wall time, medians with spread.
 * Never compares figures of different runs, and never times a case before it was warm.
 */

import type { Figure, Group } from './report/data.ts'
import { scaleSpread, spreadOf } from './statistics.ts'
import type { Stopwatch } from './stopwatch.ts'

export interface Case {
  readonly group: Group
  readonly scenario: string
  readonly subject: string
  /** Does the work once. */
  readonly run: () => unknown
  /** Operations that one run stands for, if the figure is to be told for more or less than one run. Default 1. */
  readonly share?: number
  /** At most so many rounds, for a case that takes seconds. Default all. */
  readonly rounds?: number
  readonly note?: string
}

export interface MeasureOptions {
  readonly rounds: number
  /** Milliseconds that one case gets in one round, at least one run. */
  readonly sliceMs: number
  /** Milliseconds that one case runs before the first round. */
  readonly warmUpMs: number
  readonly stopwatch: Stopwatch
  /** Told before each slice: what runs, and how much of all is done, from 0 to 1. */
  readonly onProgress?: (label: string, done: number) => void
  /** Awaited between two slices, for a page that has to stay alive. */
  readonly breathe?: () => Promise<void>
}

/** Every case in turn, `rounds` times; each round starts with another subject, so that none always follows the same one. */
export async function measure(cases: readonly Case[], options: MeasureOptions): Promise<readonly Figure[]> {
  const { rounds, stopwatch, onProgress, breathe } = options
  const slices = cases.reduce((sum, item) => sum + 1 + Math.min(rounds, item.rounds ?? rounds), 0)
  let done = 0
  const tell = ({ scenario, subject }: Case): void => onProgress?.(`${scenario}, ${subject}`, done++ / slices)

  const tracks: Track[] = []
  for (const item of cases) {
    tell(item)
    tracks.push({ item, times: warmUp(item, options), cpu: [], wall: [] })
    await breathe?.()
  }
  const scenarios = groupByScenario(tracks)
  for (let round = 0; round < rounds; round++) {
    for (const group of scenarios) {
      for (let i = 0; i < group.length; i++) {
        const track = group[(i + round) % group.length]
        if (track === undefined || round >= (track.item.rounds ?? rounds)) continue
        tell(track.item)
        const taken = take(track.item.run, track.times, stopwatch)
        if (taken.cpu !== undefined) track.cpu.push(taken.cpu / track.times)
        track.wall.push(taken.wall / track.times)
        await breathe?.()
      }
    }
  }
  return tracks.map(toFigure)
}

interface Track {
  readonly item: Case
  readonly times: number
  readonly cpu: number[]
  readonly wall: number[]
}

function toFigure({ item, cpu, wall }: Track): Figure {
  const { group, scenario, subject, share = 1, note } = item
  const spent = cpu.length > 0 ? cpu : wall
  return {
    group,
    scenario,
    subject,
    unit: 'us',
    value: scaleSpread(spreadOf(spent), 1 / share),
    wall: scaleSpread(spreadOf(wall), 1 / share),
    samples: spent.length,
    ...(note !== undefined && { note }),
  }
}

function groupByScenario(tracks: readonly Track[]): readonly (readonly Track[])[] {
  const groups = new Map<string, Track[]>()
  for (const track of tracks) {
    const group = groups.get(track.item.scenario)
    if (group === undefined) groups.set(track.item.scenario, [track])
    else group.push(track)
  }
  return [...groups.values()]
}

/** How many runs fill one slice. */
function warmUp({ run }: Case, { warmUpMs, sliceMs, stopwatch }: MeasureOptions): number {
  let times = 1
  let spent = 0
  while (spent < warmUpMs * 1_000) {
    const { cpu, wall } = take(run, times, stopwatch)
    const taken = cpu ?? wall
    // A coarse clock may say that nothing was spent.
    spent += Math.max(taken, times * 0.05)
    times = Math.max(1, Math.ceil((sliceMs * 1_000) / Math.max(taken / times, 0.05)))
  }
  return times
}

let sink: unknown
function take(
  run: () => unknown,
  times: number,
  stopwatch: Stopwatch,
): { readonly cpu: number | undefined; readonly wall: number } {
  const wallBefore = stopwatch.wall()
  const cpuBefore = stopwatch.cpu()
  for (let i = 0; i < times; i++) sink = run()
  const cpuAfter = stopwatch.cpu()
  const wall = stopwatch.wall() - wallBefore
  if (sink === take) throw new Error('unreachable: keeps the results from the optimiser')
  return { cpu: cpuBefore === undefined || cpuAfter === undefined ? undefined : cpuAfter - cpuBefore, wall }
}
