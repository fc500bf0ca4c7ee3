/**
 * @nip46/core: NIP-46 as pure functions. This entry holds the shared vocabulary; the two state machines are
 * `@nip46/core/client` and `@nip46/core/remote-signer`.
 * Never does I/O, reads a clock, rolls dice or holds a secret key.
 */

export {
  decodeBech32,
  decodeNprofile,
  decodeNpub,
  encodeBech32,
  encodeNpub,
  type NamedKey,
} from './bech32.ts'
export { type BunkerPointer, encodeBunkerUri, parseBunkerUri } from './bunker-uri.ts'
export type { UriParam, UriProblem } from './connection-uri.ts'
export { cleanText } from './display-text.ts'
export {
  type OpenContext,
  type Opened,
  type OpenProblem,
  open,
  openBatch,
  type SealContext,
  type SealProblem,
  type SealRequest,
  seal,
  sealAuth,
  sealBatch,
  sniffScheme,
} from './envelope.ts'
export {
  AUTH_KIND,
  CARRIER_KIND,
  type EventTemplate,
  encodeEvent,
  isCount,
  isHex,
  isHex64,
  isWellFormed,
  parseSignedEvent,
  type SignedEvent,
  serializeEvent,
  type Tag,
  type UnsignedEvent,
} from './event.ts'
export { classifyRemoteError, type Failure, type FailureCode, type RemoteReason } from './failure.ts'
export { bytesToHex, hexToBytes } from './hex.ts'
export { type AddressOptions, isForbiddenAddress } from './host.ts'
export * as limits from './limits.ts'
export {
  type EncodeResponseOptions,
  encodeRequest,
  encodeResponse,
  type Json,
  looksLikeRequest,
  type ParseRequestOptions,
  parseRequest,
  parseResponse,
  type Request,
  type RequestProblem,
  type Response,
} from './message.ts'
export { type ClientMetadata, cleanMetadata, cleanName, cleanUrl, parseMetadata } from './metadata.ts'
export {
  type AcceptContext,
  acceptResult,
  type ControlMethod,
  isMethod,
  isOperationMethod,
  isRepeatable,
  type Method,
  type MethodResults,
  type Operation,
  type OperationMethod,
  parseOperation,
  parseRelayList,
  type ResultProblem,
  type UserRelays,
} from './method.ts'
export {
  encodeNostrConnectUri,
  type NewOffer,
  type NostrConnectOffer,
  type NostrConnectUriOptions,
  parseNostrConnectUri,
} from './nostrconnect-uri.ts'
export {
  type Coverage,
  CRITICAL_KINDS,
  covers,
  encodePermissions,
  isCriticalKind,
  joinPermissions,
  NEVER_SIGNED_KINDS,
  neverSignedReason,
  type Permission,
  parsePermission,
  parsePermissions,
  type RequestedPermissions,
} from './permission.ts'
export type {
  AbortSignalLike,
  Approver,
  Authenticate,
  Clock,
  Conversation,
  Crypto,
  Deliberation,
  Filter,
  JsonValue,
  Judge,
  JudgedRequest,
  Judgement,
  KeyHandle,
  PayloadError,
  PublishOptions,
  Question,
  RandomBytes,
  RelayRefusal,
  SignatureClaim,
  SubscribeRequest,
  Subscription,
  Transport,
  UserSigner,
  Verdict,
} from './port.ts'
export {
  type ClientProfile,
  CURRENT_PROFILE,
  clientProfile,
  type Era,
  type SignerProfile,
  signerProfile,
} from './profile.ts'
export { isPubkey, parsePubkey } from './pubkey.ts'
export {
  parseRelayUrl,
  type RelayUrlOptions,
  type RelayUrlProblem,
  relayHost,
} from './relay-url.ts'
export { digestRequest, hashSecret, sameSecret } from './secret.ts'
export { parseTemplate, readTemplate, templateId, wrongMember } from './template.ts'
export { utf8Length } from './utf8.ts'
export {
  err,
  type Millis,
  ok,
  type Pubkey,
  type RelayUrl,
  type RequestId,
  type Result,
  type Scheme,
  type Seconds,
  UsageError,
} from './value.ts'
