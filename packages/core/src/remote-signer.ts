/**
 * Entry `@nip46/core/remote-signer`: the machines of a remote signer, admission of strangers and one session for each client.
 * Never holds a key, performs an operation or decides a question: it asks (`ask`, `perform`) and waits for the answer.
 */

export {
  type AcceptRequest,
  type Admission,
  type AdmissionStep,
  acceptOffer,
  addOffer,
  admit,
  decidePairing,
  EMPTY_ADMISSION,
  forgetOffer,
  type Offer,
  revokeOffer,
  SECRET_REFUSED,
} from './admission.ts'
export { canonicalJson } from './canonical-json.ts'
export { tokenKey } from './connect-request.ts'
export { createJsonSeal, type JsonSeal, type Utf8 } from './sealed-json.ts'
export {
  createSessionRows,
  type SessionPlaces,
  type SessionRead,
  type SessionRows,
  type SessionWrite,
} from './session-rows.ts'
export { isBeforeRestore } from './signer-operations.ts'
export { outstanding, step, wants } from './signer-session.ts'
export {
  type Arrival,
  PAIRING_ID,
  type PendingOperation,
  type SignerContext,
  type SignerIgnored,
  type SignerInput,
  type SignerOutput,
  type SignerPhase,
  type SignerSession,
  type SignerStep,
  type SignerWants,
} from './signer-state.ts'
export type {
  AuditChainVerdict,
  AuditDeed,
  AuditEntry,
  AuditFacts,
  AuditFault,
  AuditFilter,
  AuditLog,
  AuditPage,
  AuditQuery,
  AuditRecord,
  AuditSubject,
  AuditVerdict,
  Claim,
  CommitOutcome,
  Found,
  HostRecord,
  HostRecordChange,
  HostRecordOptions,
  HostRecords,
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
} from './signer-store.ts'
