/**
 * The keys of a bunker: through its daemon, or in the vault itself while no daemon runs.
 * Never opens the vault of a daemon that answers.
 */

import type { ApiClient } from '../api/client.ts'
import { Fault } from '../api/fault.ts'
import type { InputOf } from '../api/operations.ts'
import type { KeyView } from '../api/shapes.ts'
import type { KeyInfo, Vault } from '../keys/vault.ts'
import type { Call, Context } from './command.ts'
import { CommandProblem } from './problem.ts'
import { readSecret, VAULT_PASSPHRASE } from './secret-options.ts'
import { npub } from './text.ts'

export interface KeyService {
  /** Whether a daemon does it: only there is a key ever unlocked. */
  readonly online: boolean
  list(): Promise<readonly KeyView[]>
  show(name: string): Promise<KeyView>
  create(name: string, passphrase: Uint8Array): Promise<KeyView>
  importKey(
    name: string,
    secret: Uint8Array,
    passphrase: Uint8Array,
    options: { readonly secretPassphrase?: Uint8Array; readonly account?: number },
  ): Promise<KeyView>
  exportKey(
    name: string,
    passphrase: Uint8Array,
    options: { readonly exportPassphrase?: Uint8Array; readonly logN?: number },
  ): Promise<string>
  rename(name: string, newName: string): Promise<KeyView>
  changePassphrase(name: string, passphrase: Uint8Array, newPassphrase: Uint8Array): Promise<KeyView>
  remove(name: string, passphrase: Uint8Array, force: boolean): Promise<string>
  close(): Promise<void>
}

/** Finds out who has the keys, runs, and closes what it opened. */
export async function withKeys<T>(
  context: Context,
  call: Call,
  use: (keys: KeyService) => Promise<T>,
): Promise<T> {
  const api = await context.api()
  const keys = (await answers(api, context)) ? onlineKeys(api) : offlineKeys(await openOffline(context, call))
  try {
    return await use(keys)
  } finally {
    await keys.close()
  }
}

/** Whether a daemon has the keys; false only if none runs on this machine. */
export async function answers(api: ApiClient, context: Context): Promise<boolean> {
  try {
    await api.call('key.list')
    return true
  } catch (cause) {
    if (cause instanceof Fault && cause.code === 'daemon/not-running' && !context.remote) return false
    throw cause
  }
}

async function openOffline(context: Context, call: Call): Promise<Vault> {
  await expectVault(context)
  const passphrase = await readSecret(context, call, VAULT_PASSPHRASE)
  try {
    return await openVaultWith(context, passphrase)
  } finally {
    passphrase.fill(0)
  }
}

/** The vault itself, while no daemon runs. The passphrase stays the caller's. */
export async function openVaultWith(context: Context, passphrase: Uint8Array): Promise<Vault> {
  const { vault } = await context.places()
  const { openVault } = await import('../keys/open-vault.ts')
  return openVault(vault, passphrase)
}

/** Before anybody is asked for its passphrase. */
export async function expectVault(context: Context): Promise<void> {
  const { vault } = await context.places()
  const { vaultExists } = await import('../keys/vault-files.ts')
  if (!(await vaultExists(vault)))
    throw new CommandProblem(
      'vault/absent',
      `there is no vault in ${vault}: make one with "nip46-bunker init"`,
    )
}

function onlineKeys(api: ApiClient): KeyService {
  return {
    online: true,
    list: async () => (await api.call('key.list')).keys,
    show: (name) => api.call('key.show', { name }),
    create: (name, passphrase) => api.call('key.create', { name, passphrase: asText(passphrase) }),
    importKey: (name, secret, passphrase, { secretPassphrase, account }) => {
      const input: InputOf<'key.import'> = {
        name,
        secret: asText(secret),
        passphrase: asText(passphrase),
        ...(secretPassphrase !== undefined && { secretPassphrase: asText(secretPassphrase) }),
        ...(account !== undefined && { account }),
      }
      return api.call('key.import', input)
    },
    exportKey: async (name, passphrase, { exportPassphrase, logN }) => {
      const input: InputOf<'key.export'> = {
        name,
        passphrase: asText(passphrase),
        ...(exportPassphrase !== undefined && { exportPassphrase: asText(exportPassphrase) }),
        ...(logN !== undefined && { logN }),
      }
      return (await api.call('key.export', input)).ncryptsec
    },
    rename: (name, newName) => api.call('key.rename', { name, newName }),
    changePassphrase: (name, passphrase, newPassphrase) =>
      api.call('key.passwd', { name, passphrase: asText(passphrase), newPassphrase: asText(newPassphrase) }),
    remove: async (name, passphrase, force) =>
      (await api.call('key.delete', { name, passphrase: asText(passphrase), ...(force && { force }) })).name,
    close: async () => undefined,
  }
}

function offlineKeys(vault: Vault): KeyService {
  const view = (key: KeyInfo): KeyView => ({ ...key, npub: npub(key.pubkey), apps: 0 })
  return {
    online: false,
    list: async () => vault.list().map(view),
    show: async (name) => {
      const key = vault.show(name)
      if (key === undefined)
        throw new Fault(404, 'key/unknown', 'there is no such key: "key list" shows those there are')
      return view(key)
    },
    create: async (name, passphrase) => view(await vault.create(name, passphrase)),
    importKey: async (name, secret, passphrase, options) =>
      view(await vault.importKey(name, secret, passphrase, options)),
    exportKey: (name, passphrase, options) => vault.exportKey(name, passphrase, options),
    rename: async (name, newName) => view(await vault.rename(name, newName)),
    changePassphrase: async (name, passphrase, newPassphrase) =>
      view(await vault.changePassphrase(name, passphrase, newPassphrase)),
    // Which apps use a key is in the daemon's store: who deletes without it was asked, or said --force.
    remove: async (name, passphrase) => (await vault.remove(name, passphrase)).name,
    close: () => vault.close(),
  }
}

/** For the API, which speaks JSON. The string cannot be wiped; the process ends soon. */
export function asText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    throw new CommandProblem('usage', 'what is sent to the daemon has to be text (UTF-8)')
  }
}
