/**
 * The backend on the WebAssembly code of `ox` (libsecp256k1 with 26-bit limbs), and a ready-made `Crypto` over it.
 * Never signs or verifies with ox's own ECDSA: BIP-340 is put together in `assembled-curve.ts`.
 */

import type { Crypto, RandomBytes } from '@nip46/core'
import { loadOxCurve } from '#ox-curve'
import type { CurveBackend, CurveCaps } from './backend.ts'
import { type CryptoOptions, createCrypto } from './crypto.ts'
import { hostRandom } from './host-random.ts'
import { createSlotBackend } from './slot-backend.ts'

/** Both forms of the module leave no trace of a secret; see their tests. */
export const OX_CAPS: CurveCaps = {
  batch: 1,
  constantTimeEcdh: true,
  blindedEcdh: false,
  wipesMemory: true,
}

/** Options of `createCrypto`; `random` defaults to the host's secure source. */
export type OxCryptoOptions = Omit<CryptoOptions, 'random'> & { readonly random?: RandomBytes }

/**
 * A `Crypto` on ox: two to five times as fast as tiny-secp256k1, with a constant-time ECDH, and 45 KB gzipped.
 * Needs the package `ox` beside this one; rejects with `UsageError` if it is not there.
 *
 * ```ts
 * const crypto = await oxCrypto()
 * const key = crypto.importKey(secret)
 * ```
 */
export async function oxCrypto(options: OxCryptoOptions = {}): Promise<Crypto> {
  const random = options.random ?? hostRandom
  return createCrypto(await oxBackend(random), { ...options, random })
}

/** The port on ox. `random` seeds the module's own blinding where its memory is ours. */
export async function oxBackend(random: RandomBytes = hostRandom): Promise<CurveBackend> {
  return createSlotBackend('ox', OX_CAPS, await loadOxCurve(random))
}
