/**
 * One login after the other: an offer that waits, or a link that is connected, as a state to show.
 * Never touches the page, and runs one attempt at a time: the next one ends the one before.
 */

import {
  type AuthUrl,
  type BunkerSession,
  connect,
  type LoginOptions,
  offer,
  type SessionEvent,
} from '@nip46/client'
import type { Parts } from './parts.ts'

export type LoginState =
  | { readonly stage: 'idle' }
  /** `uri` is null while it is made, or if there is no relay to wait at. `live`: null until a relay is known to be reached or not. */
  | { readonly stage: 'offering'; readonly uri: string | null; readonly live: boolean | null }
  | { readonly stage: 'connecting'; readonly step: LoginStep; readonly auth: AuthUrl | null }
  | { readonly stage: 'failed'; readonly error: unknown }
  | { readonly stage: 'done'; readonly userPubkey: string; readonly auth: AuthUrl | null }

/**
 * In this order; a login never goes back by one. `reach`: relays are dialled; `sent`: the signer is asked; `approve`: it has not
 * answered for a while, so a person is being asked; `identify`: connected, and asked who the user is; `confirm`: a person is
 * being asked about that.
 */
export type LoginStep = (typeof STEPS)[number]
const STEPS = ['reach', 'sent', 'approve', 'identify', 'confirm'] as const

/** What an attempt may be given besides its parts. */
export type Wishes = Omit<LoginOptions, 'crypto' | 'transport' | 'signal'>

export interface FlowHost {
  /** For one attempt. */
  readonly takeParts: () => Parts
  readonly wishes: () => Wishes
  /** Where offers wait. */
  readonly relays: () => readonly string[]
  readonly onState: (state: LoginState) => void
  readonly onSession: (session: BunkerSession) => void
  readonly onAuthUrl: (auth: AuthUrl) => void
  readonly onError: (error: unknown) => void
}

/** One attempt. */
interface Heard {
  /** Aborted when it is over, or when it made a session and the next one began. */
  readonly signal: AbortSignal
  /** The page has its session. */
  isSession: boolean
}

export interface LoginFlow {
  readonly state: () => LoginState
  /** Makes a new offer. */
  readonly offer: () => void
  readonly connect: (bunkerUri: string) => void
  /** Ends the attempt that runs; a session that is there stays. */
  readonly cancel: () => void
}

export function createLoginFlow(host: FlowHost): LoginFlow {
  let state: LoginState = { stage: 'idle' }
  let running = new AbortController()
  const set = (next: LoginState): void => {
    state = next
    host.onState(next)
  }

  const attempt = async (
    first: LoginState,
    start: (options: LoginOptions) => Promise<BunkerSession>,
  ): Promise<void> => {
    running.abort()
    running = new AbortController()
    const { signal } = running
    set(first)
    let parts: Parts | undefined
    const heard: Heard = { signal, isSession: false }
    try {
      parts = host.takeParts()
      const session = await start({ ...host.wishes(), ...parts, signal, ...watch(heard, parts.release) })
      if (signal.aborted) return session.close()
      heard.isSession = true
      set({ stage: 'done', userPubkey: session.userPubkey, auth: null })
      host.onSession(session)
    } catch (error) {
      parts?.release()
      if (signal.aborted) return
      set({ stage: 'failed', error })
      host.onError(error)
    }
  }

  /**
   * Listens to one attempt, and to its session as long as that lives. The page hears no more of an attempt that the next one
   * replaced, and the end of a session only.
   */
  const watch = (heard: Heard, release: () => void): Pick<LoginOptions, 'onEvent' | 'onAuthUrl'> => {
    const { onEvent, onAuthUrl } = host.wishes()
    const { signal } = heard
    const live = new Set<string>()
    return {
      onEvent(event) {
        const ends = event.type === 'ended'
        if (ends) release()
        if (!signal.aborted) follow(event, live)
        if (heard.isSession || !(signal.aborted || ends)) onEvent?.(event)
      },
      onAuthUrl(auth) {
        if (!signal.aborted) {
          if (state.stage === 'done') set({ ...state, auth })
          else set({ stage: 'connecting', step: stepOf(state), auth })
        } else if (!heard.isSession) return
        host.onAuthUrl(auth)
        onAuthUrl?.(auth)
      },
    }
  }

  const follow = (event: SessionEvent, live: Set<string>): void => {
    if (event.type === 'relay' && state.stage === 'offering') {
      if (event.live) live.add(event.relay)
      else live.delete(event.relay)
      set({ ...state, live: live.size > 0 })
    } else if (event.type === 'connected') advance('identify')
    else if (event.type === 'request' && event.stage === 'settled' && state.stage === 'done') {
      if (state.auth !== null) set({ ...state, auth: null })
    } else if (event.type === 'request') {
      const { method, stage } = event
      if (method === 'connect' && stage === 'sent') advance('sent')
      // Some signers ask a person for the connection, some for the user's name, some for both.
      if (method === 'connect' && stage === 'waiting') advance('approve')
      if (method === 'get_public_key' && stage === 'waiting') advance('confirm')
    }
  }

  const advance = (step: LoginStep): void => {
    if (state.stage !== 'offering' && state.stage !== 'connecting') return
    const auth = state.stage === 'connecting' && step !== 'identify' ? state.auth : null
    const furthest = STEPS.indexOf(step) > STEPS.indexOf(stepOf(state)) ? step : stepOf(state)
    set({ stage: 'connecting', step: furthest, auth })
  }

  return {
    state: () => state,
    offer() {
      const relays = host.relays()
      if (relays.length === 0) {
        running.abort()
        set({ stage: 'offering', uri: null, live: null })
        return
      }
      void attempt({ stage: 'offering', uri: null, live: null }, (options) => {
        const offered = offer({ ...options, relays })
        if (state.stage === 'offering') set({ ...state, uri: offered.uri })
        return offered.session
      })
    },
    connect(bunkerUri) {
      void attempt({ stage: 'connecting', step: 'reach', auth: null }, (options) =>
        connect(bunkerUri, options),
      )
    },
    cancel() {
      running.abort()
      if (state.stage !== 'done' && state.stage !== 'idle') set({ stage: 'idle' })
    },
  }
}

function stepOf(state: LoginState): LoginStep {
  return state.stage === 'connecting' ? state.step : 'reach'
}
