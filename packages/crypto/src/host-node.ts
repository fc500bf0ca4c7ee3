/**
 * The host's own primitives in Node: OpenSSL for large messages and for event ids.
 * Never relied on before it has done a known example right: what imitates Node may lack a cipher.
 */

import * as node from 'node:crypto'
import { equalBytes } from './bytes.ts'
import type { HostPrimitives, LargeBlocks, LargeMessages } from './host-primitives.ts'

/** Node 24's OpenSSL takes 13 us and more to set up a cipher or a MAC, those of the other versions about 2. */
const SLOW_SETUP = '24'

/** From where the host's code is the faster one, measured on Node 20.20, 22.23, 24.21 and 26.10; 20, 22 and 26 agree. */
const HASH_FROM = 192
const MESSAGES_FROM = 32_768
const MESSAGES_FROM_SLOW = 196_608
const BLOCKS_FROM = 128
const BLOCKS_FROM_SLOW = 3_072

const MESSAGES: LargeMessages = {
  from: MESSAGES_FROM,
  cipher(key32, nonce12, data) {
    const iv = new Uint8Array(16)
    iv.set(nonce12, 4)
    const done = node.createCipheriv('chacha20', key32, iv).update(data)
    data.set(done)
    done.fill(0)
  },
  mac(key32, data, out32) {
    out32.set(node.createHmac('sha256', key32).update(data).digest())
  },
}

const BLOCKS: LargeBlocks = {
  from: BLOCKS_FROM,
  encrypt(key32, iv16, plaintext) {
    const cipher = node.createCipheriv('aes-256-cbc', key32, iv16)
    return joined(cipher.update(plaintext), cipher.final())
  },
  decrypt(key32, iv16, ciphertext) {
    const decipher = node.createDecipheriv('aes-256-cbc', key32, iv16)
    const start = decipher.update(ciphertext)
    try {
      return joined(start, decipher.final())
    } catch (cause) {
      start.fill(0)
      if (cause instanceof Error) return undefined
      throw cause
    }
  },
}

let tried: HostPrimitives | undefined

export function hostPrimitives(): HostPrimitives {
  tried ??= tryAll()
  return tried
}

function tryAll(): HostPrimitives {
  const slow = process.versions.node.startsWith(`${SLOW_SETUP}.`)
  return {
    name: 'node',
    ...(works(hashes) && { hashText: hash, hashBytes: { from: HASH_FROM, hash } }),
    ...(works(doesMessages) && { large: slow ? { ...MESSAGES, from: MESSAGES_FROM_SLOW } : MESSAGES }),
    ...(works(doesBlocks) && { cbc: slow ? { ...BLOCKS, from: BLOCKS_FROM_SLOW } : BLOCKS }),
  }
}

/** One call; there since Node 20.12. */
function hash(data: string | Uint8Array): string {
  return node.hash('sha256', data, 'hex')
}

function works(example: () => boolean): boolean {
  try {
    return example()
  } catch (cause) {
    if (cause instanceof Error) return false
    throw cause
  }
}

function hashes(): boolean {
  return hash('abc') === 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
}

/** The key stream of RFC 8439, A.1 #1, and the HMAC of nothing under a key of zeros. */
function doesMessages(): boolean {
  const zero = new Uint8Array(32)
  const stream = new Uint8Array(4)
  MESSAGES.cipher(zero, zero.subarray(12, 24), stream)
  const out = new Uint8Array(32)
  MESSAGES.mac(zero, new Uint8Array(0), out)
  return (
    equalBytes(stream, Uint8Array.of(0x76, 0xb8, 0xe0, 0xad)) &&
    equalBytes(out.subarray(0, 4), Uint8Array.of(0xb6, 0x13, 0x67, 0x9a))
  )
}

function doesBlocks(): boolean {
  const zero = new Uint8Array(32)
  const text = Uint8Array.of(1, 2, 3)
  const sealed = BLOCKS.encrypt(zero, zero.subarray(16), text)
  const opened = BLOCKS.decrypt(zero, zero.subarray(16), sealed)
  return opened !== undefined && equalBytes(opened, text)
}

function joined(start: Uint8Array, end: Uint8Array): Uint8Array {
  if (end.length === 0) return start
  const all = new Uint8Array(start.length + end.length)
  all.set(start)
  all.set(end, start.length)
  start.fill(0)
  end.fill(0)
  return all
}
