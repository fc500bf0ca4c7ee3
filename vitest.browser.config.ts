/**
 * The tests that must hold in a browser, in Debian's Chromium and, where it is, Firefox: those that run in a page from the packages'
 * sources, and those that drive a built page from outside. Downloads nothing.
 */

import { playwright } from '@vitest/browser-playwright'
import type { PluginOption } from 'vite'
import wasmModule from 'vite-plugin-wasm'
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'
import type { BrowserCommand, BrowserProviderOption } from 'vitest/node'
import { CHROMIUM_ARGS, chromiumPath } from './scripts/chromium.ts'
import { emulateMediaInChromium, type MediaFeatures } from './scripts/chromium-commands.ts'
import { closingLine } from './scripts/closing-line.ts'
import { noFirefox } from './scripts/firefox.ts'
import { emulateMediaInFirefox, firefox } from './scripts/firefox-provider.ts'
import { PATIENCE } from './scripts/patience.ts'

/** The package's types describe its CommonJS form; what is imported is the function itself. */
const wasm = wasmModule as unknown as () => PluginOption

/** Tests that run in a page. */
function pagesIn(
  browser: 'chromium' | 'firefox',
  include: readonly string[],
  provider: BrowserProviderOption,
  emulateMedia: BrowserCommand<[features: MediaFeatures]>,
): TestProjectInlineConfiguration {
  return {
    // Vite's own way with WebAssembly hides from tiny-secp256k1 the exports it reads.
    plugins: [wasm()],
    resolve: { conditions: ['@nip46/source', 'browser', 'module', 'import', 'default'] },
    // Pre-bundled, a package loses its WebAssembly file.
    optimizeDeps: { exclude: ['tiny-secp256k1'] },
    test: {
      name: browser,
      include: [...include],
      ...PATIENCE,
      globalSetup: ['packages/transport-websocket/test-browser/relay-setup.ts'],
      browser: {
        enabled: true,
        connectTimeout: PATIENCE.testTimeout,
        headless: true,
        screenshotFailures: false,
        commands: { emulateMedia },
        instances: [{ browser }],
        provider,
      },
    },
  }
}

const chromium = playwright({ launchOptions: { executablePath: chromiumPath(), args: [...CHROMIUM_ARGS] } })
const withoutFirefox = noFirefox()
if (withoutFirefox !== undefined) console.log(`left out: the tests in Firefox (${withoutFirefox})`)

export default defineConfig({
  test: {
    teardownTimeout: 60_000,
    reporters: ['default', closingLine()],
    projects: [
      pagesIn(
        'chromium',
        ['{packages,apps}/*/test-browser/**/*.browser.ts'],
        chromium,
        emulateMediaInChromium,
      ),
      ...(withoutFirefox === undefined
        ? [
            pagesIn(
              'firefox',
              ['{packages/*,apps/bunker}/test-browser/**/*.browser.ts'],
              firefox(),
              emulateMediaInFirefox,
            ),
          ]
        : []),
      {
        resolve: { conditions: ['@nip46/source'] },
        ssr: { resolve: { conditions: ['@nip46/source', 'node', 'import', 'module', 'default'] } },
        test: {
          name: 'pages',
          include: ['{apps/*,docs}/test-browser/**/*.page.ts'],
          ...PATIENCE,
        },
      },
    ],
  },
})
