/**
 * Runs `committer.ts`, perhaps under another program, and reads what it says.
 * Never leaves a process behind its test.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const ENTRY = fileURLToPath(new URL('./committer.ts', import.meta.url))

export interface Committer {
  readonly child: ChildProcess
  readonly lines: string[]
  /** The first line that `wanted` takes, after the one that was waited for before. Rejects if the process ended without one. */
  line(wanted: (line: string) => boolean): Promise<string>
  kill(): Promise<void>
}

export function startCommitter(
  file: string,
  { start = 0, parallel = 8, patienceMs = '', under = [] as readonly string[] } = {},
): Committer {
  const command = [
    ...under,
    process.execPath,
    '--conditions=@nip46/source',
    ENTRY,
    file,
    String(start),
    String(parallel),
    patienceMs,
  ]
  const child = spawn(command[0] as string, command.slice(1), {
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  })
  const lines: string[] = []
  let at = 0
  const watchers = new Set<() => void>()
  let rest = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const pieces = (rest + text).split('\n')
    rest = pieces.pop() ?? ''
    lines.push(...pieces)
    for (const watcher of watchers) watcher()
  })
  let isOver = false
  const over = new Promise<void>((resolve) => {
    child.once('close', () => {
      isOver = true
      for (const watcher of watchers) watcher()
      resolve()
    })
  })
  const kill = async (): Promise<void> => {
    // The whole group: who is traced outlives the tracer.
    if (!isOver && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    await over
  }
  onTestFinished(kill)
  return {
    child,
    lines,
    kill,
    line(wanted) {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          while (at < lines.length) {
            const line = lines[at++] ?? ''
            if (!wanted(line)) continue
            watchers.delete(look)
            return resolve(line)
          }
          if (!isOver) return
          watchers.delete(look)
          reject(new Error(`the process ended: ${lines.slice(-3).join(' | ')}`))
        }
        watchers.add(look)
        look()
      })
    },
  }
}
