/**
 * Options that say where a passphrase or a key comes from: a file, a descriptor, a systemd credential; otherwise a prompt.
 * Never takes the secret itself, and never reads two of them from one descriptor.
 */

import { resolve } from 'node:path'
import { type PassphraseSource, readPassphrase } from '../keys/passphrase.ts'
import type { Call, Context, OptionSpecs } from './command.ts'
import { readNumber } from './options.ts'
import { CommandProblem } from './problem.ts'

export interface SecretSpec {
  /** `passphrase` gives `--passphrase-file`, `--passphrase-fd`, `--passphrase-credential`. */
  readonly option: string
  /** What it is, as in "passphrase of the key". */
  readonly words: string
}

export const VAULT_PASSPHRASE: SecretSpec = { option: 'vault-passphrase', words: 'passphrase of the vault' }
export const NEW_VAULT_PASSPHRASE: SecretSpec = {
  option: 'new-vault-passphrase',
  words: 'new passphrase of the vault',
}
export const PASSPHRASE: SecretSpec = { option: 'passphrase', words: 'passphrase of the key' }
export const NEW_PASSPHRASE: SecretSpec = { option: 'new-passphrase', words: 'new passphrase of the key' }
export const EXPORT_PASSPHRASE: SecretSpec = {
  option: 'export-passphrase',
  words: 'passphrase of the exported text',
}
export const SECRET: SecretSpec = {
  option: 'secret',
  words: 'key to import (nsec1…, hex, ncryptsec1… or seed words)',
}
export const SECRET_PASSPHRASE: SecretSpec = {
  option: 'secret-passphrase',
  words: 'passphrase of what is imported',
}

export function secretOptions(...specs: readonly SecretSpec[]): OptionSpecs {
  return Object.fromEntries(
    specs.flatMap(({ option, words }) => [
      [
        `${option}-file`,
        { type: 'text', value: 'FILE', words: `${words}: from a file that only you may read` },
      ],
      [`${option}-fd`, { type: 'text', value: 'NUMBER', words: '  or from this file descriptor' }],
      [`${option}-credential`, { type: 'text', value: 'NAME', words: '  or from this systemd credential' }],
    ]),
  )
}

/** The bytes, which the caller wipes. Asks at the terminal where no option says otherwise, twice with `repeat`. */
export async function readSecret(
  context: Context,
  call: Call,
  { option, words }: SecretSpec,
  choice: { readonly repeat?: boolean; readonly max?: number } = {},
): Promise<Uint8Array> {
  const source = sourceOf(call, option)
  const { interactive, env, signal } = context.io
  if (source === undefined && !interactive)
    throw new CommandProblem(
      'usage',
      `there is no terminal to ask for the ${words} at: give --${option}-file FILE`,
    )
  return readPassphrase(
    source ?? {
      type: 'prompt',
      message: `${words.charAt(0).toUpperCase()}${words.slice(1)}`,
      ...(choice.repeat === true && { repeat: true }),
    },
    { environment: env, interactive, signal, ...(choice.max !== undefined && { max: choice.max }) },
  )
}

/** Likewise, but undefined where no option says where it comes from. */
export async function readGivenSecret(
  context: Context,
  call: Call,
  spec: SecretSpec,
): Promise<Uint8Array | undefined> {
  return sourceOf(call, spec.option) === undefined ? undefined : readSecret(context, call, spec)
}

function sourceOf(call: Call, option: string): PassphraseSource | undefined {
  const file = call.text(`${option}-file`)
  const fd = call.text(`${option}-fd`)
  const credential = call.text(`${option}-credential`)
  const given = [file, fd, credential].filter((value) => value !== undefined)
  if (given.length > 1)
    throw new CommandProblem('usage', `give one of --${option}-file, --${option}-fd, --${option}-credential`)
  if (file !== undefined) return { type: 'file', path: resolve(file) }
  if (fd !== undefined) {
    checkDescriptors(call, fd)
    return { type: 'descriptor', fd: readNumber(`--${option}-fd`, fd, 0, 1_000_000) }
  }
  return credential === undefined ? undefined : { type: 'credential', name: credential }
}

/** A descriptor is read to its end: a second reader would get nothing. */
function checkDescriptors(call: Call, fd: string): void {
  const same = Object.keys(call.command.options).filter(
    (name) => name.endsWith('-fd') && call.text(name) === fd,
  )
  if (same.length > 1)
    throw new CommandProblem('usage', `--${same.join(' and --')} cannot share descriptor ${fd}`)
}
