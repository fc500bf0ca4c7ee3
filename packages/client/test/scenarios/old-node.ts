/**
 * A Node without a global WebSocket, and the client as a program that such a Node can read.
 * Never installs one: where there is none, says so.
 */

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'vite'

const run = promisify(execFile)

/** The program of a Node 20 on PATH; undefined if there is none, and then a line says which row is left out. */
export async function findOldNode(): Promise<string | undefined> {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/bin', '/usr/local/bin']
  for (const file of new Set(folders.map((folder) => `${folder}/node`))) {
    if (!existsSync(file)) continue
    const { stdout } = await run(file, ['--version'], { timeout: 120_000 })
    if (stdout.startsWith('v20.')) return file
  }
  process.stdout.write('left out: row 25 of the client scenarios (no Node 20 on PATH)\n')
  return undefined
}

/** What stays as it was published, beside the bundle. */
const AS_PUBLISHED = /^(?:tiny-secp256k1|nostr-tools|@nostr-dev-kit\/ndk|applesauce-\w+)(?:\/|$)/

const bundles = new Map<string, Promise<string>>()

/** Bundles a program of this folder, such as `own-process`, for a Node that reads no TypeScript; resolves with its path. */
export function bundleProcess(program: string): Promise<string> {
  const bundled = bundles.get(program) ?? bundle(program)
  bundles.set(program, bundled)
  return bundled
}

async function bundle(program: string): Promise<string> {
  const folder = fileURLToPath(new URL(`../../node_modules/.scenarios/${program}`, import.meta.url))
  await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      ssr: fileURLToPath(new URL(`./${program}.ts`, import.meta.url)),
      outDir: folder,
      emptyOutDir: true,
      minify: false,
      target: 'node20',
      rollupOptions: { external: AS_PUBLISHED, output: { format: 'es', entryFileNames: 'main.mjs' } },
    },
    ssr: {
      noExternal: true,
      external: ['tiny-secp256k1'],
      resolve: { conditions: ['@nip46/source', 'node', 'import', 'module', 'default'] },
    },
  })
  return `${folder}/main.mjs`
}
