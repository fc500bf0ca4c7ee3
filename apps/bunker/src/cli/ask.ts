/**
 * Questions to the person at the terminal, on stderr. Never takes silence, Ctrl-C or a missing terminal for a yes.
 */

import type { Call, Context } from './command.ts'
import { EXIT } from './exit-code.ts'
import { CommandProblem } from './problem.ts'

/** Resolves if the answer is yes, or `--yes` was given; rejects otherwise. */
export async function confirmOrStop(context: Context, call: Call, question: string): Promise<void> {
  if (call.flag('yes')) return
  if (!context.io.interactive)
    throw new CommandProblem('usage', `${question} There is no terminal to ask at: give --yes`)
  const { confirm } = await import('@clack/prompts')
  const answer = await confirm({
    message: question,
    initialValue: false,
    output: process.stderr,
    signal: context.io.signal,
  })
  if (answer !== true) throw cancelled()
}

export function cancelled(): CommandProblem {
  return new CommandProblem('cancelled', 'cancelled: nothing was done', EXIT.cancelled)
}
