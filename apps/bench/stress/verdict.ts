/**
 * What a stress scenario found: figures, and the conditions that had to hold.
 * Never rounds a condition: what is judged is what was measured.
 */

export interface Verdict {
  readonly scenario: string
  readonly figures: readonly (readonly [name: string, value: string])[]
  readonly checks: readonly Check[]
}

export interface Check {
  readonly name: string
  readonly holds: boolean
  /** What was found. */
  readonly found: string
  /** `always` holds on any machine; `speed` depends on how busy this one is. */
  readonly kind: 'always' | 'speed'
}

export function always(name: string, holds: boolean, found: unknown): Check {
  return { name, holds, found: String(found), kind: 'always' }
}

export function speed(name: string, holds: boolean, found: unknown): Check {
  return { name, holds, found: String(found), kind: 'speed' }
}

export function renderVerdict({ scenario, figures, checks }: Verdict): string {
  const lines = [
    `\n${scenario}`,
    ...figures.map(([name, value]) => `  ${name.padEnd(58)} ${value}`),
    ...checks.map(({ name, holds, found }) => `  ${holds ? 'holds' : 'FAILS'}  ${name.padEnd(51)} ${found}`),
  ]
  return lines.join('\n')
}

export function fixed(value: number, digits = 1): string {
  return value.toFixed(digits)
}
