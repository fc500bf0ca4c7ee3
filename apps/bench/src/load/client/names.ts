/**
 * What the client libraries and their scenarios are called in a report.
 * Only names: reading this file runs nothing.
 */

export const ROUND_TRIP = 'one sign_event of a client over a relay, p50, wall time'
export const RUST_NOSTR = 'rust-nostr (WASM)'

/** `100 sign_event of a client at once, wall time`. */
export function togetherScenario(atOnce: number): string {
  return `${atOnce} sign_event of a client at once, wall time`
}

export function ownClient(backend: string): string {
  return `@nip46/client (${backend})`
}
