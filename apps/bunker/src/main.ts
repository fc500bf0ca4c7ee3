#!/usr/bin/env node
/**
 * The bunker's program: hands the command line to `cli/`, and this process to it.
 * Never takes a secret as an argument.
 */

import { runCommandLine } from './cli/run-command.ts'

// SIGUSR1 would open Node's inspector, and with it the memory, to every user of this machine.
process.on('SIGUSR1', () => undefined)

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
process.once('SIGTERM', () => stop.abort())
// Whoever reads what is printed may have enough before the end, as `head` does.
process.stdout.on('error', (cause: NodeJS.ErrnoException) => {
  if (cause.code !== 'EPIPE') throw cause
  stop.abort()
})

process.exitCode = await runCommandLine(process.argv.slice(2), {
  env: process.env,
  interactive: process.stdin.isTTY === true && process.stderr.isTTY === true,
  showsTerminal: process.stdout.isTTY === true,
  print: (line) => void process.stdout.write(`${line}\n`),
  warn: (line) => void process.stderr.write(`${line}\n`),
  signal: stop.signal,
  now: () => Date.now(),
})
