/**
 * Medians, quantiles and ratios of samples.
 * Never averages: one sample taken while the machine was busy must not move a figure.
 */

/** The middle of the samples, and the middle half around it. */
export interface Spread {
  readonly median: number
  readonly low: number
  readonly high: number
}

/** Median and quartiles. NaN throughout for no samples. */
export function spreadOf(samples: readonly number[]): Spread {
  const sorted = samples.toSorted((a, b) => a - b)
  return { median: quantile(sorted, 0.5), low: quantile(sorted, 0.25), high: quantile(sorted, 0.75) }
}

/** Of samples in ascending order; between two samples in proportion. `share` from 0 to 1. */
export function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share
  const below = sorted[Math.floor(at)] ?? Number.NaN
  const above = sorted[Math.ceil(at)] ?? Number.NaN
  return below + (above - below) * (at - Math.floor(at))
}

export function scaleSpread({ median, low, high }: Spread, factor: number): Spread {
  return { median: median * factor, low: low * factor, high: high * factor }
}

/**
 * How many times less one figure is than another, with the least and the most that their spreads allow.
 * Above 1: `figure` is less, that is, faster or smaller.
 */
export function timesLess(figure: Spread, baseline: Spread): Spread {
  return {
    median: baseline.median / figure.median,
    low: baseline.low / figure.high,
    high: baseline.high / figure.low,
  }
}

/** The same where more is better: above 1, `figure` is more. */
export function timesMore(figure: Spread, baseline: Spread): Spread {
  return {
    median: figure.median / baseline.median,
    low: figure.low / baseline.high,
    high: figure.high / baseline.low,
  }
}
