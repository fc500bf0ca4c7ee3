/**
 * Runs vitest's browser tests in Debian's Firefox, which playwright's provider does not take.
 * Never mocks a module, and knows of vitest's commands only keys and the size of the window.
 */

import { defineBrowserProvider, parseKeyDef } from '@vitest/browser'
import type { Browser, KeyInput, Page } from 'puppeteer-core'
import type { BrowserCommand, BrowserProvider, BrowserProviderOption, TestProject } from 'vitest/node'
import type { MediaFeatures } from './chromium-commands.ts'
import { launchFirefox, runInside } from './firefox.ts'

export function firefox(): BrowserProviderOption {
  return defineBrowserProvider({
    name: 'puppeteer',
    supportedBrowser: ['firefox'],
    providerFactory: createProvider,
  })
}

/** A camera that shows a test picture, and nobody to ask about it. */
const FAKE_CAMERA = { 'media.navigator.streams.fake': true, 'media.navigator.permission.disabled': true }

function createProvider({ browser }: TestProject): BrowserProvider {
  const pages = new Map<string, Page>()
  let launched: Promise<Browser> | undefined

  const pageOf = (sessionId: string): Page => {
    const page = pages.get(sessionId)
    if (page === undefined) throw new Error(`there is no page for the session ${sessionId}`)
    return page
  }

  const commands: Readonly<Record<string, BrowserCommand<never[]>>> = {
    __vitest_viewport: async ({ sessionId }, size: { width: number; height: number }) =>
      pageOf(sessionId).setViewport(size),
    async __vitest_keyboard({ sessionId }, text: string) {
      const { keyboard } = pageOf(sessionId)
      for (const { keyDef } of parseKeyDef(text)) await keyboard.press(keyDef.key as KeyInput)
      return { unreleased: [] }
    },
    __vitest_cleanup: () => undefined,
  }
  // Their names are in no type of vitest.
  for (const [name, command] of Object.entries(commands)) browser?.registerCommand(name as never, command)

  return {
    name: 'puppeteer',
    supportsParallelism: false,
    getCommandsContext: (sessionId) => ({ firefoxPage: pageOf(sessionId) }),
    async openPage(sessionId, url) {
      launched ??= launchFirefox(FAKE_CAMERA)
      const firefox = await launched
      await pages.get(sessionId)?.close()
      const page = await firefox.newPage()
      pages.set(sessionId, page)
      await page.goto(url, { timeout: 0 })
    },
    async close() {
      pages.clear()
      await (await launched)?.close()
      launched = undefined
    },
  }
}

/** Changes what the system is said to want, and waits until pages see it. */
export const emulateMediaInFirefox: BrowserCommand<[features: MediaFeatures]> = async (
  context,
  { scheme = 'light', motion = 'no-preference' },
) => {
  const { firefoxPage: page } = context as unknown as { readonly firefoxPage: Page }
  const dark = scheme === 'dark' ? 0 : 1
  const still = motion === 'reduce' ? 1 : 0
  await runInside(
    page.browser(),
    `Services.prefs.setIntPref('layout.css.prefers-color-scheme.content-override', ${dark})
    Services.prefs.setIntPref('ui.prefersReducedMotion', ${still})`,
  )
  const query = `(prefers-color-scheme: ${scheme}) and (prefers-reduced-motion: ${motion})`
  await page.waitForFunction((wanted) => matchMedia(wanted).matches, {}, query)
}
