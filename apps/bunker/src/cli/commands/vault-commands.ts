/**
 * `vault …`: what the vault itself is opened with. Never touches the keys in it: each has a passphrase of its own.
 */

import type { OutputOf } from '../../api/operations.ts'
import type { Command, Context } from '../command.ts'
import { answers, asText, expectVault, openVaultWith } from '../key-service.ts'
import { NEW_VAULT_PASSPHRASE, readSecret, secretOptions, VAULT_PASSPHRASE } from '../secret-options.ts'

export const VAULT_COMMANDS: readonly Command[] = [
  {
    name: 'vault passwd',
    words: 'Another passphrase for the vault: what "up" asks for.',
    operands: [],
    options: secretOptions(VAULT_PASSPHRASE, NEW_VAULT_PASSPHRASE),
    example: 'vault passwd',
    notes: [
      'Works with or without a daemon; a running one goes on. Keys keep theirs: see "key passwd".',
      'Backups that were made before still open with the old one only.',
    ],
    operations: ['vault.passwd'],
    handlesSecrets: true,
    async run(context, call) {
      const api = await context.api()
      const online = await answers(api, context)
      if (!online) await expectVault(context)
      const passphrase = await readSecret(context, call, VAULT_PASSPHRASE)
      let newPassphrase: Uint8Array | undefined
      try {
        newPassphrase = await readSecret(context, call, NEW_VAULT_PASSPHRASE, { repeat: true })
        const changed = online
          ? await api.call('vault.passwd', {
              passphrase: asText(passphrase),
              newPassphrase: asText(newPassphrase),
            })
          : await changeOffline(context, passphrase, newPassphrase)
        return { json: changed, text: 'the vault has a new passphrase' }
      } finally {
        passphrase.fill(0)
        newPassphrase?.fill(0)
      }
    },
  },
]

async function changeOffline(
  context: Context,
  passphrase: Uint8Array,
  newPassphrase: Uint8Array,
): Promise<OutputOf<'vault.passwd'>> {
  const vault = await openVaultWith(context, passphrase)
  try {
    await vault.changeVaultPassphrase(passphrase, newPassphrase)
    return { changedAt: context.io.now() }
  } finally {
    await vault.close()
  }
}
