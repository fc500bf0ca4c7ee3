/**
 * The value of a result that cannot fail here: what fails in a benchmark is a fault, not a case.
 * Never used on anything a peer sent.
 */

import type { Result } from '@nip46/core'

export function must<T>(result: Result<T, unknown>): T {
  if (!result.ok) throw new Error(`a result that cannot fail did: ${JSON.stringify(result.error)}`)
  return result.value
}

/** Why something could not be had, in one line and without paths of this machine, for the list of what was not run. */
export function reasonOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause)
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const [first = 'no reason given', second = ''] = lines
  return `${first}${first.trimEnd().endsWith(':') ? ` ${second}` : ''}`
    .replaceAll(/(?<![\w@.])(?:file:\/\/)?(?:\/[\w.@+~-]+){2,}/g, (path) => path.split('/').at(-1) ?? '')
    .trim()
}
