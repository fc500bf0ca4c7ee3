/**
 * Builds the object that the host holds of a session: every method bound, every promise safe to be left alone.
 * Never talks to a relay; requests go through `calls`, the rest through the machine.
 */

import { type Pubkey, wrongMember } from '@nip46/core'
import { sessionOf } from '@nip46/core/client'
import type { BunkerSession, Encryption, NostrEvent, SignTemplate } from './bunker-session.ts'
import type { CallOptions, Calls } from './calls.ts'
import type { ClientKey } from './client-key.ts'
import { Nip46Error } from './error.ts'
import { quiet } from './host.ts'
import type { Loop } from './loop.ts'
import { misuse, type Ports } from './options.ts'
import type { SavedSession } from './saved-session.ts'

export interface SessionParts {
  readonly key: ClientKey
  readonly loop: Loop
  readonly calls: Calls
  readonly ports: Ports
  readonly listen: BunkerSession['listen']
  /** How it ended, once it has. */
  readonly ended: () => 'logged-out' | 'closed' | undefined
  readonly ending: Promise<void>
}

export function createSessionObject(parts: SessionParts): BunkerSession {
  const { key, loop, calls, ports, listen, ended, ending } = parts
  const { state, feed } = loop
  const call: Calls['call'] = (method, params, options) =>
    ended() === 'logged-out'
      ? quiet(Promise.reject(sessionEnded('logged-out')))
      : calls.call(method, params, options)

  const encryption = (scheme: 'nip04' | 'nip44'): Encryption =>
    Object.freeze<Encryption>({
      encrypt: (peer, plaintext, options) => call(`${scheme}_encrypt`, [peer, plaintext], options),
      decrypt: (peer, ciphertext, options) => call(`${scheme}_decrypt`, [peer, ciphertext], options),
    })
  const nip04 = encryption('nip04')
  const nip44 = encryption('nip44')

  // Both keys are known before the host gets the session.
  const userPubkey = (): Pubkey => state().userPubkey as Pubkey

  const signEvent = async (template: SignTemplate, options?: CallOptions): Promise<NostrEvent> => {
    const text = templateText(template, userPubkey(), Math.floor(ports.clock.now() / 1_000))
    const event = await call('sign_event', [text], options)
    return { ...event, tags: event.tags.map((tag) => [...tag]) }
  }

  return Object.freeze({
    get userPubkey() {
      return userPubkey()
    },
    get remoteSigner() {
      return state().remoteSigner as Pubkey
    },
    clientPubkey: key.handle.pubkey,
    get relays() {
      return state().relays
    },
    get state() {
      return state().phase
    },
    getPublicKey: async () => userPubkey(),
    // The type parameter only says which library's name for a verified event is wanted.
    signEvent: <E extends NostrEvent>(template: SignTemplate, options?: CallOptions) =>
      quiet(signEvent(template, options) as Promise<E>),
    nip04,
    nip44,
    nip04Encrypt: nip04.encrypt,
    nip04Decrypt: nip04.decrypt,
    nip44Encrypt: nip44.encrypt,
    nip44Decrypt: nip44.decrypt,
    listen,
    ping: (options?: CallOptions) => call('ping', [], options),
    getRelays: (options?: CallOptions) => call('get_relays', [], options),
    switchRelays: (options?: CallOptions) => call('switch_relays', [], options),
    describe: (options?: CallOptions) => call('describe', [], options),
    nip44GetKey: (peer: string, options?: CallOptions) => call('nip44_get_key', [peer], options),
    ...(state().profile.era === 'B' && { createAccount: accountMaker(call) }),
    logout() {
      feed({ type: 'logout' })
      return ending
    },
    close: () => feed({ type: 'close' }),
    save(): SavedSession {
      const session = sessionOf(state())
      if (session === undefined || state().phase === 'logging-out')
        throw sessionEnded(ended() ?? 'logged-out')
      return { v: 1, clientSecretKey: key.exportHex(), session }
    },
  })
}

function sessionEnded(code: 'logged-out' | 'closed'): Nip46Error {
  return new Nip46Error({ code, message: 'the session has ended' })
}

function accountMaker(call: Calls['call']): NonNullable<BunkerSession['createAccount']> {
  return ({ username, domain, email, perms }, options) => {
    const optional = perms === undefined ? [email] : [email ?? '', perms]
    return call(
      'create_account',
      [username, domain, ...optional.filter((param) => param !== undefined)],
      options,
    )
  }
}

/** NIP-46's param of sign_event, with the user's pubkey, without which one widespread remote signer cannot read it. */
function templateText(template: SignTemplate, userPubkey: Pubkey, now: number): string {
  const { kind, content, tags = [], created_at = now, pubkey = userPubkey } = template
  const text = JSON.stringify({ kind, created_at, tags, content, pubkey })
  const wrong = pubkey === userPubkey ? wrongMember(JSON.parse(text)) : 'pubkey'
  if (wrong !== undefined) misuse(`this event cannot be asked for: its ${wrong} is wrong`)
  return text
}
