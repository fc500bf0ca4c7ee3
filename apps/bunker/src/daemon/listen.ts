/**
 * Listening on a port that the owner named.
 * Never leaves the owner alone with a code of the system.
 */

import { UsageError } from '@nip46/core'
import type { Address } from './setting.ts'

const WORDS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program has this port: set another one, or 0 for any',
  EACCES: 'this user may not listen there: set a port above 1023, or 0 for any',
  EADDRNOTAVAIL: 'this machine has no such address: set 127.0.0.1, or one of its own',
}

/** A port that is taken is told with its setting. */
export async function listenOr<T>(
  setting: 'serve' | 'http',
  { host, port }: Address,
  listen: () => Promise<T>,
): Promise<T> {
  try {
    return await listen()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const words = WORDS[code ?? '']
    if (words === undefined) throw cause
    throw new UsageError(`"${setting}" at ${host}:${port}: ${words}`)
  }
}
