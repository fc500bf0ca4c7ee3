/** What docs/running.md gives to systemd: read by systemd itself, where it is there. */

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readText, root } from './workspace.ts'

const document = readText('docs/running.md')
const unit = /^```ini\n([\s\S]*?)^```/m.exec(document)?.[1] ?? ''
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0
if (!hasSystemd) console.warn('skipped: systemd-analyze is not on this machine')

test('the unit leaves Node its compiler and keeps keys out of core files', () => {
  expect(unit).toContain('LimitCORE=0')
  expect(unit).not.toMatch(/^MemoryDenyWriteExecute=/m)
})

test.skipIf(!hasSystemd)('systemd reads the unit without a remark', () => {
  const folder = join(root, '.ci/out/running')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'nip46-bunker.service')
  // Only what is on every machine: the programs and the user are made by the steps above it.
  writeFileSync(
    file,
    unit.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`).replace(/^User=.*\n/m, ''),
  )
  const output = execFileSync('systemd-analyze', ['verify', file], { encoding: 'utf8', stdio: 'pipe' })
  expect(output).toBe('')
})
