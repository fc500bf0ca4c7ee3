/**
 * Times cases side by side in one process: rounds interleaved, CPU time, median with spread.
 * Never compares figures of different runs.
 */

export interface Case {
  readonly scenario: string
  readonly subject: string
  /** Does the work once. Its result is kept from the optimiser by the caller. */
  readonly run: () => unknown
}

export interface Figure {
  readonly scenario: string
  readonly subject: string
  /** Microseconds of CPU time for one run: median, and the middle half of the rounds around it. */
  readonly median: number
  readonly low: number
  readonly high: number
}

/** CPU milliseconds that one case gets in one round. */
const SLICE_MS = 40
const WARM_UP_MS = 120

/** Runs every case in turn, `rounds` times, and reports each one's median. `onRound` is told after each round. */
export function measure(
  cases: readonly Case[],
  rounds: number,
  onRound: (round: number) => void = () => undefined,
): readonly Figure[] {
  const sizes = cases.map((item) => sizeOf(item))
  const samples: number[][] = cases.map(() => [])
  for (let round = 1; round <= rounds; round++) {
    cases.forEach((item, index) => {
      const times = sizes[index] ?? 1
      samples[index]?.push(cpuMicros(item.run, times) / times)
    })
    onRound(round)
  }
  return cases.map(({ scenario, subject }, index) => {
    const sorted = (samples[index] ?? []).toSorted((a, b) => a - b)
    return { scenario, subject, median: at(sorted, 0.5), low: at(sorted, 0.25), high: at(sorted, 0.75) }
  })
}

function sizeOf(item: Case): number {
  let times = 1
  let spent = 0
  while (spent < WARM_UP_MS * 1_000) {
    const taken = cpuMicros(item.run, times)
    spent += taken
    const one = Math.max(taken / times, 0.05)
    times = Math.max(1, Math.ceil((SLICE_MS * 1_000) / one))
  }
  return times
}

let sink: unknown
function cpuMicros(run: () => unknown, times: number): number {
  const before = process.cpuUsage()
  for (let i = 0; i < times; i++) sink = run()
  const { user, system } = process.cpuUsage(before)
  if (sink === cpuMicros) throw new Error('unreachable: keeps the results alive')
  return user + system
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
