/**
 * Takes the network away from the thread it runs in, and whatever could bring it back.
 * Never affects another thread. Call it once everything is loaded: nothing can be loaded afterwards.
 */

import { createRequire, Module, registerHooks } from 'node:module'
import { VaultError } from './vault-error.ts'

/** Globals of Node that open connections, or hold what does. */
const NETWORK_GLOBALS = ['fetch', 'WebSocket', 'EventSource', 'XMLHttpRequest'] as const
/** Ways of `process` to built-in and native code that go past the loader. */
const SIDE_DOORS = ['getBuiltinModule', 'binding', '_linkedBinding', 'dlopen'] as const

/**
 * From now on every import and require is refused, also of what is loaded already. Throws `VaultError` `vault/failed` where
 * Node is too old for that (before 22.15), so that no key is ever taken in with a door open.
 */
export function closeNetwork(): void {
  if (typeof registerHooks !== 'function')
    throw new VaultError('vault/failed', 'the signing worker needs Node 22.15 or newer')
  for (const name of NETWORK_GLOBALS) {
    Object.defineProperty(globalThis, name, { value: undefined, writable: false, configurable: false })
  }
  for (const name of SIDE_DOORS) {
    Object.defineProperty(process, name, { value: refuse, writable: false, configurable: false })
  }
  // The loader of older modules has caches of its own, which it looks into before it asks a hook.
  Object.defineProperty(Module, '_load', { value: refuse, writable: false, configurable: false })
  registerHooks({ resolve: refuse, load: refuse })
}

/** What is still open, by name; empty after {@link closeNetwork}. For tests, and for the worker's own check at its start. */
export async function findNetwork(): Promise<readonly string[]> {
  const open: string[] = NETWORK_GLOBALS.filter(
    (name) => name in globalThis && globalThis[name as 'fetch'] !== undefined,
  )
  for (const name of [
    'node:net',
    'node:http',
    'node:https',
    'node:dgram',
    'node:dns',
    'node:child_process',
    'node:worker_threads',
  ]) {
    if (await opens(() => import(name))) open.push(`import ${name}`)
    if (await opens(() => createRequire(import.meta.url)(name))) open.push(`require ${name}`)
    if (await opens(() => process.getBuiltinModule(name))) open.push(`getBuiltinModule ${name}`)
  }
  return open
}

async function opens(attempt: () => unknown): Promise<boolean> {
  try {
    return (await attempt()) !== undefined
  } catch (cause) {
    if (cause instanceof Error) return false
    throw cause
  }
}

function refuse(): never {
  throw new Error('nothing can be loaded into the signing worker any more')
}
