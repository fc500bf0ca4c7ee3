/**
 * @nip46/testing: what a host, a transport or a crypto backend is tested with.
 * Imposes no test runner, and never belongs in a program that serves people.
 */

export { auditCases } from './audit-cases.ts'
export { type CryptoCase, cryptoCases } from './crypto-cases.ts'
export { createFakeClock, FAKE_CLOCK_RUNS, type FakeClock, systemClock } from './fake-clock.ts'
export { type HostRecordCase, type HostRecordsUnderTest, hostRecordCases } from './host-record-cases.ts'
export { type HostileAnswer, hostileAnswers } from './hostile-answers.ts'
export {
  createHostilePeer,
  HEARD_MESSAGES,
  type Heard,
  type HostilePeer,
  type HostilePeerOptions,
  type HostileScript,
  type Move,
} from './hostile-peer.ts'
export {
  CATCH_UP_OVERLAP_SECONDS,
  createMemoryRelay,
  type Faults,
  type MemoryRelay,
  type MemoryRelayOptions,
  type MemoryRelayStats,
} from './memory-relay.ts'
export { retakePort } from './retake-port.ts'
export {
  type Listen,
  type ReceivedFrame,
  type RelayScript,
  type ScriptedRelay,
  type ServerSocket,
  type ServerSocketListener,
  startScriptedRelay,
} from './scripted-relay.ts'
export { type SeededRandom, seededRandom } from './seeded-random.ts'
export { type SharedStoreUnderTest, type SharingCase, sharingCases } from './sharing-cases.ts'
export type { StoreCase, StoreCaseContext, StoreUnderTest } from './store-case.ts'
export { storeCases } from './store-cases.ts'
export { type TransportCase, type TransportCaseContext, transportCases } from './transport-cases.ts'
