/**
 * What looking into a domain fails with.
 * Never repeats what the domain answered.
 */

/**
 * - `domain/name`: no public host name
 * - `domain/unreachable`: it did not answer, or redirects, or a browser was not allowed to read it (CORS)
 * - `domain/timeout`: not within `DOMAIN_MS`
 * - `domain/too-large`: more than `DOMAIN_BYTES`
 * - `domain/answer`: no nostr.json with a remote signer in it
 * - `cancelled`: by the caller's `signal`
 */
export type DiscoveryProblem =
  | 'domain/name'
  | 'domain/unreachable'
  | 'domain/timeout'
  | 'domain/too-large'
  | 'domain/answer'
  | 'cancelled'

/** What looking for remote signers rejects with. */
export class DiscoveryError extends Error {
  override readonly name = 'DiscoveryError'
  readonly code: DiscoveryProblem

  constructor(code: DiscoveryProblem) {
    super(MESSAGES[code])
    this.code = code
  }
}

const MESSAGES: Readonly<Record<DiscoveryProblem, string>> = {
  'domain/name': 'this is no public domain name',
  'domain/unreachable': 'the domain could not be read',
  'domain/timeout': 'the domain did not answer in time',
  'domain/too-large': 'the domain answered with too much',
  'domain/answer': 'the domain names no remote signer',
  cancelled: 'the search was cancelled',
}
