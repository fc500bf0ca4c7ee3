/** The API reference can be made: every link in a comment leads somewhere, and every public class and interface says what it is. */

import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { root } from './workspace.ts'

test('typedoc makes it without a warning', async () => {
  const out = await mkdtemp(join(tmpdir(), 'nip46-reference-'))
  try {
    const typedoc = join(root, 'docs/reference/node_modules/.bin/typedoc')
    const options = { cwd: join(root, 'docs/reference'), env: { ...process.env, NO_COLOR: '1' } }
    const failure = await promisify(execFile)(typedoc, ['--out', out], options).then(
      () => '',
      (error: Error & { readonly stdout: string }) => `${error.message}\n${error.stdout}`,
    )
    expect(failure).toBe('')
  } finally {
    await rm(out, { recursive: true })
  }
})
