/**
 * How long the tests of every project wait. Machines that run checks are shared, and slow at times: a time-out means a hang, and
 * is never what a test measures.
 */

export const PATIENCE = {
  testTimeout: 180_000,
  hookTimeout: 120_000,
  // Below the time of a test, so that what did not come is named.
  expect: { poll: { timeout: 60_000 } },
} as const
