/**
 * Where Chromium is and how it is started in tests: Debian's, or the path in `CHROMIUM`.
 * Never lets it call home.
 */

import { existsSync } from 'node:fs'

export function chromiumPath(): string {
  return process.env['CHROMIUM'] ?? '/usr/bin/chromium'
}

/** Why the tests in Chromium are left out on this machine; undefined if they are not. */
export function noChromium(): string | undefined {
  return existsSync(chromiumPath()) ? undefined : `there is no ${chromiumPath()}`
}

export const CHROMIUM_ARGS: readonly string[] = [
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
]
