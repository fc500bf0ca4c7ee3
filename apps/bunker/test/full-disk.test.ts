/** A disk that is full while apps ask: each of them is answered, the owner is told what to do, and it goes on by itself. */

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { connectApp, startWorld, until } from './daemon-world.ts'

const canMount = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0
if (!canMount) console.warn('skipped: a full disk needs root and mount')

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
