/** The backends under test: tiny-secp256k1 and ox in their two forms, the system's libsecp256k1, noble, and the small one. */

import type { CurveBackend, CurveCaps } from '../src/backend.ts'
import { hostRandom } from '../src/host-random.ts'
import { loadNative, nativeBackend } from '../src/native.ts'
import { nobleBackend } from '../src/noble.ts'
import { OX_CAPS } from '../src/ox.ts'
import { createOxMemory } from '../src/ox-memory.ts'
import { loadOxCurve } from '../src/ox-package.ts'
import { createSlotBackend } from '../src/slot-backend.ts'
import { createSmallCurve } from '../src/small-curve.ts'
import { createPlainSymmetric } from '../src/symmetric-plain.ts'
import { TINY_CAPS, tinyBackend } from '../src/tiny.ts'
import { createTinyCurve } from '../src/tiny-package.ts'

/** `smallCrypto()` needs no backend; as one, its curve is tested like every other. */
const SMALL_CAPS: CurveCaps = { batch: 1, constantTimeEcdh: false, blindedEcdh: false, wipesMemory: false }

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
    create: () => createSlotBackend('small', SMALL_CAPS, createSmallCurve(createPlainSymmetric())),
  },
]
