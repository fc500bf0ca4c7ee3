/**
 * Our crypto backends, looked for at run time: those that are not there are named with the reason.
 * Never chooses: every one that loads is measured.
 */

import type { Crypto } from '@nip46/core'
import { reasonOf } from '../must.ts'

export interface BackendOptions {
  /** How many each key remembers. */
  readonly conversations?: number
}

export interface Backend {
  readonly name: string
  create(options?: BackendOptions): Promise<Crypto>
}

export interface MissingBackend {
  readonly name: string
  readonly reason: string
}

/** Slowest last, so that a report reads from the best to the yardstick. */
export const BACKENDS = ['native', 'ox', 'tiny', 'noble'] as const

/** What apps in browsers start with, measured as a client only: it counts bytes, and has no NIP-04 of its own. */
export const SMALL = 'small'

/** Of each name the backend, or why not. `importModule` is asked for `@nip46/crypto/<name>`. */
export async function loadBackends(
  names: readonly string[] = BACKENDS,
  importModule: (name: string) => Promise<unknown> = importBackend,
): Promise<{ readonly found: readonly Backend[]; readonly missing: readonly MissingBackend[] }> {
  const found: Backend[] = []
  const missing: MissingBackend[] = []
  for (const name of names) {
    try {
      const backend = backendOf(name, await importModule(name))
      // Some find out only now that their library is not there.
      await backend.create()
      found.push(backend)
    } catch (cause) {
      missing.push({ name, reason: reasonOf(cause) })
    }
  }
  return { found, missing }
}

/** What `auto` takes on this machine, and what it says of each backend. */
export async function describeAuto(): Promise<string> {
  try {
    const entry = '@nip46/crypto/auto'
    const { autoCrypto } = (await import(/* @vite-ignore */ entry)) as { autoCrypto(): Promise<AutoChoice> }
    const { chosen, reasons } = await autoCrypto()
    const accounts = Object.entries(reasons).map(([name, reason]) => `${name}: ${reason}`)
    return `auto takes ${chosen} (${accounts.join('; ')})`
  } catch (cause) {
    return `auto was not run: ${reasonOf(cause)}`
  }
}

interface AutoChoice {
  readonly chosen: string
  readonly reasons: Readonly<Record<string, string>>
}

/** One that must be there. */
export async function loadBackend(name: string): Promise<Backend> {
  const { found, missing } = await loadBackends([name])
  const [backend] = found
  if (backend === undefined) throw new Error(`backend ${name}: ${missing[0]?.reason}`)
  return backend
}

function importBackend(name: string): Promise<unknown> {
  // Not a literal: a backend may be missing altogether.
  const entry = `@nip46/crypto/${name}`
  return import(/* @vite-ignore */ entry)
}

type CreateCrypto = (options: BackendOptions) => Crypto | Promise<Crypto>

function backendOf(name: string, module: unknown): Backend {
  const create = (module as Readonly<Record<string, unknown>>)[`${name}Crypto`]
  if (typeof create !== 'function') throw new Error(`@nip46/crypto/${name} has no ${name}Crypto`)
  return { name, create: async (options = {}) => await (create as CreateCrypto)(options) }
}
