/**
 * Where passphrases come from: each source, at its bounds, and what is refused.
 */

import { spawn } from 'node:child_process'
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PASSPHRASE_BYTES } from '../src/keys/limits.ts'
import { readPassphrase } from '../src/keys/passphrase.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nip46-pass-'))
})
afterAll(() => rm(folder, { recursive: true }))

const text = async (reading: Promise<Uint8Array>): Promise<string> => new TextDecoder().decode(await reading)
async function file(name: string, content: string, mode = 0o600): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  await chmod(path, mode)
  return path
}

test('a file: to the letter, but for the line end', async () => {
  const read = async (content: string): Promise<string> =>
    text(readPassphrase({ type: 'file', path: await file('word', content) }))
  expect(await read('correct horse')).toBe('correct horse')
  expect(await read(' correct horse \n')).toBe(' correct horse ')
  expect(await read('correct horse\r\n')).toBe('correct horse')
  expect(await read('two\nlines\n\n')).toBe('two\nlines\n')
  expect(await read('ü'.repeat(PASSPHRASE_BYTES / 2))).toHaveLength(PASSPHRASE_BYTES / 2)
  expect(await read(`${'x'.repeat(PASSPHRASE_BYTES)}\r\n`)).toHaveLength(PASSPHRASE_BYTES)
})

test('a file that others may read, a link, a folder, an empty or too long one, or none: one code each', async () => {
  const refused = async (path: string, code: string): Promise<void> =>
    expect(readPassphrase({ type: 'file', path })).rejects.toMatchObject({ code })
  await refused(await file('open', 'x', 0o640), 'key/permissions')
  await symlink(await file('real', 'x'), join(folder, 'link'))
  await refused(join(folder, 'link'), 'key/permissions')
  await refused(folder, 'key/permissions')
  await refused(await file('empty', '\n'), 'passphrase/empty')
  await refused(await file('long', 'x'.repeat(PASSPHRASE_BYTES + 1)), 'passphrase/too-long')
  await refused(await file('longer', 'x'.repeat(100_000)), 'passphrase/too-long')
  await refused(join(folder, 'nowhere'), 'passphrase/unavailable')
  await refused(join(folder, 'real', 'below'), 'passphrase/unavailable')
})

test('a systemd credential: by its name only', async () => {
  await file('vault-pass', 'from systemd')
  const environment = { CREDENTIALS_DIRECTORY: folder }
  const read = (name: string, env: object = environment): Promise<Uint8Array> =>
    readPassphrase({ type: 'credential', name }, { environment: { ...env } })
  expect(await text(read('vault-pass'))).toBe('from systemd')
  // An entry of an access control list for the service's user looks like the right of a group.
  await file('shared', 'by a list', 0o440)
  expect(await text(read('shared'))).toBe('by a list')
  for (const mode of [0o444, 0o460, 0o450]) {
    await file('open', 'x', mode)
    await expect(read('open'), String(mode)).rejects.toMatchObject({ code: 'key/permissions' })
  }
  for (const name of ['../passwd', '', '.', '..', 'a/b', 'nowhere'])
    await expect(read(name), name).rejects.toMatchObject({ code: 'passphrase/unavailable' })
  await expect(read('vault-pass', {})).rejects.toMatchObject({ code: 'passphrase/unavailable' })
  await expect(read('vault-pass', { CREDENTIALS_DIRECTORY: '.' })).rejects.toMatchObject({
    code: 'passphrase/unavailable',
  })
})

test('a descriptor: read to its end, bounded, and closed', async () => {
  const source = fileURLToPath(new URL('../src/keys/passphrase.ts', import.meta.url))
  const code = `import { readPassphrase } from ${JSON.stringify(source)}; import { fstatSync } from 'node:fs'
    const said = await readPassphrase({ type: 'descriptor', fd: 3 }).then((bytes) => new TextDecoder().decode(bytes), (cause) => cause.code)
    let closed = false
    try { fstatSync(3) } catch { closed = true }
    console.log(JSON.stringify([said, closed]))`
  const run = (parts: readonly string[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const child = spawn(
        process.execPath,
        ['--conditions=@nip46/source', '--input-type=module', '-e', code],
        {
          stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
        },
      )
      const pipe = child.stdio[3] as NodeJS.WritableStream
      pipe.on('error', () => undefined)
      for (const part of parts) pipe.write(part)
      pipe.end()
      let out = ''
      child.stdout?.on('data', (chunk) => {
        out += chunk
      })
      child.on('close', () => (out === '' ? reject(new Error('it said nothing')) : resolve(JSON.parse(out))))
    })
  expect(await run(['correct ', 'horse\n'])).toEqual(['correct horse', true])
  expect(await run([])).toEqual(['passphrase/empty', true])
  expect(await run(['x'.repeat(PASSPHRASE_BYTES + 1)])).toEqual(['passphrase/too-long', true])
  expect(await run(['x'.repeat(1_000_000)])).toEqual(['passphrase/too-long', true])
  for (const fd of [-1, 1, 2, 1.5, 99_999])
    await expect(readPassphrase({ type: 'descriptor', fd })).rejects.toMatchObject({
      code: 'passphrase/unavailable',
    })
})

test('a prompt without a terminal says what to give instead', async () => {
  await expect(
    readPassphrase({ type: 'prompt', message: 'x' }, { interactive: false }),
  ).rejects.toMatchObject({
    code: 'passphrase/unavailable',
    message: 'there is no terminal to ask at: give a file or a descriptor',
  })
})
