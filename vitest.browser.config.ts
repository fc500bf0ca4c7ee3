/** The tests that must hold in a browser, run in Debian's Chromium from the packages' sources. Downloads nothing. */

import { playwright } from '@vitest/browser-playwright'
import type { PluginOption } from 'vite'
import wasmModule from 'vite-plugin-wasm'
import { defineConfig } from 'vitest/config'
import { closingLine } from './scripts/closing-line.ts'

/** The package's types describe its CommonJS form; what is imported is the function itself. */
const wasm = wasmModule as unknown as () => PluginOption

export default defineConfig({
  // Vite's own way with WebAssembly hides from tiny-secp256k1 the exports it reads.
  plugins: [wasm()],
  resolve: { conditions: ['@nip46/source', 'browser', 'module', 'import', 'default'] },
  // Pre-bundled, a package loses its WebAssembly file.
  optimizeDeps: { exclude: ['tiny-secp256k1'] },
  test: {
    name: 'chromium',
    include: ['packages/*/test-browser/**/*.browser.ts', 'apps/*/test-browser/**/*.browser.ts'],
    globalSetup: ['packages/transport-websocket/test-browser/relay-setup.ts'],
    reporters: ['default', closingLine()],
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      instances: [{ browser: 'chromium' }],
      provider: playwright({
        launchOptions: {
          executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
          args: [
            // As root, as in containers, Chromium does not start with its sandbox.
            ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
            '--disable-background-networking',
            '--disable-component-update',
            '--disable-default-apps',
            '--disable-domain-reliability',
            '--disable-sync',
            // A camera that shows a test picture, and nobody to ask about it.
            '--use-fake-device-for-media-stream',
            '--use-fake-ui-for-media-stream',
            '--metrics-recording-only',
            '--no-first-run',
          ],
        },
      }),
    },
  },
})
