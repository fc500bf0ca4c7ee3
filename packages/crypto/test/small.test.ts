import { UsageError } from '@nip46/core'
import { seededRandom } from '@nip46/testing'
import { expect, test } from 'vitest'
import { SMALL_CONVERSATIONS } from '../src/limits.ts'
import type { Nip04 } from '../src/nip04.ts'
import { smallCrypto } from '../src/small.ts'
import { smallNip04 } from '../src/small-nip04.ts'

const random = seededRandom('small crypto')

function converse(crypto: ReturnType<typeof smallCrypto>, mine: Uint8Array, theirs: Uint8Array) {
  const opened = crypto.importKey(mine).conversation(crypto.importKey(theirs).pubkey)
  if (!opened.ok) throw new Error('derived keys are valid')
  return opened.value
}

test('NIP-04 is left out unless it is given: encrypting says so, and nothing opens', () => {
  const [mine, theirs] = [random.bytes(32), random.bytes(32)]
  const without = converse(smallCrypto(), mine, theirs)
  const both = converse(smallCrypto({ nip04: smallNip04 }), theirs, mine)
  const payload = both.nip04Encrypt('hello', random.bytes(16))
  expect(() => without.nip04Encrypt('hello', random.bytes(16))).toThrow(UsageError)
  expect(() => without.nip04Encrypt('hello', random.bytes(16))).toThrow(/small-nip04/)
  expect(without.nip04Decrypt(payload)).toEqual({ ok: false, error: 'nip04/payload' })
  expect(both.nip04Decrypt(payload)).toEqual({ ok: true, value: 'hello' })
  expect(both.nip44Decrypt(without.nip44Encrypt('hi', random.bytes(32)))).toEqual({ ok: true, value: 'hi' })
})

test('a caller may bring limits of their own', () => {
  const own = converse(smallCrypto({ maxPlaintextBytes: 100 }), random.bytes(32), random.bytes(32))
  expect(() => own.nip44Encrypt('a'.repeat(101), random.bytes(32))).toThrow(UsageError)
  expect(own.nip44Decrypt(own.nip44Encrypt('a'.repeat(100), random.bytes(32))).ok).toBe(true)
  const extended = converse(smallCrypto({ sendExtended: true }), random.bytes(32), random.bytes(32))
  const long = 'a'.repeat(65_536)
  expect(extended.nip44Decrypt(extended.nip44Encrypt(long, random.bytes(32)))).toEqual({
    ok: true,
    value: long,
  })
})

test('signing and batches check their bytes, and leave those of the caller as they were', () => {
  const secret = random.bytes(32)
  const before = secret.slice()
  const key = smallCrypto().importKey(secret)
  expect(secret).toEqual(before)
  expect(() => key.signBatch(['ab'.repeat(32)], new Uint8Array(64))).toThrow(UsageError)
  expect(() => key.signBatch([], new Uint8Array(1))).toThrow(UsageError)
})

/** Shows the memory of each conversation: what is given to NIP-04 is a view of it. */
function watched(): { readonly nip04: Nip04; readonly memories: Set<ArrayBufferLike> } {
  const memories = new Set<ArrayBufferLike>()
  const nip04: Nip04 = {
    encrypt(sharedX) {
      memories.add(sharedX.buffer)
      return ''
    },
    decrypt: () => ({ ok: false, error: 'nip04/payload' }),
  }
  return { nip04, memories }
}

const isWiped = (memory: ArrayBufferLike): boolean => new Uint8Array(memory).every((byte) => byte === 0)

test('as many conversations are remembered as the limit says; one over overwrites the least recently used', () => {
  const { nip04, memories } = watched()
  const crypto = smallCrypto({ nip04 })
  const key = crypto.importKey(random.bytes(32))
  const peers: string[] = []
  for (let i = 1n; peers.length <= SMALL_CONVERSATIONS; i++) {
    const peer = i.toString(16).padStart(64, '0')
    if (crypto.isPubkey(peer)) peers.push(peer)
  }
  const conversations = peers.map((peer) => {
    const opened = key.conversation(peer)
    if (!opened.ok) throw new Error('these keys are valid')
    opened.value.nip04Encrypt('', new Uint8Array(16))
    return opened.value
  })
  expect(memories.size).toBe(SMALL_CONVERSATIONS + 1)
  expect([...memories].map(isWiped)).toEqual(peers.map((_, i) => i === 0))
  // Whoever holds a forgotten one goes on with it: its keys are derived again.
  const payload = conversations[0]?.nip44Encrypt('still here', random.bytes(32)) ?? ''
  expect(conversations[0]?.nip44Decrypt(payload)).toEqual({ ok: true, value: 'still here' })
  expect([...memories].map(isWiped)).toEqual(peers.map((_, i) => i <= 1))
})

test('destroying a key overwrites its conversations', () => {
  const { nip04, memories } = watched()
  const crypto = smallCrypto({ nip04 })
  const key = crypto.importKey(random.bytes(32))
  const opened = key.conversation(key.pubkey)
  if (opened.ok) opened.value.nip04Encrypt('', new Uint8Array(16))
  const [memory] = memories
  if (memory === undefined) throw new Error('the conversation showed its memory')
  expect(memory.byteLength).toBe(64)
  expect(isWiped(memory)).toBe(false)
  key.destroy()
  expect(isWiped(memory)).toBe(true)
})
