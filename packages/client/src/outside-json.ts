/**
 * JSON from outside: storage that is shared with other code, other libraries, strangers.
 * Never believes what is in it, and never repeats any of it.
 */

import { SAVED_SESSION_CHARS } from './limits.ts'

export type Members = { readonly [name: string]: unknown }

/**
 * A value, or what its JSON text holds, after one trip through JSON: nothing is left that could run code or throw later. Undefined
 * if it is none, or has more than `SAVED_SESSION_CHARS` characters.
 */
export function readJson(value: unknown): unknown {
  try {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    return text === undefined || text.length > SAVED_SESSION_CHARS ? undefined : JSON.parse(text)
  } catch {
    // Broken text, a circle, a getter of somebody else: all the same. Not passed on, since it could hold a key.
    return undefined
  }
}

/** The members of an object; none of anything else. */
export function membersOf(value: unknown): Members {
  const known = typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
  return Object.assign(Object.create(null) as Record<string, unknown>, known)
}
