/** Serves and builds the page from the workspace's sources. */

import { fileURLToPath } from 'node:url'
import { defineConfig, type PluginOption } from 'vite'
import wasmModule from 'vite-plugin-wasm'

/** The package's types describe its CommonJS form; what is imported is the function itself. */
const wasm = wasmModule as unknown as () => PluginOption

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  plugins: [wasm()],
  resolve: { conditions: ['@nip46/source', 'browser', 'module', 'import', 'default'] },
  optimizeDeps: { exclude: ['tiny-secp256k1'] },
  build: {
    target: 'es2023',
    outDir: fileURLToPath(new URL('../dist/page', import.meta.url)),
    emptyOutDir: true,
  },
})
