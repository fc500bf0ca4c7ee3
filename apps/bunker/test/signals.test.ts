/** A fault that nobody caught, in a process of its own: told without secrets, and the process ends. A signal while a daemon starts. */

import { execFile } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { runUntilSignal } from '../src/daemon/signals.ts'

const source = (path: string): string => JSON.stringify(fileURLToPath(new URL(path, import.meta.url)))
const SECRET = 'nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5'

function run(code: string): Promise<{ readonly code: unknown; readonly out: string; readonly err: string }> {
  return new Promise((resolve) => {
    const args = ['--conditions=@nip46/source', '--input-type=module', '-e', code]
    execFile(process.execPath, args, { timeout: 150_000 }, (failure, out, err) =>
      resolve({ code: failure?.code ?? 0, out, err }),
    )
  })
}

test.each([
  ['an exception', `setImmediate(() => { throw new Error('broken ${SECRET}') })`],
  ['a rejection', `setImmediate(() => void Promise.reject(new Error('broken ${SECRET}')))`],
])('%s ends the process with 1, is logged masked, and closes nothing politely', async (_name, fault) => {
  const ran = await run(`
    import { createLog } from ${source('../src/daemon/log.ts')}
    import { runUntilSignal } from ${source('../src/daemon/signals.ts')}
    const log = createLog({ level: 'info', now: Date.now, print: (line) => process.stdout.write(line + '\\n') })
    const close = async () => console.log('CLOSED')
    setInterval(() => undefined, 1_000)
    ${fault}
    await runUntilSignal({ stopped: new Promise(() => undefined), close, fault: async (cause) => log.fault('crashed', cause) }, new AbortController().signal)
  `)
  expect([ran.code, ran.err]).toEqual([1, ''])
  expect(JSON.parse(ran.out)).toMatchObject({ level: 'error', event: 'crashed', error: 'Error: broken […]' })
})

test('a daemon that was asked to stop while it started stops at once, and a second time the process ends', async () => {
  const exits: number[] = []
  const source = Object.assign(new EventEmitter(), { exit: (code: number) => exits.push(code) })
  let closes = 0
  let stop = (): void => undefined
  const stopped = new Promise<void>((resolve) => {
    stop = resolve
  })
  const daemon = {
    stopped,
    close: async () => {
      closes += 1
    },
    fault: async () => undefined,
  }
  const run = runUntilSignal(daemon, AbortSignal.abort(), source)
  expect([closes, exits]).toEqual([1, []])
  source.emit('SIGTERM')
  expect(exits).toEqual([130])
  stop()
  await run
  expect(source.eventNames()).toEqual([])
})
