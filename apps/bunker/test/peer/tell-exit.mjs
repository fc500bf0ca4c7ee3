/**
 * Loaded before a program (`--import`): tells its exit code in the file EXIT_FILE, since nobody waits for a program whose
 * terminal is closed. A program that is ended by a signal tells nothing. Its process id is in EXIT_FILE.pid.
 */

import { writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

if (isMainThread) {
  writeFileSync(`${process.env.EXIT_FILE}.pid`, `${process.pid}\n`)
  process.on('exit', (code) => writeFileSync(process.env.EXIT_FILE, `${code}\n`))
}
