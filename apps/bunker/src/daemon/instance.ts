/**
 * What other daemons on the same database know this one by, today and after a restart.
 * Never taken from the settings of another host: a name that is not configured is made here, once.
 */

import { hostname } from 'node:os'
import type { RandomBytes } from '@nip46/core'
import type { Config } from './config.ts'
import { readPrivateFile, replacePrivateFile } from './private-file.ts'

/** The configured name, or the one in the file at `path`, which is made if it is missing. */
export async function instanceName(
  { instance }: Pick<Config, 'instance'>,
  path: string,
  random: RandomBytes,
): Promise<string> {
  if (instance !== null) return instance
  const known = (await readPrivateFile(path))?.trim()
  if (known !== undefined && /^[A-Za-z0-9._-]{1,48}$/.test(known)) return known
  const host = hostname()
    .replace(/[^A-Za-z0-9-]+/g, '-')
    .slice(0, 31)
  const made = `${host || 'daemon'}-${Buffer.from(random(8)).toString('hex')}`
  await replacePrivateFile(path, `${made}\n`)
  return made
}
