/**
 * The operations on the vault and its keys.
 * Never keeps a passphrase longer than the call: texts become bytes that are wiped.
 */

import { Fault } from '../../api/fault.ts'
import type { Handlers } from '../../api/operations.ts'
import type { KeyInfo } from '../../keys/vault.ts'
import { VaultError } from '../../keys/vault-error.ts'
import { viewKey } from '../health.ts'
import type { Host } from '../host.ts'
import { maskSecrets } from '../log.ts'
import { expectNoPanic } from './faults.ts'

type Names =
  | 'vault.passwd'
  | 'key.list'
  | 'key.show'
  | 'key.create'
  | 'key.import'
  | 'key.export'
  | 'key.unlock'
  | 'key.lock'
  | 'key.rename'
  | 'key.passwd'
  | 'key.delete'

export function keyHandlers(host: Host): Pick<Handlers, Names> {
  const { vault, clock, log } = host
  const view = (key: KeyInfo) => viewKey(host, key)
  return {
    'vault.passwd': ({ passphrase, newPassphrase }, caller) =>
      withBytes([passphrase, newPassphrase], async ([before, after]) => {
        await vault.changeVaultPassphrase(before, after)
        log.write('warning', 'vault-passphrase-changed', { caller: caller.name })
        return { changedAt: clock.now() }
      }),
    'key.list': () => ({ keys: vault.list().map(view) }),
    'key.show': ({ name }) => view(findKey(host, name)),
    'key.create': ({ name, passphrase }) =>
      withBytes([passphrase], async ([secret]) => view(await vault.create(name, secret))),
    'key.import': ({ name, passphrase, secret, secretPassphrase, account }) =>
      withBytes([passphrase, secret, secretPassphrase ?? ''], async ([own, imported, theirs]) =>
        view(
          await vault.importKey(name, imported, own, {
            ...(secretPassphrase !== undefined && { secretPassphrase: theirs }),
            ...(account !== undefined && { account }),
          }),
        ),
      ),
    'key.export': ({ name, passphrase, exportPassphrase, logN }) =>
      withBytes([passphrase, exportPassphrase ?? ''], async ([own, theirs]) => ({
        ncryptsec: await vault.exportKey(name, own, {
          ...(exportPassphrase !== undefined && { exportPassphrase: theirs }),
          ...(logN !== undefined && { logN }),
        }),
      })),
    'key.unlock': async ({ name, passphrase, forMs }) => {
      await expectNoPanic(host)
      return withBytes([passphrase], async ([secret]) => view(await vault.unlock(name, secret, forMs)))
    },
    'key.lock': ({ name }) => withBytes([], async () => view(await vault.lock(name))),
    'key.rename': ({ name, newName }) => withBytes([], async () => view(await vault.rename(name, newName))),
    'key.passwd': ({ name, passphrase, newPassphrase }) =>
      withBytes([passphrase, newPassphrase], async ([before, after]) =>
        view(await vault.changePassphrase(name, before, after)),
      ),
    'key.delete': ({ name, passphrase, force = false }) => {
      const { apps } = view(findKey(host, name))
      if (apps > 0 && !force)
        throw new Fault(409, 'key/in-use', `${apps} apps use this key: revoke them first, or say --force`)
      return withBytes([passphrase], async ([secret]) => {
        await vault.remove(name, secret)
        return { name }
      })
    },
  }
}

function findKey({ vault }: Host, name: string): KeyInfo {
  const key = vault.show(name)
  if (key === undefined)
    throw new Fault(404, 'key/unknown', `there is no key "${maskSecrets(name)}": see "key list"`)
  return key
}

/** The key that is meant: the named one, or the only one. */
export function chooseKey(host: Host, name: string | undefined): KeyInfo {
  if (name !== undefined) return findKey(host, name)
  const [key, another] = host.vault.list()
  if (key === undefined) throw new Fault(409, 'key/none', 'there is no key: make one with "key new"')
  if (another !== undefined) throw new Fault(400, 'key/which', 'there are several keys: say which with --key')
  return key
}

type Bytes<Texts extends readonly string[]> = { readonly [Index in keyof Texts]: Uint8Array }

/** Runs with the texts as bytes, wipes them, and turns what the vault says into an answer. */
async function withBytes<const Texts extends readonly string[], T>(
  texts: Texts,
  run: (bytes: Bytes<Texts>) => Promise<T>,
): Promise<T> {
  const bytes = texts.map((text) => new TextEncoder().encode(text))
  try {
    return await run(bytes as unknown as Bytes<Texts>)
  } catch (cause) {
    if (cause instanceof VaultError) throw vaultFault(cause)
    throw cause
  } finally {
    for (const each of bytes) each.fill(0)
  }
}

function vaultFault({ code, message, retryAfterMs }: VaultError): Fault {
  const facts = retryAfterMs === undefined ? {} : { retryAfterMs }
  if (code === 'key/absent') return new Fault(404, 'key/unknown', message)
  if (code === 'key/tries') return new Fault(429, code, message, facts)
  if (code === 'key/password' || code === 'vault/password') return new Fault(403, code, message)
  if (code === 'vault/busy' || code === 'vault/failed' || code === 'vault/closed')
    return new Fault(503, code, message)
  if (code === 'key/exists' || code === 'key/full' || code === 'key/permissions')
    return new Fault(409, code, message)
  return new Fault(400, code, message)
}
