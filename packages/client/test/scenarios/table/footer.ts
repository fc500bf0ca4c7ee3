/**
 * The figures below the table: what is asked of this client in numbers, of the others too.
 * Never a bar: what had to be reached is said in the words of each figure.
 */

import { type Hostility, playHostility, type Verdict } from '@nip46/testing/client-scenarios'
import type { Contestant } from './contestant.ts'
import { type Cell, parties } from './play-all.ts'
import type { FooterLine } from './render.ts'

/** Messages of a hostile remote signer and of strangers at each client. */
const HOSTILE_MESSAGES = 10_000

export async function playFooter(
  contestants: readonly Contestant[],
  cells: readonly Cell[],
): Promise<readonly FooterLine[]> {
  const runs = new Map<string, Hostility>()
  await Promise.all(
    contestants.map(async (contestant) => {
      const startClient = () => contestant.start()
      const run = await playHostility({ ...parties, messages: HOSTILE_MESSAGES, startClient })
      runs.set(contestant.name, run)
    }),
  )
  const line = (figure: string, read: (name: string) => string): FooterLine => ({
    figure,
    values: Object.fromEntries(contestants.map(({ name }) => [name, read(name)])),
  })
  const verdict = (name: string, row: number): Verdict | undefined =>
    cells.find((cell) => cell.contestant === name && cell.row === row)?.verdict
  const words = (name: string, row: number): string => {
    const found = verdict(name, row)
    if (found === undefined) return 'not played'
    return found.passed === true ? found.what : 'never'
  }
  const messages = HOSTILE_MESSAGES.toLocaleString('en-US')
  return [
    line('relay drop in flight, answer 3 s later', (name) => words(name, 20).replace(/^signed /, '')),
    line('the process after close()', (name) => words(name, 32)),
    line(`unhandled rejections or exits, ${messages} hostile messages`, (name) =>
      describeHostility(runs.get(name)),
    ),
  ]
}

function describeHostility(run: Hostility | undefined): string {
  if (run === undefined) return 'not played'
  const { messages, exits, signsAfter } = run
  if (signsAfter === undefined) return 'could not log in'
  if (exits > 0) return `exits within the first ${messages.toLocaleString('en-US')}`
  return signsAfter ? '0, and then signs' : '0, no signature within 30 s after them'
}
