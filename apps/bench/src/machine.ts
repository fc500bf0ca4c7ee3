/**
 * The machine and the versions a run was made on.
 * Never says who or where: no host name, no path.
 */

import { readFileSync } from 'node:fs'
import { createRequire, findPackageJSON } from 'node:module'
import { arch, cpus, loadavg, platform, release } from 'node:os'
import type { Machine } from './report/data.ts'

export function describeMachine(loadBefore: number): Machine {
  const [first, ...rest] = cpus()
  return {
    cpu: first?.model.trim() ?? 'unknown',
    cores: rest.length + 1,
    platform: `${platform()} ${release()} ${arch()}`,
    node: `Node ${process.version}`,
    loads: { before: loadBefore, after: currentLoad() },
  }
}

/** One-minute load average: other work on the machine shows in it. */
export function currentLoad(): number {
  return loadavg()[0] ?? Number.NaN
}

const PACKAGES = [
  'nostr-tools',
  'nostr-wasm',
  '@rust-nostr/nostr-sdk',
  '@nostr-dev-kit/ndk',
  'applesauce-signers',
  'applesauce-relay',
  'koffi',
]
/** Dependencies of ours, looked up from the package that has them. */
const OURS = ['tiny-secp256k1', 'ox', '@noble/curves', '@noble/hashes', '@noble/ciphers']

export function describeVersions(): Readonly<Record<string, string>> {
  const here = import.meta.url
  const crypto = findPackageJSON('@nip46/crypto', here)
  const versions = [
    ...PACKAGES.map((name) => [name, versionOf(name, here)] as const),
    ...OURS.map((name) => [name, crypto === undefined ? undefined : versionOf(name, crypto)] as const),
    ['v8', process.versions.v8] as const,
    ['openssl', process.versions.openssl] as const,
  ]
  return Object.fromEntries(versions.filter(([, version]) => version !== undefined)) as Record<string, string>
}

function versionOf(name: string, from: string): string | undefined {
  try {
    const file = findPackageJSON(name, from) ?? createRequire(from).resolve(`${name}/package.json`)
    return (JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string }).version
  } catch (cause) {
    // Not installed: then it was not measured either.
    if (cause instanceof Error) return undefined
    throw cause
  }
}
