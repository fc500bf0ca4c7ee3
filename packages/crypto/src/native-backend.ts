/**
 * The port on the system's libsecp256k1. Keys live in foreign memory from import to destruction, parsed once.
 * Never multiplies by a bare secret with anything but `secp256k1_ecdh`, which is constant-time.
 */

import type { RandomBytes } from '@nip46/core'
import type { CurveBackend, KeySlot, PeerSlot } from './backend.ts'
import { expectBytes } from './bytes.ts'
import {
  allocate,
  createPlaces,
  type Foreign,
  findStack,
  type Place,
  type Secp256k1,
} from './native-memory.ts'
import { isSecretScalar } from './scalar.ts'
import { createSlots } from './slots.ts'

/** Signing and verifying; libsecp256k1 0.2 and newer ignore it, older ones need it. */
const CONTEXT_FLAGS = 0x301
/** Bytes of a key's place: libsecp256k1's opaque key pair, then the x-only public key as bytes. */
const KEY_BYTES = 128
const KEYPAIR_BYTES = 96
/** Bytes of a peer's place: the opaque public key, then the opaque x-only public key. */
const PEER_BYTES = 128
const X_ONLY_AT = 64n

/** What the calls take and give, in one page of foreign memory. */
const INPUT_AT = 0
const AUX_AT = 64
const OUTPUT_AT = 128
const SECRET_AT = 192
const OPAQUE_AT = 256
const SCRATCH_BYTES = 512

export function createNativeBackend(koffi: Foreign, secp: Secp256k1, random: RandomBytes): CurveBackend {
  const keys = createSlots<KeySlot, Place>('key')
  const peers = createSlots<PeerSlot, Place>('peer')
  const keyPlaces = createPlaces(koffi, KEY_BYTES)
  const peerPlaces = createPlaces(koffi, PEER_BYTES)
  const { address, bytes } = allocate(koffi, SCRATCH_BYTES)
  const [input, aux, output, secret, opaque] = [INPUT_AT, AUX_AT, OUTPUT_AT, SECRET_AT, OPAQUE_AT].map(
    (at) => address + BigInt(at),
  ) as [bigint, bigint, bigint, bigint, bigint]
  const secretBytes = bytes.subarray(SECRET_AT, SECRET_AT + 32)
  const auxBytes = bytes.subarray(AUX_AT, AUX_AT + 32)
  const output32 = bytes.subarray(OUTPUT_AT, OUTPUT_AT + 32)
  const output64 = bytes.subarray(OUTPUT_AT, OUTPUT_AT + 64)
  const context = secp.contextCreate(CONTEXT_FLAGS)
  const copyX = registerCopyX(koffi)
  const stack = findStack(koffi)
  const wiped = stack ?? ((operation) => operation())

  const seed = random(32)
  expectBytes('what random(32) returns', seed, 32)
  secretBytes.set(seed)
  seed.fill(0)
  expectDone(wiped(() => secp.contextRandomize(context, secret)))
  secretBytes.fill(0)

  function sign(keypair: bigint, message32: Uint8Array, aux32: Uint8Array, out64: Uint8Array): void {
    bytes.set(message32, INPUT_AT)
    auxBytes.set(aux32)
    expectDone(wiped(() => secp.sign(context, output, input, keypair, aux)))
    out64.set(output64)
    auxBytes.fill(0)
  }

  function verify(peer: bigint, message32: Uint8Array, signature64: Uint8Array): boolean {
    bytes.set(message32, INPUT_AT)
    bytes.set(signature64, OUTPUT_AT)
    return secp.verify(context, output, input, 32, peer + X_ONLY_AT) === 1
  }

  const backend: CurveBackend = {
    name: 'native',
    caps: { batch: 1, constantTimeEcdh: true, blindedEcdh: false, wipesMemory: stack !== undefined },
    importKey(secret32) {
      expectBytes('a secret key', secret32, 32)
      if (!isSecretScalar(secret32)) return undefined
      const key = keyPlaces.claim()
      secretBytes.set(secret32)
      expectDone(wiped(() => secp.keypairCreate(context, key.address, secret)))
      secretBytes.fill(0)
      expectDone(secp.keypairPublic(context, opaque, 0n, key.address))
      expectDone(secp.xOnlySerialize(context, key.address + BigInt(KEYPAIR_BYTES), opaque))
      return keys.add(key)
    },
    destroyKey(key) {
      const place = keys.remove(key)
      if (place !== undefined) keyPlaces.release(place)
    },
    publicKey(key, out32) {
      expectBytes('out', out32, 32)
      out32.set(keys.get(key).bytes.subarray(KEYPAIR_BYTES, KEYPAIR_BYTES + 32))
    },
    sign(key, message32, aux32, out64) {
      expectBytes('a message to sign', message32, 32)
      expectBytes('aux', aux32, 32)
      expectBytes('out', out64, 64)
      sign(keys.get(key).address, message32, aux32, out64)
    },
    signBatch(slots, messages, auxes, out) {
      expectBytes('messages', messages, 32 * slots.length)
      expectBytes('aux', auxes, 32 * slots.length)
      expectBytes('out', out, 64 * slots.length)
      slots.forEach((slot, i) => {
        sign(keys.get(slot).address, part(messages, i, 32), part(auxes, i, 32), part(out, i, 64))
      })
    },
    importPeer(public32) {
      expectBytes('a public key', public32, 32)
      bytes[INPUT_AT] = 2
      bytes.set(public32, INPUT_AT + 1)
      const peer = peerPlaces.claim()
      if (secp.publicParse(context, peer.address, input, 33) !== 1) {
        peerPlaces.release(peer)
        return undefined
      }
      expectDone(secp.publicToXOnly(context, peer.address + X_ONLY_AT, 0n, peer.address))
      return peers.add(peer)
    },
    destroyPeer(peer) {
      const place = peers.remove(peer)
      if (place !== undefined) peerPlaces.release(place)
    },
    verify(peer, message32, signature64) {
      expectBytes('a signed message', message32, 32)
      expectBytes('a signature', signature64, 64)
      return verify(peers.get(peer).address, message32, signature64)
    },
    verifyBatch(slots, messages, signatures, out) {
      expectBytes('messages', messages, 32 * slots.length)
      expectBytes('signatures', signatures, 64 * slots.length)
      expectBytes('out', out, slots.length)
      slots.forEach((slot, i) => {
        out[i] = verify(peers.get(slot).address, part(messages, i, 32), part(signatures, i, 64)) ? 1 : 0
      })
    },
    ecdhX(key, peer, _blinding32, out32) {
      expectBytes('out', out32, 32)
      const keypair = keys.get(key).address
      const publicKey = peers.get(peer).address
      expectDone(
        wiped(() => {
          expectDone(secp.keypairSecret(context, secret, keypair))
          return secp.ecdh(context, output, publicKey, secret, copyX, 0n)
        }),
      )
      out32.set(output32)
      secretBytes.fill(0)
      output32.fill(0)
      return true
    },
  }
  return backend
}

/**
 * What `secp256k1_ecdh` hands its result to: copies x and leaves y. A JavaScript function, since the library has none
 * that does not hash; it sees addresses only.
 */
function registerCopyX(koffi: Foreign): bigint {
  const copy = koffi.load(null).func('memcpy', 'void *', ['void *', 'void *', 'size_t'])
  const type = koffi.proto('int', ['void *', 'void *', 'void *', 'void *'])
  return koffi.register((out, x) => {
    copy(out as bigint, x as bigint, 32)
    return 1
  }, koffi.pointer(type))
}

function part(bytes: Uint8Array, index: number, size: number): Uint8Array {
  return bytes.subarray(index * size, (index + 1) * size)
}

/** Everything is checked before it gets here: a failure is a broken library. */
function expectDone(done: number): void {
  if (done !== 1) throw new Error('libsecp256k1 failed on valid inputs')
}
