/**
 * Where Firefox is and how it is started in tests: Debian's, or the path in `FIREFOX`. Puppeteer drives it by WebDriver BiDi,
 * since playwright takes no Firefox but its own.
 * Never lets it call home, and leaves no profile behind.
 */

import { existsSync } from 'node:fs'
import { type Browser, launch } from 'puppeteer-core'

function firefoxPath(): string {
  return process.env['FIREFOX'] ?? '/usr/bin/firefox-esr'
}

/** Why the tests in Firefox are left out on this machine; undefined if they are not. */
export function noFirefox(): string | undefined {
  return existsSync(firefoxPath()) ? undefined : `there is no ${firefoxPath()}`
}

/** How long Firefox may take to start, in milliseconds: on a busy machine it takes many seconds. */
const START_MS = 120_000

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
    // For `runInside`: the profile is empty, and nobody else can reach the port.
    args: ['--remote-allow-system-access'],
    extraPrefsFirefox: { ...AT_REST, ...preferences },
  })
}

/**
 * Runs a program with the rights of Firefox itself, for what WebDriver has no command for, and resolves with the text, number or
 * truth value that it or its promise gives.
 */
export async function runInside(browser: Browser, program: string): Promise<unknown> {
  const { connection } = browser as unknown as { readonly connection: BidiConnection }
  const tree = await connection.send('browsingContext.getTree', { 'moz:scope': 'chrome' })
  const target = { context: tree.result.contexts?.[0]?.context }
  const parameters = { expression: program, target, awaitPromise: true }
  const { result, exceptionDetails } = (await connection.send('script.evaluate', parameters)).result
  if (exceptionDetails !== undefined) throw new Error(`in Firefox: ${exceptionDetails.text}`)
  return result?.value
}

/** What puppeteer does not name in its types: the connection that WebDriver BiDi goes over. */
interface BidiConnection {
  send(method: string, parameters: object): Promise<{ readonly result: BidiResult }>
}

interface BidiResult {
  readonly contexts?: readonly { readonly context: string }[]
  readonly result?: { readonly value?: unknown }
  readonly exceptionDetails?: { readonly text: string }
}
