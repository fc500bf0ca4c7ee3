/** The backends under test: tiny-secp256k1 and ox in their two forms, the system's libsecp256k1, noble, and the small one. */

import { isPubkey } from '@nip46/core'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import type { CurveBackend, CurveCaps } from '../src/backend.ts'
import type { Curve } from '../src/curve.ts'
import { hostRandom } from '../src/host-random.ts'
import { loadNative, nativeBackend } from '../src/native.ts'
import { nobleBackend } from '../src/noble.ts'
import { OX_CAPS } from '../src/ox.ts'
import { createOxMemory } from '../src/ox-memory.ts'
import { loadOxCurve } from '../src/ox-package.ts'
import { createSlotBackend } from '../src/slot-backend.ts'
import { publicPoint, sharedX, sign, verify } from '../src/small-curve.ts'
import { TINY_CAPS, tinyBackend } from '../src/tiny.ts'
import { createTinyCurve } from '../src/tiny-package.ts'

/** `smallCrypto()` needs no backend; as one, its curve is tested like every other. */
const SMALL_CAPS: CurveCaps = { batch: 1, constantTimeEcdh: false, blindedEcdh: false, wipesMemory: false }

const SMALL_CURVE: Curve = {
  isPoint: (x32) => isPubkey(bytesToHex(x32)),
  publicKey(secret32, out32) {
    out32.set(hexToBytes(pointOf(secret32).slice(2)))
  },
  sign(secret32, message32, aux32, out64) {
    out64.set(hexToBytes(sign(secret32, pointOf(secret32), bytesToHex(message32), aux32)))
  },
  verify: (x32, message32, signature64) =>
    verify({ pubkey: bytesToHex(x32), id: bytesToHex(message32), sig: bytesToHex(signature64) }),
  ecdhX(secret32, x32, _blinding32, out32) {
    out32.set(sharedX(secret32, bytesToHex(x32)))
    return true
  },
}

function pointOf(secret32: Uint8Array): string {
  const point = publicPoint(secret32)
  if (point === undefined) throw new Error('the slots let a bad secret through')
  return point
}

export interface BackendUnderTest {
  readonly name: string
  readonly create: () => CurveBackend
}

const oxPackageCurve = await loadOxCurve(hostRandom)
const loaded = loadNative()

/** Why the system's library is not tested here, or undefined if it is. */
export const nativeMissing: string | undefined = loaded.ok ? undefined : loaded.error.message
if (nativeMissing !== undefined) console.log(`left out: the backend native. ${nativeMissing}`)

export const backends: readonly BackendUnderTest[] = [
  { name: 'tiny', create: () => tinyBackend() },
  {
    name: 'tiny through its package entry',
    create: () => createSlotBackend('tiny', TINY_CAPS, createTinyCurve(hostRandom)),
  },
  { name: 'ox', create: () => createSlotBackend('ox', OX_CAPS, createOxMemory(hostRandom).curve) },
  { name: 'ox through its package entry', create: () => createSlotBackend('ox', OX_CAPS, oxPackageCurve) },
  ...(nativeMissing === undefined ? [{ name: 'native', create: () => nativeBackend() }] : []),
  { name: 'noble', create: () => nobleBackend() },
  {
    name: 'small',
    create: () => createSlotBackend('small', SMALL_CAPS, SMALL_CURVE),
  },
]
