/**
 * Listening on a port that the owner named.
 * Never leaves the owner alone with a code of the system.
 */

import { UsageError } from '@nip46/core'
import type { Address } from './setting.ts'

/** A port that is taken is told with its setting. */
export async function listenOr<T>({ host, port }: Address, listen: () => Promise<T>): Promise<T> {
  try {
    return await listen()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code !== 'EADDRINUSE' && code !== 'EACCES' && code !== 'EADDRNOTAVAIL') throw cause
    throw new UsageError(`${host}:${port} cannot be listened on (${code}): set another port, or 0 for any`)
  }
}
