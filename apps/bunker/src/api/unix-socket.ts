/**
 * Where the API's unix socket is to be: how long its path may be, its directory, and what a crash left there.
 * Never takes the place of a daemon that answers.
 */

import { rm, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { UsageError } from '@nip46/core'
import { ensurePrivateDirectory } from '../daemon/private-file.ts'

/** Bytes of a path that every system takes. */
const PATH_BYTES = 103

/** Makes room for a socket in a directory for its owner only. Rejects with `UsageError` if another daemon answers there. */
export async function clearSocketPath(path: string): Promise<void> {
  // Longer ones are cut by the system, or refused with words that do not help.
  if (Buffer.byteLength(path) > PATH_BYTES)
    throw new UsageError(`${path} is too long for a socket: give a shorter one with --socket`)
  await ensurePrivateDirectory(dirname(path))
  await removeStaleSocket(path)
}

/** A socket that nobody listens on was left by a crash. */
async function removeStaleSocket(path: string): Promise<void> {
  try {
    const facts = await stat(path)
    if (!facts.isSocket()) throw new UsageError(`${path} is in the way: it is no socket`)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return
    throw cause
  }
  const isAlive = await new Promise<boolean>((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
  if (isAlive)
    throw new UsageError(`another daemon answers at ${path}: stop it first, or give another --socket`)
  await rm(path, { force: true })
}
