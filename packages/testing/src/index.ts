/**
 * @nip46/testing: what a host, a transport or a crypto backend is tested with.
 * Imposes no test runner, and never belongs in a program that serves people.
 */

export { createFakeClock, FAKE_CLOCK_RUNS, type FakeClock, systemClock } from './fake-clock.ts'
export {
  CATCH_UP_OVERLAP_SECONDS,
  createMemoryRelay,
  type Faults,
  type MemoryRelay,
  type MemoryRelayOptions,
  type MemoryRelayStats,
} from './memory-relay.ts'
export { type SeededRandom, seededRandom } from './seeded-random.ts'
