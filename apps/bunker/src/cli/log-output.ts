/**
 * Where the daemon's log goes: to standard output. In a file on a full disk it has gaps, and says how long they are.
 * Never ends the daemon for want of room.
 */

import { fstatSync, writeSync } from 'node:fs'

/** Why a line is lost and the daemon goes on. */
const NO_ROOM: readonly unknown[] = ['ENOSPC', 'EDQUOT', 'EFBIG']

/**
 * Writes a line to `fd` where that is a file; `otherwise` takes it elsewhere, as a terminal and a pipe are never full. `now` is in Unix
 * milliseconds. Throws what has nothing to do with room.
 */
export function createLogOutput(
  otherwise: (line: string) => void,
  { fd = 1, now }: { readonly fd?: number; readonly now: () => number },
): (line: string) => void {
  if (!isFile(fd)) return otherwise
  let lost = 0
  let isMidLine = false

  const write = (line: string): void => {
    const bytes = Buffer.from(`${isMidLine ? '\n' : ''}${line}\n`)
    for (let at = 0; at < bytes.length; ) {
      at += writeSync(fd, bytes, at)
      isMidLine = at < bytes.length
    }
  }

  return (line) => {
    try {
      if (lost > 0) {
        const gap = { at: new Date(now()).toISOString(), level: 'warning', event: 'log-lost', count: lost }
        write(JSON.stringify(gap))
        lost = 0
      }
      write(line)
    } catch (cause) {
      if (!NO_ROOM.includes((cause as NodeJS.ErrnoException).code)) throw cause
      lost += 1
    }
  }
}

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile()
  } catch {
    return false
  }
}
