import { seededRandom } from '@nip46/testing'
import { bytesToHex } from '@noble/hashes/utils.js'
import { decrypt as nip04Decrypt, encrypt as nip04Encrypt } from 'nostr-tools/nip04'
import { v2 } from 'nostr-tools/nip44'
import { finalizeEvent, verifyEvent } from 'nostr-tools/pure'
import { describe, expect, test } from 'vitest'
import { createCrypto } from '../src/crypto.ts'
import { backends } from './backends.ts'

const MESSAGES = 200

describe.each(backends)('nostr-tools and $name', ({ name, create }) => {
  const random = seededRandom(`nostr-tools and ${name}`)
  const crypto = createCrypto(create(), { random: random.bytes })
  const [mine, theirs] = [random.bytes(32), random.bytes(32)]
  const key = crypto.importKey(mine)
  const peer = crypto.importKey(theirs).pubkey
  const opened = key.conversation(peer)
  if (!opened.ok) throw new Error('a derived key is valid')
  const conversation = opened.value

  /** Any characters but lone surrogates; mostly short, some past the padding steps. */
  function randomText(): string {
    const length = 1 + random.below(random.chance(0.1) ? 5_000 : 200)
    const alphabet = random.chance(0.5) ? 0x7f : 0x10ffff
    let text = ''
    for (let i = 0; i < length; i++) {
      const point = random.below(alphabet)
      text += point >= 0xd800 && point <= 0xdfff ? '?' : String.fromCodePoint(point)
    }
    return text
  }

  test(`${MESSAGES} random messages in NIP-44, both ways`, () => {
    const conversationKey = v2.utils.getConversationKey(theirs, key.pubkey)
    expect(bytesToHex(conversationKey)).toBe(conversation.dangerouslyExportKey())
    for (let i = 0; i < MESSAGES; i++) {
      const [text, nonce] = [randomText(), random.bytes(32)]
      const payload = conversation.nip44Encrypt(text, nonce)
      expect(payload).toBe(v2.encrypt(text, conversationKey, nonce))
      expect(v2.decrypt(payload, conversationKey)).toBe(text)
      const answer = v2.encrypt(text, conversationKey)
      expect(conversation.nip44Decrypt(answer)).toEqual({ ok: true, value: text })
    }
  })

  test('random messages in NIP-04, both ways', () => {
    for (let i = 0; i < 10; i++) {
      const text = randomText()
      const payload = conversation.nip04Encrypt(text, random.bytes(16))
      // Their decoder drops a byte order mark at the start; ours keeps it.
      expect(nip04Decrypt(theirs, key.pubkey, payload)).toBe(text.replace(/^\ufeff/, ''))
      expect(conversation.nip04Decrypt(nip04Encrypt(theirs, key.pubkey, text))).toEqual({
        ok: true,
        value: text,
      })
    }
  })

  test('event ids and signatures, both ways', () => {
    for (let i = 0; i < 10; i++) {
      const template = {
        kind: random.below(65_536),
        content: randomText(),
        tags: [['p', peer, randomText()]],
        created_at: i,
      }
      const event = finalizeEvent(template, mine)
      const unsigned = { ...template, pubkey: key.pubkey }
      const id = crypto.eventId(unsigned)
      expect(id).toBe(event.id)
      expect(crypto.verify(event)).toBe(true)
      expect(verifyEvent({ ...unsigned, id, sig: key.sign(id, random.bytes(32)) })).toBe(true)
    }
  })
})
