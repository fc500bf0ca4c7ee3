/**
 * NIP-42 on one connection: the relay's challenge, and which transport keys have answered it.
 * Never authenticates unasked, since an AUTH tells the relay who we are; never signs: the caller's `authenticate` does.
 */

import { AUTH_KIND, type Authenticate, type Clock, type RelayUrl } from '@nip46/core'
import { authFrame } from './frame.ts'
import { callHost } from './host.ts'

/** How long a relay may take to send a challenge, and then to answer an AUTH, in milliseconds. */
export const AUTH_WAIT_MS = 5_000
/** Keys of which one connection remembers how they fared, and keys it authenticates at the same time. */
export const AUTH_KEYS = 1_024

/**
 * `accepted`; `silent` if the relay never answered the AUTH (some answer none, so the refused frame is worth sending
 * again); `refused` with the relay's text, or with ours when there was no challenge or no signature.
 */
export type AuthOutcome =
  | { readonly type: 'accepted' }
  | { readonly type: 'silent' }
  | { readonly type: 'refused'; readonly reason: string }

export interface RelayAuth {
  /** The relay sent a challenge; it replaces the one before. */
  challenge(text: string): void
  /** Authenticates with the key behind `by` unless it already has. `done` is never called inside this call. */
  authenticate(by: Authenticate, done: (outcome: AuthOutcome) => void): void
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

interface KeyState {
  outcome: AuthOutcome | undefined
  timer: unknown
  readonly waiting: ((outcome: AuthOutcome) => void)[]
}

export function createRelayAuth({ relay, clock, send }: RelayAuthOptions): RelayAuth {
  let current: string | undefined
  /** Which key a caller's function signs with, so that it need not sign again only to say so. */
  const keyOf = new WeakMap<Authenticate, string>()
  /** By pubkey, for the current challenge. */
  const keys = new Map<string, KeyState>()
  /** By id of the AUTH event, whatever challenge it answers. */
  const pending = new Map<string, KeyState>()
  const withoutChallenge = new Set<{ readonly retry: () => void; readonly timer: unknown }>()

  const settle = (id: string, state: KeyState, outcome: AuthOutcome): void => {
    pending.delete(id)
    clock.clearTimer(state.timer)
    state.outcome = outcome
    for (const done of state.waiting.splice(0)) done(outcome)
  }

  const answer = (by: Authenticate, challenge: string, done: (outcome: AuthOutcome) => void): void => {
    const later = (outcome: AuthOutcome): void => {
      clock.setTimer(() => done(outcome), 0)
    }
    const join = (state: KeyState): void => {
      if (state.outcome === undefined) state.waiting.push(done)
      else later(state.outcome)
    }
    const known = keys.get(keyOf.get(by) ?? '')
    if (known !== undefined) {
      join(known)
      return
    }
    const event = callHost(() => by(relay, challenge))
    if (event === undefined || event.kind !== AUTH_KIND) {
      later({ type: 'refused', reason: 'auth-required: we do not authenticate to this relay' })
      return
    }
    keyOf.set(by, event.pubkey)
    const same = keys.get(event.pubkey)
    if (same !== undefined) {
      join(same)
      return
    }
    if (pending.size >= AUTH_KEYS) {
      later({ type: 'refused', reason: 'auth-required: too many keys are authenticating' })
      return
    }
    if (keys.size >= AUTH_KEYS) keys.delete(oldest(keys))
    const state: KeyState = { outcome: undefined, timer: undefined, waiting: [done] }
    state.timer = clock.setTimer(() => settle(event.id, state, { type: 'silent' }), AUTH_WAIT_MS)
    keys.set(event.pubkey, state)
    pending.set(event.id, state)
    send(authFrame(event))
  }

  return {
    challenge(text) {
      if (text === current) return
      current = text
      keys.clear()
      for (const waiter of [...withoutChallenge]) {
        withoutChallenge.delete(waiter)
        clock.clearTimer(waiter.timer)
        waiter.retry()
      }
    },
    authenticate(by, done) {
      if (current !== undefined) return answer(by, current, done)
      const waiter = {
        retry: () => answer(by, current ?? '', done),
        timer: clock.setTimer(() => {
          withoutChallenge.delete(waiter)
          done({ type: 'refused', reason: 'auth-required: the relay sent no challenge' })
        }, AUTH_WAIT_MS),
      }
      withoutChallenge.add(waiter)
    },
    ok(id, accepted, reason) {
      const state = pending.get(id)
      if (state === undefined) return false
      settle(id, state, accepted ? { type: 'accepted' } : { type: 'refused', reason })
      return true
    },
    end() {
      for (const { timer } of withoutChallenge) clock.clearTimer(timer)
      for (const { timer } of pending.values()) clock.clearTimer(timer)
      withoutChallenge.clear()
      pending.clear()
      keys.clear()
    },
  }
}

function oldest(keys: ReadonlyMap<string, unknown>): string {
  const [first = ''] = keys.keys()
  return first
}
