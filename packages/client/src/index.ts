/**
 * @nip46/client: log in with a bunker. `connect` takes a bunker:// URI, `offer` makes a nostrconnect:// one, `resume`
 * goes on with a saved session; each gives a {@link BunkerSession}.
 * Crypto and transport are arguments: nothing here opens a socket or knows a curve.
 */

export {
  type ClientMetadata,
  type ClientProfile,
  clientProfile,
  type Era,
  UsageError,
} from '@nip46/core'
export type { ClientAlert, ClientIgnored, ClientPhase, ClientSession } from '@nip46/core/client'
export type {
  BunkerSession,
  Encryption,
  NostrEvent,
  RequestMethod,
  SignTemplate,
} from './bunker-session.ts'
export type { CallOptions, Priority } from './calls.ts'
export { type ConnectOptions, connect } from './connect.ts'
export { createAccount, type NewAccount, nip44GetKey } from './era-requests.ts'
export { type ErrorCode, Nip46Error } from './error.ts'
export { createEventStream, type EventStream } from './event-stream.ts'
export {
  CONCURRENT_REQUESTS,
  CONCURRENT_REQUESTS_MAX,
  EVENT_LISTENERS,
  EVENTS_BUFFERED,
  JUNK_EVENTS_BURST,
  JUNK_EVENTS_PER_SECOND,
  PLAINTEXT_CACHE_BYTES_MAX,
  QUEUED_REQUESTS,
  SAVED_SESSION_CHARS,
  TIMEOUT_MS_MAX,
  WAITING_AFTER_MS,
} from './limits.ts'
export { type Offer, type OfferOptions, offer } from './offer.ts'
export type { LoginOptions, SessionOptions, Timeouts } from './options.ts'
export { createPlaintextCache, type PlaintextCache } from './plaintext-cache.ts'
export { readEvents } from './read-events.ts'
export { createRelayHealth, type RelayHealth, type RelayHealthBook } from './relay-health.ts'
export { resume, resumeStored } from './resume.ts'
export { parseSavedSession, type SavedSession } from './saved-session.ts'
export type { AuthUrl, RequestStage, SessionEvent } from './session-event.ts'
export type { SessionStore } from './session-store.ts'
export { type TrackedRequest, trackRequest } from './tracked-request.ts'
