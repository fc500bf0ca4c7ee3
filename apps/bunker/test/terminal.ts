/**
 * The program at a terminal: a pseudo terminal by `script` of util-linux, which every Debian has.
 * Never outlives its test: whoever starts one calls `end`.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { type ProgramOptions, programEnv, programWords } from './daemon-process.ts'
import { until } from './daemon-world.ts'

const SCRIPT = '/usr/bin/script'
const TELL_EXIT = fileURLToPath(new URL('./peer/tell-exit.mjs', import.meta.url))

/** Why there is no terminal here; undefined if there is one. */
export const missingTerminal: string | undefined = existsSync(SCRIPT) ? undefined : `there is no ${SCRIPT}`

export const KEYS = { enter: '\r', down: '\x1b[B', ctrlC: '\x03', ctrlD: '\x04' } as const

const HIDE_CURSOR = '\x1b[?25l'
const SHOW_CURSOR = '\x1b[?25h'

export interface Terminal {
  /** Everything that was shown so far, without colours and movements. */
  readonly shown: () => string
  /** Waits for this to be shown, after what was waited for before; returns what was shown up to it. */
  waitFor(pattern: RegExp): Promise<string>
  type(keys: string): void
  /** To the program alone, as `kill` and systemd send it. */
  signal(name: NodeJS.Signals): Promise<void>
  /** Whether the terminal is as the program found it: its mode and its cursor. Settles after the program's end. */
  isRestored(): Promise<boolean>
  /** Closes the terminal's window. */
  hangUp(): void
  /** The program's exit code. */
  readonly exit: Promise<number>
  end(): Promise<void>
}

let terminals = 0

export function startTerminal(args: readonly string[], options: ProgramOptions): Terminal {
  const [node = '', ...words] = [...programWords(options), ...args]
  const quoted = [node, '--import', TELL_EXIT, ...words].map((word) => `'${word.replaceAll("'", "'\\''")}'`)
  const result = join(options.directory, `terminal-${terminals++}`)
  const mode = 'stty -g | tr -d "\\n"'
  const command = `stty cols 120 rows 40; before=$(${mode}); trap : INT; ${quoted.join(' ')}; echo "mode $before $(${mode}) end"`
  const child = spawn(SCRIPT, ['-qc', command, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...programEnv(options), SHELL: '/bin/sh', TERM: 'xterm', EXIT_FILE: result },
  })
  let text = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  child.stdin.on('error', () => undefined)
  const closed = once(child, 'close')
  const shown = (): string => stripVTControlCharacters(text)
  let seen = 0
  const exit = until(async () => {
    const code = await readFile(result, 'utf8').catch(() => '')
    return code.endsWith('\n') && { code: Number(code) }
  }, 120_000).then(({ code }) => code)
  exit.catch(() => undefined)
  return {
    shown,
    async waitFor(pattern) {
      const found = await until(() => pattern.exec(shown().slice(seen)) ?? undefined).catch((cause) => {
        throw new Error(`${pattern} was not shown:\n${shown().slice(seen)}`, { cause })
      })
      const upTo = seen + found.index + found[0].length
      const part = shown().slice(seen, upTo)
      seen = upTo
      return part
    },
    type: (keys) => void child.stdin.write(keys),
    async signal(name) {
      const pid = await until(async () => {
        const text = await readFile(`${result}.pid`, 'utf8').catch(() => '')
        return text.endsWith('\n') && text
      })
      process.kill(Number(pid), name)
    },
    async isRestored() {
      const [, before, after] = await until(() => /mode (\S+) (\S+) end/.exec(shown()) ?? undefined)
      return before === after && text.lastIndexOf(SHOW_CURSOR) >= text.lastIndexOf(HIDE_CURSOR)
    },
    hangUp: () => void child.kill('SIGKILL'),
    exit,
    async end() {
      child.kill('SIGKILL')
      await closed
    },
  }
}
