/**
 * A program that runs to its end and says what it found as JSON on its standard output.
 * Never waits longer than its time limit, and tells what went wrong in the program's own words.
 */

import { execFile } from 'node:child_process'

const TIMEOUT_MS = 300_000

export function runProgram<T>(node: string, args: readonly string[]): Promise<T> {
  return new Promise((resolve, reject) => {
    execFile(node, [...args], { timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout) as T)
      else reject(new Error(/^\w*Error: .*/m.exec(stderr)?.[0] ?? error.message))
    })
  })
}
