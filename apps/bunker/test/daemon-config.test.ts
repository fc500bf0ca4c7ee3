/** Settings from a file, the environment and the command line, and what is said about wrong ones. */

import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DEFAULTS, SETTINGS, showSetting } from '../src/daemon/config.ts'
import { AUDIT_RECORDS, AUDIT_RECORDS_MAX, AUDIT_RECORDS_MIN } from '../src/daemon/limits.ts'
import { loadConfig } from '../src/daemon/load-config.ts'
import { showStore } from '../src/daemon/store-choice.ts'

let home: string
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'nip46-config-'))
})
afterAll(() => rm(home, { recursive: true, force: true }))

async function withFile(json: unknown): Promise<string> {
  const file = join(home, 'settings.json')
  await writeFile(file, typeof json === 'string' ? json : JSON.stringify(json))
  return file
}

test('the command line wins over the environment, and that over the file', async () => {
  const file = await withFile({ relays: ['wss://one.example'], linkMinutes: 5, log: 'error' })
  const { config, sources } = await loadConfig({
    file,
    home,
    env: { NIP46_BUNKER_LINK_MINUTES: '6', NIP46_BUNKER_LOG: 'warning', OTHER: 'x' },
    flags: { log: 'debug', authPage: false, unrelated: 'x' },
  })
  expect(config).toMatchObject({
    relays: ['wss://one.example/'],
    linkMinutes: 6,
    log: 'debug',
    preset: 'standard',
  })
  expect(sources).toMatchObject({
    relays: 'file',
    linkMinutes: 'environment',
    log: 'flag',
    preset: 'default',
  })
})

test('places follow the XDG variables, and relative ones are ignored', async () => {
  const flags = { relays: 'wss://one.example' }
  const plain = await loadConfig({ home, env: {}, flags })
  expect(plain.config).toMatchObject({
    data: `${home}/.local/share/nip46-bunker`,
    socket: `${home}/.local/share/nip46-bunker/daemon.sock`,
  })
  const xdg = await loadConfig({
    home,
    env: { XDG_DATA_HOME: '/srv/data', XDG_RUNTIME_DIR: '/run/user/1', XDG_CONFIG_HOME: 'relative' },
    flags,
  })
  expect(xdg.config).toMatchObject({
    data: '/srv/data/nip46-bunker',
    socket: '/run/user/1/nip46-bunker/daemon.sock',
  })
  await mkdir(`${home}/.config/nip46-bunker`, { recursive: true })
  await writeFile(`${home}/.config/nip46-bunker/config.json`, '{"preset":"bot"}')
  expect(await loadConfig({ home, env: {}, flags })).toMatchObject({
    config: { preset: 'bot' },
    file: `${home}/.config/nip46-bunker/config.json`,
  })
})

test.for([
  [{}, {}, 'there is no relay: give "relays"'],
  [{ relay: [] }, {}, 'there is no setting "relay"'],
  [{ relays: 'wss://x.example' }, {}, 'must be a list of relay URLs'],
  [{ relays: ['ws://x.example'] }, {}, 'use wss://'],
  [{ relays: ['wss://x.example'], log: 'loud' }, {}, '"log" in'],
  [{ relays: ['wss://x.example'], linkMinutes: 0 }, {}, 'must be a whole number from 1 to'],
  [{ relays: ['wss://x.example'], data: 'here' }, {}, 'must be an absolute path'],
  [{ relays: ['wss://x.example'], http: '0.0.0.0:80' }, {}, 'tokens would travel in the clear'],
  [{ relays: ['wss://x.example'], publicUrl: 'https://b.example' }, {}, 'set "http" to 127.0.0.1:7747'],
  [
    { relays: ['wss://x.example'], http: '127.0.0.1:0', publicUrl: 'https://b.example/path' },
    {},
    'without a path',
  ],
  [{ relays: ['wss://x.example'], authPage: true }, {}, '"authPage" needs "http"'],
  [{ relays: ['wss://x.example'], store: 'mysql://x' }, {}, 'must be sqlite'],
  ['{', {}, 'is not JSON'],
  ['[]', {}, 'must be one JSON object'],
  [{ relays: ['wss://x.example'] }, { NIP46_BUNKER_RELAYZ: 'x' }, 'there is no setting NIP46_BUNKER_RELAYZ'],
  [
    { relays: ['wss://x.example'] },
    { NIP46_BUNKER_LEGACY: 'maybe' },
    'NIP46_BUNKER_LEGACY must be yes or no',
  ],
] as const)('%j with %j is told with its fix', async ([json, env, words]) => {
  await expect(loadConfig({ file: await withFile(json), home, env })).rejects.toThrow(words)
})

test('a database password is shown nowhere, and not taken from a file that others may read', async () => {
  const file = await withFile({
    relays: ['wss://one.example'],
    store: 'postgres://bunker:hunter22@db.example/bunker',
  })
  await chmod(file, 0o644)
  await expect(loadConfig({ file, home, env: {} })).rejects.toThrow('run chmod 600')
  await chmod(file, 0o600)
  const { config } = await loadConfig({ file, home, env: {} })
  expect(showStore(config.store)).toBe('postgres://db.example/bunker')
  expect(showSetting(config, 'store')).not.toContain('hunter22')
})

test('a database password on the command line is refused with the fix, whichever way it is written', async () => {
  for (const store of [
    'postgres://bunker:hunter22@db.example/b',
    'postgres://db.example/b?password=hunter22',
  ]) {
    const refused = loadConfig({ home, env: {}, flags: { relays: 'wss://one.example', store } })
    await expect(refused).rejects.toThrow('give --store without it, and --store-password-file FILE')
    await expect(refused).rejects.not.toThrow('hunter22')
    const env = { NIP46_BUNKER_STORE: store, NIP46_BUNKER_RELAYS: 'wss://one.example' }
    expect(showSetting((await loadConfig({ home, env })).config, 'store')).not.toContain('hunter22')
  }
})

test('a database password that is not percent-encoded is refused, since a part of it would be shown as the place', async () => {
  for (const store of [
    'postgres://bunker:12/34hunter22@db.example/b',
    'postgres://bunker:12?hunter22@db.example/b',
    'postgres://bunker:12#hunter22@db.example/b',
  ]) {
    const env = { NIP46_BUNKER_STORE: store, NIP46_BUNKER_RELAYS: 'wss://one.example' }
    const refused = loadConfig({ home, env })
    await expect(refused).rejects.toThrow('must have its password percent-encoded')
    await expect(refused).rejects.not.toThrow('hunter22')
  }
  const store = 'postgres://bunker:12%2F34%40hunter22@db.example/b?user=me%40there'
  const { config } = await loadConfig({
    home,
    env: { NIP46_BUNKER_STORE: store, NIP46_BUNKER_RELAYS: 'wss://one.example' },
  })
  expect(showSetting(config, 'store')).toBe('postgres://db.example/b')
})

test('how much of the audit log is kept: from the file, the environment and the command line, at its bounds', async () => {
  const relays = ['wss://one.example']
  const kept = async (json: object, env: Record<string, string> = {}, flags: Record<string, string> = {}) =>
    (await loadConfig({ file: await withFile({ relays, ...json }), home, env, flags })).config.auditRecords
  expect(await kept({})).toBe(AUDIT_RECORDS)
  for (const count of [AUDIT_RECORDS_MIN, AUDIT_RECORDS_MAX]) {
    expect(await kept({ auditRecords: count })).toBe(count)
    expect(await kept({ auditRecords: 5_000 }, { NIP46_BUNKER_AUDIT_RECORDS: String(count) })).toBe(count)
    expect(await kept({}, { NIP46_BUNKER_AUDIT_RECORDS: '5000' }, { auditRecords: String(count) })).toBe(
      count,
    )
  }
  const range = `must be a whole number from ${AUDIT_RECORDS_MIN} to ${AUDIT_RECORDS_MAX}`
  for (const count of [AUDIT_RECORDS_MIN - 1, AUDIT_RECORDS_MAX + 1]) {
    await expect(kept({ auditRecords: count })).rejects.toThrow(range)
    await expect(kept({}, { NIP46_BUNKER_AUDIT_RECORDS: String(count) })).rejects.toThrow(
      `NIP46_BUNKER_AUDIT_RECORDS ${range}`,
    )
    await expect(kept({}, {}, { auditRecords: String(count) })).rejects.toThrow(`--audit-records ${range}`)
  }
})

test('a % that encodes nothing is refused with the fix, and without what it is in', async () => {
  for (const store of [
    'postgres://bunker:hunter22%ff@db.example/b',
    'postgres://bunker:hunter22%zz@db.example/b',
    'postgres://bunker:hunter22%@db.example/b',
    'postgres://bunker:hunter22%c3%28@db.example/b',
    'postgres://bunker%ff:hunter22@db.example/b',
    'postgres://bunker@db.example/b%ff?password=hunter22',
    'postgres://bunker@db.example/b?password=hunter22%ff',
  ]) {
    const env = { NIP46_BUNKER_STORE: store, NIP46_BUNKER_RELAYS: 'wss://one.example' }
    const refused = loadConfig({ home, env })
    await expect(refused, store).rejects.toThrow(
      'NIP46_BUNKER_STORE has a % that begins no percent-encoded UTF-8: write %25',
    )
    await expect(refused).rejects.not.toThrow('hunter22')
  }
  const store = 'postgres://bunker:100%25%C3%A9@db.example/b'
  const env = { NIP46_BUNKER_STORE: store, NIP46_BUNKER_RELAYS: 'wss://one.example' }
  expect((await loadConfig({ home, env })).config.store).toEqual({ kind: 'postgres', url: store })
})

test('a database behind a socket is shown with it', () => {
  const url = 'postgres://bunker:hunter22@localhost/bunker?host=/run/postgresql&password=hunter22'
  expect(showStore({ kind: 'postgres', url })).toBe('postgres://localhost/bunker?host=/run/postgresql')
})

test('the place of a database password is a setting, the password is none', async () => {
  const load = (more: Record<string, string>) =>
    loadConfig({
      home,
      env: {},
      flags: { relays: 'wss://one.example', store: 'postgres://bunker@db.example/bunker', ...more },
    })
  const { config } = await load({ storePasswordFile: '/run/secrets/db' })
  expect(showSetting(config, 'storePasswordFile')).toBe('/run/secrets/db')
  expect(showSetting(config, 'storePasswordCredential')).toBe('off')
  expect((await load({ storePasswordCredential: 'db' })).config.storePasswordCredential).toBe('db')
  await expect(load({ storePasswordFile: 'hunter22' })).rejects.toThrow('must be an absolute path')
  await expect(load({ storePasswordCredential: '../db' })).rejects.toThrow('name of a systemd credential')
  await expect(load({ storePasswordFile: '/a', store: 'sqlite' })).rejects.toThrow('to a postgres:// URL')
  await expect(load({ storePasswordFile: '/a', storePasswordCredential: 'b' })).rejects.toThrow('given twice')
  const env = { NIP46_BUNKER_STORE: 'postgres://bunker:hunter22@db.example/bunker' }
  await expect(
    loadConfig({ home, env, flags: { relays: 'wss://one.example', storePasswordFile: '/a' } }),
  ).rejects.toThrow('given twice')
})

test('a file that was named must be there', async () => {
  await expect(loadConfig({ file: join(home, 'absent.json'), home, env: {} })).rejects.toThrow(
    'give another one with --config',
  )
})

test('the README has every setting and what it is without being told, and its example is read', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const [, section = ''] = /\n## Settings\n(.*?)\n## /s.exec(readme) ?? []
  const rows = [...section.matchAll(/^\| `(\w+)` \|(.*?)\|/gm)].map(([, name = '', usual = '']) => [
    name,
    usual.trim(),
  ])
  expect(rows.map(([name]) => name).sort()).toEqual(Object.keys(SETTINGS).sort())
  const shown = Object.entries(DEFAULTS).map(([name, value]) => {
    const text =
      typeof value === 'boolean' ? String(value) : showSetting(DEFAULTS, name as keyof typeof DEFAULTS)
    return [name, text === '' ? '' : `\`${text}\``]
  })
  expect(rows.filter(([name = '']) => Object.hasOwn(DEFAULTS, name)).sort()).toEqual(shown.sort())
  const [, example = ''] = /```json\n(.*?)```/s.exec(section) ?? []
  const { sources } = await loadConfig({ file: await withFile(example), home, env: {} })
  expect(Object.entries(sources).filter(([, source]) => source === 'file')).toHaveLength(
    Object.keys(JSON.parse(example)).length,
  )
})
