/**
 * SHA-256 and ChaCha20 in a WebAssembly instance of our own: HMAC, HKDF and NIP-44's steps over its memory.
 * Never leaves a key or a text in that memory once a message is released, and never returns an instance that fails
 * a known example.
 */

import { hexToBytes } from '@nip46/core'
import { equalBytes } from './bytes.ts'
import { hexDigit } from './hex.ts'
import type { HostPrimitives, LargeMessages } from './host-primitives.ts'
import { BODY_AT, NONCE_AT } from './payload-layout.ts'
import type { Symmetric } from './symmetric.ts'
import { CHACHA_STEP, SHA256_START, type SymmetricExports, symmetricModule } from './symmetric-code.ts'
import { alignedBytes, createNobleSymmetric, NOBLE_MESSAGES } from './symmetric-noble.ts'

/** A WebAssembly namespace without the DOM library's types. */
declare const WebAssembly:
  | {
      readonly Module: new (bytes: Uint8Array) => object
      readonly Instance: new (module: object, imports: object) => { readonly exports: object }
    }
  | undefined

const BLOCK = 64
const DIGEST = 32

// The memory, by address. What is secret lies together, so that one fill wipes it.
/** The value that SHA-256 starts from. */
const START = 0
/** HMAC's second message: the first digest, then padding that stays. Its first half is secret. */
const OUTER = 64
const SECRET = 128
/** A key with HMAC's pad. */
const PAD = 128
/** HMAC's two chaining values after the key. */
const KEYED = 192
/** HKDF's three blocks: ChaCha20's key and nonce, HMAC's key, 20 bytes that nobody uses. */
const KEYS = 256
const RESULT = 352
/** HKDF's message for the second and third block: the block before, nonce, counter, padding. The first 32 bytes are secret. */
const NEXT = 384
const SECRET_END = 416
/** HKDF's message for the first block: nonce, counter, padding. */
const FIRST = 512
/** NIP-44's salt after HMAC's two pads. */
const SALTED = 576
/** Room for HMAC's first block right before a payload's nonce, over the version byte. */
const MASKED = 656
/** Payloads and everything else of any length. Placed so that the nonce of a payload is aligned. */
const WORK = 719
const PAGES = 3
const PAGE = 65_536
/** Room for a payload in {@link WORK}: the cipher's last step and SHA-256's padding write behind its end. */
const WORK_BYTES: number = PAGES * PAGE - WORK - CHACHA_STEP

const IPAD = 0x36363636
const OPAD = 0x5c5c5c5c

/** The MAC of {@link isRight}'s message, as noble computes it. */
const KNOWN_BODY = 300
const KNOWN_MAC = hexToBytes('e82f8ae57a2e60971c34118f15fdc787114c99d1545f23775aab49c76816cd40')

let compiled: object | undefined

/** Undefined where WebAssembly, or its SIMD, is missing, forbidden, or wrong. */
export function createWasmSymmetric(host: HostPrimitives): Symmetric | undefined {
  const exports = instantiate()
  if (exports === undefined) return undefined
  const { symmetric } = symmetricOver(exports, host)
  return isRight(symmetric) ? symmetric : undefined
}

/** The same together with the memory, for tests that look for what was left behind. */
export function createWatchedSymmetric(host: HostPrimitives): {
  readonly symmetric: Symmetric
  readonly memory: Uint8Array
} {
  const exports = instantiate()
  if (exports === undefined) throw new Error('this host does not run WebAssembly with SIMD')
  return symmetricOver(exports, host)
}

function instantiate(): SymmetricExports | undefined {
  if (typeof WebAssembly === 'undefined') return undefined
  try {
    compiled ??= new WebAssembly.Module(symmetricModule(PAGES))
    return new WebAssembly.Instance(compiled, {}).exports as SymmetricExports
  } catch (cause) {
    // Forbidden by a page's policy, too large for its main thread, or without SIMD: noble does the same.
    if (cause instanceof Error) return undefined
    throw cause
  }
}

/** One message whose MAC depends on every step: hashing, HKDF, cipher, HMAC. */
function isRight(symmetric: Symmetric): boolean {
  const key = new Uint8Array(DIGEST)
  const prepared = new Uint8Array(symmetric.preparedBytes)
  symmetric.conversationKey(new Uint8Array(DIGEST).fill(1), key)
  symmetric.prepare(key, prepared)
  const payload = symmetric.claim(BODY_AT + KNOWN_BODY + DIGEST)
  symmetric.expand(prepared, payload.subarray(NONCE_AT, BODY_AT))
  symmetric.cipher(payload)
  const right = equalBytes(symmetric.mac(payload), KNOWN_MAC)
  symmetric.release(payload)
  return right
}

function symmetricOver(
  { memory: { buffer }, compress, chacha }: SymmetricExports,
  { name, hashText, hashBytes, large }: HostPrimitives,
): { readonly symmetric: Symmetric; readonly memory: Uint8Array } {
  const bytes = new Uint8Array(buffer)
  const words = new Uint32Array(buffer)
  const view = new DataView(buffer)
  const result = bytes.subarray(RESULT, RESULT + DIGEST)
  const keys = bytes.subarray(KEYS, RESULT)
  const chachaKey = bytes.subarray(KEYS, KEYS + 32)
  const chachaNonce = bytes.subarray(KEYS + 32, KEYS + 44)
  const hmacKey = bytes.subarray(KEYS + 44, KEYS + 76)
  const encoder = new TextEncoder()

  const copy = (from: number, to: number, length: number): void => {
    for (let i = 0; i < length >> 2; i++) words[(to >> 2) + i] = words[(from >> 2) + i] as number
  }

  /** Writes SHA-256's padding behind a message and returns its blocks. `before` counts bytes hashed already. */
  function pad(at: number, length: number, before: number): number {
    const blocks = (length + 9 + BLOCK - 1) >>> 6
    const end = at + BLOCK * blocks
    bytes.fill(0, at + length, end)
    bytes[at + length] = 0x80
    const total = before + length
    view.setUint32(end - 8, Math.floor(total / 0x2000_0000))
    view.setUint32(end - 4, (total << 3) >>> 0)
    return blocks
  }

  /** The block that HMAC begins with: the 32-byte key, zeros, and a mask over both. */
  function maskKey(key: number, mask: number, to: number): void {
    for (let i = 0; i < 8; i++) words[(to >> 2) + i] = (words[(key >> 2) + i] as number) ^ mask
    for (let i = 8; i < 16; i++) words[(to >> 2) + i] = mask
  }

  function compressMasked(key: number, mask: number, state: number): void {
    maskKey(key, mask, PAD)
    copy(START, state, DIGEST)
    compress(state, PAD, 1)
  }

  /** HMAC's two chaining values after the 32-byte key at `key`, to `to`. */
  function keyHmac(key: number, to: number): void {
    compressMasked(key, IPAD, to)
    compressMasked(key, OPAD, to + DIGEST)
  }

  /** HMAC under the values at `keyed` over padded blocks, to `to`. */
  function hmac(keyed: number, message: number, blocks: number, to: number): void {
    copy(keyed, OUTER, DIGEST)
    compress(OUTER, message, blocks)
    copy(keyed + DIGEST, to, DIGEST)
    compress(to, OUTER, 1)
  }

  /** The same over nonce and body of the payload, which the host hashes together with the block before them. */
  function hmacByHost(hash: (data: Uint8Array) => string, key: number, length: number, to: number): void {
    const version = bytes[WORK] as number
    maskKey(key, IPAD, MASKED)
    const hex = hash(bytes.subarray(MASKED, MASKED + BLOCK + length))
    bytes.fill(0, MASKED, WORK)
    bytes[WORK] = version
    for (let i = 0; i < DIGEST; i++) bytes[OUTER + i] = (hexDigit(hex, 2 * i) << 4) | hexDigit(hex, 2 * i + 1)
    compressMasked(key, OPAD, to)
    compress(to, OUTER, 1)
  }

  const isOurs = (payload: Uint8Array): boolean => payload.buffer === buffer
  const codeFor = (length: number): LargeMessages =>
    large !== undefined && length >= large.from ? large : NOBLE_MESSAGES
  const largest = Math.min(WORK_BYTES, large === undefined ? WORK_BYTES : large.from - 1)

  function wipeSecrets(): void {
    bytes.fill(0, SECRET, SECRET_END)
    bytes.fill(0, OUTER, OUTER + DIGEST)
  }

  function hashOwn(text: string): string {
    if (3 * text.length > WORK_BYTES - 2 * BLOCK) return noble.hashText(text)
    const { written } = encoder.encodeInto(text, bytes.subarray(WORK))
    copy(START, RESULT, DIGEST)
    compress(RESULT, WORK, pad(WORK, written, 0))
    let hex = ''
    for (let i = 0; i < 8; i++)
      hex += view
        .getUint32(RESULT + 4 * i)
        .toString(16)
        .padStart(8, '0')
    bytes.fill(0, WORK, WORK + written + 2 * BLOCK)
    wipeSecrets()
    return hex
  }
  const noble = createNobleSymmetric({ name })

  // What stays: SHA-256's start, and the padding of messages whose length never changes.
  SHA256_START.forEach((word, i) => {
    view.setUint32(START + 4 * i, word)
  })
  pad(OUTER, DIGEST, BLOCK)
  pad(FIRST, 33, BLOCK)
  bytes[FIRST + 32] = 1
  pad(NEXT, 65, BLOCK)
  encoder.encodeInto('nip44-v2', bytes.subarray(KEYS))
  keyHmac(KEYS, SALTED)
  wipeSecrets()

  const symmetric: Symmetric = {
    name: large === undefined ? 'wasm' : `wasm+${name}`,
    preparedBytes: 2 * DIGEST,
    conversationKey(sharedX, out32) {
      bytes.set(sharedX, WORK + 1)
      hmac(SALTED, WORK + 1, pad(WORK + 1, DIGEST, BLOCK), RESULT)
      out32.set(result)
      bytes.fill(0, WORK, WORK + 2 * BLOCK)
      wipeSecrets()
    },
    prepare(conversationKey, prepared) {
      bytes.set(conversationKey, KEYS)
      keyHmac(KEYS, KEYED)
      prepared.set(bytes.subarray(KEYED, KEYED + 2 * DIGEST))
      wipeSecrets()
    },
    claim: (length) => (length > largest ? alignedBytes(length) : bytes.subarray(WORK, WORK + length)),
    expand(prepared, nonce) {
      bytes.set(prepared, KEYED)
      bytes.set(nonce, FIRST)
      bytes.set(nonce, NEXT + DIGEST)
      hmac(KEYED, FIRST, 1, KEYS)
      for (const counter of [2, 3]) {
        const block = KEYS + DIGEST * (counter - 1)
        copy(block - DIGEST, NEXT, DIGEST)
        bytes[NEXT + 2 * DIGEST] = counter
        hmac(KEYED, NEXT, 2, block)
      }
      return keys
    },
    cipher(payload) {
      const length = payload.length - BODY_AT - DIGEST
      if (isOurs(payload)) chacha(KEYS, WORK + BODY_AT, length)
      else codeFor(payload.length).cipher(chachaKey, chachaNonce, payload.subarray(BODY_AT, BODY_AT + length))
    },
    mac(payload) {
      const length = payload.length - NONCE_AT - DIGEST
      if (isOurs(payload)) {
        if (hashBytes !== undefined && length >= hashBytes.from)
          hmacByHost(hashBytes.hash, KEYS + 44, length, RESULT)
        else {
          keyHmac(KEYS + 44, KEYED)
          hmac(KEYED, WORK + NONCE_AT, pad(WORK + NONCE_AT, length, BLOCK), RESULT)
        }
      } else codeFor(payload.length).mac(hmacKey, payload.subarray(NONCE_AT, NONCE_AT + length), result)
      return result
    },
    release(payload) {
      if (isOurs(payload)) bytes.fill(0, WORK, WORK + payload.length + CHACHA_STEP)
      else payload.fill(0)
      wipeSecrets()
    },
    hashText: hashText ?? hashOwn,
    taggedHash(tag) {
      const at = WORK + NONCE_AT
      const { written } = encoder.encodeInto(tag, bytes.subarray(at))
      copy(START, RESULT, DIGEST)
      compress(RESULT, at, pad(at, written, 0))
      const tagged = result.slice()
      bytes.set(tagged, at)
      bytes.set(tagged, at + DIGEST)
      copy(START, RESULT, DIGEST)
      compress(RESULT, at, 1)
      const start = result.slice()
      bytes.fill(0, at, at + 2 * BLOCK)
      wipeSecrets()
      return (parts, out32) => {
        let end = at
        for (const part of parts) {
          bytes.set(part, end)
          end += part.length
        }
        bytes.set(start, RESULT)
        compress(RESULT, at, pad(at, end - at, BLOCK))
        out32.set(result)
        bytes.fill(0, at, end + 2 * BLOCK)
        wipeSecrets()
      }
    },
  }
  return { symmetric, memory: bytes }
}
