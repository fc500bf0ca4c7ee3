/**
 * Who stands in the table: this client and the published packages beside it, each in a process of its own.
 * Never two of them in one process, and never one that has played before.
 */

import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type HostedClient, startClientProcess } from '@nip46/testing/client-scenarios'
import { bundleProcess } from '../old-node.ts'

export interface Contestant {
  /** As it is chosen on the command line. */
  readonly name: string
  /** Over its column. */
  readonly title: string
  /** The packages that play, with their versions. */
  readonly packages: readonly string[]
  /** Its process on this Node, or on another that reads no TypeScript. */
  start(oldNode?: string): Promise<HostedClient>
}

export const contestants: readonly Contestant[] = [
  contestant('ours', '@nip46/client', 'own-process', []),
  peer('nostr-tools', 'nostr-tools', ['nostr-tools']),
  peer('ndk', 'NDK', ['@nostr-dev-kit/ndk']),
  peer('applesauce', 'applesauce', ['applesauce-signers', 'applesauce-relay']),
]

function peer(name: string, title: string, packages: readonly string[]): Contestant {
  return contestant(name, title, 'peer/peer-process', packages)
}

function contestant(name: string, title: string, program: string, packages: readonly string[]): Contestant {
  return {
    name,
    title,
    packages: packages.map((id) => `${id} ${versionOf(id)}`),
    async start(oldNode) {
      if (oldNode !== undefined)
        return startClientProcess({ node: oldNode, args: [await bundleProcess(program), name] })
      const file = fileURLToPath(new URL(`../${program}.ts`, import.meta.url))
      return startClientProcess({ args: ['--conditions=@nip46/source', file, name] })
    },
  }
}

/** Of the package that Node finds from here. Some export no package.json, so it is looked for above their entry. */
function versionOf(id: string): string {
  let folder = dirname(fileURLToPath(import.meta.resolve(id)))
  for (;;) {
    const manifest = readManifest(join(folder, 'package.json'))
    if (manifest?.name === id) return manifest.version
    const above = dirname(folder)
    if (above === folder) throw new Error(`${id} has no package.json above its entry`)
    folder = above
  }
}

interface Manifest {
  readonly name: string
  readonly version: string
}

function readManifest(file: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Manifest
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  }
}
