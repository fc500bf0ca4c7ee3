/**
 * `init`: the vault, a first key, the settings file. Never changes what is there already.
 */

import { mkdir, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SETTINGS } from '../../daemon/config.ts'
import type { Read } from '../../daemon/setting.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { CommandProblem } from '../problem.ts'
import {
  PASSPHRASE,
  readGivenSecret,
  readSecret,
  secretOptions,
  VAULT_PASSPHRASE,
} from '../secret-options.ts'
import { facts, npub } from '../text.ts'

export const INIT_COMMANDS: readonly Command[] = [
  {
    name: 'init',
    words: 'Makes the vault, and with --key a first key in it.',
    operands: [],
    options: {
      key: { type: 'text', value: 'NAME', words: 'make a key of this name' },
      relay: { type: 'list', value: 'URL', words: 'a relay for the settings file' },
      serve: { type: 'text', value: 'HOST:PORT', words: 'run a relay there; for the settings file' },
      ...secretOptions(VAULT_PASSPHRASE, PASSPHRASE),
    },
    example: 'init --key me --relay wss://relay.example.com',
    notes: [
      'The passphrase of the vault opens the store; that of a key lets it sign.',
      'The first key gets the one of the vault too, unless --passphrase-file gives another.',
    ],
    operations: [],
    handlesSecrets: true,
    async run(context, call) {
      const places = await context.places()
      // Whatever cannot be is said before anything is made: a vault that is there is not made again.
      const settings = readSettings(call.list('relay'), call.text('serve'))
      const keyName = call.text('key')
      if (keyName !== undefined) {
        const { checkKeyName } = await import('../../keys/vault-record.ts')
        checkKeyName(keyName)
      }
      const { initVault, openVault } = await import('../../keys/open-vault.ts')
      const { vaultExists } = await import('../../keys/vault-files.ts')
      if (await vaultExists(places.vault))
        throw new CommandProblem(
          'vault/exists',
          `there is a vault in ${places.vault}, and nothing was changed: "up" runs it, "key new" makes a key in it`,
          EXIT.failed,
        )
      // The store refuses it later, when the vault is there.
      if (await isOpenToOthers(places.data))
        throw new CommandProblem(
          'key/permissions',
          `others may look into ${places.data}: take a directory that is for this alone, or run chmod 700 ${places.data}`,
          EXIT.failed,
        )
      const passphrase = await readSecret(context, call, VAULT_PASSPHRASE, { repeat: true })
      const keyPassphrase = await readGivenSecret(context, call, PASSPHRASE)
      let pubkey: string | undefined
      try {
        await mkdir(places.data, { recursive: true, mode: 0o700 })
        await initVault(places.vault, passphrase)
        if (keyName !== undefined) {
          const vault = await openVault(places.vault, passphrase)
          try {
            pubkey = (await vault.create(keyName, keyPassphrase ?? passphrase)).pubkey
          } finally {
            await vault.close()
          }
        }
      } finally {
        passphrase.fill(0)
        keyPassphrase?.fill(0)
      }
      const wrote = settings === undefined ? undefined : await writeSettings(places.config, settings)
      const key =
        pubkey === undefined || keyName === undefined ? null : { name: keyName, pubkey, npub: npub(pubkey) }
      return {
        json: { vault: places.vault, key, config: wrote === true ? places.config : null },
        text: [
          facts([
            ['vault', places.vault],
            ['key', key === null ? undefined : `${key.name} ${key.npub}`],
            [
              'settings',
              wrote === undefined
                ? undefined
                : wrote
                  ? places.config
                  : `${places.config} was there, and is as it was`,
            ],
          ]),
          `Next: nip46-bunker up${keyName === undefined ? '' : ` --unlock ${keyName}`}`,
        ].join('\n'),
      }
    },
  },
]

/** False also where nothing is yet. */
async function isOpenToOthers(directory: string): Promise<boolean> {
  try {
    return ((await stat(directory)).mode & 0o077) !== 0
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return false
    throw cause
  }
}

function readSettings(relays: readonly string[], serve: string | undefined): object | undefined {
  const accept = (option: string, read: Read<unknown>): void => {
    if ('problem' in read) throw new CommandProblem('usage', `${option} ${read.problem}`)
  }
  if (relays.length > 0) accept('--relay', SETTINGS.relays.fromText(relays.join(',')))
  if (serve !== undefined) accept('--serve', SETTINGS.serve.fromText(serve))
  if (relays.length === 0 && serve === undefined) return undefined
  return { ...(relays.length > 0 && { relays }), ...(serve !== undefined && { serve }) }
}

/** False if there is one already. */
async function writeSettings(path: string, settings: object): Promise<boolean> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  try {
    await writeFile(path, `${JSON.stringify(settings, null, 2)}\n`, { flag: 'wx', mode: 0o600 })
    return true
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') return false
    throw cause
  }
}
