/**
 * Our crypto on one backend, and core's envelope over it, as a subject.
 * Never reaches past the ports of core: what is timed is what a host runs.
 */

import {
  type Conversation,
  type Crypto,
  type EventTemplate,
  encodeResponse,
  type KeyHandle,
  open,
  type Pubkey,
  parseRequest,
  parseTemplate,
  type RandomBytes,
  type SignedEvent,
  seal,
} from '@nip46/core'
import { must } from '../must.ts'
import type { Backend } from './backends.ts'
import { NOTE } from './note.ts'
import type { Keys, Subject, Wrap } from './subject.ts'

export async function ownSubject(backend: Backend, keys: Keys, random: RandomBytes): Promise<Subject> {
  const crypto = await backend.create()
  const signer = crypto.importKey(keys.signer)
  const user = crypto.importKey(keys.user)
  const client = crypto.importKey(keys.client)
  const conversation = must(signer.conversation(client.pubkey))
  const agree = agreement(await backend.create({ conversations: 1 }), keys)
  return {
    name: backend.name,
    eventId: (content) => crypto.eventId({ ...NOTE, content, pubkey: user.pubkey }),
    sign: (content) => signTemplate(crypto, user, { ...NOTE, content }, random),
    verify: (event) => crypto.verify(event),
    agree,
    encrypt: (plaintext) => conversation.nip44Encrypt(plaintext, random(32)),
    decrypt: (payload) => must(conversation.nip44Decrypt(payload)),
    encryptLegacy: (plaintext) => conversation.nip04Encrypt(plaintext, random(16)),
    decryptLegacy: (payload) => must(conversation.nip04Decrypt(payload)),
    seal: (text) => sealAnswer(crypto, signer, client.pubkey, text, NOTE.created_at, random),
    open: (event) => openRequest(crypto, signer, client.pubkey, event),
    answer: (event) => {
      const request = must(parseRequest(openRequest(crypto, signer, client.pubkey, event)))
      const template = must(parseTemplate(request.params[0] ?? '', user.pubkey))
      const signed = signTemplate(crypto, user, template, random)
      const text = encodeResponse({ type: 'result', id: request.id, result: JSON.stringify(signed) })
      return sealAnswer(crypto, signer, client.pubkey, text, event.created_at, random)
    },
    unwrap: (wraps) => unwrapAll(crypto, keys.user, wraps),
  }
}

function openRequest(crypto: Crypto, signer: KeyHandle, from: Pubkey, event: SignedEvent): string {
  const context = {
    crypto,
    key: (pubkey: string) => (pubkey === signer.pubkey ? signer : undefined),
    scheme: (author: string) => (author === from ? ('nip44' as const) : undefined),
    now: event.created_at,
  }
  return must(open(event, context)).text
}

function sealAnswer(
  crypto: Crypto,
  key: KeyHandle,
  to: Pubkey,
  text: string,
  createdAt: number,
  random: RandomBytes,
): SignedEvent {
  return must(seal({ text, to, key, scheme: 'nip44', createdAt }, { crypto, random }))
}

function signTemplate(
  crypto: Crypto,
  user: KeyHandle,
  template: EventTemplate,
  random: RandomBytes,
): SignedEvent {
  const unsigned = { ...template, pubkey: user.pubkey }
  const id = crypto.eventId(unsigned)
  return { ...unsigned, id, sig: user.sign(id, random(32)) }
}

/** A key that remembers one conversation, asked for two in turn: each call derives. */
function agreement(crypto: Crypto, keys: Keys): () => Conversation {
  const signer = crypto.importKey(keys.signer)
  const peers = [keys.client, keys.user].map((secret) => crypto.importKey(secret).pubkey)
  let turn = 0
  return () => must(signer.conversation(peers[turn++ % 2] ?? ''))
}

function unwrapAll(crypto: Crypto, secret: Uint8Array, wraps: readonly Wrap[]): readonly string[] {
  const user = crypto.importKey(secret)
  const read = (event: SignedEvent): SignedEvent =>
    JSON.parse(must(must(user.conversation(event.pubkey)).nip44Decrypt(event.content)))
  const contents = wraps.map((wrap) => read(read(wrap)).content)
  user.destroy()
  return contents
}
