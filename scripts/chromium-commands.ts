/**
 * What tests in a page can have done from outside of it, beside vitest's own commands: here in Chromium, by playwright.
 * The same in Firefox is in firefox-provider.ts.
 */

import type { BrowserCommand } from 'vitest/node'

/** What the system says in media queries. */
export interface MediaFeatures {
  /** `light` if left out. */
  readonly scheme?: 'light' | 'dark'
  /** `no-preference` if left out. */
  readonly motion?: 'reduce' | 'no-preference'
}

export const emulateMediaInChromium: BrowserCommand<[features: MediaFeatures]> = async (
  { page },
  { scheme = 'light', motion = 'no-preference' },
) => {
  await page.emulateMedia({ colorScheme: scheme, reducedMotion: motion })
}
