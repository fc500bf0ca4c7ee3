/**
 * The other side of the fixture: requests as a client sends them, gift wraps as senders make them, and whether an answer
 * is the right one.
 * Never timed.
 */

import {
  acceptResult,
  type Crypto,
  type KeyHandle,
  open,
  type Pubkey,
  type RandomBytes,
  type SignedEvent,
  seal,
} from '@nip46/core'
import { must } from '../must.ts'
import { NOTE } from './note.ts'
import type { Keys, Wrap } from './subject.ts'

export interface ClientEnd {
  /** Who is who, in public. */
  readonly parties: { readonly client: Pubkey; readonly signer: Pubkey; readonly user: Pubkey }
  /** A sign_event request for a note with this content. */
  request(content: string): SignedEvent
  accepts(answer: SignedEvent, content: string): boolean
  /** What is encrypted in that request. */
  requestText(content: string): string
  verifies(event: SignedEvent): boolean
  /** The text of a carrier from the signer, or undefined. */
  read(answer: SignedEvent): string | undefined
  /** `count` wraps, from as many as 50 senders, for the user; the rumor of number i says `wrap <i>`. */
  wraps(count: number): readonly Wrap[]
}

/** Senders that share the wraps: a user's correspondents. */
const SENDERS = 50

export function clientEnd(crypto: Crypto, keys: Keys, random: RandomBytes): ClientEnd {
  const client = crypto.importKey(keys.client)
  const signer = crypto.importKey(keys.signer)
  const user = crypto.importKey(keys.user)
  const template = (content: string): string => JSON.stringify({ ...NOTE, content })
  const requestText = (content: string): string =>
    JSON.stringify({ id: '0123456789abcdef'.repeat(2), method: 'sign_event', params: [template(content)] })
  const carrier = (text: string): SignedEvent => {
    const message = {
      text,
      to: signer.pubkey,
      key: client,
      scheme: 'nip44',
      createdAt: NOTE.created_at,
    } as const
    return must(seal(message, { crypto, random }))
  }
  const read = (answer: SignedEvent): string | undefined => {
    const opened = open(answer, {
      crypto,
      key: (pubkey) => (pubkey === client.pubkey ? client : undefined),
      scheme: () => 'nip44',
      now: NOTE.created_at,
    })
    return opened.ok ? opened.value.text : undefined
  }
  return {
    parties: { client: client.pubkey, signer: signer.pubkey, user: user.pubkey },
    request: (content) => carrier(requestText(content)),
    requestText,
    verifies: (event) => crypto.verify(event),
    read,
    accepts: (answer, content) => {
      const text = read(answer)
      if (text === undefined) return false
      const asked = { method: 'sign_event', params: [template(content)] } as const
      return acceptResult(asked, JSON.parse(text).result, { crypto, userPubkey: user.pubkey }).ok
    },
    wraps: (count) => {
      const senders = Array.from({ length: Math.min(SENDERS, count) }, () => crypto.importKey(random(32)))
      return Array.from({ length: count }, (_, i) => {
        const sender = senders[i % senders.length] ?? client
        return wrap(crypto, sender, user, `wrap ${i}`, random)
      })
    },
  }
}

function wrap(
  crypto: Crypto,
  sender: KeyHandle,
  user: KeyHandle,
  content: string,
  random: RandomBytes,
): Wrap {
  const to = user.pubkey
  const rumor = { kind: 14, content, tags: [['p', to]], created_at: NOTE.created_at, pubkey: sender.pubkey }
  const sealed = signed(crypto, sender, 13, [], encrypted(sender, to, rumor, random), random)
  const once = crypto.importKey(random(32))
  const wrapped = signed(crypto, once, 1059, [['p', to]], encrypted(once, to, sealed, random), random)
  once.destroy()
  return wrapped
}

function encrypted(key: KeyHandle, to: string, value: object, random: RandomBytes): string {
  return must(key.conversation(to)).nip44Encrypt(JSON.stringify(value), random(32))
}

function signed(
  crypto: Crypto,
  key: KeyHandle,
  kind: number,
  tags: readonly (readonly string[])[],
  content: string,
  random: RandomBytes,
): SignedEvent {
  const unsigned = { kind, content, tags, created_at: NOTE.created_at, pubkey: key.pubkey }
  const id = crypto.eventId(unsigned)
  return { ...unsigned, id, sig: key.sign(id, random(32)) }
}
