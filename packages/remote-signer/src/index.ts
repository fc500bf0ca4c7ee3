/**
 * @nip46/remote-signer: the engine of a NIP-46 bunker: sessions, approval, custody, each behind a port.
 * Never holds a policy, a database or a socket: those are given to it.
 */

export type {
  AuditDeed,
  AuditFacts,
  AuditRecord,
  AuditSubject,
  Claim,
  CommitOutcome,
  Found,
  Member,
  MemberListener,
  OfferChange,
  OutboxEntry,
  SessionChange,
  SessionName,
  SharedChange,
  SignerStore,
  StoreChange,
  StoredKey,
  StoredOffer,
  StoredState,
  StoreSeal,
  StoreSharing,
  Versioned,
  Wanted,
} from '@nip46/core/remote-signer'
export { dangerouslyAllowAll, denyAll } from './approver.ts'
export { RemoteSignerError, type RemoteSignerErrorCode } from './error.ts'
export * as limits from './limits.ts'
export { type LocalUserSignerOptions, localUserSigner } from './local-user-signer.ts'
export { type MemoryStore, memoryStore } from './memory-store.ts'
export type {
  AcceptOptions,
  MadeOffer,
  OfferInfo,
  OfferOptions,
  Rate,
  RemoteSignerOptions,
  SessionRates,
} from './options.ts'
export { createRemoteSigner, type RemoteSigner } from './remote-signer.ts'
export type {
  Ailment,
  DropCode,
  EndReason,
  RemoteSignerEvent,
  SessionInfo,
  SignerStats,
} from './signer-event.ts'
