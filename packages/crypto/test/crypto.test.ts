import { inspect } from 'node:util'
import { UsageError } from '@nip46/core'
import { seededRandom } from '@nip46/testing'
import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import type { CurveBackend } from '../src/backend.ts'
import { type CryptoOptions, createCrypto } from '../src/crypto.ts'
import { hostRandom } from '../src/host-random.ts'
import {
  CONVERSATIONS_MAX,
  CONVERSATIONS_PER_KEY,
  HANDLES_PER_KEY,
  PARSED_PEERS,
  RANDOM_TRIES,
  VERIFY_CHUNK,
} from '../src/limits.ts'
import { createSlotBackend } from '../src/slot-backend.ts'
import { TINY_CAPS, tinyBackend } from '../src/tiny.ts'
import { createTinyCurve } from '../src/tiny-memory.ts'

const random = seededRandom('crypto')
const ID = 'ab'.repeat(32)
const TWIST_POINT = 'eb1f7200aecaa86682376fb1c13cd12b732221e774f553b0a0857f88fa20f86d'

/** Counts the calls of a real backend by name. */
function counted(backend: CurveBackend): {
  readonly backend: CurveBackend
  readonly calls: Map<string, number>
} {
  const calls = new Map<string, number>()
  const proxy = new Proxy(backend, {
    get(target, name, receiver) {
      const value: unknown = Reflect.get(target, name, receiver)
      if (typeof value !== 'function') return value
      return (...parameters: unknown[]): unknown => {
        calls.set(String(name), (calls.get(String(name)) ?? 0) + 1)
        return Reflect.apply(value, target, parameters)
      }
    },
  })
  return { backend: proxy, calls }
}

function make(options: Partial<CryptoOptions> = {}) {
  const { backend, calls } = counted(tinyBackend())
  return { crypto: createCrypto(backend, { random: hostRandom, ...options }), calls }
}

function somePubkeys(crypto: ReturnType<typeof createCrypto>, count: number): string[] {
  return Array.from({ length: count }, () => {
    const key = crypto.importKey(random.bytes(32))
    key.destroy()
    return key.pubkey
  })
}

describe('conversations', () => {
  test('run the multiplication once for each peer, and none for a peer off the curve', () => {
    const { crypto, calls } = make()
    const key = crypto.importKey(random.bytes(32))
    expect(key.conversation(TWIST_POINT)).toEqual({ ok: false, error: 'bad-pubkey' })
    expect(calls.get('ecdhX')).toBeUndefined()
    const [peer = ''] = somePubkeys(crypto, 1)
    const first = key.conversation(peer)
    const second = key.conversation(peer)
    expect(first.ok && second.ok && first.value === second.value).toBe(true)
    if (first.ok) first.value.nip44Encrypt('a', random.bytes(32))
    expect(calls.get('ecdhX')).toBe(1)
  })

  test('are remembered up to the limit; one over forgets the least recently used', () => {
    const { crypto, calls } = make({ conversations: 3 })
    const key = crypto.importKey(random.bytes(32))
    const [a = '', b = '', c = '', d = ''] = somePubkeys(crypto, 4)
    for (const peer of [a, b, c, a, b, c]) key.conversation(peer)
    expect(calls.get('ecdhX')).toBe(3)
    key.conversation(a)
    key.conversation(d)
    expect(calls.get('ecdhX')).toBe(4)
    for (const peer of [a, c, d]) key.conversation(peer)
    expect(calls.get('ecdhX')).toBe(4)
    key.conversation(b)
    expect(calls.get('ecdhX')).toBe(5)
  })

  test('are the same object for as many as stay at hand; one over is made again, from the same keys', () => {
    const real = tinyBackend()
    let shared = 0
    const backend: CurveBackend = {
      ...real,
      ecdhX(_key, _peer, _blinding, out) {
        shared++
        out.fill(1)
        return true
      },
    }
    const crypto = createCrypto(backend, { random: hostRandom })
    const key = crypto.importKey(random.bytes(32))
    const handles = new Map<string, unknown>()
    const get = (peer: string): unknown => {
      const opened = key.conversation(peer)
      return opened.ok ? opened.value : undefined
    }
    for (let i = 1n; handles.size < HANDLES_PER_KEY; i++) {
      const peer = i.toString(16).padStart(64, '0')
      if (crypto.isPubkey(peer)) handles.set(peer, get(peer))
    }
    for (const [peer, handle] of handles) expect(get(peer) === handle).toBe(true)
    get(key.pubkey)
    const [[oldest, handle] = ['', undefined]] = handles
    expect(get(oldest) === handle).toBe(false)
    expect(shared).toBe(HANDLES_PER_KEY + 1)
  })

  test('still work for who holds one that was forgotten', () => {
    const { crypto, calls } = make({ conversations: 1 })
    const key = crypto.importKey(random.bytes(32))
    const [a = '', b = ''] = somePubkeys(crypto, 2)
    const held = key.conversation(a)
    if (!held.ok) throw new Error('a derived key is valid')
    const payload = held.value.nip44Encrypt('hello', random.bytes(32))
    const exported = held.value.dangerouslyExportKey()
    key.conversation(b)
    expect(held.value.nip44Decrypt(payload)).toEqual({ ok: true, value: 'hello' })
    expect(held.value.dangerouslyExportKey()).toBe(exported)
    expect(calls.get('ecdhX')).toBe(3)
  })

  test('are 10,000 a key unless configured', () => {
    expect(CONVERSATIONS_PER_KEY).toBe(10_000)
    for (const conversations of [0, -1, 0.5, Number.NaN, CONVERSATIONS_MAX + 1])
      expect(() => make({ conversations })).toThrow(UsageError)
    expect(make({ conversations: CONVERSATIONS_MAX }).crypto.name).toBe('tiny')
  })
})

describe('the public keys of others', () => {
  test('are parsed once, up to the limit, and one over is let go', () => {
    const { crypto, calls } = make()
    const key = crypto.importKey(random.bytes(32))
    const signature = { pubkey: key.pubkey, id: ID, sig: key.sign(ID, random.bytes(32)) }
    const before = calls.get('importPeer')
    for (let i = 0; i < 3; i++) expect(crypto.verify(signature)).toBe(true)
    expect(calls.get('importPeer')).toBe(before)

    const fresh = make()
    let imported = 0
    for (let i = 0n; imported < PARSED_PEERS; i++)
      if (fresh.crypto.isPubkey(i.toString(16).padStart(64, '0'))) imported++
    expect(fresh.calls.get('destroyPeer')).toBeUndefined()
    expect(fresh.crypto.isPubkey(key.pubkey)).toBe(true)
    expect(fresh.calls.get('destroyPeer')).toBe(1)
  })
})

describe('a batch of signatures', () => {
  test('may be larger than one call of the backend and have more authors than stay parsed', () => {
    const { crypto, calls } = make()
    const count = 2 * VERIFY_CHUNK + 1
    const claims = Array.from({ length: count }, (_, i) => {
      const key = crypto.importKey(random.bytes(32))
      const sig = key.sign(ID, random.bytes(32))
      key.destroy()
      return { pubkey: i % 7 === 3 ? TWIST_POINT : key.pubkey, id: i % 7 === 5 ? 'cd'.repeat(32) : ID, sig }
    })
    expect(crypto.verifyBatch(claims)).toEqual(claims.map((_, i) => i % 7 !== 3 && i % 7 !== 5))
    expect(calls.get('verifyBatch')).toBe(3)
    expect(VERIFY_CHUNK).toBeLessThanOrEqual(PARSED_PEERS)
  })

  test('is cut at the limit and not before', () => {
    const { crypto, calls } = make()
    const key = crypto.importKey(random.bytes(32))
    const claim = { pubkey: key.pubkey, id: ID, sig: 'ff'.repeat(64) }
    crypto.verifyBatch(Array.from({ length: VERIFY_CHUNK }, () => claim))
    expect(calls.get('verifyBatch')).toBe(1)
    crypto.verifyBatch(Array.from({ length: VERIFY_CHUNK + 1 }, () => claim))
    expect(calls.get('verifyBatch')).toBe(3)
  })
})

describe('the random source', () => {
  const secret = random.bytes(32)
  const peerOf = (crypto: ReturnType<typeof createCrypto>): string => somePubkeys(crypto, 1)[0] ?? ''

  test('is asked again when its bytes cannot blind the key', () => {
    const draws = [
      new Uint8Array(32),
      secret.slice(),
      new Uint8Array(32).fill(255),
      random.bytes(32),
      random.bytes(8),
    ]
    const { crypto } = make({ random: () => draws.shift() ?? new Uint8Array(32) })
    expect(crypto.importKey(secret).conversation(peerOf(crypto)).ok).toBe(true)
    expect(draws).toHaveLength(0)
  })

  test('is called broken after a bounded number of draws', () => {
    let draws = 0
    const { crypto } = make({
      random: (length) => {
        draws++
        return new Uint8Array(length)
      },
    })
    expect(() => crypto.importKey(secret).conversation(peerOf(crypto))).toThrow(UsageError)
    expect(draws).toBe(RANDOM_TRIES)
  })

  test('must give as many bytes as asked', () => {
    const { crypto } = make({ random: () => new Uint8Array(16) })
    expect(() => crypto.importKey(secret).conversation(peerOf(crypto))).toThrow(/32 bytes, not 16/)
    const good = make({ random: (length) => hostRandom(length === 8 ? 16 : length) }).crypto
    expect(() => good.importKey(secret).conversation(peerOf(good))).toThrow(/8 bytes, not 16/)
  })

  test('of the host gives any length', () => {
    expect(hostRandom(0)).toHaveLength(0)
    expect(hostRandom(200_000).subarray(-32)).not.toEqual(new Uint8Array(32))
  })
})

describe('a signature', () => {
  test('that fails its own check never leaves, if asked for', () => {
    const real = tinyBackend()
    const faulty: CurveBackend = {
      ...real,
      sign(key, message, aux, out) {
        real.sign(key, message, aux, out)
        out[40] = (out[40] as number) ^ 1
      },
      signBatch(keys, messages, aux, out) {
        real.signBatch(keys, messages, aux, out)
        out[40] = (out[40] as number) ^ 1
      },
    }
    const checked = createCrypto(faulty, { random: hostRandom, verifyAfterSign: true }).importKey(
      random.bytes(32),
    )
    expect(() => checked.sign(ID, random.bytes(32))).toThrow(/withheld/)
    expect(() => checked.signBatch([ID], random.bytes(32))).toThrow(/withheld/)
    const sound = createCrypto(real, { random: hostRandom, verifyAfterSign: true })
    const key = sound.importKey(random.bytes(32))
    expect(sound.verify({ pubkey: key.pubkey, id: ID, sig: key.sign(ID, random.bytes(32)) })).toBe(true)
    expect(key.signBatch([ID, ID], random.bytes(64))).toHaveLength(2)
  })
})

describe('secret bytes', () => {
  /** Keeps hold of the arrays that secrets and shared keys live in. */
  function watched(options: Partial<CryptoOptions>) {
    const curve = createTinyCurve(hostRandom)
    const secrets: Uint8Array[] = []
    const shared: Uint8Array[] = []
    const backend = createSlotBackend('watched', TINY_CAPS, {
      ...curve,
      publicKey(secret32, out32) {
        secrets.push(secret32)
        curve.publicKey(secret32, out32)
      },
      ecdhX(secret32, x32, blinding32, out32) {
        shared.push(out32)
        return curve.ecdhX(secret32, x32, blinding32, out32)
      },
    })
    const isWiped = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)
    return { crypto: createCrypto(backend, { random: hostRandom, ...options }), secrets, shared, isWiped }
  }

  test('of a key are wiped when it is destroyed, and what was shared as soon as it is in the table', () => {
    const { crypto, secrets, shared, isWiped } = watched({ conversations: 2 })
    const peers = somePubkeys(make().crypto, 3)
    const key = crypto.importKey(random.bytes(32))
    for (const peer of peers) key.conversation(peer)
    expect(shared.map(isWiped)).toEqual([true, true, true])
    expect(secrets.map(isWiped)).toEqual([false])
    key.destroy()
    expect(secrets.map(isWiped)).toEqual([true])
  })

  test('do not show when a handle is inspected', () => {
    const secret = random.bytes(32)
    const { crypto } = make()
    const key = crypto.importKey(secret)
    const opened = key.conversation(somePubkeys(crypto, 1)[0] ?? '')
    if (!opened.ok) throw new Error('a derived key is valid')
    const shown = inspect([crypto, key, opened.value], {
      depth: null,
      showHidden: true,
      maxArrayLength: null,
    })
    expect(shown).toContain(key.pubkey)
    for (const bytes of [bytesToHex(secret), secret.join(', '), opened.value.dangerouslyExportKey()])
      expect(shown).not.toContain(bytes)
  })

  test('that blinded a key are wiped by whoever drew them', () => {
    const drawn: Uint8Array[] = []
    const { crypto, isWiped } = watched({
      random: (length) => {
        const bytes = hostRandom(length)
        drawn.push(bytes)
        return bytes
      },
    })
    const [peer = ''] = somePubkeys(make().crypto, 1)
    crypto.importKey(random.bytes(32)).conversation(peer)
    expect(drawn.map((bytes) => bytes.length)).toEqual([32, 8])
    expect(drawn.slice(0, 1).every(isWiped)).toBe(true)
  })
})

describe('a destroyed key', () => {
  test('is wiped in the backend, and its derived keys with it', () => {
    const { crypto, calls } = make()
    const key = crypto.importKey(random.bytes(32))
    const opened = key.conversation(somePubkeys(crypto, 1)[0] ?? '')
    const before = calls.get('destroyKey') ?? 0
    key.destroy()
    key.destroy()
    expect(calls.get('destroyKey')).toBe(before + 1)
    expect(opened.ok).toBe(true)
    if (opened.ok) expect(() => opened.value.dangerouslyExportKey()).toThrow(UsageError)
    expect(calls.get('ecdhX')).toBe(1)
  })

  test('leaves a backend slot that answers with a UsageError', () => {
    const backend = tinyBackend()
    const slot = backend.importKey(random.bytes(32))
    const peer = backend.importPeer(Buffer.from(somePubkeys(make().crypto, 1)[0] ?? '', 'hex'))
    if (slot === undefined || peer === undefined) throw new Error('the keys are valid')
    backend.destroyKey(slot)
    backend.destroyKey(slot)
    const b = (length: number): Uint8Array => new Uint8Array(length)
    expect(() => backend.publicKey(slot, b(32))).toThrow(UsageError)
    expect(() => backend.sign(slot, b(32), b(32), b(64))).toThrow(UsageError)
    expect(() => backend.signBatch([slot], b(32), b(32), b(64))).toThrow(UsageError)
    expect(() => backend.ecdhX(slot, peer, random.bytes(32), b(32))).toThrow(UsageError)
    backend.destroyPeer(peer)
    expect(() => backend.verify(peer, b(32), b(64))).toThrow(UsageError)
  })
})

describe('a backend', () => {
  test('refuses arrays of other sizes with a UsageError', () => {
    const backend = tinyBackend()
    const secret = random.bytes(32)
    const slot = backend.importKey(secret)
    const public32 = new Uint8Array(32)
    if (slot === undefined) throw new Error('the key is valid')
    backend.publicKey(slot, public32)
    const peer = backend.importPeer(public32)
    if (peer === undefined) throw new Error('the key is valid')
    const b = (length: number): Uint8Array => new Uint8Array(length).fill(1)
    const calls = [
      () => backend.importKey(b(31)),
      () => backend.publicKey(slot, b(33)),
      () => backend.sign(slot, b(31), b(32), b(64)),
      () => backend.sign(slot, b(32), b(0), b(64)),
      () => backend.sign(slot, b(32), b(32), b(63)),
      () => backend.signBatch([slot, slot], b(64), b(64), b(64)),
      () => backend.signBatch([slot, slot], b(32), b(64), b(128)),
      () => backend.signBatch([slot, slot], b(64), b(32), b(128)),
      () => backend.importPeer(b(33)),
      () => backend.verify(peer, b(33), b(64)),
      () => backend.verify(peer, b(32), b(65)),
      () => backend.verifyBatch([peer], b(32), b(64), b(2)),
      () => backend.verifyBatch([peer], b(64), b(64), b(1)),
      () => backend.verifyBatch([peer], b(32), b(128), b(1)),
      () => backend.ecdhX(slot, peer, b(31), b(32)),
      () => backend.ecdhX(slot, peer, b(32), b(31)),
    ]
    for (const call of calls) expect(call).toThrow(UsageError)
    expect(bytesToHex(secret)).toHaveLength(64)
  })

  test('keeps no word of a secret in the error it throws', () => {
    const secret = new Uint8Array(33).fill(0xab)
    try {
      make().crypto.importKey(secret)
      expect.unreachable()
    } catch (error) {
      expect(String(error)).not.toMatch(/ab.?ab|171/)
    }
  })
})
