/**
 * What `doctor` looks at by itself, and what the daemon says of itself. Never opens the vault, and never asks for anything.
 */

import { lstat } from 'node:fs/promises'
import { Fault } from '../api/fault.ts'
import type { Finding } from '../api/shapes.ts'
import type { Context } from './command.ts'

export async function examineHost(context: Context): Promise<readonly Finding[]> {
  if (context.remote) return (await (await context.api()).call('doctor.get')).findings
  return [...(await examineMachine(context)), ...(await askDaemon(context))]
}

async function examineMachine(context: Context): Promise<readonly Finding[]> {
  const places = await context.places()
  const { vaultExists } = await import('../keys/vault-files.ts')
  const { coreFileBytes } = await import('../keys/hardening.ts')
  const findings: Finding[] = [
    { level: 'ok', what: 'node', words: `version ${process.versions.node}`, fix: '' },
    await examineDirectory('data', places.data),
  ]
  const hasVault = await vaultExists(places.vault).catch(() => false)
  findings.push(
    hasVault
      ? await examineDirectory('vault', places.vault)
      : {
          level: 'error',
          what: 'vault',
          words: `there is none in ${places.vault}`,
          fix: 'make one: nip46-bunker init',
        },
  )
  const core = coreFileBytes()
  findings.push(
    core !== undefined && core <= 1
      ? { level: 'ok', what: 'core files', words: 'are off', fix: '' }
      : {
          level: 'ok',
          what: 'core files',
          words: 'are on here; the daemon turns them off for itself',
          fix: '',
        },
  )
  return findings
}

async function examineDirectory(what: string, path: string): Promise<Finding> {
  try {
    const { mode, uid } = await lstat(path)
    if ((mode & 0o077) !== 0)
      return { level: 'error', what, words: `others may look into ${path}`, fix: `chmod 700 ${path}` }
    if (process.getuid !== undefined && uid !== process.getuid())
      return {
        level: 'error',
        what,
        words: `${path} belongs to another user`,
        fix: `run as that user, or chown it`,
      }
    return { level: 'ok', what, words: path, fix: '' }
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause)) throw cause
    return {
      level: 'error',
      what,
      words: `${path} cannot be used (${String(cause.code)})`,
      fix: 'make it: nip46-bunker init',
    }
  }
}

async function askDaemon(context: Context): Promise<readonly Finding[]> {
  try {
    const { findings } = await (await context.api()).call('doctor.get')
    return [{ level: 'ok', what: 'daemon', words: 'answers', fix: '' }, ...findings]
  } catch (cause) {
    if (!(cause instanceof Fault && cause.code.startsWith('daemon/'))) throw cause
    return [{ level: 'error', what: 'daemon', words: cause.message, fix: 'start it: nip46-bunker up' }]
  }
}
