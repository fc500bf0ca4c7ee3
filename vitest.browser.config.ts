/**
 * The tests that must hold in a browser, in Debian's Chromium: those that run in a page from the packages' sources, and
 * those that drive a built page from outside. Downloads nothing.
 */

import { playwright } from '@vitest/browser-playwright'
import type { PluginOption } from 'vite'
import wasmModule from 'vite-plugin-wasm'
import { defineConfig } from 'vitest/config'
import { CHROMIUM_ARGS, chromiumPath } from './scripts/chromium.ts'
import { closingLine } from './scripts/closing-line.ts'

/** The package's types describe its CommonJS form; what is imported is the function itself. */
const wasm = wasmModule as unknown as () => PluginOption

export default defineConfig({
  test: {
    reporters: ['default', closingLine()],
    projects: [
      {
        // Vite's own way with WebAssembly hides from tiny-secp256k1 the exports it reads.
        plugins: [wasm()],
        resolve: { conditions: ['@nip46/source', 'browser', 'module', 'import', 'default'] },
        // Pre-bundled, a package loses its WebAssembly file.
        optimizeDeps: { exclude: ['tiny-secp256k1'] },
        test: {
          name: 'chromium',
          include: ['packages/*/test-browser/**/*.browser.ts', 'apps/*/test-browser/**/*.browser.ts'],
          globalSetup: ['packages/transport-websocket/test-browser/relay-setup.ts'],
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            instances: [{ browser: 'chromium' }],
            provider: playwright({
              launchOptions: { executablePath: chromiumPath(), args: [...CHROMIUM_ARGS] },
            }),
          },
        },
      },
      {
        resolve: { conditions: ['@nip46/source'] },
        ssr: { resolve: { conditions: ['@nip46/source', 'node', 'import', 'module', 'default'] } },
        test: {
          name: 'pages',
          include: ['{apps/*,docs}/test-browser/**/*.page.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
