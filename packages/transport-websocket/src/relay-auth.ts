/**
 * NIP-42 on one connection: the relay's challenge, and which transport keys have answered it.
 * Never authenticates unasked, since an AUTH tells the relay who we are; never signs: the caller's `authenticate` does.
 */

import { AUTH_KIND, type Authenticate, type Clock, type RelayUrl } from '@nip46/core'
import { signedFrame } from './frame.ts'
import { arm, callHost } from './host.ts'

/** How long a relay may take to send a challenge, and then to answer an AUTH, in milliseconds. */
export const AUTH_WAIT_MS = 5_000
/** Keys of which one connection remembers how they fared, and keys it authenticates at the same time. */
export const AUTH_KEYS = 1_024

/**
 * Told nothing if the relay accepted the key, or never answered (some answer no AUTH, so the refused frame is worth sending
 * again); else the relay's refusal, or ours when there was no challenge or no signature.
 */
export type AuthDone = (refusal?: string) => void

export interface RelayAuth {
  /** The relay sent a challenge; it replaces the one before. */
  challenge(text: string): void
  /** Authenticates with the key behind `by` unless it already has. */
  authenticate(by: Authenticate, done: AuthDone): void
  /** Takes an OK. False if its id is not that of an AUTH that waits for one. */
  ok(id: string, accepted: boolean, reason: string): boolean
  /** The connection is gone, and all of this with it. Whoever waits is not told: everything starts anew. */
  reset(): void
}

export interface RelayAuthOptions {
  /** The URL we dialled: the only one that goes into an AUTH event. */
  readonly relay: RelayUrl
  readonly clock: Clock
  readonly send: (frame: string) => void
}

/** Who waits for a challenge. */
interface Asked {
  readonly by: Authenticate
  readonly done: AuthDone
  timer: unknown
}

interface KeyState {
  /** Undefined once it is known how the key fared. */
  waiting: AuthDone[] | undefined
  refusal: string | undefined
  timer: unknown
}

export function createRelayAuth({ relay, clock, send }: RelayAuthOptions): RelayAuth {
  let current: string | undefined
  /** Which key a caller's function signs with, so that it need not sign again only to say so. */
  const keyOf = new WeakMap<Authenticate, string>()
  /** By pubkey, for the current challenge. */
  const keys = new Map<string, KeyState>()
  /** By id of the AUTH event, whatever challenge it answers. */
  const pending = new Map<string, KeyState>()
  const unchallenged = new Set<Asked>()

  const settle = (id: string, refusal?: string): boolean => {
    const state = pending.get(id)
    if (state === undefined) return false
    const { waiting = [] } = state
    pending.delete(id)
    arm(clock, state)
    state.waiting = undefined
    state.refusal = refusal
    for (const done of waiting) done(refusal)
    return true
  }

  const answer = (challenge: string, by: Authenticate, done: AuthDone): void => {
    let state = keys.get(keyOf.get(by) ?? '')
    if (state === undefined) {
      const event = callHost(() => by(relay, challenge))
      if (event?.kind !== AUTH_KIND) return done('auth-required: we do not authenticate to this relay')
      const { id, pubkey } = event
      keyOf.set(by, pubkey)
      state = keys.get(pubkey)
      if (state === undefined) {
        if (pending.size >= AUTH_KEYS) return done('auth-required: too many keys are authenticating')
        const [oldest = ''] = keys.keys()
        if (keys.size >= AUTH_KEYS) keys.delete(oldest)
        state = { waiting: [], refusal: undefined, timer: undefined }
        arm(clock, state, AUTH_WAIT_MS, () => settle(id))
        keys.set(pubkey, state)
        pending.set(id, state)
        send(signedFrame('AUTH', event))
      }
    }
    if (state.waiting === undefined) done(state.refusal)
    else state.waiting.push(done)
  }

  return {
    challenge(text) {
      if (text === current) return
      current = text
      keys.clear()
      for (const asked of unchallenged) {
        unchallenged.delete(asked)
        arm(clock, asked)
        answer(text, asked.by, asked.done)
      }
    },
    authenticate(by, done) {
      if (current !== undefined) return answer(current, by, done)
      const asked: Asked = { by, done, timer: undefined }
      arm(clock, asked, AUTH_WAIT_MS, () => {
        unchallenged.delete(asked)
        done('auth-required: the relay sent no challenge')
      })
      unchallenged.add(asked)
    },
    ok: (id, accepted, reason) => settle(id, accepted ? undefined : reason),
    reset() {
      for (const waiter of [...unchallenged, ...pending.values()]) arm(clock, waiter)
      for (const all of [unchallenged, pending, keys]) all.clear()
      current = undefined
    },
  }
}
