/**
 * Builds the object that the host holds of a session: every method bound, every promise safe to be left alone.
 * Never talks to a relay; requests go through `calls`, the rest through the machine.
 */

import { type Clock, type Pubkey, type SignedEvent, wrongMember } from '@nip46/core'
import type { BunkerSession, Encryption, NostrEvent, SignTemplate } from './bunker-session.ts'
import type { CallOptions, Calls } from './calls.ts'
import { quiet } from './host.ts'
import type { Loop } from './loop.ts'
import { misuse } from './options.ts'

/** What of a session asks nobody, or ends it. */
export type SessionParts = Pick<BunkerSession, 'clientPubkey' | 'listen' | 'logout' | 'close' | 'save'>

export function createSessionObject(
  call: Calls['call'],
  { state }: Loop,
  clock: Clock,
  parts: SessionParts,
): BunkerSession {
  const encryption = (scheme: 'nip04' | 'nip44'): Encryption =>
    Object.freeze<Encryption>({
      encrypt: (peer, plaintext, options) => call(`${scheme}_encrypt`, [peer, plaintext], options),
      decrypt: (peer, ciphertext, options) => call(`${scheme}_decrypt`, [peer, ciphertext], options),
    })
  const nip04 = encryption('nip04')
  const nip44 = encryption('nip44')

  // Both keys are known before the host gets the session.
  const userPubkey = (): Pubkey => state().userPubkey as Pubkey

  return Object.freeze({
    ...parts,
    get userPubkey() {
      return userPubkey()
    },
    get remoteSigner() {
      return state().remoteSigner as Pubkey
    },
    get relays() {
      return state().relays
    },
    get state() {
      return state().phase
    },
    getPublicKey: async () => userPubkey(),
    // The event was read for this call alone. The type parameter only says which library's name for a verified one is wanted.
    signEvent: <E extends NostrEvent>(template: SignTemplate, options?: CallOptions) =>
      quiet(async () => {
        const text = templateText(template, userPubkey(), Math.floor(clock.now() / 1_000))
        return call('sign_event', [text], options) as Promise<SignedEvent> as Promise<E>
      }),
    nip04,
    nip44,
    nip04Encrypt: nip04.encrypt,
    nip04Decrypt: nip04.decrypt,
    nip44Encrypt: nip44.encrypt,
    nip44Decrypt: nip44.decrypt,
    ping: (options?: CallOptions) => call('ping', [], options),
    getRelays: (options?: CallOptions) => call('get_relays', [], options),
    switchRelays: (options?: CallOptions) => call('switch_relays', [], options),
    describe: (options?: CallOptions) => call('describe', [], options),
    request: call,
  })
}

/** NIP-46's param of sign_event, with the user's pubkey, without which one widespread remote signer cannot read it. */
function templateText(template: SignTemplate, userPubkey: Pubkey, now: number): string {
  const { kind, content, tags = [], created_at = now, pubkey = userPubkey } = template
  const text = JSON.stringify({ kind, created_at, tags, content, pubkey })
  const wrong = pubkey === userPubkey ? wrongMember(JSON.parse(text)) : 'pubkey'
  if (wrong !== undefined) misuse(`the ${wrong} of the event is wrong`)
  return text
}
