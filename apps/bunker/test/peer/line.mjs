/**
 * How a peer process talks to the test that started it: one JSON value a line, both ways.
 * Never prints anything else on standard output.
 */

import { createInterface } from 'node:readline'

export function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

const lines = createInterface({ input: process.stdin })
const waiting = []
const queued = []
lines.on('line', (line) => {
  const next = waiting.shift()
  if (next === undefined) queued.push(JSON.parse(line))
  else next(JSON.parse(line))
})

/** The next message of the test. */
export function hear() {
  return queued.length > 0 ? Promise.resolve(queued.shift()) : new Promise((resolve) => waiting.push(resolve))
}

/** Runs a peer to its end: what it throws becomes its last message. */
export async function run(peer) {
  try {
    await peer()
    say({ type: 'done' })
    process.exit(0)
  } catch (cause) {
    say({
      type: 'failed',
      message: cause instanceof Error ? `${cause.message}\n${cause.stack}` : String(cause),
    })
    process.exit(1)
  }
}
