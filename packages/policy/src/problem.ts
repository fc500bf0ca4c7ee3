/**
 * What is wrong with a policy's text or JSON, as a value, and the way it gets out of a nested reader.
 * Never holds a value of the policy: a policy may name people.
 */

import { err, type Result } from '@nip46/core'

/** What is wrong with a policy or a grant; the message of the problem names the place. */
export type PolicyProblemCode =
  | 'policy/shape'
  | 'policy/version'
  | 'policy/unknown-field'
  | 'policy/effect'
  | 'policy/method'
  | 'policy/category'
  | 'policy/kind'
  | 'policy/peer'
  | 'policy/caveat'
  | 'policy/limit'
  | 'policy/expiry'
  | 'policy/preset'
  | 'policy/too-large'

/** `path` is where, such as `rules[2].max.count`; `message` says what would be right. */
export interface PolicyProblem {
  readonly code: PolicyProblemCode
  readonly path: string
  readonly message: string
}

/** Thrown by readers of this package and caught by {@link read}; never leaves the package. */
class Fault extends Error {
  readonly problem: PolicyProblem
  constructor(problem: PolicyProblem) {
    super(problem.message)
    this.problem = problem
  }
}

export function fail(code: PolicyProblemCode, path: string, message: string): never {
  throw new Fault({ code, path, message })
}

/** Runs a reader; what it failed with comes back as a value. */
export function read<T>(reader: () => Result<T, PolicyProblem>): Result<T, PolicyProblem> {
  try {
    return reader()
  } catch (cause) {
    if (cause instanceof Fault) return err(cause.problem)
    throw cause
  }
}
