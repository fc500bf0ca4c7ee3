/**
 * A program in one folder of plain JavaScript, so that it loads alike everywhere: without TypeScript to strip, and on
 * Nodes that cannot.
 * Never bundles what brings machine code: that is loaded from its package.
 */

import { fileURLToPath } from 'node:url'
import { sourcePath } from './child.ts'

const EXTERNAL = ['koffi', 'tiny-secp256k1']

/** `file` is relative to `src`, without its ending. Returns the path of the program. */
export async function bundle(file: string): Promise<string> {
  const { build } = await import('vite')
  const name = file.replaceAll('/', '-')
  // Beneath our own dependencies, so that what is not bundled is found.
  const folder = fileURLToPath(new URL(`../../node_modules/.bench/${name}`, import.meta.url))
  await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      ssr: sourcePath(file),
      outDir: folder,
      emptyOutDir: true,
      minify: false,
      target: 'node20',
      rollupOptions: { external: EXTERNAL, output: { format: 'es', entryFileNames: 'main.mjs' } },
    },
    ssr: {
      noExternal: true,
      external: EXTERNAL,
      resolve: { conditions: ['@nip46/source', 'node', 'import', 'module', 'default'] },
    },
  })
  return `${folder}/main.mjs`
}
