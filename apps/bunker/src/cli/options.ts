/**
 * Options that many commands share, and how their texts are read.
 * Never guesses: what cannot be read is named, with a value that would do.
 */

import type { OptionSpecs } from './command.ts'
import { CommandProblem } from './problem.ts'

/** Every command has these. */
export const COMMON_OPTIONS: OptionSpecs = {
  json: { type: 'flag', words: 'print JSON for programs; errors too, on stderr' },
  socket: { type: 'text', value: 'PATH', words: "the daemon's unix socket" },
  data: { type: 'text', value: 'PATH', words: 'directory of keys and state' },
  config: { type: 'text', value: 'FILE', words: 'settings file' },
  url: { type: 'text', value: 'URL', words: 'a daemon elsewhere, over HTTP, with --token-file' },
  'token-file': { type: 'text', value: 'FILE', words: 'its token, in a file that only you may read' },
  help: { type: 'flag', words: 'this text' },
}

const UNITS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/** `90s`, `15m`, `12h`, `30d`, `2w` as milliseconds. */
export function readDuration(option: string, text: string): number {
  const [, amount, unit] = /^(\d{1,9})([smhdw])$/.exec(text) ?? []
  const ms = Number(amount) * (UNITS[unit ?? ''] ?? Number.NaN)
  if (!(ms > 0)) throw new CommandProblem('usage', `${option} takes a time such as 90s, 15m, 12h, 30d or 2w`)
  return ms
}

export function readNumber(option: string, text: string, min: number, max: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max))
    throw new CommandProblem('usage', `${option} takes a whole number from ${min} to ${max}`)
  return value
}

export function readChoice<const T extends string>(option: string, text: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === text)
  if (found === undefined) throw new CommandProblem('usage', `${option} takes one of ${choices.join(', ')}`)
  return found
}

/** Only the members that are there: options of operations are left out rather than undefined. */
export function given<T extends Record<string, unknown>>(
  fields: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
