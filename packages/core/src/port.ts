/**
 * What the outside implements: crypto, transport, the user's key, the decision maker.
 * Only types: importing this file costs nothing and runs nothing.
 */

import type { EventTemplate, SignedEvent, UnsignedEvent } from './event.ts'
import type { ClientMetadata } from './metadata.ts'
import type { Operation } from './method.ts'
import type { Permission } from './permission.ts'
import type { Millis, Pubkey, RelayUrl, Result, Seconds } from './value.ts'

// -- crypto ------------------------------------------------------------------------------------

/** One signature to check: lowercase hex throughout. */
export interface SignatureClaim {
  readonly pubkey: string
  readonly id: string
  readonly sig: string
}

/**
 * Everything cryptographic that core asks for. Synchronous: transport keys are local and disposable.
 * No method throws on what a peer sent; all throw `UsageError` on what our caller got wrong.
 */
export interface Crypto {
  /** A name for reports, such as `tiny` or `noble`. */
  readonly name: string
  /** sha256 of the NIP-01 serialisation, as 64 lowercase hex characters. */
  eventId(event: UnsignedEvent): string
  /** BIP-340. False for anything that is not a valid signature by a valid key. */
  verify(claim: SignatureClaim): boolean
  verifyBatch(claims: readonly SignatureClaim[]): readonly boolean[]
  /** Whether 64 hex characters are the x coordinate of a curve point. */
  isPubkey(hex: string): boolean
  /**
   * Copies the 32 secret bytes into a handle; wipe your own copy afterwards.
   * Throws `UsageError` if they are not a valid secret key.
   */
  importKey(secret: Uint8Array): KeyHandle
}

/** A secret key that never leaves. After `destroy()` every method throws `UsageError`. */
export interface KeyHandle {
  readonly pubkey: Pubkey
  /** BIP-340 over a 32-byte id given as hex; `aux` is 32 fresh random bytes. Returns 128 hex characters. */
  sign(id: string, aux: Uint8Array): string
  /** `aux` holds 32 bytes for each id. */
  signBatch(ids: readonly string[], aux: Uint8Array): readonly string[]
  /** The cached conversation with a peer (ECDH and HKDF run once). Fails if `peer` is no valid key. */
  conversation(peer: string): Result<Conversation, 'bad-pubkey'>
  /** Overwrites the secret and every conversation key. */
  destroy(): void
}

/** Why a NIP-44 payload did not open, as `nip44/...`; a NIP-04 payload has one reason only (no oracle). */
export type PayloadError =
  | 'nip44/unknown-version'
  | 'nip44/base64'
  | 'nip44/mac'
  | 'nip44/padding'
  | 'nip44/utf8'
  | 'nip44/too-large'
  | 'nip04/payload'

/** What two keys share. Payloads and plaintexts are strings; a plaintext is well-formed Unicode. */
export interface Conversation {
  readonly peer: Pubkey
  /** `nonce` is 32 fresh random bytes. Throws `UsageError` on an empty text or one over the configured size. */
  nip44Encrypt(plaintext: string, nonce: Uint8Array): string
  nip44Decrypt(payload: string): Result<string, PayloadError>
  /** `iv` is 16 fresh random bytes. The empty text is allowed. */
  nip04Encrypt(plaintext: string, iv: Uint8Array): string
  nip04Decrypt(payload: string): Result<string, PayloadError>
  /** DANGER: the NIP-44 conversation key, 64 hex characters: permanent power to read and forge this conversation. */
  dangerouslyExportKey(): string
}

/** Fresh bytes from a cryptographically secure source, such as `crypto.getRandomValues(new Uint8Array(n))`. */
export type RandomBytes = (length: number) => Uint8Array

// -- time --------------------------------------------------------------------------------------

/** The time and the timers of a shell or a transport. Machines take `now` as an argument instead. */
export interface Clock {
  /** Unix time in milliseconds. */
  now(): Millis
  /** Runs `run` once, `afterMs` milliseconds from now, never inside this call. */
  setTimer(run: () => void, afterMs: number): unknown
  /** Cancels a timer of {@link setTimer}; one that has run, or was cancelled, is ignored. */
  clearTimer(handle: unknown): void
  /**
   * Runs `run` once, after everything that has already arrived in this turn of the host's event loop was told, never inside this
   * call: what comes in together is handled as one batch. Cannot be cancelled. Where it is missing a microtask does.
   */
  readonly defer?: (run: () => void) => void
}

// -- transport ---------------------------------------------------------------------------------

/** A filter of NIP-01, as far as it is used. */
export interface Filter {
  readonly kinds: readonly number[]
  readonly '#p'?: readonly string[]
  readonly '#k'?: readonly string[]
  readonly authors?: readonly string[]
  readonly since?: Seconds
  readonly limit?: number
}

/**
 * Answers a NIP-42 challenge with a signed kind 22242 event of the transport key (never the user's key),
 * or undefined to refuse. `relay` is the URL we dialled, not one the relay named.
 */
export type Authenticate = (relay: RelayUrl, challenge: string) => SignedEvent | undefined

/** What to listen to, and who is told. */
export interface SubscribeRequest {
  readonly relays: readonly RelayUrl[]
  /** ORed, sent in one REQ. After a gap each filter that has a `since` is sent again with a later one. */
  readonly filters: readonly Filter[]
  /** Anything a relay sent in an EVENT for this subscription: not verified, perhaps repeated, in any order. */
  readonly onEvent: (event: unknown, relay: RelayUrl) => void
  /** This relay now delivers live events (EOSE, or no answer for 500 ms after the REQ). Again after each reconnect. */
  readonly onLive?: (relay: RelayUrl) => void
  /** This relay no longer delivers. The transport reconnects by itself unless `final` is true. */
  readonly onDown?: (relay: RelayUrl, reason: string, final: boolean) => void
  readonly authenticate?: Authenticate
}

/** Open until `close`; nothing is told after that. */
export interface Subscription {
  close(): void
}

/** One relay's word on one event. `reason` is the relay's text or the transport's (`timeout`, `unreachable`). */
export interface RelayRefusal {
  readonly relay: RelayUrl
  readonly reason: string
}

/** How long to try, and as whom. */
export interface PublishOptions {
  readonly authenticate?: Authenticate
  /** Give up after this many milliseconds. Default 10,000. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignalLike
}

/** The part of AbortSignal that is used, so that core needs no host types. */
export interface AbortSignalLike {
  readonly aborted: boolean
  readonly reason?: unknown
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once?: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** Where events go and come from. Implementations reconnect by themselves and never throw on what a relay does. */
export interface Transport {
  /**
   * To every relay at once; resolves at the first OK true (`duplicate:` counts), or with every relay's reason
   * once all have refused or the time is up. Never rejects.
   */
  publish(
    relays: readonly RelayUrl[],
    event: SignedEvent,
    options?: PublishOptions,
  ): Promise<Result<{ readonly relay: RelayUrl }, readonly RelayRefusal[]>>
  subscribe(request: SubscribeRequest): Subscription
  /** Ends every subscription and connection; resolves within 2 s. */
  close(): Promise<void>
}

// -- the remote signer's helpers ---------------------------------------------------------------

/** The user's key, wherever it lives: a local key, an HSM, a quorum, another bunker. Never rejects for a peer's fault. */
export interface UserSigner {
  readonly userPubkey: Pubkey
  /**
   * True if performing twice has no effect outside, as with a key in this process: results are then computed before they are
   * committed, thrown away if the commit fails, and computed again. Default false: what is performed was committed before.
   */
  readonly repeatable?: boolean
  /** Resolves with the `result` string, or with an error text in the wire's form (`prefix: plain words`). */
  perform(operation: Operation): Promise<Result<string, string>>
}

/** What a decision is asked about. */
export type Question =
  | {
      readonly type: 'connect'
      readonly clientPubkey: Pubkey
      /** Asked for, never a grant. */
      readonly requested: readonly Permission[]
      /** Display text only: anybody can claim any name. */
      readonly metadata: ClientMetadata | null
      readonly relays: readonly RelayUrl[]
      /** True if the connection would be encrypted with NIP-04. */
      readonly legacyEncryption: boolean
    }
  | { readonly type: 'operation'; readonly clientPubkey: Pubkey; readonly operation: Operation }

/** What an {@link Approver} says to a question. */
export interface Verdict {
  readonly allow: boolean
  /** For a connection: what it may do without being asked again. For an operation: add this to the session. */
  readonly grant?: readonly Permission[]
  /** For an operation: what the judge is to remember of this decision, a yes or a no, in its own terms. */
  readonly remember?: JsonValue
  /** For a connection: the policy it begins with, in the judge's own terms. Default: the offer's. */
  readonly policy?: JsonValue
  /** A short reason for the peer when denied; the default is enough. */
  readonly reason?: string
}

/** What an approver may do while it decides. */
export interface Deliberation {
  /**
   * Sends the client to a page (`auth_url`), once for each question, and waits longer for the verdict. An `https://` URL
   * (`http://` on loopback hosts) of at most `limits.AUTH_URL_CHARS` characters, or it throws `UsageError`.
   */
  challenge(url: string): void
  /** Whose key it is about. Undefined if the host itself asks. */
  readonly userPubkey?: Pubkey
  /** When it is too late to decide. A challenge moves it. */
  readonly expiresAt?: Millis
  /**
   * Aborted once the verdict no longer counts: timed out, revoked, logged out, closed. Take the prompt away. Its `reason` is
   * `elsewhere` if another process on the same store settled it.
   */
  readonly signal: AbortSignalLike
  /**
   * Whether the verdict was stored and counts. False if the question was settled first in another way. Never rejects. Missing if the
   * host itself asks.
   */
  readonly counted?: Promise<boolean>
}

/** Plain JSON. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

/**
 * A policy as a pure function: it decides at once, within the same commit as what it counts. It is consulted after what is never
 * allowed (kinds that no session gets signed, a peer that is a client key, a `created_at` more than a year ahead) and instead of
 * the grants. `nip44_get_key` asks even if it allows. One request may be judged several times before a commit holds.
 */
export interface Judge {
  /** Never throws on what a client sent. */
  judge(request: JudgedRequest): Judgement
  /**
   * What the session's policy is after a person decided on this request: after each yes, `remember` being what the verdict said
   * to remember, or null; after a no only if it said what to remember.
   */
  approve(request: JudgedRequest, remember: JsonValue | null): JsonValue | null
  /** What the audit record keeps of an operation, to judge it again later: sizes, counts, origins. Never a content. */
  facts(operation: Operation): JsonValue
}

/** One request, and all that a {@link Judge} may go by. */
export interface JudgedRequest {
  readonly clientPubkey: Pubkey
  readonly userPubkey: Pubkey
  readonly operation: Operation
  /** What a person or an offer granted in NIP-46's own terms. A judge that allows more by it than its policy says widens that policy. */
  readonly granted: readonly Permission[]
  /** The judge's own: rules and counters of this session, as it returned them last; null at first. */
  readonly policy: JsonValue | null
  readonly relay: RelayUrl
  readonly now: Millis
}

/** `rule` names what decided, for the audit record. */
export type Judgement =
  /** `policy` is the session's policy with this use counted; it is stored in the same commit. */
  | { readonly effect: 'allow'; readonly rule: string; readonly policy: JsonValue | null }
  /** `denial` is the error text if the answer is no; null for the usual one. */
  | { readonly effect: 'ask'; readonly rule: string; readonly denial: string | null }
  /** `error` is in the wire's form (`denied: …`, `rate-limited: …`). */
  | { readonly effect: 'deny'; readonly rule: string; readonly error: string }

/** A person, a policy, or one behind the other. A rejection counts as deny. */
export interface Approver {
  decide(question: Question, deliberation: Deliberation): Promise<Verdict>
}

export type { EventTemplate, SignedEvent, UnsignedEvent }
