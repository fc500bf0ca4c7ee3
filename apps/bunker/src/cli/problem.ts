/**
 * Why a command did not do it: a code for programs, one sentence with the fix for people, an exit code for scripts.
 * Never carries a secret.
 */

import { UsageError } from '@nip46/core'
import { Fault } from '../api/fault.ts'
import { VaultError, type VaultErrorCode } from '../keys/vault-error.ts'
import { EXIT, type ExitCode } from './exit-code.ts'

export class CommandProblem extends Error {
  override readonly name = 'CommandProblem'
  readonly code: string
  readonly exit: ExitCode

  constructor(code: string, message: string, exit: ExitCode = EXIT.usage) {
    super(message)
    this.code = code
    this.exit = exit
  }
}

export interface DescribedProblem {
  readonly code: string
  readonly message: string
  readonly exit: ExitCode
}

/** Rethrows what is no problem but a fault of ours. */
export function describeProblem(cause: unknown): DescribedProblem {
  if (cause instanceof CommandProblem) return cause
  if (cause instanceof Fault) return { code: cause.code, message: cause.message, exit: exitOf(cause) }
  if (cause instanceof VaultError)
    return {
      code: cause.code,
      message: cause.message,
      exit: VAULT_EXITS[cause.code] ?? EXIT.failed,
    }
  if (cause instanceof UsageError) return { code: 'usage', message: cause.message, exit: EXIT.usage }
  if (!(cause instanceof Error)) throw cause
  const { code, path } = cause as NodeJS.ErrnoException
  if (code === undefined) throw cause
  const message = SYSTEM_WORDS[code]?.(path ?? 'it') ?? cause.message
  return { code: `system/${code.toLowerCase()}`, message, exit: EXIT.failed }
}

const VAULT_EXITS: { readonly [Code in VaultErrorCode]?: ExitCode } = {
  'key/absent': EXIT.absent,
  'passphrase/cancelled': EXIT.cancelled,
}

const SYSTEM_WORDS: Readonly<Record<string, (path: string) => string>> = {
  ENOENT: (path) => `there is no file or folder ${path}`,
  EEXIST: (path) => `${path} is there already: choose another name`,
  EACCES: (path) => `${path} cannot be used by this user`,
  EADDRINUSE: () => 'another program has this port: choose another one, or 0 for any',
  ENOSPC: () => 'the disk is full',
}

function exitOf({ code, status }: Fault): ExitCode {
  if (code.startsWith('daemon/')) return EXIT.noDaemon
  if (status === 404) return EXIT.absent
  if (status === 410 || /\/(changed|decided|gone)$/.test(code)) return EXIT.changed
  return status === 400 ? EXIT.usage : EXIT.failed
}
