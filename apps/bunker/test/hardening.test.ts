/**
 * The process keeps its memory to itself: tried in processes of their own.
 */

import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { refuseRevealingOptions } from '../src/keys/hardening.ts'

const source = fileURLToPath(new URL('../src/keys/hardening.ts', import.meta.url))
const script = (after: string): string =>
  `import { coreFileBytes, hardenProcess } from ${JSON.stringify(source)}; const hardened = hardenProcess(); ${after}`
const FLAGS = ['--conditions=@nip46/source', '--input-type=module', '-e']

test('SIGUSR1 opens the inspector of a plain Node, and not of a hardened one', async () => {
  const opened = async (code: string, waitMs: number): Promise<boolean> => {
    const child = spawn(
      process.execPath,
      [...FLAGS, `${code}; console.log('up'); setInterval(() => 0, 1000)`],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, NODE_OPTIONS: '' },
      },
    )
    let errors = ''
    child.stderr.on('data', (chunk) => {
      errors += chunk
    })
    try {
      await new Promise((resolve, reject) => {
        child.stdout.once('data', resolve)
        child.once('exit', () => reject(new Error(errors)))
      })
      child.kill('SIGUSR1')
      const until = Date.now() + waitMs
      while (Date.now() < until && !/listening on ws/.test(errors))
        await new Promise((go) => setTimeout(go, 50))
      const address = /listening on ws:\/\/127\.0\.0\.1:(\d+)/.exec(errors)
      return address !== null && (await reachable(Number(address[1])))
    } finally {
      child.kill('SIGKILL')
    }
  }
  expect(await opened('0', 60_000)).toBe(true)
  expect(await opened(script(''), 1_500)).toBe(false)
})

function reachable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

test('a hardened process writes no core file when it crashes, and its files are its own', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nip46-core-'))
  try {
    const run = spawnSync(
      process.execPath,
      [
        ...FLAGS,
        script(
          'console.log(JSON.stringify([hardened.warnings, coreFileBytes(), process.umask()])); process.abort()',
        ),
      ],
      { cwd: folder, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } },
    )
    const [warnings, bytes, umask] = JSON.parse(run.stdout.split('\n')[0] ?? '')
    // Where the system cannot do it, it says so.
    if (warnings.length === 0) expect(bytes).toBeLessThanOrEqual(1)
    else expect(warnings[0]).toContain('ulimit -c 0')
    expect(umask).toBe(0o077)
    expect(run.signal).toBe('SIGABRT')
    if (warnings.length === 0) expect(await readdir(folder)).toEqual([])
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('a Node that shows its memory is refused, and the option is named', () => {
  for (const option of [
    '--inspect',
    '--inspect=0.0.0.0:9229',
    '--inspect-brk=127.0.0.1:0',
    '--inspect_wait',
    '--inspect-port=1',
    '--heapsnapshot-signal=SIGUSR2',
    '--heapsnapshot-near-heap-limit=1',
    '--heap-prof',
    '--abort-on-uncaught-exception',
  ])
    expect(() => refuseRevealingOptions([option], undefined), option).toThrow('shows its memory')
  expect(() =>
    refuseRevealingOptions(['--conditions=x', '--heap-profile-is-no-option'], undefined),
  ).not.toThrow()
  expect(() => refuseRevealingOptions([], 'ws://127.0.0.1:9229/x')).toThrow('inspector')
  for (const options of [
    { args: ['--inspect=127.0.0.1:0'], env: '' },
    { args: [], env: '--inspect=127.0.0.1:0' },
  ]) {
    const run = spawnSync(process.execPath, [...options.args, ...FLAGS, script('console.log("ran")')], {
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: options.env },
    })
    expect(run.stdout).toBe('')
    expect(run.stderr).toContain('Node was started with --inspect, which shows its memory')
    expect(run.status).not.toBe(0)
  }
})
