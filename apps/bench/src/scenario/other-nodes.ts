/**
 * NIP-44 on the other Nodes of this machine: its cost depends on what the host's own crypto and base64 do.
 * Never looks further than the list it is given and PATH.
 */

import { execFile } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { promisify } from 'node:util'
import { reasonOf } from '../must.ts'
import { bundle } from '../process/bundle.ts'
import { runProgram } from '../process/program.ts'
import type { Figure, NotRun } from '../report/data.ts'
import type { Outcome } from './memory.ts'

const run = promisify(execFile)

/** `nip44 encrypt 1 KB` on another Node. */
function onNode(scenario: string, version: string): string {
  return `${scenario}, Node ${version.replace(/^v/, '')}`
}

export async function measureOtherNodes(
  programs: readonly string[],
  rounds: number,
  onProgress?: (label: string, done: number) => void,
): Promise<Outcome> {
  const figures: Figure[] = []
  const notRun: NotRun[] = []
  const leaveOut = (subject: string, reason: string): void => {
    notRun.push({ group: 'other-node', scenario: 'nip44 on other Nodes', subject, reason })
  }
  if (programs.length === 0) leaveOut('all', 'no other Node is on PATH; name one with --node FILE')
  for (const [i, program] of programs.entries()) {
    onProgress?.(`nip44 on ${program}`, i / programs.length)
    try {
      const bundled = await bundle('process/nip44-process')
      const { node, figures: measured } = await runProgram<{
        readonly node: string
        readonly figures: readonly Figure[]
      }>(program, [bundled, String(rounds)])
      figures.push(
        ...measured.map((figure) => ({
          ...figure,
          group: 'other-node' as const,
          scenario: onNode(figure.scenario, node),
        })),
      )
    } catch (cause) {
      leaveOut(program, reasonOf(cause))
    }
  }
  return { figures, notRun }
}

/** Every `node` on PATH of another version than this one, once each. */
export async function findOtherNodes(path: string = process.env['PATH'] ?? ''): Promise<readonly string[]> {
  const files = path.split(':').map((folder) => `${folder}/node`)
  const found = new Map<string, string>()
  for (const file of new Set(files.filter((name) => existsSync(name)).map((name) => realpathSync(name)))) {
    try {
      const { stdout } = await run(file, ['--version'], { timeout: 10_000 })
      const version = stdout.trim()
      if (/^v\d+\.\d+\.\d+$/.test(version) && version !== process.version && !found.has(version))
        found.set(version, file)
    } catch (cause) {
      // Something else is called node here: it is not a Node to measure on.
      if (!(cause instanceof Error)) throw cause
    }
  }
  return [...found.values()]
}
