/**
 * What `window.nostr` of ours fails with where no session is to blame.
 * Never carries what was asked.
 */

/**
 * - `provider/disposed`: it was taken away again
 * - `provider/no-session`: the user did not log in
 * - `provider/unsupported`: another provider has taken over, and lacks this method
 */
export type ProviderProblem = 'provider/disposed' | 'provider/no-session' | 'provider/unsupported'

/** What the promises of a provided `window.nostr` reject with where no session can answer. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError'
  readonly code: ProviderProblem

  constructor(code: ProviderProblem) {
    super(MESSAGES[code])
    this.code = code
  }
}

const MESSAGES: Readonly<Record<ProviderProblem, string>> = {
  'provider/disposed': 'this window.nostr is no longer in use',
  'provider/no-session': 'the user did not log in',
  'provider/unsupported': 'the extension that is in use does not know this method',
}
