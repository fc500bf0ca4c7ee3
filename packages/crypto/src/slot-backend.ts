/**
 * A backend over a {@link Curve} that knows no handles: slots, copies, lengths and batches.
 * Never derives a public key twice, and never lets an unchecked point or scalar through to the curve.
 */

import type { CurveBackend, CurveCaps, KeySlot, PeerSlot } from './backend.ts'
import { expectBytes, unmovedBytes } from './bytes.ts'
import type { Curve } from './curve.ts'
import { isSecretScalar } from './scalar.ts'
import { createSlots } from './slots.ts'

interface Key {
  readonly secret: Uint8Array
  readonly pubkey: Uint8Array
}

export function createSlotBackend(name: string, caps: CurveCaps, curve: Curve): CurveBackend {
  const keys = createSlots<KeySlot, Key>('key')
  const peers = createSlots<PeerSlot, Uint8Array>('peer')

  const backend: CurveBackend = {
    name,
    caps,
    importKey(secret32) {
      expectBytes('a secret key', secret32, 32)
      if (!isSecretScalar(secret32)) return undefined
      const key = { secret: unmovedBytes(32), pubkey: new Uint8Array(32) }
      key.secret.set(secret32)
      curve.publicKey(key.secret, key.pubkey)
      return keys.add(key)
    },
    destroyKey(key) {
      keys.remove(key)?.secret.fill(0)
    },
    publicKey(key, out32) {
      expectBytes('out', out32, 32)
      out32.set(keys.get(key).pubkey)
    },
    sign(key, message32, aux32, out64) {
      expectBytes('a message to sign', message32, 32)
      expectBytes('aux', aux32, 32)
      expectBytes('out', out64, 64)
      const { secret, pubkey } = keys.get(key)
      curve.sign(secret, message32, aux32, out64, pubkey)
    },
    signBatch(slots, messages, aux, out) {
      expectBytes('messages', messages, 32 * slots.length)
      expectBytes('aux', aux, 32 * slots.length)
      expectBytes('out', out, 64 * slots.length)
      slots.forEach((slot, i) => {
        const { secret, pubkey } = keys.get(slot)
        curve.sign(secret, part(messages, i, 32), part(aux, i, 32), part(out, i, 64), pubkey)
      })
    },
    importPeer(public32) {
      expectBytes('a public key', public32, 32)
      return curve.isPoint(public32) ? peers.add(Uint8Array.from(public32)) : undefined
    },
    destroyPeer(peer) {
      peers.remove(peer)
    },
    verify(peer, message32, signature64) {
      expectBytes('a signed message', message32, 32)
      expectBytes('a signature', signature64, 64)
      return curve.verify(peers.get(peer), message32, signature64)
    },
    verifyBatch(slots, messages, signatures, out) {
      expectBytes('messages', messages, 32 * slots.length)
      expectBytes('signatures', signatures, 64 * slots.length)
      expectBytes('out', out, slots.length)
      slots.forEach((slot, i) => {
        out[i] = curve.verify(peers.get(slot), part(messages, i, 32), part(signatures, i, 64)) ? 1 : 0
      })
    },
    ecdhX(key, peer, blinding32, out32) {
      expectBytes('out', out32, 32)
      const { secret } = keys.get(key)
      const x32 = peers.get(peer)
      if (caps.blindedEcdh) {
        expectBytes('blinding', blinding32, 32)
        // Zero would leave the secret bare, and the order or more is no scalar.
        if (!isSecretScalar(blinding32)) return false
      }
      return curve.ecdhX(secret, x32, blinding32, out32)
    },
  }
  return backend
}

function part(bytes: Uint8Array, index: number, size: number): Uint8Array {
  return bytes.subarray(index * size, (index + 1) * size)
}
