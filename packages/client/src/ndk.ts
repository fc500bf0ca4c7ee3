/**
 * `@nip46/client/ndk`: a session as an `NDKSigner` of `@nostr-dev-kit/ndk`.
 * Knows NDK's shapes only; never loads it. Never gives a signature of another event than the one that NDK holds.
 */

import { UsageError } from '@nip46/core'
import type { BunkerSession } from './bunker-session.ts'
import { Nip46Error } from './error.ts'
import { parseSavedSession, type SavedSession } from './saved-session.ts'

/** The `type` of {@link NdkSigner.toPayload}, to be given to NDK's `registerSigner`. */
export const NDK_PAYLOAD_TYPE = '@nip46/client'

export type NdkScheme = 'nip04' | 'nip44'

/** What NDK hands to a signer. NDK keeps its own copy, and puts the signature into that. */
export interface NdkEvent {
  readonly kind?: number
  readonly content: string
  readonly tags: string[][]
  /** Unix time in seconds. */
  readonly created_at: number
  /** Must be the user's. */
  readonly pubkey: string
  readonly id?: string
}

/** An `NDKUser`, as far as it is used: 64 hex characters. */
export interface NdkPeer {
  readonly pubkey: string
}

/** Fits `NDKSigner` of `@nostr-dev-kit/ndk` 3, where `User` is `NDKUser`. */
export interface NdkSigner<User extends NdkPeer> {
  readonly pubkey: string
  readonly userSync: User
  /** Resolves at once: a session is ready. */
  readonly blockUntilReady: () => Promise<User>
  readonly user: () => Promise<User>
  /**
   * The signature, 128 hex characters, of exactly this event. If the remote signer signed another one, rejects with
   * `Nip46Error` `response/event-mismatch`; if `id` is not this event's, with `UsageError`.
   */
  readonly sign: (event: NdkEvent) => Promise<string>
  readonly encryptionEnabled: (scheme?: NdkScheme) => Promise<NdkScheme[]>
  /** `scheme` is `nip04` where missing, as in all signers of NDK. */
  readonly encrypt: (recipient: NdkPeer, value: string, scheme?: NdkScheme) => Promise<string>
  readonly decrypt: (sender: NdkPeer, value: string, scheme?: NdkScheme) => Promise<string>
  /** DANGER: JSON that holds the client's secret key, as `BunkerSession.save` does. See {@link savedSessionOf}. */
  readonly toPayload: () => string
}

/**
 * The session as NDK's signer. Promises reject as the session's do.
 *
 * @param NDKUser the class of that name of your copy of NDK
 * @example
 * const ndk = new NDK({ signer: ndkSigner(session, NDKUser) })
 */
export function ndkSigner<User extends NdkPeer>(
  session: Pick<BunkerSession, 'userPubkey' | 'signEvent' | 'nip04' | 'nip44' | 'save'>,
  NDKUser: new (options: { pubkey: string }) => User,
): NdkSigner<User> {
  const pubkey = session.userPubkey
  // One for all, since NDK writes its instance into it.
  const user = new NDKUser({ pubkey })

  return Object.freeze({
    pubkey,
    userSync: user,
    blockUntilReady: () => Promise.resolve(user),
    user: () => Promise.resolve(user),
    sign: (event: NdkEvent) => signatureOf(session, event),
    encryptionEnabled: async (scheme?: NdkScheme): Promise<NdkScheme[]> =>
      (['nip04', 'nip44'] as const).filter((known) => scheme === undefined || scheme === known),
    encrypt: (recipient: NdkPeer, value: string, scheme: NdkScheme = 'nip04') =>
      session[scheme].encrypt(recipient.pubkey, value),
    decrypt: (sender: NdkPeer, value: string, scheme: NdkScheme = 'nip04') =>
      session[scheme].decrypt(sender.pubkey, value),
    toPayload: () => JSON.stringify({ type: NDK_PAYLOAD_TYPE, payload: session.save() }),
  })
}

/**
 * What `resume` needs, out of the text of {@link NdkSigner.toPayload}. Throws `Nip46Error` `session/saved`, whatever
 * it is given.
 *
 * @example
 * registerSigner(NDK_PAYLOAD_TYPE, {
 *   fromPayload: async (text) => ndkSigner(await resume(savedSessionOf(text), options), NDKUser),
 * })
 */
export function savedSessionOf(payload: string): SavedSession {
  let parsed: unknown
  try {
    parsed = JSON.parse(payload)
  } catch {
    // Not passed on, since the text could hold the key.
  }
  const { type, payload: saved } = Object(parsed) as { readonly type?: unknown; readonly payload?: unknown }
  return parseSavedSession(type === NDK_PAYLOAD_TYPE ? saved : undefined)
}

async function signatureOf(
  session: Pick<BunkerSession, 'signEvent' | 'userPubkey'>,
  event: NdkEvent,
): Promise<string> {
  // Read once, before anything is awaited: the caller may change its event meanwhile.
  const { kind, content, tags, created_at, pubkey, id } = event
  if (kind === undefined) throw new UsageError('an event to sign has a kind')
  // The session would fill these in, and NDK would never learn of it.
  if (created_at === undefined) throw new UsageError('an event to sign has a created_at')
  if (pubkey === undefined) throw new UsageError('an event to sign has a pubkey')
  const signed = await session.signEvent({ kind, content, tags, created_at, pubkey })
  if (signed.created_at !== created_at || signed.pubkey !== pubkey) {
    const message = 'the remote signer signed the event with another time or user, which NDK cannot be told'
    throw new Nip46Error({ code: 'response/event-mismatch', message })
  }
  // The session has checked the signed id, so the other one is wrong.
  if (id !== undefined && id !== '' && id !== signed.id) throw new UsageError('the id is not of this event')
  return signed.sig
}
