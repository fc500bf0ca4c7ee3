/**
 * Builds the object that the host holds of a session: every method bound, every promise safe to be left alone.
 * Never talks to a relay; requests go through `calls`, the rest through the machine.
 */

import { type Pubkey, readTemplate, type SignedEvent, UsageError } from '@nip46/core'
import { sessionOf } from '@nip46/core/client'
import type { BunkerSession, Encryption, NostrEvent, SignTemplate } from './bunker-session.ts'
import type { CallOptions, Calls } from './calls.ts'
import type { ClientKey } from './client-key.ts'
import type { Decrypts } from './decrypts.ts'
import { Nip46Error } from './error.ts'
import type { EventStream } from './event-stream.ts'
import { quiet } from './host.ts'
import type { Loop } from './loop.ts'
import type { Ports } from './options.ts'
import type { HealthBook } from './relay-health.ts'
import type { SavedSession } from './saved-session.ts'
import type { SessionEvent } from './session-event.ts'

export interface SessionParts {
  readonly key: ClientKey
  readonly loop: Loop
  readonly calls: Calls
  readonly decrypts: Decrypts
  readonly health: HealthBook
  /** One more reader of the session's events. */
  readonly read: () => EventStream<SessionEvent>
  readonly ports: Ports
  /** How it ended, once it has. */
  readonly ended: () => 'logged-out' | 'closed' | undefined
  readonly ending: Promise<void>
}

export function createSessionObject(parts: SessionParts): BunkerSession {
  const { key, loop, calls, decrypts, health, read, ports, ended, ending } = parts
  const ask: Calls['call'] = (method, params, options) => {
    if (ended() !== 'logged-out') return calls.call(method, params, options)
    return Promise.reject(new Nip46Error({ code: 'logged-out', message: 'this session was logged out' }))
  }
  const call: Calls['call'] = (method, params, options) => quiet(ask(method, params, options))

  const encryption = (scheme: 'nip04' | 'nip44'): Encryption => ({
    encrypt: (peer, plaintext, options) => call(`${scheme}_encrypt`, [peer, plaintext], options),
    decrypt: (peer, ciphertext, options) => quiet(decrypts.decrypt(scheme, peer, ciphertext, options)),
  })
  const nip04 = Object.freeze(encryption('nip04'))
  const nip44 = Object.freeze(encryption('nip44'))

  const signEvent = async (template: SignTemplate, options?: CallOptions): Promise<NostrEvent> => {
    const text = templateText(template, userPubkey(), Math.floor(ports.clock.now() / 1_000))
    return editable(await ask('sign_event', [text], options))
  }

  const userPubkey = (): Pubkey => known(loop.state().userPubkey)

  return Object.freeze({
    get userPubkey() {
      return userPubkey()
    },
    get remoteSigner() {
      return known(loop.state().remoteSigner)
    },
    clientPubkey: key.handle.pubkey,
    get relays() {
      return loop.state().relays
    },
    get state() {
      return loop.state().phase
    },
    getPublicKey: () => Promise.resolve(userPubkey()),
    // The type parameter only says which library's name for a verified event is wanted.
    signEvent: <E extends NostrEvent>(template: SignTemplate, options?: CallOptions) =>
      quiet(signEvent(template, options) as Promise<E>),
    nip04,
    nip44,
    nip04Encrypt: nip04.encrypt,
    nip04Decrypt: nip04.decrypt,
    nip44Encrypt: nip44.encrypt,
    nip44Decrypt: nip44.decrypt,
    events: read,
    relayHealth: () => health.read(loop.state().relays),
    ping: (options?: CallOptions) => call('ping', [], options),
    getRelays: (options?: CallOptions) => call('get_relays', [], options),
    switchRelays: (options?: CallOptions) => call('switch_relays', [], options),
    describe: (options?: CallOptions) => call('describe', [], options),
    nip44GetKey: (peer: string, options?: CallOptions) => call('nip44_get_key', [peer], options),
    ...(loop.state().profile.era === 'B' && { createAccount: accountMaker(call) }),
    logout() {
      loop.feed({ type: 'logout' })
      return ending
    },
    close: () => loop.feed({ type: 'close' }),
    save(): SavedSession {
      const state = loop.state()
      const session = sessionOf(state)
      const reason = state.phase === 'logging-out' ? 'logged-out' : ended()
      if (session === undefined || reason !== undefined) {
        throw new Nip46Error({ code: reason ?? 'closed', message: 'this session has ended' })
      }
      return { v: 1, clientSecretKey: key.exportHex(), session }
    },
  })
}

function accountMaker(call: Calls['call']): NonNullable<BunkerSession['createAccount']> {
  return ({ username, domain, email, perms }, options) => {
    const params = [username, domain]
    if (email !== undefined || perms !== undefined) params.push(email ?? '')
    if (perms !== undefined) params.push(perms)
    return call('create_account', params, options)
  }
}

/** NIP-46's param of sign_event, with the user's pubkey, without which one widespread remote signer cannot read it. */
function templateText(template: SignTemplate, userPubkey: Pubkey, now: number): string {
  const { kind, content, tags = [], created_at = now, pubkey = userPubkey } = template
  const text = JSON.stringify({ kind, created_at, tags, content, pubkey })
  const parsed = readTemplate(text, userPubkey)
  if (!parsed.ok) throw new UsageError(`this event cannot be asked for: ${parsed.error}`)
  return text
}

function editable(event: SignedEvent): NostrEvent {
  return { ...event, tags: event.tags.map((tag) => [...tag]) }
}

/** Both keys are known before the host gets the session. */
export function known(pubkey: Pubkey | null): Pubkey {
  if (pubkey === null) throw new UsageError('the session is not ready')
  return pubkey
}
