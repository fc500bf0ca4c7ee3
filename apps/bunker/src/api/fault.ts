/**
 * What an operation fails with, as the API answers it: a code, one sentence that says what to do, an HTTP status.
 * Never carries a secret or what a stranger sent.
 */

import type { JsonValue } from '@nip46/core'

/**
 * - `input/…`: what was sent cannot be read (400, 413, 415)
 * - `auth/…`: no token, or one without the scope (401, 403)
 * - `…/unknown`: there is no such thing (404)
 * - `request/changed`, `request/decided`, `connect/changed`: 409; `request/gone`: 410
 * - the others say what stands in the way (409), or what does not work at the moment (503)
 */
export class Fault extends Error {
  override readonly name = 'Fault'
  readonly status: number
  readonly code: string
  /** More fields of the answer's `error`, such as `decision`. */
  readonly facts: { readonly [name: string]: JsonValue }

  constructor(
    status: number,
    code: string,
    message: string,
    facts: { readonly [name: string]: JsonValue } = {},
  ) {
    super(message)
    this.status = status
    this.code = code
    this.facts = facts
  }
}
