/**
 * ox through its own entry point, for browsers and bundlers, where its memory cannot be reached.
 * Never installs an ox engine. After each secret operation the same one runs with a known number, which overwrites what
 * the first left on the module's stack: its code takes the same path for every secret.
 */

import type { RandomBytes } from '@nip46/core'
import { engine } from 'ox/wasm/Secp256k1'
import { type AssembledCurve, createAssembledCurve } from './assembled-curve.ts'

const ONE = new Uint8Array(32).fill(1, 31)

/** All share one instance, the package's; it takes its randomness from the host itself. */
export async function loadOxCurve(_random: RandomBytes): Promise<AssembledCurve> {
  const module = await engine()
  const generator = module.getPublicKey(ONE)
  return createAssembledCurve({
    multiplyBase: (scalar32, out65) =>
      write(out65, () => {
        const done = module.getPublicKey(scalar32)
        module.getPublicKey(ONE)
        return done
      }),
    multiplyPoint: (scalar32, point33, out33) =>
      write(out33, () => {
        const done = module.getSharedSecret(scalar32, point33)
        module.getSharedSecret(ONE, generator)
        return done
      }),
    recover: (signature65, message32, out65) =>
      write(out65, () => module.recoverPublicKey(signature65, message32)),
  })
}

/** The package throws where the module says no. */
function write(out: Uint8Array, compute: () => Uint8Array): boolean {
  try {
    const bytes = compute()
    out.set(bytes)
    bytes.fill(0)
    return true
  } catch (cause) {
    if (isRefusal(cause)) return false
    throw cause
  }
}

function isRefusal(cause: unknown): boolean {
  return cause instanceof Error && cause.name === 'Secp256k1.InvalidInputError'
}
