/**
 * The backend on the system's libsecp256k1, and a ready-made `Crypto` over it, for servers.
 * Never needed: where koffi or the library is missing, it says what to install.
 */

import { type Crypto, type RandomBytes, type Result, UsageError } from '@nip46/core'
import { openNative } from '#native-curve'
import type { CurveBackend } from './backend.ts'
import { type CryptoOptions, createCrypto } from './crypto.ts'
import { hostRandom } from './host-random.ts'
import type { NativeUnavailable } from './native-unavailable.ts'

export type { NativeUnavailable } from './native-unavailable.ts'

/** Where the shared library is, and what seeds it. All may be left out. */
export interface NativeOptions {
  /** Seeds the library's own blinding. Default: the host's secure source. */
  readonly random?: RandomBytes
  /** Path or name of the shared library, if it is not where the system looks. */
  readonly library?: string
}

/** Options of `createCrypto` and of the library; `random` defaults to the host's secure source. */
export type NativeCryptoOptions = Omit<CryptoOptions, 'random'> & NativeOptions

/**
 * A `Crypto` on libsecp256k1 itself, four to ten times as fast as tiny-secp256k1. Needs the package `koffi` and the
 * system's library (on Debian 12: `apt-get install libsecp256k1-1`); throws `UsageError` that says which is missing.
 *
 * ```ts
 * const crypto = nativeCrypto()
 * const key = crypto.importKey(secret)
 * ```
 */
export function nativeCrypto({ library, ...options }: NativeCryptoOptions = {}): Crypto {
  const random = options.random ?? hostRandom
  return createCrypto(nativeBackend({ random, ...(library !== undefined && { library }) }), {
    ...options,
    random,
  })
}

/** The port on libsecp256k1, which was tried on known answers. Throws `UsageError` if it cannot be used here. */
export function nativeBackend(options: NativeOptions = {}): CurveBackend {
  const loaded = loadNative(options)
  if (!loaded.ok) throw new UsageError(loaded.error.message)
  return loaded.value
}

/** The same, with the reason as a value. Foreign memory is kept for the life of the process: load it once. */
export function loadNative(options: NativeOptions = {}): Result<CurveBackend, NativeUnavailable> {
  return openNative(options.random ?? hostRandom, options.library)
}
