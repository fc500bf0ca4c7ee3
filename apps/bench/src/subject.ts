/**
 * What is measured: our crypto on each backend, and nostr-tools, behind one small set of operations.
 * Never shares state between subjects, so that no cache of one serves another.
 */

import { randomFillSync } from 'node:crypto'
import {
  acceptResult,
  type Crypto,
  type EventTemplate,
  encodeResponse,
  type KeyHandle,
  open,
  type Pubkey,
  parseRequest,
  parseTemplate,
  type SignedEvent,
  seal,
} from '@nip46/core'
import { nobleCrypto } from '@nip46/crypto/noble'
import { tinyCrypto } from '@nip46/crypto/tiny'
import * as nip44 from 'nostr-tools/nip44'
import { finalizeEvent, getPublicKey, verifyEvent } from 'nostr-tools/pure'

export interface Keys {
  readonly client: Uint8Array
  readonly signer: Uint8Array
  readonly user: Uint8Array
}

/** The operations of one implementation, with its keys inside. */
export interface Subject {
  readonly name: string
  /** A note: serialised, hashed and signed. */
  sign(content: string): SignedEvent
  verify(event: SignedEvent): boolean
  /** A conversation key from scratch: ECDH and HKDF, nothing cached. */
  agree(): unknown
  encrypt(plaintext: string): string
  decrypt(payload: string): string
  /** One whole sign_event request at the remote signer: verify, open, sign, seal. Returns the answer's carrier. */
  answer(request: SignedEvent): SignedEvent
}

const NOTE = { kind: 1, tags: [] as string[][], created_at: 1_767_225_600 }

const random = (length: number): Uint8Array => randomFillSync(new Uint8Array(length))

/** Our crypto on one backend, and core's envelope over it. */
export function ownSubject(crypto: Crypto, keys: Keys): Subject {
  const signer = crypto.importKey(keys.signer)
  const user = crypto.importKey(keys.user)
  const client = crypto.importKey(keys.client)
  const conversation = must(signer.conversation(client.pubkey))
  return {
    name: crypto.name,
    sign: (content) => signTemplate(crypto, user, { ...NOTE, content }),
    verify: (event) => crypto.verify(event),
    agree: () => {
      const fresh = crypto.importKey(keys.signer)
      const made = must(fresh.conversation(client.pubkey))
      fresh.destroy()
      return made
    },
    encrypt: (plaintext) => conversation.nip44Encrypt(plaintext, random(32)),
    decrypt: (payload) => must(conversation.nip44Decrypt(payload)),
    answer: (request) => answerWithCore(crypto, signer, user, client.pubkey, request),
  }
}

function answerWithCore(
  crypto: Crypto,
  signer: KeyHandle,
  user: KeyHandle,
  clientPubkey: Pubkey,
  event: SignedEvent,
): SignedEvent {
  const opened = must(
    open(event, {
      crypto,
      key: (pubkey) => (pubkey === signer.pubkey ? signer : undefined),
      scheme: (from) => (from === clientPubkey ? 'nip44' : undefined),
      now: event.created_at,
    }),
  )
  const request = parseRequest(opened.text)
  if (!request.ok) throw new Error('the fixture is no request')
  const template = must(parseTemplate(request.value.params[0] ?? '', user.pubkey))
  const signed = signTemplate(crypto, user, template)
  const text = encodeResponse({ type: 'result', id: request.value.id, result: JSON.stringify(signed) })
  const { created_at: createdAt } = event
  return must(seal({ text, to: clientPubkey, key: signer, scheme: 'nip44', createdAt }, { crypto, random }))
}

function signTemplate(crypto: Crypto, user: KeyHandle, template: EventTemplate): SignedEvent {
  const unsigned = { ...template, pubkey: user.pubkey }
  const id = crypto.eventId(unsigned)
  return { ...unsigned, id, sig: user.sign(id, random(32)) }
}

/** nostr-tools as its own remote-signer examples use it: conversation key cached, pure JavaScript. */
export function nostrToolsSubject(keys: Keys): Subject {
  const clientPubkey = getPublicKey(keys.client)
  const conversationKey = nip44.getConversationKey(keys.signer, clientPubkey)
  return {
    name: 'nostr-tools',
    sign: (content) => finalizeEvent({ ...NOTE, content }, keys.user),
    verify: (event) => verifyEvent(plain(event)),
    agree: () => nip44.getConversationKey(keys.signer, clientPubkey),
    encrypt: (plaintext) => nip44.encrypt(plaintext, conversationKey),
    decrypt: (payload) => nip44.decrypt(payload, conversationKey),
    answer: (event) => {
      if (!verifyEvent(plain(event))) throw new Error('the fixture does not verify')
      const { id, params } = JSON.parse(nip44.decrypt(event.content, conversationKey))
      const signed = finalizeEvent(JSON.parse(params[0]), keys.user)
      const text = JSON.stringify({ id, result: JSON.stringify(signed) })
      const content = nip44.encrypt(text, conversationKey)
      const tags = [['p', clientPubkey]]
      return finalizeEvent({ kind: 24133, content, tags, created_at: event.created_at }, keys.signer)
    },
  }
}

/** A copy without the mark by which nostr-tools remembers that it verified an object before. */
function plain(event: SignedEvent): Parameters<typeof verifyEvent>[0] {
  const { id, pubkey, created_at, kind, tags, content, sig } = event
  return { id, pubkey, created_at, kind, tags: tags.map((tag) => [...tag]), content, sig }
}

export function subjects(keys: Keys): readonly Subject[] {
  return [ownSubject(tinyCrypto(), keys), ownSubject(nobleCrypto(), keys), nostrToolsSubject(keys)]
}

/** The client's side of the fixture: a request as it would arrive, and whether an answer is the right one. */
export function clientEnd(keys: Keys): {
  request(content: string): SignedEvent
  accepts(answer: SignedEvent, content: string): boolean
} {
  const crypto = tinyCrypto()
  const client = crypto.importKey(keys.client)
  const signer = crypto.importKey(keys.signer)
  const user = crypto.importKey(keys.user)
  const created_at = 1_767_225_600
  const template = (content: string) => JSON.stringify({ kind: 1, content, tags: [], created_at })
  return {
    request: (content) => {
      const text = JSON.stringify({
        id: '0123456789abcdef'.repeat(2),
        method: 'sign_event',
        params: [template(content)],
      })
      const request = {
        text,
        to: signer.pubkey,
        key: client,
        scheme: 'nip44',
        createdAt: created_at,
      } as const
      return must(seal(request, { crypto, random }))
    },
    accepts: (answer, content) => {
      const opened = open(answer, {
        crypto,
        key: (pubkey) => (pubkey === client.pubkey ? client : undefined),
        scheme: () => 'nip44',
        now: created_at,
      })
      if (!opened.ok) return false
      const { result } = JSON.parse(opened.value.text)
      const asked = { method: 'sign_event', params: [template(content)] } as const
      return acceptResult(asked, result, { crypto, userPubkey: user.pubkey }).ok
    },
  }
}

function must<T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown },
): T {
  if (!result.ok) throw new Error(`unexpected: ${String(result.error)}`)
  return result.value
}
