/**
 * `up` and `demo`: programs that run. The daemon is in `daemon/`; here it gets its settings, its vault and its signals.
 */

import { DEFAULTS, flagName, SETTINGS, type SettingName, showSetting } from '../../daemon/config.ts'
import { loadConfig } from '../../daemon/load-config.ts'
import type { Vault } from '../../keys/vault.ts'
import { VaultError } from '../../keys/vault-error.ts'
import type { Call, Command, Context, OptionSpecs } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { CommandProblem } from '../problem.ts'
import {
  PASSPHRASE,
  readGivenSecret,
  readSecret,
  secretOptions,
  VAULT_PASSPHRASE,
} from '../secret-options.ts'
import { clean, quote } from '../text.ts'

const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[]

const SETTING_OPTIONS: OptionSpecs = Object.fromEntries(
  SETTING_NAMES.filter((name) => name !== 'data' && name !== 'socket').map((name) => {
    const { shape, words } = SETTINGS[name]
    return [flagName(name), { type: 'text', value: shape, words: `${words}${usual(name)}` }]
  }),
)

/** What the setting is without the option, where that says something. */
function usual(name: SettingName): string {
  const shown = showSetting(DEFAULTS, name)
  return shown === '' || shown === 'off' ? '' : ` [${shown}]`
}

export const UP_COMMANDS: readonly Command[] = [
  {
    name: 'up',
    words: 'Runs the daemon: answers apps until Ctrl-C or SIGTERM.',
    operands: [],
    options: {
      unlock: { type: 'list', value: 'NAME', words: 'unlock this key at once' },
      ...secretOptions(VAULT_PASSPHRASE, PASSPHRASE),
      ...SETTING_OPTIONS,
    },
    example: 'up --unlock me --serve 127.0.0.1:7777',
    notes: [
      'Settings come from the settings file, NIP46_BUNKER_… in the environment, and these options; the last one wins.',
      'In brackets: what holds where none of them says it.',
      'Several daemons with the same vault can share one PostgreSQL; see "On PostgreSQL" in the README.',
      'A key that is unlocked at once is tried with the passphrase of the vault, unless --passphrase-… says otherwise.',
    ],
    operations: [],
    handlesSecrets: true,
    run: up,
  },
  {
    name: 'demo',
    words: 'Both ways to connect, on this machine, as a transcript.',
    operands: [],
    options: {},
    example: 'demo',
    operations: [],
    async run({ io }, call) {
      const { runDemo } = await import('../../demo.ts')
      const transcript: string[] = []
      await runDemo(call.json ? (line) => void transcript.push(line) : io.print)
      return { json: { transcript } }
    },
  },
]

async function up(context: Context, call: Call): Promise<{ readonly exit?: typeof EXIT.done }> {
  const { io } = context
  const places = await context.places()
  const loaded = await loadConfig({
    env: io.env,
    file: call.text('config') ?? io.env['NIP46_BUNKER_CONFIG'],
    flags: {
      ...Object.fromEntries(SETTING_NAMES.map((name) => [name, call.text(flagName(name))])),
      // Only where the command line names them: "doctor" says where each setting is from.
      data: call.text('data') === undefined ? undefined : places.data,
      socket: call.text('socket') === undefined ? undefined : places.socket,
    },
  })
  const passphrase = await readSecret(context, call, VAULT_PASSPHRASE)
  let vault: Vault
  let loading: Promise<[typeof import('../../daemon/run.ts'), typeof import('../../daemon/signals.ts')]>
  try {
    const { openVault } = await import('../../keys/open-vault.ts')
    const opening = openVault(places.vault, passphrase)
    // The passphrase takes its time, in another thread: meanwhile the rest is loaded. A failure is told below.
    loading = Promise.all([import('../../daemon/run.ts'), import('../../daemon/signals.ts')])
    loading.catch(() => undefined)
    vault = await opening
    try {
      await unlockAll(context, call, vault, passphrase)
    } catch (cause) {
      await vault.close()
      throw cause
    }
  } finally {
    passphrase.fill(0)
  }
  const [{ runDaemon }, { runUntilSignal }] = await loading
  if (io.signal.aborted) {
    await vault.close()
    return {}
  }
  const daemon = await runDaemon(loaded, { vault, print: io.log ?? io.print })
  if (io.interactive) {
    if (daemon.relay !== null) io.warn(`relay here: ${clean(daemon.relay)}`)
    if (daemon.url !== null) io.warn(`API and pages: ${clean(daemon.url)}`)
    io.warn('in another terminal: "nip46-bunker link new" lets an app in, "nip46-bunker req watch" asks you')
  }
  await runUntilSignal(daemon, io.signal)
  return {}
}

async function unlockAll(
  context: Context,
  call: Call,
  vault: Vault,
  vaultPassphrase: Uint8Array,
): Promise<void> {
  const names = call.list('unlock')
  const unknown = names.find((name) => vault.show(name) === undefined)
  if (unknown !== undefined)
    throw new CommandProblem(
      'key/unknown',
      `there is no key "${quote(unknown, 64)}": see "key list"`,
      EXIT.absent,
    )
  const given = names.length === 0 ? undefined : await readGivenSecret(context, call, PASSPHRASE)
  try {
    for (const name of names)
      await unlockOne(context, call, vault, name, given ?? vaultPassphrase, given !== undefined)
  } finally {
    given?.fill(0)
  }
}

/** With what is at hand; a person is asked where that does not fit. */
async function unlockOne(
  context: Context,
  call: Call,
  vault: Vault,
  name: string,
  passphrase: Uint8Array,
  isGiven: boolean,
): Promise<void> {
  try {
    await vault.unlock(name, passphrase)
  } catch (cause) {
    if (!(cause instanceof VaultError && cause.code === 'key/password') || isGiven) throw cause
    const typed = await readSecret(context, call, {
      option: 'passphrase',
      words: `passphrase of the key ${name}`,
    })
    try {
      await vault.unlock(name, typed)
    } finally {
      typed.fill(0)
    }
  }
}
