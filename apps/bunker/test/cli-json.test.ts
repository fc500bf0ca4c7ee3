/**
 * `--json` of every command: stdout is one document, or one on each line where it goes on; what comes from the API is of the shape in
 * its OpenAPI document; and pubkeys and ids have one name each everywhere.
 */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openApiDocument } from '../src/api/openapi.ts'
import type { OperationName } from '../src/api/operations.ts'
import { COMMANDS } from '../src/cli/commands.ts'
import { EXIT, type ExitCode } from '../src/cli/exit-code.ts'
import { runCommandLine } from '../src/cli/run-command.ts'
import { encodeOffer } from './cli-offer.ts'
import { passphraseFile, type Ran, runIn, shapeOf } from './cli-world.ts'
import { startProgram } from './daemon-process.ts'
import { connectApp, type DaemonWorld, nextQuestion, startWorld, until } from './daemon-world.ts'

let world: DaemonWorld
let pass: string
beforeAll(async () => {
  world = await startWorld({ flags: { http: '127.0.0.1:0' } })
  pass = await passphraseFile(world.directory)
})
afterAll(() => world.close())

const tried = new Set<string>()
const names = new Set<string>()
const ajv = new Ajv2020({ strict: false })
const document = openApiDocument('0') as unknown as {
  paths: Record<string, Record<string, { operationId: string; responses: Record<string, unknown> }>>
}

/** By the schema of the OpenAPI document. */
function expectShape(name: OperationName, value: unknown): void {
  const found = Object.values(document.paths)
    .flatMap((methods) => Object.values(methods))
    .find(({ operationId }) => operationId === name)
  const answer = found?.responses['200'] as { content: { 'application/json': { schema: object } } }
  const validate = ajv.compile(answer.content['application/json'].schema)
  expect(validate(value), `${name}: ${JSON.stringify(validate.errors)} of ${JSON.stringify(value)}`).toBe(
    true,
  )
}

function takeNames(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  for (const [name, member] of Object.entries(value)) {
    if (!Array.isArray(value)) names.add(name)
    takeNames(member)
  }
}

/** Runs with `--json`, and expects one document. */
async function one(
  args: readonly string[],
  shape: OperationName | object,
  exit: ExitCode = EXIT.done,
  directory = world.directory,
): Promise<unknown> {
  const ran = await runIn(directory, [...args, '--json'])
  expect(ran.exit, `${args.join(' ')}: ${ran.err}`).toBe(exit)
  tried.add(commandOf(args))
  // biome-ignore lint/suspicious/noExplicitAny: whatever it is, it is looked at next
  const json: any = ran.json
  takeNames(json)
  if (typeof shape === 'string') expectShape(shape, json)
  else expect(shapeOf(json), args.join(' ')).toEqual(shape)
  return json
}

/** Runs with `--json` until its first line, and expects a document on each. */
async function lines(args: readonly string[]): Promise<readonly unknown[]> {
  const out: string[] = []
  const stop = new AbortController()
  const exit = await runCommandLine([...args, '--json'], {
    env: { HOME: world.directory, NIP46_BUNKER_SOCKET: world.daemon.socket },
    interactive: false,
    showsTerminal: false,
    print(line) {
      out.push(line)
      stop.abort()
    },
    warn: (line) => expect.fail(line),
    signal: stop.signal,
    now: () => Date.now(),
  })
  expect(exit, args.join(' ')).toBe(EXIT.done)
  tried.add(commandOf(args))
  const read = out.map((line): unknown => JSON.parse(line))
  expect(read.length).toBeGreaterThan(0)
  for (const json of read) takeNames(json)
  return read
}

function commandOf(args: readonly string[]): string {
  const two = args.slice(0, 2).join(' ')
  return COMMANDS.some(({ name }) => name === two) ? two : (args[0] ?? '')
}

test('keys and the vault', async () => {
  const passphrase = ['--passphrase-file', pass]
  const exported = await passphraseFile(world.directory, 'of the export')
  await one(['key', 'new', 'other', ...passphrase], 'key.create')
  await one(['key', 'list'], 'key.list')
  await one(['key', 'show', 'other'], 'key.show')
  await one(['key', 'unlock', 'other', '--for', '1h', ...passphrase], 'key.unlock')
  await one(['key', 'lock', 'other'], 'key.lock')
  await one(['key', 'rename', 'other', 'third'], 'key.rename')
  const text = (await one(
    ['key', 'export', 'third', '--cost', '16', ...passphrase, '--export-passphrase-file', exported],
    'key.export',
  )) as { ncryptsec: string }
  await one(['key', 'passwd', 'third', ...passphrase, '--new-passphrase-file', exported], 'key.passwd')
  await one(['key', 'delete', 'third', '--yes', '--passphrase-file', exported], 'key.delete')
  const secret = join(world.directory, 'secret')
  await writeFile(secret, text.ncryptsec, { mode: 0o600 })
  await one(
    ['key', 'import', 'fourth', '--secret-file', secret, '--secret-passphrase-file', exported, ...passphrase],
    'key.import',
  )
  await one(['key', 'delete', 'fourth', '--yes', ...passphrase], 'key.delete')
  for (const [from, to] of [
    [pass, exported],
    [exported, pass],
  ] as const)
    await one(
      ['vault', 'passwd', '--vault-passphrase-file', from, '--new-vault-passphrase-file', to],
      'vault.passwd',
    )
})

test('links, apps and requests', async () => {
  const { links } = (await one(['link', 'new', '--uses', '2'], 'link.create')) as { links: { id: string }[] }
  await one(['link', 'list'], 'link.list')
  await one(['link', 'revoke', links[0]?.id ?? ''], 'link.revoke')
  const offered = await encodeOffer(world)
  await one(['connect', offered.uri, '--preview'], 'connect.preview')
  const app = (await one(['connect', offered.uri, '--yes', '--label', 'offered'], 'connect.accept')) as {
    clientPubkey: string
  }
  expect(app.clientPubkey).toMatch(/^[0-9a-f]{64}$/)
  await offered.close()

  const session = await connectApp(world, { grants: 'sign_event:1', label: 'tester' })
  await session.signEvent({ kind: 1, content: 'hello' })
  await one(['app', 'list'], 'app.list')
  await one(['app', 'show', 'tester'], 'app.show')
  await one(['app', 'rename', 'tester', 'renamed'], 'app.rename')
  await one(['app', 'origins', 'renamed', 'https://app.example'], 'app.origins')
  await one(['app', 'policy', 'renamed'], 'app.policy.get')
  await one(['app', 'policy', 'renamed', '--grant', 'sign_event:1,sign_event:2'], 'app.policy.set')
  await one(['app', 'suspend', 'renamed', '--for', '1h'], 'app.suspend')
  await one(['app', 'resume', 'renamed'], 'app.resume')
  await one(['app', 'trim', 'renamed'], 'app.trim')

  const signing = session.signEvent({ kind: 7, content: '+' })
  const asked = await nextQuestion(world.api, ({ kind }) => kind === 7)
  await one(['req', 'list'], 'request.list')
  await one(['req', 'show', asked.id], 'request.show')
  const [watched] = await lines(['req', 'watch'])
  expect(watched).toMatchObject({ topic: 'requests', type: 'asked', question: { id: asked.id } })
  await one(['req', 'approve', asked.id, '--hash', asked.hash], 'request.approve')
  await signing
  const refused = session.signEvent({ kind: 6, content: '' }).catch(() => undefined)
  const other = await nextQuestion(world.api, ({ kind }) => kind === 6)
  await one(['req', 'deny', other.id], 'request.deny')
  await refused
  await one(['req', 'page'], 'browser.invite')

  for (const command of ['test', 'explain'] as const)
    await one(['policy', command, '--app', 'renamed', '--kind', '1'], `policy.${command}`)
  await one(['policy', 'presets'], 'policy.presets')
  await one(['policy', 'lint', '--grant', 'sign_event:1'], 'policy.lint')
  await one(['policy', 'replay', '--preset', 'paranoid'], 'policy.replay')

  const entries = await lines(['audit', 'tail', '--follow', '--app', 'renamed'])
  const all = await runIn(world.directory, ['audit', 'export', '--json'])
  const exported = all.out.split('\n').map((line): unknown => JSON.parse(line))
  expect(exported.length).toBeGreaterThan(entries.length)
  expectShape('audit.list', { entries: exported, next: null })
  const out = join(world.directory, 'audit.jsonl')
  await one(['audit', 'export', '--out', out], { entries: 'number', file: 'string' })
  await one(['audit', 'verify'], 'audit.verify')
  const revoked = { clientPubkey: 'string', ended: 'number' }
  await one(['app', 'revoke', 'renamed'], revoked)
  await session.close()
})

test('relays, tokens, backups and the daemon', async () => {
  await one(['status'], 'status.get')
  await one(['status', '--ready'], 'health.get')
  await one(['doctor'], 'doctor.get')
  await one(['relay', 'add', 'wss://relay.example'], 'relay.add')
  await one(['relay', 'list'], 'relay.list')
  await one(['relay', 'rm', 'wss://relay.example'], 'relay.remove')
  expect(await lines(['relay', 'serve', '127.0.0.1:0'])).toEqual([{ url: expect.stringMatching(/^ws:/) }])
  await one(['token', 'create', 'phone', '--scope', 'read'], 'token.create')
  await one(['token', 'list'], 'token.list')
  await one(['token', 'revoke', 'phone'], 'token.revoke')
  const backup = join(world.directory, 'backup')
  const made = await one(['backup', 'create', backup], 'backup.create')
  await one(['backup', 'verify', backup], 'backup.verify')
  const place = join(world.directory, 'restored')
  const restored = await one(
    ['backup', 'restore', backup],
    { data: 'string', backup: shapeOf(made) },
    0,
    place,
  )
  expectShape('backup.create', (restored as { backup: unknown }).backup)
  await one(['panic'], 'host.panic')
  await one(['resume', '--yes'], 'host.resume')
  await one(['lock-all'], 'host.lock-all')
})

test('what begins: init, up, demo', async () => {
  const directory = join(world.directory, 'new')
  const relays = ['--serve', '127.0.0.1:0']
  const key = { name: 'string', npub: 'string', pubkey: 'string' }
  const shape = { config: 'string', key, vault: 'string' }
  await one(['init', '--key', 'me', ...relays, '--vault-passphrase-file', pass], shape, EXIT.done, directory)
  const program = startProgram(['up', '--json', '--unlock', 'me', '--vault-passphrase-file', pass], {
    directory,
  })
  try {
    await until(() => program.out().includes('"started"'), 60_000)
    program.child.kill('SIGTERM')
    expect(await program.ended, program.err()).toBe(EXIT.done)
  } finally {
    program.child.kill('SIGKILL')
  }
  tried.add('up')
  for (const line of program.out().trim().split('\n')) takeNames(JSON.parse(line))
  await one(['demo'], { transcript: ['string'] })
})

test('every command was tried, and nothing has two names', () => {
  expect(COMMANDS.map(({ name }) => name).filter((name) => !tried.has(name))).toEqual([])
  expect(['client', 'user', 'signer', 'remoteSigner', 'linkId'].filter((name) => names.has(name))).toEqual([])
  for (const name of ['clientPubkey', 'userPubkey', 'signerPubkey', 'id']) expect(names).toContain(name)
})

test('what fails is one document on stderr, and nothing on stdout', async () => {
  const fails: readonly (readonly [readonly string[], number])[] = [
    [['app', 'show', 'nobody'], EXIT.absent],
    [['link', 'new', '--expires', 'soon'], EXIT.usage],
    [['key', 'lock', 'nobody'], EXIT.absent],
    [['nonsense'], EXIT.usage],
  ]
  for (const [args, exit] of fails) {
    const ran: Ran = await runIn(world.directory, [...args, '--json'])
    expect(ran, args.join(' ')).toMatchObject({ exit, out: '' })
    expect(shapeOf(JSON.parse(ran.err))).toEqual({ error: { code: 'string', message: 'string' } })
  }
})
