/**
 * Where Firefox is and how it is started in tests: Debian's, or the path in `FIREFOX`. Puppeteer drives it by WebDriver BiDi,
 * since playwright takes no Firefox but its own.
 * Never lets it call home, and leaves no profile behind.
 */

import { existsSync } from 'node:fs'
import { type Browser, launch } from 'puppeteer-core'

export function firefoxPath(): string {
  return process.env['FIREFOX'] ?? '/usr/bin/firefox-esr'
}

/** Why the tests in Firefox are left out on this machine; undefined if they are not. */
export function noFirefox(): string | undefined {
  return existsSync(firefoxPath()) ? undefined : `there is no ${firefoxPath()}`
}

/** How long Firefox may take to start, in milliseconds: on a busy machine it takes many seconds. */
const START_MS = 60_000

const AT_REST: Readonly<Record<string, unknown>> = {
  'app.normandy.enabled': false,
  'app.update.enabled': false,
  'browser.region.network.url': '',
  'datareporting.healthreport.uploadEnabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,',
  'toolkit.telemetry.enabled': false,
}

export function launchFirefox(preferences: Readonly<Record<string, unknown>> = {}): Promise<Browser> {
  return launch({
    browser: 'firefox',
    executablePath: firefoxPath(),
    headless: true,
    timeout: START_MS,
    extraPrefsFirefox: { ...AT_REST, ...preferences },
  })
}
