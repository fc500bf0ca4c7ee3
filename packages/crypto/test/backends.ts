/** The backends under test: tiny-secp256k1 in its two forms, and noble. */

import type { CurveBackend } from '../src/backend.ts'
import { hostRandom } from '../src/host-random.ts'
import { nobleBackend } from '../src/noble.ts'
import { createSlotBackend } from '../src/slot-backend.ts'
import { TINY_CAPS, tinyBackend } from '../src/tiny.ts'
import { createTinyCurve } from '../src/tiny-package.ts'

export const backends: readonly { readonly name: string; readonly create: () => CurveBackend }[] = [
  { name: 'tiny', create: () => tinyBackend() },
  {
    name: 'tiny through its package entry',
    create: () => createSlotBackend('tiny', TINY_CAPS, createTinyCurve(hostRandom)),
  },
  { name: 'noble', create: () => nobleBackend() },
]
