/**
 * The vault and the keys in it.
 * Never gives out a key that is not encrypted.
 */

import { PASSPHRASE_CHARS } from '../limits.ts'
import { flag, integer, list, object, optional, text } from '../schema.ts'
import type { KeyView, Nothing } from '../shapes.ts'
import { duration, keyName, keyView, line, nothing, time } from './fields.ts'
import type { OperationTable } from './operation.ts'

export interface KeyOperations {
  /** What the vault itself is opened with. Keys, backups and the store stay as they are. */
  'vault.passwd': { input: { passphrase: string; newPassphrase: string }; output: { changedAt: number } }
  'key.list': { input: Nothing; output: { keys: readonly KeyView[] } }
  'key.show': { input: { name: string }; output: KeyView }
  'key.create': { input: { name: string; passphrase: string }; output: KeyView }
  /** `secret`: nsec1…, 64 hex characters, ncryptsec1… (with `secretPassphrase`) or seed words (NIP-06). */
  'key.import': {
    input: {
      name: string
      passphrase: string
      secret: string
      secretPassphrase?: string
      account?: number
    }
    output: KeyView
  }
  'key.export': {
    input: { name: string; passphrase: string; exportPassphrase?: string; logN?: number }
    output: { ncryptsec: string }
  }
  'key.unlock': { input: { name: string; passphrase: string; forMs?: number }; output: KeyView }
  'key.lock': { input: { name: string }; output: KeyView }
  'key.rename': { input: { name: string; newName: string }; output: KeyView }
  'key.passwd': { input: { name: string; passphrase: string; newPassphrase: string }; output: KeyView }
  /** The passphrase again: this cannot be taken back. Refused while apps use the key, unless `force`. */
  'key.delete': { input: { name: string; passphrase: string; force?: boolean }; output: { name: string } }
}

const passphrase = text(PASSPHRASE_CHARS, 'a passphrase', undefined, 1)
const byName = object<{ name: string }>({ name: keyName })

export const KEY_OPERATIONS: OperationTable<KeyOperations> = {
  'vault.passwd': {
    method: 'POST',
    path: '/vault/passwd',
    scope: 'keys',
    words: 'Another passphrase for the vault itself.',
    input: object<KeyOperations['vault.passwd']['input']>({ passphrase, newPassphrase: passphrase }),
    output: object<KeyOperations['vault.passwd']['output']>({ changedAt: time }),
  },
  'key.list': {
    method: 'GET',
    path: '/keys',
    scope: 'read',
    words: 'The keys of this bunker.',
    input: nothing,
    output: object<KeyOperations['key.list']['output']>({ keys: list(keyView) }),
  },
  'key.show': {
    method: 'GET',
    path: '/keys/{name}',
    scope: 'read',
    words: 'One key.',
    input: byName,
    output: keyView,
  },
  'key.create': {
    method: 'POST',
    path: '/keys',
    scope: 'keys',
    words: 'Makes a key, encrypted under its passphrase.',
    input: object<KeyOperations['key.create']['input']>({ name: keyName, passphrase }),
    output: keyView,
  },
  'key.import': {
    method: 'POST',
    path: '/keys/import',
    scope: 'keys',
    words: 'Takes in a key that exists.',
    input: object<KeyOperations['key.import']['input']>({
      name: keyName,
      passphrase,
      secret: text(4_096, 'nsec1…, 64 hex characters, ncryptsec1… or seed words', undefined, 1),
      secretPassphrase: optional(text(PASSPHRASE_CHARS, 'the passphrase of what is imported')),
      account: optional(integer(0, 2_147_483_647, 'the account of the seed words (NIP-06)')),
    }),
    output: keyView,
  },
  'key.export': {
    method: 'POST',
    path: '/keys/{name}/export',
    scope: 'keys',
    words: 'The key as ncryptsec1… (NIP-49).',
    input: object<KeyOperations['key.export']['input']>({
      name: keyName,
      passphrase,
      exportPassphrase: optional(passphrase),
      logN: optional(integer(16, 22, 'the cost of scrypt')),
    }),
    output: object<KeyOperations['key.export']['output']>({ ncryptsec: line }),
  },
  'key.unlock': {
    method: 'POST',
    path: '/keys/{name}/unlock',
    scope: 'keys',
    words: 'Lets the key be used, for a while or until it is locked.',
    input: object<KeyOperations['key.unlock']['input']>({
      name: keyName,
      passphrase,
      forMs: optional(duration),
    }),
    output: keyView,
  },
  'key.lock': {
    method: 'POST',
    path: '/keys/{name}/lock',
    scope: 'approve',
    words: 'Wipes the key from memory; requests for it are answered unavailable.',
    input: byName,
    output: keyView,
  },
  'key.rename': {
    method: 'POST',
    path: '/keys/{name}/rename',
    scope: 'keys',
    words: 'Another name for a key.',
    input: object<KeyOperations['key.rename']['input']>({ name: keyName, newName: keyName }),
    output: keyView,
  },
  'key.passwd': {
    method: 'POST',
    path: '/keys/{name}/passwd',
    scope: 'keys',
    words: 'Another passphrase for a key.',
    input: object<KeyOperations['key.passwd']['input']>({
      name: keyName,
      passphrase,
      newPassphrase: passphrase,
    }),
    output: keyView,
  },
  'key.delete': {
    method: 'POST',
    path: '/keys/{name}/delete',
    scope: 'keys',
    words: 'Deletes a key for good.',
    input: object<KeyOperations['key.delete']['input']>({
      name: keyName,
      passphrase,
      force: optional(flag('delete it although apps use it')),
    }),
    output: byName,
  },
}
