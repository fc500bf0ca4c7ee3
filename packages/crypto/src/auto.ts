/**
 * The fastest backend that works here, chosen at start and accounted for: native, then ox, then tiny, then noble.
 * Never measures: the order is that of `apps/bench` on every machine seen, while code that was loaded a moment ago runs
 * many times slower than it will. Never uses a backend that has not just given the known answers.
 */

import { type Crypto, type RandomBytes, UsageError } from '@nip46/core'
import type { CurveBackend } from './backend.ts'
import { type CryptoOptions, createCrypto } from './crypto.ts'
import { hostRandom } from './host-random.ts'
import { selfTest } from './self-check.ts'

/** Fastest first. */
export const BACKENDS = ['native', 'ox', 'tiny', 'noble'] as const

export type BackendName = (typeof BACKENDS)[number]

/** Options of `createCrypto`; `random` defaults to the host's secure source. */
export type AutoCryptoOptions = Omit<CryptoOptions, 'random'> & {
  readonly random?: RandomBytes
  /** The backends to try, in this order: `['tiny']` takes no other. Default {@link BACKENDS}. */
  readonly backends?: readonly BackendName[]
}

/** The backend that was taken, and why that one. */
export interface AutoCrypto {
  readonly crypto: Crypto
  readonly chosen: BackendName
  /** One sentence on each backend: why it was taken, or why not. */
  readonly reasons: Readonly<Record<BackendName, string>>
}

/**
 * Loads one backend after the other until one passes its self-test; those after it are not loaded. Takes some
 * milliseconds, and at most a few hundred where only noble is left. Rejects with `UsageError`, which holds every
 * reason, if none passes.
 *
 * ```ts
 * const { crypto, chosen, reasons } = await autoCrypto()
 * console.log(chosen, reasons)
 * ```
 */
export async function autoCrypto(options: AutoCryptoOptions = {}): Promise<AutoCrypto> {
  const random = options.random ?? hostRandom
  const asked = options.backends ?? BACKENDS
  const unknown = asked.find((name) => !BACKENDS.includes(name))
  if (unknown !== undefined || asked.length === 0)
    throw new UsageError(`backends must name some of ${BACKENDS.join(', ')}`)
  const reasons: Record<BackendName, string> = {
    native: 'not asked for',
    ox: 'not asked for',
    tiny: 'not asked for',
    noble: 'not asked for',
  }
  for (const name of asked) reasons[name] = 'not tried: one before it passed'
  for (const name of asked) {
    const tried = await tryBackend(name, random)
    if (typeof tried === 'string') {
      reasons[name] = tried
      continue
    }
    reasons[name] = 'taken: the first in the order that passed its self-test'
    return { crypto: createCrypto(tried, { ...options, random }), chosen: name, reasons }
  }
  const accounts = asked.map((name) => `${name}: ${reasons[name]}`)
  throw new UsageError(`no backend works here. ${accounts.join('. ')}`)
}

/** The backend, or why it cannot be used. */
async function tryBackend(name: BackendName, random: RandomBytes): Promise<CurveBackend | string> {
  try {
    const backend = await load(name, random)
    if (typeof backend === 'string') return backend
    const fault = selfTest(backend)
    return fault === undefined ? backend : `failed its self-test: ${fault}`
  } catch (cause) {
    return `could not be loaded: ${cause instanceof Error ? cause.message : String(cause)}`
  }
}

/** Each is loaded only when it is tried, so that what is missing does no harm. */
async function load(name: BackendName, random: RandomBytes): Promise<CurveBackend | string> {
  if (name === 'native') {
    const loaded = (await import('./native.ts')).loadNative({ random })
    return loaded.ok ? loaded.value : loaded.error.message
  }
  if (name === 'ox') return (await import('./ox.ts')).oxBackend(random)
  if (name === 'tiny') return (await import('./tiny.ts')).tinyBackend(random)
  return (await import('./noble.ts')).nobleBackend()
}
