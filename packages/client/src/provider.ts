/**
 * @nip46/client/provider: a `window.nostr` (NIP-07) for pages whose users have no extension, over a session.
 * Never in the way of an extension: where there is one, or comes one later, it is used instead. Never closes a session.
 */

import type { BunkerSession, NostrEvent } from './bunker-session.ts'
import { Nip46Error } from './error.ts'
import { callHost } from './host.ts'
import { ProviderError } from './provider-error.ts'

export { type PairingOptions, type PairingPage, type PairingQuestion, pairFromLink } from './pairing-link.ts'
export { ProviderError, type ProviderProblem } from './provider-error.ts'

/** What NIP-07 asks to sign. */
export interface Nip07Template {
  readonly kind: number
  readonly content: string
  readonly tags: string[][]
  /** Unix time in seconds. */
  readonly created_at: number
}

/** One scheme of NIP-07. `pubkey` is the other party's, 64 hex characters. */
export interface Nip07Encryption {
  encrypt(pubkey: string, plaintext: string): Promise<string>
  decrypt(pubkey: string, ciphertext: string): Promise<string>
}

/** The shape of `window.nostr` (NIP-07). */
export interface Nip07Provider {
  getPublicKey(): Promise<string>
  /** `E` lets libraries that brand events take it as one of theirs. */
  signEvent<E extends NostrEvent = NostrEvent>(event: Nip07Template): Promise<E>
  /** No longer in NIP-07, and still asked for. Empty where the remote signer does not know. */
  getRelays(): Promise<Record<string, { read: boolean; write: boolean }>>
  readonly nip04: Nip07Encryption
  readonly nip44: Nip07Encryption
}

/** What is used of a session. */
export type ProvidedSession = Pick<
  BunkerSession,
  'state' | 'getPublicKey' | 'signEvent' | 'getRelays' | 'nip04' | 'nip44'
>

/** How `window.nostr` is provided, and where its session comes from. */
export interface ProviderOptions {
  /**
   * Called when the page asks for something and there is no session, or it has ended: show the login here. One call at a time,
   * whatever the page asks meanwhile. Undefined: the user does not want to. `signal` ends it when an extension turned up.
   */
  readonly login: (signal: AbortSignal) => Promise<ProvidedSession | undefined>
  /** One that is there already. */
  readonly session?: ProvidedSession
  /** An extension was there first, or turned up later: no login is needed. Called once, never before `provideNostr` returns. */
  readonly onYield?: () => void
  /** Where `nostr` is put; the page if left out. */
  readonly window?: { nostr?: unknown }
}

/** What is provided, and how to take it away. */
export interface Provision {
  /** `active`: the page uses ours. `yielded`: it uses another one, and so does whoever kept ours. */
  readonly state: 'active' | 'yielded' | 'disposed'
  readonly provider: Nip07Provider
  /** Takes ours away again, and leaves an extension's where it is. What is under way rejects with `provider/disposed`. */
  dispose(): void
}

/**
 * Puts a provider into the page, unless there is one. Its methods reject with `ProviderError`, with what the session rejects with,
 * or with what `login` rejects with. Throws if the page lets nobody define `nostr`.
 *
 * ```ts
 * const { dispose } = provideNostr({ login: () => showLogin() })
 * await window.nostr.getPublicKey() // asks the user to log in
 * ```
 */
export function provideNostr(options: ProviderOptions): Provision {
  const page = options.window ?? (globalThis as { nostr?: unknown })
  let session = options.session
  let login: { readonly promise: Promise<ProvidedSession>; readonly ending: AbortController } | undefined
  let state: Provision['state'] = 'active'
  /** Told when the state changes. */
  const waiting = new Set<() => void>()

  const leave = (next: 'yielded' | 'disposed'): void => {
    if (state === next || state === 'disposed') return
    state = next
    login?.ending.abort()
    for (const look of [...waiting]) look()
    const { onYield } = options
    if (next === 'yielded' && onYield !== undefined) queueMicrotask(() => void callHost(onYield))
  }
  const isActive = (): boolean => state === 'active'
  const isDisposed = (): boolean => state === 'disposed'

  /** The promise, or undefined as soon as `isOver`. */
  const unless = <T>(isOver: () => boolean, promise: Promise<T>): Promise<T | undefined> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (isOver()) end(() => resolve(undefined))
      }
      const end = (settle: () => void): void => {
        waiting.delete(look)
        settle()
      }
      waiting.add(look)
      promise.then(
        (value) => end(() => resolve(value)),
        (error: unknown) => end(() => reject(error)),
      )
    })

  /** Another provider, if the page has one by now. One that was defined over ours came without a word. */
  const findRival = (): Rival | undefined => {
    if (isDisposed() || isOurs()) return undefined
    const { nostr } = page
    if (!isObject(nostr) || nostr === provider) return undefined
    leave('yielded')
    return nostr
  }

  const logIn = (): Promise<ProvidedSession> => {
    if (login !== undefined) return login.promise
    const ending = new AbortController()
    const found = async (): Promise<ProvidedSession> => {
      const given = await options.login(ending.signal)
      if (given === undefined) throw new ProviderError('provider/no-session')
      session = given
      return given
    }
    const promise = found().finally(() => {
      login = undefined
    })
    login = { promise, ending }
    return promise
  }

  const ask = async <T>(
    ours: (session: ProvidedSession) => Promise<T>,
    theirs: (rival: Rival) => Promise<T> | undefined,
  ): Promise<T> => {
    const rival = findRival()
    if (rival !== undefined) return known(theirs(rival))
    if (isDisposed()) throw new ProviderError('provider/disposed')
    const ready = isUsable(session) ? session : await unless(() => !isActive(), logIn())
    // It may have come while the user was logging in.
    const latecomer = findRival()
    if (latecomer !== undefined) return known(theirs(latecomer))
    const answer = ready === undefined || isDisposed() ? undefined : await unless(isDisposed, ours(ready))
    if (answer === undefined) throw new ProviderError('provider/disposed')
    return answer
  }

  const encryption = (scheme: 'nip04' | 'nip44'): Nip07Encryption => ({
    encrypt: (pubkey, plaintext) =>
      ask(
        (own) => own[scheme].encrypt(pubkey, plaintext),
        (rival) => rival[scheme]?.encrypt?.(pubkey, plaintext),
      ),
    decrypt: (pubkey, ciphertext) =>
      ask(
        (own) => own[scheme].decrypt(pubkey, ciphertext),
        (rival) => rival[scheme]?.decrypt?.(pubkey, ciphertext),
      ),
  })

  const provider: Nip07Provider = Object.freeze({
    getPublicKey: () =>
      ask(
        (own) => own.getPublicKey(),
        (rival) => rival.getPublicKey?.(),
      ),
    signEvent: <E extends NostrEvent>(event: Nip07Template) =>
      ask(
        (own) => own.signEvent<E>(templateOf(event)),
        (rival) => rival.signEvent?.<E>(event),
      ),
    getRelays: () =>
      ask(
        (own) => relaysOf(own),
        (rival) => rival.getRelays?.(),
      ),
    nip04: Object.freeze(encryption('nip04')),
    nip44: Object.freeze(encryption('nip44')),
  })

  const get = (): unknown => provider
  const set = (value: unknown): void => {
    if (!isObject(value) || value === provider) return
    // As if ours had never been there.
    Object.defineProperty(page, 'nostr', { value, writable: true, enumerable: true, configurable: true })
    leave('yielded')
  }
  const isOurs = (): boolean => Object.getOwnPropertyDescriptor(page, 'nostr')?.get === get

  if (isObject(page.nostr)) leave('yielded')
  else Object.defineProperty(page, 'nostr', { get, set, enumerable: true, configurable: true })

  return {
    get state() {
      findRival()
      return state
    },
    provider,
    dispose() {
      if (isOurs()) Reflect.deleteProperty(page, 'nostr')
      leave('disposed')
    },
  }
}

/** Somebody else's provider, which may lack anything. */
interface Rival {
  getPublicKey?(): Promise<string>
  signEvent?<E extends NostrEvent>(event: Nip07Template): Promise<E>
  getRelays?(): Promise<Record<string, { read: boolean; write: boolean }>>
  readonly nip04?: Partial<Nip07Encryption>
  readonly nip44?: Partial<Nip07Encryption>
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function known<T>(answer: Promise<T> | undefined): Promise<T> {
  if (answer === undefined) throw new ProviderError('provider/unsupported')
  return answer
}

function isUsable(session: ProvidedSession | undefined): session is ProvidedSession {
  return session !== undefined && !['unpaired', 'logging-out', 'closed'].includes(session.state)
}

/** What pages add to a template, as an empty id, is no part of it. A pubkey counts: it has to be the user's. */
function templateOf(event: Nip07Template): Parameters<ProvidedSession['signEvent']>[0] {
  const { kind, content, tags, created_at, pubkey } = event as Nip07Template & { readonly pubkey?: string }
  const named = pubkey === undefined || pubkey === '' ? {} : { pubkey }
  return { kind, content, tags, created_at, ...named }
}

async function relaysOf(
  session: ProvidedSession,
): Promise<Record<string, { read: boolean; write: boolean }>> {
  try {
    const relays = await session.getRelays()
    return Object.fromEntries(Object.entries(relays).map(([url, { read, write }]) => [url, { read, write }]))
  } catch (error) {
    if (error instanceof Nip46Error && error.reason === 'unsupported') return {}
    throw error
  }
}
