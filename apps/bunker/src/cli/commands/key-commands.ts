/**
 * `key …`: the user's keys. With a daemon through its API, without one in the vault itself.
 * Never prints a key except encrypted.
 */

import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { KeyView } from '../../api/shapes.ts'
import { SECRET_TEXT_BYTES } from '../../keys/limits.ts'
import { confirmOrStop } from '../ask.ts'
import type { Command } from '../command.ts'
import { asText, withKeys } from '../key-service.ts'
import { readDuration, readNumber } from '../options.ts'
import {
  EXPORT_PASSPHRASE,
  NEW_PASSPHRASE,
  PASSPHRASE,
  readGivenSecret,
  readSecret,
  SECRET,
  SECRET_PASSPHRASE,
  secretOptions,
  VAULT_PASSPHRASE,
} from '../secret-options.ts'
import { facts, table, when } from '../text.ts'

const wipe = (...secrets: readonly (Uint8Array | undefined)[]): void => {
  for (const secret of secrets) secret?.fill(0)
}

function stateOf({ state, locksAt }: KeyView): string {
  return state === 'locked' ? 'locked' : locksAt === null ? 'unlocked' : `unlocked until ${when(locksAt)}`
}

function show(key: KeyView): string {
  return facts([
    ['name', key.name],
    ['npub', key.npub],
    ['hex', key.pubkey],
    ['state', stateOf(key)],
    ['made', when(key.createdAt)],
    ['apps', String(key.apps)],
  ])
}

const OFFLINE = ['Works while no daemon runs too: then it asks for the passphrase of the vault.'] as const

export const KEY_COMMANDS: readonly Command[] = [
  {
    name: 'key new',
    words: 'Makes a key, encrypted under a passphrase of its own.',
    operands: ['NAME'],
    options: secretOptions(PASSPHRASE, VAULT_PASSPHRASE),
    example: 'key new me',
    notes: OFFLINE,
    operations: ['key.create'],
    handlesSecrets: true,
    run: (context, call) =>
      withKeys(context, call, async (keys) => {
        const passphrase = await readSecret(context, call, PASSPHRASE, { repeat: true })
        try {
          const key = await keys.create(call.need(0), passphrase)
          return { json: key, text: `${show(key)}\nUse it: nip46-bunker key unlock ${key.name}` }
        } finally {
          wipe(passphrase)
        }
      }),
  },
  {
    name: 'key import',
    words: 'Takes in a key that exists: nsec1…, hex, ncryptsec1… or seed words (NIP-06).',
    operands: ['NAME'],
    options: {
      account: { type: 'text', value: 'NUMBER', words: 'account of the seed words, from 0' },
      ...secretOptions(SECRET, SECRET_PASSPHRASE, PASSPHRASE, VAULT_PASSPHRASE),
    },
    example: 'key import me --secret-file old.ncryptsec',
    notes: OFFLINE,
    operations: ['key.import'],
    handlesSecrets: true,
    run: (context, call) =>
      withKeys(context, call, async (keys) => {
        const accountText = call.text('account')
        const account =
          accountText === undefined ? undefined : readNumber('--account', accountText, 0, 2_147_483_647)
        const secret = await readSecret(context, call, SECRET, { max: SECRET_TEXT_BYTES })
        let secretPassphrase = await readGivenSecret(context, call, SECRET_PASSPHRASE)
        const isEncrypted = new TextDecoder()
          .decode(secret.subarray(0, 40))
          .trim()
          .toLowerCase()
          .startsWith('ncryptsec1')
        if (isEncrypted) secretPassphrase ??= await readSecret(context, call, SECRET_PASSPHRASE)
        const passphrase = await readSecret(context, call, PASSPHRASE, { repeat: true })
        try {
          const key = await keys.importKey(call.need(0), secret, passphrase, {
            ...(secretPassphrase !== undefined && { secretPassphrase }),
            ...(account !== undefined && { account }),
          })
          return { json: key, text: `${show(key)}\nUse it: nip46-bunker key unlock ${key.name}` }
        } finally {
          wipe(secret, secretPassphrase, passphrase)
        }
      }),
  },
  {
    name: 'key list',
    words: 'The keys of this bunker.',
    operands: [],
    options: secretOptions(VAULT_PASSPHRASE),
    example: 'key list',
    notes: OFFLINE,
    operations: ['key.list'],
    handlesSecrets: true,
    run: (context, call) =>
      withKeys(context, call, async (service) => {
        const keys = await service.list()
        const rows = keys.map((key) => [key.name, stateOf(key), String(key.apps), key.npub])
        const text = table(
          ['NAME', 'STATE', 'APPS', 'NPUB'],
          rows,
          'no keys: make one with "nip46-bunker key new me"',
        )
        return { json: { keys }, text }
      }),
  },
  {
    name: 'key show',
    words: 'One key, by its name.',
    operands: ['NAME'],
    options: secretOptions(VAULT_PASSPHRASE),
    example: 'key show me',
    notes: OFFLINE,
    operations: ['key.show'],
    handlesSecrets: true,
    run: (context, call) =>
      withKeys(context, call, async (keys) => {
        const key = await keys.show(call.need(0))
        return { json: key, text: show(key) }
      }),
  },
  {
    name: 'key unlock',
    words: 'Lets the daemon use the key, until it is locked or for a time.',
    operands: ['NAME'],
    options: {
      for: { type: 'text', value: 'TIME', words: 'locks by itself after this time, such as 8h' },
      ...secretOptions(PASSPHRASE),
    },
    example: 'key unlock me --for 8h',
    operations: ['key.unlock'],
    handlesSecrets: true,
    async run(context, call) {
      const forText = call.text('for')
      const forMs = forText === undefined ? undefined : readDuration('--for', forText)
      const api = await context.api()
      const name = call.need(0)
      // Before the question for a passphrase that nobody would use.
      await api.call('key.show', { name })
      const passphrase = await readSecret(context, call, PASSPHRASE)
      try {
        const input = { name, passphrase: asText(passphrase), ...(forMs !== undefined && { forMs }) }
        const key = await api.call('key.unlock', input)
        return { json: key, text: `${key.name} is ${stateOf(key)}` }
      } finally {
        wipe(passphrase)
      }
    },
  },
  {
    name: 'key lock',
    words: 'Wipes the key from memory; requests for it are answered "unavailable".',
    operands: ['NAME'],
    options: {},
    example: 'key lock me',
    operations: ['key.lock'],
    async run(context, call) {
      const key = await (await context.api()).call('key.lock', { name: call.need(0) })
      return { json: key, text: `${key.name} is ${stateOf(key)}` }
    },
  },
  {
    name: 'key rename',
    words: 'Another name for a key.',
    operands: ['NAME', 'NEW-NAME'],
    options: secretOptions(VAULT_PASSPHRASE),
    example: 'key rename me work',
    notes: OFFLINE,
    operations: ['key.rename'],
    handlesSecrets: true,
    run: (context, call) =>
      withKeys(context, call, async (keys) => {
        const key = await keys.rename(call.need(0), call.need(1))
        return { json: key, text: show(key) }
      }),
  },
  {
    name: 'key passwd',
    words: 'Another passphrase for a key.',
    operands: ['NAME'],
    options: secretOptions(PASSPHRASE, NEW_PASSPHRASE, VAULT_PASSPHRASE),
    example: 'key passwd me',
    notes: OFFLINE,
    operations: ['key.passwd'],
    handlesSecrets: true,
    run: (context, call) =>
      withKeys(context, call, async (keys) => {
        const passphrase = await readSecret(context, call, PASSPHRASE)
        const newPassphrase = await readSecret(context, call, NEW_PASSPHRASE, { repeat: true })
        try {
          const key = await keys.changePassphrase(call.need(0), passphrase, newPassphrase)
          return { json: key, text: `${key.name} has a new passphrase` }
        } finally {
          wipe(passphrase, newPassphrase)
        }
      }),
  },
  {
    name: 'key export',
    words: 'The key as ncryptsec1… (NIP-49), for a backup or another signer.',
    operands: ['NAME'],
    options: {
      out: { type: 'text', value: 'FILE', words: 'a new file for it, instead of the terminal' },
      cost: { type: 'text', value: 'LOG_N', words: 'cost of scrypt, 16 to 22' },
      ...secretOptions(PASSPHRASE, EXPORT_PASSPHRASE, VAULT_PASSPHRASE),
    },
    example: 'key export me --out me.ncryptsec',
    notes: [...OFFLINE, "Its passphrase is the key's, unless --export-passphrase-file gives another."],
    operations: ['key.export'],
    handlesSecrets: true,
    run: (context, call) =>
      withKeys(context, call, async (keys) => {
        const costText = call.text('cost')
        const logN = costText === undefined ? undefined : readNumber('--cost', costText, 16, 22)
        const passphrase = await readSecret(context, call, PASSPHRASE)
        const exportPassphrase = await readGivenSecret(context, call, EXPORT_PASSPHRASE)
        try {
          const ncryptsec = await keys.exportKey(call.need(0), passphrase, {
            ...(exportPassphrase !== undefined && { exportPassphrase }),
            ...(logN !== undefined && { logN }),
          })
          const out = call.text('out')
          if (out === undefined) return { json: { ncryptsec }, text: ncryptsec }
          const file = resolve(out)
          await writeFile(file, `${ncryptsec}\n`, { mode: 0o600, flag: 'wx' })
          return { json: { file }, text: `written to ${file}` }
        } finally {
          wipe(passphrase, exportPassphrase)
        }
      }),
  },
  {
    name: 'key delete',
    words: 'Deletes a key for good.',
    operands: ['NAME'],
    options: {
      yes: { type: 'flag', words: 'do not ask' },
      force: { type: 'flag', words: 'although apps use it' },
      ...secretOptions(PASSPHRASE, VAULT_PASSPHRASE),
    },
    example: 'key delete old',
    notes: OFFLINE,
    operations: ['key.delete'],
    handlesSecrets: true,
    run: (context, call) =>
      withKeys(context, call, async (keys) => {
        const key = await keys.show(call.need(0))
        const used = key.apps === 0 ? '' : ` (${key.apps} apps use it)`
        await confirmOrStop(context, call, `Delete ${key.name} ${key.npub}${used} for good?`)
        const passphrase = await readSecret(context, call, PASSPHRASE)
        try {
          const name = await keys.remove(key.name, passphrase, call.flag('force'))
          return { json: { name }, text: `${name} is deleted` }
        } finally {
          wipe(passphrase)
        }
      }),
  },
]
