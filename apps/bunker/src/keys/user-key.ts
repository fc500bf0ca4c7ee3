/**
 * Where `up` gets the user's secret key: an ncryptsec file, or the terminal.
 * Never takes a key from the command line, where every user of the machine could read it.
 */

import { readFile, stat } from 'node:fs/promises'
import { password as askHidden, isCancel } from '@clack/prompts'
import { decodeNsec, hexToBytes } from '@nip46/crypto'
import { decryptNcryptsec, type NcryptsecProblem } from './ncryptsec.ts'

/** Tries at the password of a key file before giving up. */
const PASSWORD_TRIES = 3

const WORDS: Readonly<Record<NcryptsecProblem, string>> = {
  'ncryptsec/shape': 'this is no ncryptsec1… text: create one with `nip46-bunker key new --out FILE`',
  'ncryptsec/cost': 'this key asks for more memory than we would give (LOG_N over 22)',
  'ncryptsec/password': 'wrong password, or the text is damaged',
}

/** The 32 secret bytes of the user; wipe them after use. Throws an Error that says what to do. */
export async function loadUserKey(options: {
  readonly keyFile?: string | undefined
  readonly passwordFile?: string | undefined
  readonly interactive: boolean
}): Promise<Uint8Array> {
  const { keyFile, passwordFile, interactive } = options
  if (keyFile !== undefined) return loadKeyFile(keyFile, passwordFile, interactive)
  if (!interactive) throw new Error('no terminal to ask for the key at: give --key-file and --password-file')
  const typed = (await hidden('Your secret key (nsec1…, ncryptsec1… or 64 hex characters)')).trim()
  if (typed.startsWith('ncryptsec1')) return unlock(typed, 'Its password')
  const secret =
    decodeNsec(typed) ?? (/^[0-9a-fA-F]{64}$/.test(typed) ? hexToBytes(typed.toLowerCase()) : undefined)
  if (secret === undefined) throw new Error('that is no nsec1…, ncryptsec1… or 64 hex characters')
  return secret
}

async function loadKeyFile(
  path: string,
  passwordFile: string | undefined,
  interactive: boolean,
): Promise<Uint8Array> {
  await requirePrivate(path)
  const text = (await readFile(path, 'utf8')).trim()
  if (passwordFile !== undefined) {
    await requirePrivate(passwordFile)
    const word = (await readFile(passwordFile, 'utf8')).replace(/\r?\n$/, '')
    const opened = await decryptNcryptsec(text, new TextEncoder().encode(word))
    if (!opened.ok) throw new Error(`${path}: ${WORDS[opened.error]}`)
    return opened.value
  }
  if (!interactive) throw new Error('no terminal to ask for the password at: give --password-file')
  return unlock(text, `Password of ${path}`)
}

async function unlock(text: string, message: string): Promise<Uint8Array> {
  let problem: NcryptsecProblem = 'ncryptsec/password'
  for (let tries = 0; tries < PASSWORD_TRIES; tries++) {
    const again = tries === 0 ? '' : ` (${WORDS[problem]}: once more)`
    const opened = await decryptNcryptsec(text, new TextEncoder().encode(await hidden(message + again)))
    if (opened.ok) return opened.value
    problem = opened.error
    if (problem !== 'ncryptsec/password') break
  }
  throw new Error(WORDS[problem])
}

/** A key or password that others may read is no secret. */
export async function requirePrivate(path: string): Promise<void> {
  const { mode } = await stat(path)
  if ((mode & 0o077) !== 0) throw new Error(`others may read ${path}: run chmod 600 ${path}`)
}

/** What was typed, to the letter: spaces are part of a password. */
async function hidden(message: string): Promise<string> {
  const typed = await askHidden({ message })
  if (isCancel(typed)) throw new Error('cancelled')
  return typed
}
