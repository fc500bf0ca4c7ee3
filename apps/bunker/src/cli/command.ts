/**
 * What a command is: its words, its options, what it does. The help and the parser are made of it.
 * Never takes a secret as an argument: other users of the machine see the command lines of all.
 */

import type { ApiClient } from '../api/client.ts'
import type { OperationName } from '../api/operations.ts'
import type { ExitCode } from './exit-code.ts'
import { CommandProblem } from './problem.ts'

export interface OptionSpec {
  readonly type: 'text' | 'list' | 'flag'
  /** How its value is written, such as `TIME`; not for flags. */
  readonly value?: string
  readonly words: string
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>

export interface Command {
  /** As it is typed: `key new`. */
  readonly name: string
  readonly words: string
  /** Operands as the help shows them: `NAME`, `[APP]`, `RELAY…`. */
  readonly operands: readonly string[]
  readonly options: OptionSpecs
  /** One line that works as it stands, without the program's name. */
  readonly example: string
  /** More to know, in whole lines. */
  readonly notes?: readonly string[]
  /** What it asks of the daemon. */
  readonly operations: readonly OperationName[]
  /** It handles keys or passphrases: the process is closed up first. */
  readonly handlesSecrets?: boolean
  run(context: Context, call: Call): Promise<Outcome>
}

export interface Outcome {
  /** What `--json` prints; undefined if all was printed on the way. */
  readonly json?: unknown
  /** What people see, without a final line end; strangers' texts are clean. */
  readonly text?: string
  readonly exit?: ExitCode
}

/** What a command line said. */
export interface Call {
  readonly command: Command
  readonly json: boolean
  /** By position, from 0. */
  operand(index: number): string | undefined
  /** The operand, or an error that shows the usage. */
  need(index: number): string
  operands(): readonly string[]
  text(option: string): string | undefined
  flag(option: string): boolean
  list(option: string): readonly string[]
}

/** The world of a command: what it reads from and writes to. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether there is a person at a terminal. */
  readonly interactive: boolean
  /** Whether stdout is a terminal. */
  readonly showsTerminal: boolean
  /** Writes to stdout, with a line end. */
  print(line: string): void
  /** Writes a line of the daemon's log. Default: `print`. */
  log?(line: string): void
  /** Writes to stderr, with a line end. */
  warn(line: string): void
  /** Aborted by Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal
  now(): number
}

export interface Places {
  /** The daemon's socket. */
  readonly socket: string
  /** Where the vault and the store are. */
  readonly data: string
  readonly vault: string
  /** The settings file that is read if it is there. */
  readonly config: string
}

export interface Context {
  readonly io: Io
  places(): Promise<Places>
  /** The daemon's API; a call fails with `daemon/not-running` if there is none. */
  api(): Promise<ApiClient>
  /** Whether the command line names a daemon elsewhere (`--url`). */
  readonly remote: boolean
}

export function usageProblem(call: Call | Command, words: string): CommandProblem {
  const command = 'command' in call ? call.command : call
  return new CommandProblem('usage', `${words}: nip46-bunker ${command.example}`)
}
