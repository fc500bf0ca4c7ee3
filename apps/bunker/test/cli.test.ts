/**
 * The command line: its table, its help, its words for what goes wrong; and each command against a running daemon.
 */

import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decrypt } from 'nostr-tools/nip49'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OPERATIONS, type OperationName } from '../src/api/operations.ts'
import { COMMANDS } from '../src/cli/commands.ts'
import { EXIT } from '../src/cli/exit-code.ts'
import { COMMON_OPTIONS, readDuration } from '../src/cli/options.ts'
import { jsonText, table } from '../src/cli/text.ts'
import { encodeOffer } from './cli-offer.ts'
import { cliOf, passphraseFile, type Ran, runIn, shapeOf } from './cli-world.ts'
import { connectApp, type DaemonWorld, nextQuestion, startWorld, until } from './daemon-world.ts'

describe('the table of commands', () => {
  test('every operation of the API has a command', () => {
    const covered = new Set(COMMANDS.flatMap(({ operations }) => operations))
    const all = Object.keys(OPERATIONS) as OperationName[]
    expect(all.filter((name) => !covered.has(name))).toEqual([])
  })

  test('every command has a name of its own, words, and an example that is itself', () => {
    expect(new Set(COMMANDS.map(({ name }) => name)).size).toBe(COMMANDS.length)
    for (const { name, words, example } of COMMANDS) {
      expect(example === name || example.startsWith(`${name} `), name).toBe(true)
      expect(words, name).toMatch(/[.)]$/)
    }
  })

  test('every command and every group has a help that shows an example and fits its lines', async () => {
    for (const { name, example } of COMMANDS) {
      for (const args of [
        ['help', ...name.split(' ')],
        [...name.split(' '), '--help'],
      ]) {
        const { exit, out } = await runIn('/nowhere', args)
        expect(exit, name).toBe(EXIT.done)
        expect(out).toContain(`Example: nip46-bunker ${example}`)
      }
    }
    const overview = await runIn('/nowhere', [])
    for (const { name } of COMMANDS) expect(overview.out).toContain(`  ${name}`)
    expect((await runIn('/nowhere', ['help', 'key'])).out).toContain('key import NAME')
    expect((await runIn('/nowhere', ['key', '--help'])).out).toContain('key import NAME')
  })

  test('an example has only options that its command has', () => {
    for (const { name, example, options } of COMMANDS)
      for (const [, option = ''] of example.matchAll(/ --([a-z-]+)/g))
        expect(Object.keys({ ...COMMON_OPTIONS, ...options }), name).toContain(option)
  })

  test('an example is read as it stands, operands and all', async () => {
    for (const { name, example } of COMMANDS) {
      const words = [...example.matchAll(/"([^"]*)"|(\S+)/g)].map(
        ([, quoted, plain]) => quoted ?? plain ?? '',
      )
      expect(await runIn('/nowhere', [...words, '--help']), name).toMatchObject({ exit: EXIT.done, err: '' })
    }
    const stray = await runIn('/nowhere', ['status', 'stray', '--help'])
    expect(stray.exit).toBe(EXIT.usage)
  })

  test('--version prints the version of the package', async () => {
    const manifest: unknown = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
    const { exit, out } = await runIn('/nowhere', ['--version'])
    expect([exit, { version: out }]).toEqual([
      EXIT.done,
      { version: (manifest as { version: string }).version },
    ])
  })

  test('no option takes a secret itself', () => {
    const options = COMMANDS.flatMap((command) => Object.keys(command.options))
    const secret = options.filter(
      (name) => /pass|secret|token/.test(name) && !/-(file|fd|credential)$/.test(name),
    )
    expect(secret).toEqual([])
  })
})

describe('what cannot be read', () => {
  test.each([
    [['nonsense'], 'there is no command "nonsense": try nip46-bunker help'],
    [['key'], 'say what to do: key new, import, list, show, unlock, lock, rename, passwd, export, delete'],
    [['key', 'nonsense'], 'there is no command "key nonsense": try nip46-bunker help'],
    [['key', 'show'], 'NAME is missing: nip46-bunker key show me'],
    [['app', 'list', 'x'], '"x" is too much for this command: nip46-bunker app list'],
    [['status', '--nonsense'], "Unknown option '--nonsense': see nip46-bunker help status"],
    [['-x', 'status'], 'options come after the command: nip46-bunker COMMAND -x'],
    [['link', 'new', '--expires', 'soon'], '--expires takes a time such as 90s, 15m, 12h, 30d or 2w'],
    [['link', 'new', '--uses', '21'], '--uses takes a whole number from 1 to 20'],
    [
      ['req', 'approve', 'x', '--for', '1h'],
      'give --for and --scope together, such as --for 1h --scope kind',
    ],
    [['connect', 'https://x'], "an app's URI begins with nostrconnect://: copy it from the app"],
    [['policy', 'test', '--kind', '1'], 'say by which policy: --app APP, or --preset, --grant or --policy'],
    [
      ['relay', 'serve', '1.2.3.4:99999'],
      'give HOST:PORT, such as 127.0.0.1:7777; port 0 takes any free one',
    ],
    [
      ['status', '--url', 'http://bunker.example.com'],
      'the token would travel in the clear: use https://, or http:// on this machine only',
    ],
    [['token', 'create', 'x', '--scope', 'root'], '--scope takes one of read, approve, manage, keys, admin'],
  ])('%j', async (args, message) => {
    expect(await runIn('/nowhere', args)).toMatchObject({
      exit: EXIT.usage,
      out: '',
      err: `nip46-bunker: ${message}`,
    })
  })

  test('no daemon: one line that says how to start it, and exit code 3; as JSON where asked', async () => {
    expect(await runIn('/nowhere', ['status'])).toMatchObject({
      exit: EXIT.noDaemon,
      err: 'nip46-bunker: the daemon does not run: start it with "up"',
    })
    const { exit, err } = await runIn('/nowhere', ['app', 'list', '--json'])
    expect([exit, JSON.parse(err).error.code]).toEqual([EXIT.noDaemon, 'daemon/not-running'])
  })

  test('what is about policies alone works without a daemon, and says so where that matters', async () => {
    const lone = (...args: readonly string[]): Promise<Ran> => runIn('/nowhere', args)
    const presets = await lone('policy', 'presets', '--json')
    expect(presets).toMatchObject({ exit: EXIT.done, err: '' })
    expect(presets.json).toMatchObject({
      presets: expect.arrayContaining([
        { name: 'standard', words: expect.any(String), default: true },
        { name: 'paranoid', words: expect.any(String), default: false },
      ]),
    })
    expect((await lone('policy', 'presets')).out).toMatch(/standard +yes/)
    expect((await lone('policy', 'lint', '--grant', 'sign_event:1')).exit).toBe(EXIT.done)
    for (const command of ['test', 'explain']) {
      const ran = await lone('policy', command, '--grant', 'sign_event:1', '--kind', '1', '--json')
      expect(ran).toMatchObject({ exit: EXIT.done, json: { effect: 'allow' } })
      expect(ran.err).toContain('no daemon runs')
      expect(
        (await lone('policy', command, '--preset', 'paranoid', '--kind', '1', '--json')).json,
      ).toMatchObject({
        effect: 'ask',
      })
      expect((await lone('policy', command, '--app', 'x', '--kind', '1')).exit).toBe(EXIT.noDaemon)
    }
    expect((await lone('policy', 'replay', '--preset', 'paranoid')).exit).toBe(EXIT.noDaemon)
  })

  test('a daemon that is told to stop before it runs does not run, and that is no failure', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'nip46-cli-'))
    try {
      const secret = ['--vault-passphrase-file', await passphraseFile(directory)]
      expect((await runIn(directory, ['init', ...secret])).exit).toBe(EXIT.done)
      const ran = await runIn(directory, ['up', '--serve', '127.0.0.1:0', ...secret], AbortSignal.abort())
      expect(ran).toMatchObject({ exit: EXIT.done, out: '', err: '' })
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })

  test('times', () => {
    expect(['90s', '15m', '12h', '30d', '2w'].map((text) => readDuration('x', text) / 1_000)).toEqual([
      90, 900, 43_200, 2_592_000, 1_209_600,
    ])
    for (const text of ['', '0s', '-1s', '1', 's', '1.5h', '1y', '9999999999d'])
      expect(() => readDuration('--for', text), text).toThrow('--for takes a time')
  })

  test('text of strangers: no escape sequences, no bidi marks, in columns and in JSON', () => {
    const evil = 'a\u001b[2Jb\u202ec\u0007\u009b31m\nd'
    for (const text of [table(['X'], [[evil]], ''), jsonText({ evil })]) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
      expect(text.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/)
    }
    expect(JSON.parse(jsonText({ evil }))).toEqual({ evil })
  })
})

describe('against a daemon', () => {
  let world: DaemonWorld
  let cli: (...args: readonly string[]) => Promise<Ran>
  let pass: string
  const ok = async (...args: readonly string[]): Promise<Ran> => {
    const ran = await cli(...args)
    expect(ran.exit, `${args.join(' ')}: ${ran.err}`).toBe(EXIT.done)
    return ran
  }
  beforeAll(async () => {
    world = await startWorld()
    cli = cliOf(world)
    pass = await passphraseFile(world.directory)
  })
  afterAll(() => world.close())

  test('status and doctor', async () => {
    expect((await ok('status')).out).toContain('1 of 1 unlocked')
    expect(shapeOf((await ok('status', '--json')).json)).toMatchObject({
      state: 'string',
      ready: 'boolean',
      checks: [{ name: 'string', ok: 'boolean', words: 'string' }],
      keys: [{ name: 'string', npub: 'string', pubkey: 'string', state: 'string' }],
    })
    expect((await ok('status', '--ready')).out).toBe('ready')
    const doctor = await cli('doctor', '--all')
    expect(doctor.out).toContain('daemon: answers')
  })

  test('keys: made, shown, locked, unlocked for a time, renamed, a new passphrase, exported, deleted', async () => {
    const made = await ok('key', 'new', 'second', '--passphrase-file', pass, '--json')
    expect(shapeOf(made.json)).toEqual({
      apps: 'number',
      createdAt: 'number',
      locksAt: 'null',
      name: 'string',
      npub: 'string',
      pubkey: 'string',
      state: 'string',
    })
    expect((await ok('key', 'list')).out).toMatch(/NAME +STATE +APPS +NPUB\nme +unlocked .*\nsecond +locked/)
    expect((await ok('key', 'unlock', 'second', '--for', '1h', '--passphrase-file', pass)).out).toContain(
      'unlocked until',
    )
    expect((await ok('key', 'lock', 'second')).out).toBe('second is locked')
    await ok('key', 'rename', 'second', 'work')
    const other = await passphraseFile(world.directory, 'another one')
    await ok('key', 'passwd', 'work', '--passphrase-file', pass, '--new-passphrase-file', other)
    const wrong = await cli('key', 'unlock', 'work', '--passphrase-file', pass)
    expect([wrong.exit, wrong.err]).toEqual([
      EXIT.failed,
      'nip46-bunker: wrong passphrase, or the text is damaged',
    ])
    const file = join(world.directory, 'work.ncryptsec')
    await ok('key', 'export', 'work', '--passphrase-file', other, '--out', file, '--cost', '16')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(decrypt((await readFile(file, 'utf8')).trim(), 'another one')).toHaveLength(32)
    expect((await cli('key', 'export', 'work', '--passphrase-file', other, '--out', file)).err).toContain(
      'is there already',
    )
    expect((await cli('key', 'delete', 'work', '--passphrase-file', other)).err).toContain('give --yes')
    await ok('key', 'delete', 'work', '--yes', '--passphrase-file', other)
    await ok(
      'key',
      'import',
      'work',
      '--secret-file',
      file,
      '--secret-passphrase-file',
      other,
      '--passphrase-file',
      pass,
    )
    expect((await ok('key', 'show', 'work')).out).toContain((made.json as { npub: string }).npub)
    await ok('key', 'delete', 'work', '--yes', '--passphrase-file', pass)
    expect((await cli('key', 'show', 'work')).exit).toBe(EXIT.absent)
    expect((await cli('key', 'new', 'x')).err).toContain('give --passphrase-file FILE')
  })

  test('links: made with a policy, listed without their secrets, revoked', async () => {
    const made = await ok(
      'link',
      'new',
      '--label',
      'one',
      '--grant',
      'sign_event:1',
      '--expires',
      '10m',
      '--uses',
      '2',
      '--json',
    )
    const { links } = made.json as { links: readonly { uri: string; id: string }[] }
    expect(links).toHaveLength(2)
    expect(shapeOf(links)).toEqual([
      { expiresAt: 'number', label: 'string', signerPubkey: 'string', id: 'string', uri: 'string' },
    ])
    expect((await ok('link', 'new')).out).toMatch(/^bunker:\/\/[0-9a-f]{64}\?/m)
    const listed = await ok('link', 'list')
    expect(listed.out).toContain('open')
    const secret = /secret=([^&]+)/.exec(links[0]?.uri ?? '')?.[1] ?? 'none'
    expect(listed.out + JSON.stringify((await ok('link', 'list', '--json')).json)).not.toContain(secret)
    await ok('link', 'revoke', links[0]?.id ?? '')
    expect((await cli('link', 'revoke', 'ffffffffffff')).exit).toBe(EXIT.absent)
  })

  test('an app from link to revocation: shown, named, given a policy, suspended, trimmed, asked about, ended', async () => {
    const session = await connectApp(world, { grants: 'sign_event:1', name: 'Evil \u202e app' })
    try {
      await session.signEvent({ kind: 1, content: 'hello' })
      const { apps } = (await ok('app', 'list', '--json')).json as {
        apps: readonly { clientPubkey: string }[]
      }
      const client = apps[0]?.clientPubkey ?? ''
      await ok('app', 'rename', client.slice(0, 8), 'tester')
      expect((await ok('app', 'origins', 'tester', 'https://app.example/')).out).toBe('https://app.example')
      expect((await cli('app', 'origins', 'tester', 'https://app.example/x')).err).toContain('without a path')
      expect((await ok('app', 'show', 'tester')).out).toContain('https://app.example')
      expect((await ok('app', 'origins', 'tester', '--none')).out).toBe('it has none')
      expect((await ok('app', 'show', 'tester')).out).toContain('sign_event:1')
      expect(shapeOf((await ok('app', 'policy', 'tester', '--json')).json)).toMatchObject({
        grants: ['string'],
        suspended: 'boolean',
      })
      await ok('app', 'policy', 'tester', '--grant', 'sign_event:1,sign_event:6')
      expect((await ok('app', 'suspend', 'tester', '--for', '1h')).out).toContain('suspended until')
      await expect(session.signEvent({ kind: 1, content: 'no' })).rejects.toMatchObject({
        reason: 'rejected',
      })
      await ok('app', 'resume', 'tester')
      await ok('app', 'trim', 'tester')
      expect((await ok('policy', 'explain', '--app', 'tester', '--kind', '1', '--json')).json).toMatchObject({
        effect: 'allow',
      })
      expect((await ok('policy', 'test', '--app', 'tester', '--kind', '7')).out).toMatch(/^ask/)
      const { words } = (await ok('policy', 'explain', '--app', 'tester', '--kind', '3', '--json')).json as {
        words: readonly string[]
      }
      expect(words.length).toBeGreaterThan(1)
      expect(new Set(words).size, 'nothing is said twice').toBe(words.length)

      // Allowed as shown, under its hash; then again, which is too late.
      const asked = session.signEvent({ kind: 7, content: '+' })
      const question = await nextQuestion(world.api)
      expect((await ok('req', 'list')).out).toContain('tester')
      expect((await ok('req', 'show', question.id)).out).toContain('content | +')
      expect((await cli('req', 'approve', question.id)).err).toContain(`--hash ${question.hash.slice(0, 12)}`)
      expect((await cli('req', 'approve', question.id, '--hash', '00000000')).exit).toBe(EXIT.changed)
      const decided = await ok('req', 'approve', question.id, '--hash', question.hash.slice(0, 12), '--json')
      expect(shapeOf(decided.json)).toEqual({ also: [], decision: 'string', id: 'string' })
      expect((await asked).kind).toBe(7)
      expect([EXIT.absent, EXIT.changed]).toContain((await cli('req', 'approve', question.id, '--yes')).exit)
      const denied = session.signEvent({ kind: 9, content: '' })
      denied.catch(() => undefined)
      await ok('req', 'deny', (await nextQuestion(world.api)).id)
      await expect(denied).rejects.toMatchObject({ reason: 'rejected' })

      expect((await ok('audit', 'tail', '--count', '5')).out).not.toBe('')
      const exported = (await ok('audit', 'export')).out
        .split('\n')
        .map((line) => JSON.parse(line) as { position: number })
      expect(exported.length).toBeGreaterThan(0)
      await ok('audit', 'export', '--out', join(world.directory, 'audit.jsonl'), '--last', '1h')
      expect((await ok('audit', 'verify')).out).toContain('the chain is whole')
      await ok('policy', 'replay', '--grant', 'sign_event:1', '--last', '1h')
      expect((await ok('app', 'revoke', 'tester')).out).toContain('1 connection ended')
      expect((await cli('app', 'show', 'tester')).exit).toBe(EXIT.absent)
    } finally {
      session.close()
    }
  })

  test('what is asked is watched, as lines of JSON, until Ctrl-C', async () => {
    const session = await connectApp(world, { grants: 'sign_event:1' })
    const stop = new AbortController()
    const lines: string[] = []
    const types = (): string[] => lines.map((line) => (JSON.parse(line) as { type: string }).type)
    const watching = runIn(world.directory, ['req', 'watch', '--json'], stop.signal, lines)
    const asked = session.signEvent({ kind: 7, content: '+' })
    const { id } = await nextQuestion(world.api)
    await until(() => types().includes('asked'))
    await ok('req', 'approve', id, '--yes')
    await asked
    await until(() => types().includes('settled'))
    stop.abort()
    expect((await watching).exit).toBe(EXIT.done)
    expect(types()).toEqual(['asked', 'settled'])
    session.close()
  })

  test('a nostrconnect:// URI is previewed, and answered as previewed', async () => {
    const offer = await encodeOffer(world)
    const preview = await ok('connect', offer.uri, '--preview', '--json')
    const { hash } = preview.json as { hash: string }
    expect((await ok('connect', offer.uri, '--preview')).out).toContain('"Offering app" (unverified)')
    expect((await cli('connect', offer.uri)).err).toContain('give --yes')
    expect((await cli('connect', offer.uri, '--hash', '0'.repeat(64))).exit).toBe(EXIT.changed)
    expect((await ok('connect', offer.uri, '--hash', hash, '--label', 'offered')).out).toContain('answered')
    await offer.close()
  })

  test('policies, relays, tokens, pages', async () => {
    await ok('policy', 'presets')
    const file = join(world.directory, 'policy.txt')
    await writeFile(file, '# what it may do\nsign_event:1,\nsign_event:7 # likes\n')
    expect(
      (
        (await ok('policy', 'lint', '--policy', file, '--json')).json as {
          policy: { grants: readonly string[] }
        }
      ).policy.grants,
    ).toHaveLength(2)
    expect((await cli('policy', 'lint', '--grant', 'nonsense!')).exit).toBe(EXIT.usage)
    // What is printed can be given back: as a whole, with its counters, and alone.
    const linted = (await ok('policy', 'lint', '--policy', file, '--json')).json as {
      policy: { grants: readonly string[]; json: { policy: unknown } }
    }
    for (const printed of [linted.policy, linted.policy.json, linted.policy.json.policy]) {
      await writeFile(file, JSON.stringify(printed))
      expect((await ok('policy', 'lint', '--policy', file, '--json')).json).toMatchObject({
        policy: { grants: linted.policy.grants },
      })
    }
    const before = ((await ok('relay', 'list', '--json')).json as { relays: readonly unknown[] }).relays
      .length
    await ok('relay', 'add', 'wss://relay.example.com')
    expect((await ok('relay', 'rm', 'wss://relay.example.com', '--json')).json).toMatchObject({
      relays: { length: before },
    })
    const made = (
      await ok('token', 'create', 'phone', '--scope', 'read,approve', '--expires', '1d', '--json')
    ).json
    expect(shapeOf(made)).toMatchObject({ token: 'string', info: { id: 'string', scopes: ['string'] } })
    expect((await ok('token', 'list')).out).toContain('phone')
    await ok('token', 'revoke', 'phone')
    expect((await cli('req', 'page')).err).toContain('set "http"')
  })

  test('a backup is made, verified, and restored elsewhere; what is no backup, or not whole, is refused', async () => {
    const backup = join(world.directory, 'backup')
    await ok('backup', 'create', backup)
    expect((await ok('backup', 'verify', backup)).out).toContain('it is whole')
    expect((await cli('backup', 'create', backup)).exit).toBe(EXIT.failed)
    expect((await cli('backup', 'restore', backup)).err).toContain('a daemon runs: stop it first')
    const elsewhere = join(world.directory, 'elsewhere')
    const restored = await runIn(elsewhere, ['backup', 'restore', backup])
    expect(restored.exit, restored.err).toBe(EXIT.done)
    expect((await stat(join(elsewhere, 'data'))).mode & 0o777).toBe(0o700)
    const keys = await runIn(elsewhere, ['key', 'list', '--vault-passphrase-file', pass, '--json'])
    expect(keys.json).toMatchObject({ keys: [{ name: 'me', state: 'locked' }] })
    expect((await runIn(elsewhere, ['backup', 'restore', backup])).err).toContain('move it away first')

    await writeFile(join(backup, 'vault', 'vault.json'), '{}')
    const damaged = await cli('backup', 'verify', backup, '--json')
    expect([damaged.exit, damaged.json]).toMatchObject([EXIT.notWell, { ok: false }])
    expect((await runIn(join(world.directory, 'third'), ['backup', 'restore', backup])).exit).toBe(
      EXIT.notWell,
    )
    expect((await cli('backup', 'verify', world.directory)).exit).toBe(EXIT.notWell)
  })

  test('lock-all, panic and resume', async () => {
    expect((await ok('lock-all')).out).toBe('1 key locked')
    expect((await cli('status', '--ready')).exit).toBe(EXIT.notWell)
    expect((await ok('panic')).out).toContain('go on with: nip46-bunker resume')
    expect((await cli('key', 'unlock', 'me', '--passphrase-file', pass)).err).toContain('resume')
    expect((await cli('resume')).err).toContain('give --yes')
    await ok('resume', '--yes')
    await ok('key', 'unlock', 'me', '--passphrase-file', pass)
  })
})
