/**
 * Why something did not work, as seen by a client: the documented union of codes, and the classifier of foreign error texts.
 * Never carries a secret or a plaintext.
 */

import type { ResultProblem } from './method.ts'
import type { RelayRefusal } from './port.ts'

/** What a remote signer meant by its error text, as far as texts in the field tell. */
export type RemoteReason =
  | 'rejected'
  | 'session-invalid'
  | 'bad-secret'
  | 'unsupported'
  | 'rate-limited'
  | 'timeout'
  | 'invalid'
  | 'too-large'
  | 'other'

/**
 * - `remote/error`: the remote signer answered with an error; see `reason`
 * - `response/…`, `session/identity-changed`: the answer was not believed
 * - `connect/secret`: the remote signer proved another secret than ours
 * - `auth/url`: it asked to open a URL that must not be opened
 * - `publish/rejected`: every relay refused the request; see `relays`
 * - `timeout/not-sent`: no relay took the request in time; `timeout/no-answer`: sent, not answered;
 *   `timeout/auth`: the user did not finish at the auth_url; `timeout/connect`: nobody took the offer
 * - `transport/no-relay`: not one relay could be reached
 * - `request/busy`: too many requests in flight; `request/too-large`: does not fit into one event
 * - `session/unpaired`: the remote signer no longer knows this client: pair again
 * - `cancelled`, `closed`, `logged-out`: ended on this side
 */
export type FailureCode =
  | ResultProblem
  | 'remote/error'
  | 'connect/secret'
  | 'auth/url'
  | 'publish/rejected'
  | 'timeout/not-sent'
  | 'timeout/no-answer'
  | 'timeout/auth'
  | 'timeout/connect'
  | 'transport/no-relay'
  | 'request/busy'
  | 'request/too-large'
  | 'session/unpaired'
  | 'cancelled'
  | 'closed'
  | 'logged-out'

/** Why a request or a login came to nothing. */
export interface Failure {
  readonly code: FailureCode
  /** For people; may change. The remote signer's own words for `remote/error`. */
  readonly message: string
  /** With `remote/error`. */
  readonly reason?: RemoteReason
  /** With `publish/rejected`: what each relay said. */
  readonly relays?: readonly RelayRefusal[]
}

/** Sorts the error texts of deployed remote signers, and our own prefixes, into reasons. The first match wins. */
export function classifyRemoteError(text: string): RemoteReason {
  // Our own prefixes say it outright, whatever words follow; `unauthorized:` alone does not.
  const own = /^(denied|expired|invalid|rate-limited|timeout|too-large|unsupported): /.exec(text)
  const said = own?.[1] ?? text
  return CLASSES.find(([pattern]) => pattern.test(said))?.[1] ?? 'other'
}

const CLASSES: readonly (readonly [RegExp, RemoteReason])[] = [
  [
    /unknown client|client not authorized|not connected|^unauthorized: session|revoked|no permission created/i,
    'session-invalid',
  ],
  [/secret|already connected/i, 'bad-secret'],
  [/unsupported|unrecogni[sz]ed|unknown method|not implemented|invalid method/i, 'unsupported'],
  [/rate.?limit|too many/i, 'rate-limited'],
  [/timed?.?out|expired/i, 'timeout'],
  [/too.?large/i, 'too-large'],
  [/reject|denied|declin|unauthori[sz]ed|not authorized|no permission/i, 'rejected'],
  [/^invalid/i, 'invalid'],
]
