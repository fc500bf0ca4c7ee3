/**
 * A timing test after dudect: does an operation take as long for one fixed input as for random ones?
 * |t| above 4.5 says no. What slows the machine down hits both classes alike, since their order is random.
 */

export const LEAK = 4.5

export interface TimingTest {
  readonly samples: number
  /** Makes the inputs of one class ready: the same memory for both, so that caches cannot tell them apart. */
  readonly prepare: (fixed: boolean) => void
  readonly operate: () => void
  readonly coin: () => boolean
}

/** Welch's t over the samples below the pooled 90th percentile. */
function timingT({ samples, prepare, operate, coin }: TimingTest): number {
  const times = new Float64Array(samples)
  const classes = new Uint8Array(samples)
  for (let i = -samples / 10; i < samples; i++) {
    const fixed = coin()
    prepare(fixed)
    const before = process.hrtime.bigint()
    operate()
    const after = process.hrtime.bigint()
    if (i < 0) continue
    times[i] = Number(after - before)
    classes[i] = fixed ? 1 : 0
  }
  const limit = times.slice().sort()[Math.floor(samples * 0.9)] as number
  const [a, b] = [0, 1].map((wanted) => statistics(times, (i) => classes[i] === wanted, limit)) as [
    Statistics,
    Statistics,
  ]
  return (a.mean - b.mean) / Math.sqrt(a.variance / a.count + b.variance / b.count)
}

/** The smallest |t| of up to three runs: chance alone does not exceed the limit three times, a leak does. */
export function smallestT(title: string, test: TimingTest): number {
  const seen: number[] = []
  do seen.push(Math.abs(timingT(test)))
  while (Math.min(...seen) >= LEAK && seen.length < 3)
  console.log(`${title}: |t| = ${seen.map((t) => t.toFixed(1)).join(', ')} over ${test.samples} samples`)
  return Math.min(...seen)
}

interface Statistics {
  readonly count: number
  readonly mean: number
  readonly variance: number
}

function statistics(times: Float64Array, belongs: (i: number) => boolean, limit: number): Statistics {
  const kept = Array.from(times).filter((time, i) => belongs(i) && time < limit)
  const mean = kept.reduce((sum, time) => sum + time, 0) / kept.length
  const variance = kept.reduce((sum, time) => sum + (time - mean) ** 2, 0) / (kept.length - 1)
  return { count: kept.length, mean, variance }
}
