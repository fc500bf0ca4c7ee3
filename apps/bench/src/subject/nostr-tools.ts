/**
 * nostr-tools as its own examples use it, conversation keys cached, in pure JavaScript or over nostr-wasm.
 * Never helped or hindered beyond that: no pooled randomness, no cached public key.
 */

import type { SignedEvent } from '@nip46/core'
import * as nip04 from 'nostr-tools/nip04'
import * as nip44 from 'nostr-tools/nip44'
import * as pure from 'nostr-tools/pure'
import * as wasm from 'nostr-tools/wasm'
import { NOTE } from './note.ts'
import type { Keys, Subject } from './subject.ts'

/** The two functions that nostr-wasm replaces. */
type Signing = Pick<typeof pure, 'finalizeEvent' | 'verifyEvent'>

export function nostrToolsSubject(keys: Keys): Subject {
  return subjectOver('nostr-tools', pure, keys)
}

/** Rejects if nostr-wasm does not load. */
export async function nostrToolsWasmSubject(keys: Keys): Promise<Subject> {
  const { initNostrWasm } = await import('nostr-wasm/gzipped')
  wasm.setNostrWasm(await initNostrWasm())
  return subjectOver('nostr-tools + nostr-wasm', wasm, keys)
}

function subjectOver(name: string, { finalizeEvent, verifyEvent }: Signing, keys: Keys): Subject {
  const clientPubkey = pure.getPublicKey(keys.client)
  const userPubkey = pure.getPublicKey(keys.user)
  const conversationKey = nip44.getConversationKey(keys.signer, clientPubkey)
  const seal = (text: string, created_at: number): SignedEvent => {
    const content = nip44.encrypt(text, conversationKey)
    return finalizeEvent({ kind: 24133, content, tags: [['p', clientPubkey]], created_at }, keys.signer)
  }
  const open = (event: SignedEvent): string => {
    if (!verifyEvent(plain(event))) throw new Error('the fixture does not verify')
    return nip44.decrypt(event.content, conversationKey)
  }
  return {
    name,
    eventId: (content) => pure.getEventHash({ ...NOTE, content, pubkey: userPubkey }),
    sign: (content) => finalizeEvent({ ...NOTE, content }, keys.user),
    verify: (event) => verifyEvent(plain(event)),
    agree: () => nip44.getConversationKey(keys.signer, clientPubkey),
    encrypt: (plaintext) => nip44.encrypt(plaintext, conversationKey),
    decrypt: (payload) => nip44.decrypt(payload, conversationKey),
    // Its interface takes keys and derives the shared one on every call.
    encryptLegacy: (plaintext) => nip04.encrypt(keys.signer, clientPubkey, plaintext),
    decryptLegacy: (payload) => nip04.decrypt(keys.signer, clientPubkey, payload),
    seal: (text) => seal(text, NOTE.created_at),
    open,
    answer: (event) => {
      const { id, params } = JSON.parse(open(event))
      const signed = finalizeEvent(JSON.parse(params[0]), keys.user)
      return seal(JSON.stringify({ id, result: JSON.stringify(signed) }), event.created_at)
    },
    unwrap: (wraps) => {
      const known = new Map<string, Uint8Array>()
      const keyFor = (pubkey: string): Uint8Array => {
        const found = known.get(pubkey) ?? nip44.getConversationKey(keys.user, pubkey)
        known.set(pubkey, found)
        return found
      }
      const read = (event: SignedEvent): SignedEvent =>
        JSON.parse(nip44.decrypt(event.content, keyFor(event.pubkey)))
      return wraps.map((wrap) => read(read(wrap)).content)
    },
  }
}

/** A copy without the mark by which nostr-tools remembers that it verified an object before. */
function plain(event: SignedEvent): Parameters<Signing['verifyEvent']>[0] {
  const { id, pubkey, created_at, kind, tags, content, sig } = event
  return { id, pubkey, created_at, kind, tags: tags.map((tag) => [...tag]), content, sig }
}
