import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'
import { UsageError } from '@nip46/core'
import { seededRandom } from '@nip46/testing'
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import type { CurveBackend, KeySlot, PeerSlot } from '../src/backend.ts'
import { loadNative, nativeBackend, nativeCrypto } from '../src/native.ts'
import { openNative as openElsewhere } from '../src/native-elsewhere.ts'
import { openNative } from '../src/native-library.ts'
import { type Foreign, STACK_WIPED } from '../src/native-memory.ts'
import { nativeMissing } from './backends.ts'
import { countResidue } from './residue.ts'

const TRIALS = 500
const random = seededRandom('native')
const require = createRequire(import.meta.url)
const absent = nativeMissing === undefined ? '' : ' (left out: libsecp256k1 is not installed)'

describe('where something is missing, the reason is a value', () => {
  test('no koffi', () => {
    const without = openNative(random.bytes, undefined, () => {
      throw new Error("Cannot find module 'koffi'\nRequire stack: ...")
    })
    expect(without).toMatchObject({ ok: false, error: { code: 'no-koffi' } })
    expect(without.ok ? '' : without.error.message).toMatch(
      /npm install koffi@3\): Cannot find module 'koffi'$/,
    )
  })

  test('a koffi of another major version', () => {
    const old = openNative(random.bytes, undefined, () => ({ version: '2.16.0' }))
    expect(old).toMatchObject({ ok: false, error: { code: 'no-koffi' } })
    expect(old.ok ? '' : old.error.message).toMatch(/2\.16\.0/)
  })

  test('no library', () => {
    const without = loadNative({ random: random.bytes, library: 'libnothing-of-that-name.so.1' })
    expect(without).toMatchObject({ ok: false, error: { code: 'no-library' } })
    expect(without.ok ? '' : without.error.message).toMatch(/apt-get install libsecp256k1-1.*libnothing/)
  })

  test('a library without what is needed', () => {
    const other = loadNative({ random: random.bytes, library: 'libc.so.6' })
    expect(other).toMatchObject({ ok: false, error: { code: 'other-library' } })
    expect(other.ok ? '' : other.error.message).toMatch(/libc\.so\.6 lacks a function/)
  })

  test('no Node', () => {
    expect(openElsewhere(random.bytes)).toMatchObject({ ok: false, error: { code: 'not-node' } })
  })

  test('and the ready-made entries throw it as a UsageError', () => {
    const library = 'libnothing-of-that-name.so.1'
    expect(() => nativeBackend({ library })).toThrow(UsageError)
    expect(() => nativeCrypto({ library })).toThrow(/apt-get install libsecp256k1-1/)
  })
})

/** A koffi that remembers what memory it gave out and where the stack was looked at. */
function watchKoffi(): {
  readonly koffi: Foreign
  readonly allocated: Uint8Array[]
  readonly stackTops: bigint[]
} {
  const koffi = require('koffi') as Foreign
  const allocated: Uint8Array[] = []
  const stackTops: bigint[] = []
  const watched: Foreign = {
    version: koffi.version,
    load: koffi.load,
    proto: koffi.proto,
    pointer: koffi.pointer,
    register: koffi.register,
    alloc: koffi.alloc,
    view(address, length) {
      const view = koffi.view(address, length)
      if (length === STACK_WIPED) stackTops.push(address + BigInt(length))
      else allocated.push(new Uint8Array(view))
      return view
    },
  }
  return { koffi: watched, allocated, stackTops }
}

interface Opened {
  readonly backend: CurveBackend
  readonly allocated: readonly Uint8Array[]
  readonly stackTop: bigint
}

function openWatched(): Opened {
  const { koffi, allocated, stackTops } = watchKoffi()
  const opened = openNative(random.bytes, undefined, () => koffi)
  if (!opened.ok) throw new Error(opened.error.message)
  return { backend: opened.value, allocated, stackTop: stackTops.at(-1) ?? 0n }
}

function importKey(backend: CurveBackend, secret: Uint8Array): KeySlot {
  const key = backend.importKey(secret)
  if (key === undefined) throw new Error('the secret is valid')
  return key
}

function importPeer(backend: CurveBackend): PeerSlot {
  const peer = backend.importPeer(schnorr.getPublicKey(random.bytes(32)))
  if (peer === undefined) throw new Error('the key is valid')
  return peer
}

/** Bytes of this process as the kernel shows them. */
function readMemory(from: bigint, into: Uint8Array): void {
  const file = openSync('/proc/self/mem', 'r')
  try {
    expect(readSync(file, into, 0, into.length, from)).toBe(into.length)
  } finally {
    closeSync(file)
  }
}

describe.skipIf(nativeMissing !== undefined)(`memory outside JavaScript${absent}`, () => {
  const supported = process.platform === 'linux' && process.arch === 'x64'

  test.skipIf(!supported)(
    `holds nothing of a secret but its own place: ${TRIALS} trials of each operation${supported ? '' : ' (left out: the stack is only known on x64 Linux with glibc)'}`,
    () => {
      const { backend, allocated, stackTop } = openWatched()
      expect(backend.caps.wipesMemory).toBe(true)
      const deep = new Uint8Array(4 * STACK_WIPED)
      const found = { onStack: 0, inBuffers: 0, inPlace: 0 }
      /** The place of the key holds its four quarters once. */
      const look = (secret: Uint8Array, inPlace: number, others: readonly Uint8Array[] = []): void => {
        readMemory(stackTop - BigInt(deep.length), deep)
        found.onStack += countResidue(deep, [secret, ...others])
        const places = allocated.reduce((sum, memory) => sum + countResidue(memory, [secret]), 0)
        found.inPlace += places - inPlace
        found.inBuffers += allocated.reduce((sum, memory) => sum + countResidue(memory, others), 0)
      }
      const peer = importPeer(backend)
      for (let i = 0; i < TRIALS; i++) {
        const [secret, aux, message, shared] = [32, 32, 32, 32].map((length) => random.bytes(length)) as [
          Uint8Array,
          Uint8Array,
          Uint8Array,
          Uint8Array,
        ]
        const key = importKey(backend, secret)
        look(secret, 4)
        backend.sign(key, message, aux, new Uint8Array(64))
        look(secret, 4, [aux])
        backend.ecdhX(key, peer, new Uint8Array(32), shared)
        look(secret, 4, [shared])
        backend.destroyKey(key)
        look(secret, 0)
      }
      expect(found).toEqual({ onStack: 0, inBuffers: 0, inPlace: 0 })
    },
  )

  test.skipIf(!supported)('would be searched where traces are: without wiping there are some', () => {
    const { koffi } = watchKoffi()
    const { stackTop } = openWatched()
    const image = new Uint8Array(4 * STACK_WIPED)
    const secret = random.bytes(32)
    const library = koffi.load('libsecp256k1.so.1')
    const create = library.func('secp256k1_context_create', 'void *', ['unsigned int'])
    const keypairCreate = library.func('secp256k1_keypair_create', 'int', ['void *', 'void *', 'void *'])
    const place = koffi.alloc('uint8_t', 256)
    new Uint8Array(koffi.view(place, 256)).set(secret, 128)
    keypairCreate(create(0x301) as bigint, place, place + 128n)
    readMemory(stackTop - BigInt(image.length), image)
    expect(countResidue(image, [secret])).toBeGreaterThan(0)
  })

  test.skipIf(!supported)('is never used below what is wiped', () => {
    const { backend, stackTop } = openWatched()
    const below = new Uint8Array(watchKoffi().koffi.view(stackTop - BigInt(4 * STACK_WIPED), 3 * STACK_WIPED))
    below.fill(0xa5)
    const peer = importPeer(backend)
    for (let i = 0; i < 8; i++) {
      const key = importKey(backend, random.bytes(32))
      backend.sign(key, random.bytes(32), random.bytes(32), new Uint8Array(64))
      backend.ecdhX(key, peer, random.bytes(32), new Uint8Array(32))
      backend.destroyKey(key)
    }
    expect(below.every((byte) => byte === 0xa5)).toBe(true)
    below.fill(0)
  })

  test.skipIf(!supported)('is left alone above the stack of a call from within a callback', () => {
    // Somebody else's callback: below it on koffi's stack, above it frames that must survive.
    const koffi = require('koffi') as Foreign
    const { backend } = openWatched()
    const key = importKey(backend, random.bytes(32))
    const [first, second] = [new Uint8Array(64), new Uint8Array(64)]
    const numbers = koffi.alloc('uint8_t', 64)
    const view = new Int32Array(koffi.view(numbers, 64))
    view.set([5, 3, 9, 1, 7, 2, 8, 4])
    const message = random.bytes(32)
    const aux = random.bytes(32)
    backend.sign(key, message, aux, first)
    const compare = koffi.register(
      (a, b) => {
        backend.sign(key, message, aux, second)
        const [left, right] = [a, b].map(
          (at) => new Int32Array(koffi.view(at as bigint, 4))[0] as number,
        ) as [number, number]
        return left - right
      },
      koffi.pointer(koffi.proto('int', ['void *', 'void *'])),
    )
    const sort = koffi.load(null).func('qsort', 'void', ['void *', 'size_t', 'size_t', 'void *'])
    sort(numbers, 8, 4, compare)
    expect([...view.slice(0, 8)]).toEqual([1, 2, 3, 4, 5, 7, 8, 9])
    expect(second).toEqual(first)
    backend.sign(key, message, aux, second)
    expect(second).toEqual(first)
  })

  test('is used again, so that 2,000 keys and peers one after the other take no more than two do', () => {
    const { backend, allocated } = openWatched()
    importPeer(backend)
    const pages = allocated.length
    const public32 = schnorr.getPublicKey(random.bytes(32))
    for (let i = 0; i < 2_000; i++) {
      const key = importKey(backend, random.bytes(32))
      const peer = backend.importPeer(public32)
      if (peer === undefined) throw new Error('the key is valid')
      backend.destroyPeer(peer)
      backend.destroyKey(key)
      backend.destroyKey(key)
    }
    // Refused keys give their place back too.
    for (let i = 0; i < 2_000; i++) expect(backend.importPeer(new Uint8Array(32).fill(255))).toBeUndefined()
    expect(allocated.length).toBe(pages)
  })

  test('keeps apart more keys and peers than fit a page', () => {
    const { backend } = openWatched()
    const secrets = Array.from({ length: 100 }, () => random.bytes(32))
    const keys = secrets.map((secret) => importKey(backend, secret))
    secrets.forEach((secret, i) => {
      const out = new Uint8Array(32)
      backend.publicKey(keys[i] as KeySlot, out)
      expect(bytesToHex(out)).toBe(bytesToHex(schnorr.getPublicKey(secret)))
    })
    keys.forEach((key) => {
      backend.destroyKey(key)
      expect(() => backend.publicKey(key, new Uint8Array(32))).toThrow(UsageError)
    })
  })
})

describe.skipIf(nativeMissing !== undefined)(`the ready-made entry${absent}`, () => {
  test('is named native and says that its ECDH is constant-time', () => {
    expect(nativeCrypto().name).toBe('native')
    expect(nativeBackend().caps).toMatchObject({ constantTimeEcdh: true, blindedEcdh: false })
  })

  test('takes a path', () => {
    const maps = readFileSync('/proc/self/maps', 'utf8')
    const path = /\S+libsecp256k1\.so\S*/.exec(maps)?.[0]
    if (path === undefined) throw new Error('the library is not mapped')
    const loaded = loadNative({ library: path })
    expect(loaded.ok).toBe(true)
  })

  test('verifies by keys whose x coordinate is beyond the group order as noble does', () => {
    const backend = nativeBackend()
    for (let x = secp256k1.Point.Fn.ORDER, found = 0; found < 4; x++) {
      const key = Uint8Array.from(Buffer.from(x.toString(16), 'hex'))
      const valid = secp256k1.utils.isValidPublicKey(Uint8Array.of(2, ...key), true)
      const peer = backend.importPeer(key)
      expect(peer !== undefined).toBe(valid)
      if (peer === undefined) continue
      found++
      expect(backend.verify(peer, random.bytes(32), random.bytes(64))).toBe(false)
    }
  })
})
