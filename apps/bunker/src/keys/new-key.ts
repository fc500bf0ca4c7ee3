/**
 * `key new`: makes a secret key and writes it to a file as ncryptsec1….
 * Never overwrites a file and never writes a key in the clear.
 */

import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { password as askHidden, isCancel } from '@clack/prompts'
import { encodeNpub } from '@nip46/core'
import { generateSecretKey } from '@nip46/crypto'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { hostRandom } from '../host-random.ts'
import { encryptNcryptsec } from './ncryptsec.ts'
import { requirePrivate } from './user-key.ts'

/** Returns the npub of the new key. */
export async function makeKey(options: {
  readonly out: string
  readonly passwordFile?: string
  readonly interactive: boolean
}): Promise<string> {
  if (existsSync(options.out)) throw new Error(`${options.out} is there already: choose another name`)
  const word = await choosePassword(options.passwordFile, options.interactive)
  const secret = generateSecretKey(hostRandom)
  try {
    const handle = tinyCrypto().importKey(secret)
    const npub = encodeNpub(handle.pubkey)
    handle.destroy()
    await writeFile(
      options.out,
      `${await encryptNcryptsec(secret, new TextEncoder().encode(word), 'guarded')}\n`,
      {
        mode: 0o600,
        flag: 'wx',
      },
    )
    return npub
  } finally {
    secret.fill(0)
  }
}

async function choosePassword(file: string | undefined, interactive: boolean): Promise<string> {
  if (file !== undefined) {
    await requirePrivate(file)
    return (await readFile(file, 'utf8')).replace(/\r?\n$/, '')
  }
  if (!interactive) throw new Error('no terminal to ask for a password at: give --password-file')
  const typed = await askHidden({ message: 'A password for the new key' })
  if (isCancel(typed)) throw new Error('cancelled')
  const again = await askHidden({ message: 'The same once more' })
  if (again !== typed) throw new Error('the two passwords differ')
  return typed
}
