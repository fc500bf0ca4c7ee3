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
  /** Authenticates with the key behind `by` unless it already has. `done` is never called inside this call. */
  authenticate(by: Authenticate, done: AuthDone): void
  /** Takes an OK. False if its id is not that of an AUTH that waits for one. */
  ok(id: string, accepted: boolean, reason: string): boolean
  /** The connection is gone. Whoever waits is not told: everything it carried starts anew. */
  end(): void
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

  /** The state of the key behind `by`, which is asked to sign if that is new; or why there is none. */
  const stateOf = (by: Authenticate, challenge: string): KeyState | string => {
    const known = keys.get(keyOf.get(by) ?? '')
    if (known !== undefined) return known
    const event = callHost(() => by(relay, challenge))
    if (event?.kind !== AUTH_KIND) return 'we do not authenticate to this relay'
    const { id, pubkey } = event
    keyOf.set(by, pubkey)
    const same = keys.get(pubkey)
    if (same !== undefined) return same
    if (pending.size >= AUTH_KEYS) return 'too many keys are authenticating'
    const [oldest = ''] = keys.keys()
    if (keys.size >= AUTH_KEYS) keys.delete(oldest)
    const state: KeyState = { waiting: [], refusal: undefined, timer: undefined }
    arm(clock, state, AUTH_WAIT_MS, () => settle(id))
    keys.set(pubkey, state)
    pending.set(id, state)
    send(signedFrame('AUTH', event))
    return state
  }

  const answer = (challenge: string): void => {
    for (const asked of unchallenged) {
      const { by, done } = asked
      unchallenged.delete(asked)
      const state = stateOf(by, challenge)
      const text = typeof state === 'string' ? `auth-required: ${state}` : state.refusal
      if (typeof state === 'object' && state.waiting !== undefined) {
        arm(clock, asked)
        state.waiting.push(done)
      } else arm(clock, asked, 0, () => done(text))
    }
  }

  return {
    challenge(text) {
      if (text === current) return
      current = text
      keys.clear()
      answer(text)
    },
    authenticate(by, done) {
      const asked: Asked = { by, done, timer: undefined }
      arm(clock, asked, AUTH_WAIT_MS, () => {
        unchallenged.delete(asked)
        done('auth-required: the relay sent no challenge')
      })
      unchallenged.add(asked)
      if (current !== undefined) answer(current)
    },
    ok: (id, accepted, reason) => settle(id, accepted ? undefined : reason),
    end() {
      for (const waiter of [...unchallenged, ...pending.values()]) arm(clock, waiter)
      pending.clear()
    },
  }
}
