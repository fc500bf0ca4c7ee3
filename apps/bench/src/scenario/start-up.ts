/**
 * From the start of a process to its first signature, and the memory it has then, beside Node with nothing loaded.
 * Never measured twice in one process.
 */

import { reasonOf } from '../must.ts'
import { bundle } from '../process/bundle.ts'
import { runProgram } from '../process/program.ts'
import type { FirstSteps } from '../process/start-up/first-steps.ts'
import type { Figure, NotRun, Unit } from '../report/data.ts'
import { type Spread, spreadOf } from '../statistics.ts'
import type { Outcome } from './memory.ts'

export const FIRST_SIGNATURE = 'start to first signature'
const START_MEMORY = 'memory over bare Node'

const NOTHING = 'bare Node'
const SUBJECTS = [
  { subject: NOTHING, file: 'nothing' },
  { subject: 'native', file: 'native' },
  { subject: 'ox', file: 'ox' },
  { subject: 'tiny', file: 'tiny' },
  { subject: 'noble', file: 'noble' },
  { subject: 'nostr-tools', file: 'nostr-tools' },
  { subject: 'nostr-tools + nostr-wasm', file: 'nostr-wasm' },
] as const

export async function measureStartUp(
  rounds: number,
  onProgress?: (label: string, done: number) => void,
): Promise<Outcome> {
  const notRun: NotRun[] = []
  const tracks: { readonly subject: string; readonly program: string; readonly steps: FirstSteps[] }[] = []
  const leaveOut = (subject: string, cause: unknown): void => {
    notRun.push({ group: 'start-up', scenario: FIRST_SIGNATURE, subject, reason: reasonOf(cause) })
  }
  for (const { subject, file } of SUBJECTS) {
    try {
      tracks.push({ subject, program: await bundle(`process/start-up/${file}`), steps: [] })
    } catch (cause) {
      leaveOut(subject, cause)
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const [i, { subject, program, steps }] of tracks.entries()) {
      onProgress?.(`${FIRST_SIGNATURE}, ${subject}`, (round + i / tracks.length) / rounds)
      try {
        if (steps.length === round) steps.push(await runProgram<FirstSteps>(process.execPath, [program]))
      } catch (cause) {
        if (steps.length === round) leaveOut(subject, cause)
      }
    }
  }
  const whole = tracks.filter(({ steps }) => steps.length === rounds)
  const bare = whole.find(({ subject }) => subject === NOTHING)?.steps ?? []
  const bareRss = spreadOf(bare.map(({ rssBytes }) => rssBytes)).median
  const figures = whole.flatMap(({ subject, steps }) => [
    figure(FIRST_SIGNATURE, subject, 'ms', steps, ({ signedMs }) => signedMs),
    ...(subject === NOTHING
      ? []
      : [figure(START_MEMORY, subject, 'MB', steps, ({ rssBytes }) => (rssBytes - bareRss) / 1_048_576)]),
  ])
  return { figures, notRun }
}

function figure(
  scenario: string,
  subject: string,
  unit: Unit,
  steps: readonly FirstSteps[],
  read: (steps: FirstSteps) => number,
): Figure {
  const value: Spread = spreadOf(steps.map(read))
  const note = unit === 'ms' ? { note: 'wall time' } : {}
  return { group: 'start-up', scenario, subject, unit, value, samples: steps.length, ...note }
}
