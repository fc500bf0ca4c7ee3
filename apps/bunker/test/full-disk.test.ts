/** A disk that is full: apps are answered, the owner is told what to do, and everything goes on by itself. */

import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createLogOutput } from '../src/cli/log-output.ts'
import { connectApp, startWorld, until } from './daemon-world.ts'

const canMount = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0
if (!canMount) console.warn('skipped: a full disk needs root and mount')

function mountDisk(size: string): string {
  const disk = mkdtempSync(join(tmpdir(), 'nip46-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'tmpfs', disk])
  onTestFinished(() => {
    execFileSync('umount', ['-l', disk])
    rmSync(disk, { recursive: true, force: true })
  })
  return disk
}

test.skipIf(!canMount)(
  'a full disk is told to apps and to the owner, until there is room again',
  async () => {
    const disk = mkdtempSync(join(tmpdir(), 'nip46-disk-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=0700', 'tmpfs', disk])
    onTestFinished(() => {
      execFileSync('umount', ['-l', disk])
      rmSync(disk, { recursive: true, force: true })
    })
    const world = await startWorld({ flags: { store: `sqlite:${join(disk, 'store.sqlite')}` } })
    onTestFinished(() => world.close())
    const app = await connectApp(world, { json: { v: 1, preset: 'full', rules: [], rates: { sign: null } } })
    const sign = (): Promise<unknown> =>
      app.signEvent({ kind: 1, content: 'a note' }, { timeout: 60_000 }).then(
        () => 'signed',
        (cause: Error) => cause.message,
      )
    expect(await sign()).toBe('signed')
    const ballast = join(disk, 'ballast')
    spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4096'])
    // What is left of its last page may still take some.
    expect(await until(async () => (await sign()) !== 'signed' && sign())).toBe(
      'unavailable: storage cannot be written',
    )

    const words = 'no space is left for the store: make room, it goes on by itself'
    const { ready, checks } = await world.api.call('status.get')
    expect([ready, checks.find(({ name }) => name === 'store')?.words]).toEqual([
      false,
      expect.stringContaining(words),
    ])
    const { findings } = await world.api.call('doctor.get')
    expect(findings.find(({ what }) => what === 'store')).toMatchObject({
      level: 'error',
      fix: expect.stringContaining(words),
    })
    await expect(world.api.call('link.create', {})).rejects.toThrow(words)
    const alert = world.log.map((line) => JSON.parse(line)).find(({ ailment }) => ailment === 'store')
    expect(alert).toMatchObject({ level: 'error', event: 'degraded', reason: expect.stringContaining(words) })

    rmSync(ballast)
    await until(async () => (await world.api.call('status.get')).ready)
    expect(await sign()).toBe('signed')
  },
)

test.skipIf(!canMount)('a log in a file on a full disk has gaps, and says how long they are', () => {
  const disk = mountDisk('64k')
  const file = join(disk, 'log')
  const fd = openSync(file, 'a')
  onTestFinished(() => closeSync(fd))
  const write = createLogOutput(() => expect.unreachable(), { fd, now: () => 1_767_225_600_000 })
  write('"first"')
  // A page and a half is left.
  spawnSync('dd', ['if=/dev/zero', `of=${join(disk, 'ballast')}`, 'bs=4096', 'count=14'])
  const long = JSON.stringify('x'.repeat(3_000))
  for (let n = 0; n < 10; n++) write(long)
  rmSync(join(disk, 'ballast'))
  write('"last"')
  const lines = readFileSync(file, 'utf8').split('\n')
  expect(lines.at(-1)).toBe('')
  const whole = lines.slice(0, -1).flatMap((line) => {
    try {
      return [JSON.parse(line) as unknown]
    } catch {
      return []
    }
  })
  const kept = whole.filter((line) => line === JSON.parse(long)).length
  expect(whole).toEqual([
    'first',
    ...Array(kept).fill(JSON.parse(long)),
    { at: '2026-01-01T00:00:00.000Z', level: 'warning', event: 'log-lost', count: 10 - kept },
    'last',
  ])
  expect(kept).toBeLessThan(10)
  // The one line that did not fit, at most.
  expect(lines.length - 1 - whole.length).toBeLessThanOrEqual(1)

  // As `copytruncate` of logrotate does it.
  truncateSync(file)
  write('"after"')
  expect(readFileSync(file, 'utf8')).toBe('"after"\n')
})

test('what is no file gets its lines as ever', () => {
  const lines: string[] = []
  const fd = openSync('/dev/null', 'a')
  createLogOutput((line) => lines.push(line), { fd, now: Date.now })('"a line"')
  closeSync(fd)
  expect(lines).toEqual(['"a line"'])
})
