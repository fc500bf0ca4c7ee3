/**
 * What keeps the memory of this process to itself: no inspector, no core file, no file that others may read.
 * Never pretends: what could not be done is said, with what to do instead. Root, and a debugger of the same user where the
 * system allows that (`kernel.yama.ptrace_scope` 0), still get in.
 */

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { url as inspectorUrl } from 'node:inspector'
import { UsageError } from '@nip46/core'

/** Options of Node that show its memory to others, or write it down. */
const REVEALING =
  /^--(inspect(-brk|-wait|-port|-publish-uid)?|debug-port|heapsnapshot-signal|heapsnapshot-near-heap-limit|heap-prof|abort-on-uncaught-exception)(=|$)/

export interface Hardening {
  /** One sentence on each thing that could not be done, and what to do about it. Empty if all is well. */
  readonly warnings: readonly string[]
}

/**
 * Call it first of all, before there is a secret. Throws `UsageError` if this Node shows its memory: with `--inspect`, on
 * any address, every user of this machine could read the keys.
 */
export function hardenProcess(): Hardening {
  keepInspectorShut()
  refuseRevealingOptions([...process.execArgv, ...optionsOf(process.env['NODE_OPTIONS'])], inspectorUrl())
  process.umask(0o077)
  const core = turnCoreFilesOff()
  return { warnings: core === undefined ? [] : [core] }
}

/** SIGUSR1 opens the inspector of Node, unless somebody listens for it. Ctrl-C and the rest stay as they are. */
function keepInspectorShut(): void {
  if (!process.listeners('SIGUSR1').includes(ignore)) process.on('SIGUSR1', ignore)
}

function ignore(): void {
  return undefined
}

/** Throws `UsageError` that names the option. `open` is the address of an inspector that listens already. */
export function refuseRevealingOptions(options: readonly string[], open: string | undefined): void {
  const found = options.find((option) => REVEALING.test(option.replaceAll('_', '-')))
  if (found !== undefined)
    throw new UsageError(
      `Node was started with ${found.split('=')[0]}, which shows its memory: start it without`,
    )
  if (open !== undefined)
    throw new UsageError('the inspector of Node is open, which shows its memory: start without --inspect')
}

function optionsOf(text: string | undefined): readonly string[] {
  return text?.split(/\s+/).filter((part) => part !== '') ?? []
}

/**
 * Sets the limit of core files to one byte, for good. Not to none: Linux then still hands the memory to a program that
 * `kernel.core_pattern` names, and with one byte it does not. Returns what to do where that did not work.
 */
function turnCoreFilesOff(): string | undefined {
  if (coreFileBytes() !== undefined) {
    // Of util-linux; it can set the limits of another process of this user. Node itself has no such call.
    spawnSync('prlimit', ['--core=1:1', '--pid', String(process.pid)], { stdio: 'ignore', timeout: 5_000 })
    const bytes = coreFileBytes()
    if (bytes !== undefined && bytes <= 1) return undefined
  }
  return 'a crash may write this memory to a core file: start under "ulimit -c 0", or with LimitCORE=0 in the unit'
}

/** The limit in force, `Infinity` for none; undefined where the system does not say. */
export function coreFileBytes(): number | undefined {
  try {
    const line = /^Max core file size\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
    if (line?.[1] === undefined) return undefined
    return line[1] === 'unlimited' ? Number.POSITIVE_INFINITY : Number(line[1])
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause) return undefined
    throw cause
  }
}
