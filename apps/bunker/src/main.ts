#!/usr/bin/env node
/**
 * The bunker's program: hands the command line to `cli/`, and this process to it.
 * Never takes a secret as an argument.
 */

import { EXIT } from './cli/exit-code.ts'
import { createLogOutput } from './cli/log-output.ts'
import { runCommandLine } from './cli/run-command.ts'

// SIGUSR1 would open Node's inspector, and with it the memory, to every user of this machine.
process.on('SIGUSR1', () => undefined)

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
process.once('SIGTERM', () => stop.abort())
// A terminal that is closed asks to stop. Without one, as under nohup, SIGHUP stays as it was set.
const { stdin } = process
if (stdin.isTTY === true) {
  let isGone = false
  process.on('SIGHUP', () => {
    // The shell and the system may both say it.
    if (isGone) return
    isGone = true
    process.emit('SIGTERM', 'SIGTERM')
  })
  // What is gone has no mode to go back to: prompts that try would end the process with an error of their own.
  const setRawMode = stdin.setRawMode.bind(stdin)
  stdin.setRawMode = (mode) => (isGone || stdin.readableEnded ? stdin : setRawMode(mode))
}
// Whoever reads what is printed may have enough before the end, as `head` does, or be gone with the terminal.
for (const stream of [stdin, process.stdout, process.stderr])
  stream.on('error', (cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EPIPE' && cause.code !== 'EIO') throw cause
    stop.abort()
  })

// Nothing is left to wait for, and there is no result: the terminal at which something was asked is gone.
process.exitCode = EXIT.cancelled
const print = (line: string): void => void process.stdout.write(`${line}\n`)
void runCommandLine(process.argv.slice(2), {
  env: process.env,
  interactive: stdin.isTTY === true && process.stderr.isTTY === true,
  showsTerminal: process.stdout.isTTY === true,
  print,
  log: createLogOutput(print, { now: Date.now }),
  warn: (line) => void process.stderr.write(`${line}\n`),
  signal: stop.signal,
  now: () => Date.now(),
}).then((code) => {
  process.exitCode = code
})
