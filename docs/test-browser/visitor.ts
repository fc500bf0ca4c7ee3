/**
 * A visitor of a guide's page, in Chromium by playwright and in Firefox by puppeteer, so that one test is run in both.
 * Never does what a visitor cannot, but to end the page's service worker and to say when time has passed.
 */

import { type BrowserContext as ChromiumContext, chromium } from 'playwright'
import type { ElementHandle, BrowserContext as FirefoxContext } from 'puppeteer-core'
import { CHROMIUM_ARGS, chromiumPath } from '../../scripts/chromium.ts'
import { launchFirefox, noFirefox, runInside } from '../../scripts/firefox.ts'
import { PATIENCE } from '../../scripts/patience.ts'

export interface Visitor {
  open(url: string): Promise<void>
  /** Opens the same page anew. */
  reload(): Promise<void>
  /** Into the one field that the page or a component in it has. */
  fill(text: string): Promise<void>
  /** Presses the button that says so, also one inside of a component. */
  press(button: string): Promise<void>
  /** What the page's `output` says. */
  output(): Promise<string>
  /** Runs in the page. */
  evaluate<T>(run: () => T | Promise<T>): Promise<T>
  /** What the page wants to do every ten seconds or more rarely is done now, and only now. */
  beat(): Promise<void>
  /** Ends the service worker, as the browser does by itself. Resolves once nothing reaches it any more. */
  endServiceWorker(): Promise<void>
  /** How often the page's service worker was started. */
  serviceWorkerStarts(): Promise<number>
  /** Warnings and errors in the console, and what was thrown and caught by nobody. */
  complaints(): readonly string[]
  /** Another page of the same visitor, who closes both. */
  beside(): Promise<Visitor>
  close(): Promise<void>
}

export interface VisitorBrowser {
  /** With nothing kept from an earlier visit. */
  visit(): Promise<Visitor>
  close(): Promise<void>
}

interface Kind {
  readonly name: string
  /** Why this browser is left out here. */
  readonly missing: string | undefined
  launch(): Promise<VisitorBrowser>
}

export const BROWSERS: readonly Kind[] = [
  { name: 'Chromium', missing: undefined, launch: launchForChromium },
  { name: 'Firefox', missing: noFirefox(), launch: launchForFirefox },
]

/** Runs in the page before its own programs: keeps what it wants to do again and again for `beat`. */
function holdBeats(): void {
  const page = globalThis as unknown as Beating
  const { setInterval: start, clearInterval: end } = page
  const beats = new Map<number, () => void>()
  let last = 0
  Object.assign(page, {
    setInterval(run: () => void, everyMs = 0) {
      if (everyMs < 10_000) return start(run, everyMs)
      last -= 1
      beats.set(last, run)
      return last
    },
    clearInterval: (id: number) => (beats.delete(id) ? undefined : end(id)),
    beat() {
      for (const run of beats.values()) run()
    },
  })
}

interface Beating {
  setInterval(run: () => void, everyMs?: number): number
  clearInterval(id: number): void
  beat(): void
}

const beat = (): void => (globalThis as unknown as Beating).beat()

async function launchForChromium(): Promise<VisitorBrowser> {
  const browser = await chromium.launch({ executablePath: chromiumPath(), args: [...CHROMIUM_ARGS] })
  return { visit: async () => visitInChromium(await browser.newContext()), close: () => browser.close() }
}

async function visitInChromium(context: ChromiumContext): Promise<Visitor> {
  context.setDefaultTimeout(PATIENCE.expect.poll.timeout)
  const page = await context.newPage()
  await page.addInitScript(holdBeats)
  const devTools = await context.newCDPSession(page)
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (line) => {
    if (/^(?:warn|error)/.test(line.type())) complaints.push(line.text())
  })
  let starts = 0
  let running: string | undefined
  let stopped: () => void = () => undefined
  devTools.on('ServiceWorker.workerVersionUpdated', ({ versions }) => {
    const now = versions.at(-1)?.runningStatus ?? running
    if (now === 'running' && running !== 'running') starts += 1
    running = now
    if (now === 'stopped') stopped()
  })
  await devTools.send('ServiceWorker.enable')
  return {
    open: async (url) => void (await page.goto(url)),
    reload: async () => void (await page.reload()),
    fill: (text) => page.locator('input:not([hidden])').fill(text),
    press: (button) => page.getByRole('button', { name: button, exact: true }).click(),
    output: async () => (await page.locator('output').textContent()) ?? '',
    evaluate: (run) => page.evaluate(run),
    beat: () => page.evaluate(beat),
    async endServiceWorker() {
      const end = new Promise<void>((resolve) => {
        stopped = resolve
      })
      await devTools.send('ServiceWorker.stopAllWorkers')
      await end
    },
    serviceWorkerStarts: async () => starts,
    complaints: () => complaints,
    beside: () => visitInChromium(context),
    close: () => context.close(),
  }
}

/** How long Firefox lets a service worker live after a message, and then once more while something is under way; else 30,000 each. */
export const WORKER_MS = 3_000
const IMPATIENT = {
  'dom.serviceWorkers.idle_timeout': WORKER_MS,
  'dom.serviceWorkers.idle_extended_timeout': WORKER_MS,
}

/** Runs in the page: the button that is shown and says so, also inside of a component. */
function findButton(text: string): HTMLElement | undefined {
  const hosts = [...document.querySelectorAll('*')]
  const roots = [document, ...hosts.flatMap(({ shadowRoot }) => shadowRoot ?? [])]
  const buttons = roots.flatMap((root) => [...root.querySelectorAll('button')])
  return buttons.find((button) => button.textContent?.trim() === text && button.checkVisibility())
}

async function launchForFirefox(): Promise<VisitorBrowser> {
  const browser = await launchFirefox(IMPATIENT)
  return {
    visit: async () => visitInFirefox(await browser.createBrowserContext()),
    close: () => browser.close(),
  }
}

async function visitInFirefox(context: FirefoxContext): Promise<Visitor> {
  const page = await context.newPage()
  page.setDefaultTimeout(PATIENCE.expect.poll.timeout)
  await page.evaluateOnNewDocument(holdBeats)
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (line) => {
    if (/^(?:warn|error)/.test(line.type())) complaints.push(line.text())
  })
  /** The newest service worker in this visit's part of the storage is the last one that was registered. */
  const worker = (use: string): Promise<unknown> =>
    runInside(
      page.browser(),
      `(() => {
        const { '@mozilla.org/serviceworkers/manager;1': manager } = Cc
        const all = manager.getService(Ci.nsIServiceWorkerManager).getAllRegistrations()
        const last = all.length - 1
        const worker = last < 0 ? null : all.queryElementAt(last, Ci.nsIServiceWorkerRegistrationInfo).activeWorker
        return ${use}
      })()`,
    )
  return {
    open: async (url) => void (await page.goto(url)),
    reload: async () => void (await page.reload()),
    fill: (text) =>
      page.$eval(
        '>>> input:not([hidden])',
        (input, value) => {
          input.value = value
        },
        text,
      ),
    async press(button) {
      const found = await page.waitForFunction(findButton, {}, button)
      await (found as ElementHandle<HTMLElement>).click()
    },
    output: async () => (await page.$eval('output', (output) => output.textContent)) ?? '',
    evaluate: (run) => page.evaluate(run) as never,
    beat: () => page.evaluate(beat),
    // What the page says from here on starts it anew.
    endServiceWorker: async () => void (await worker('worker.terminateWorker()')),
    serviceWorkerStarts: async () => Number(await worker('worker === null ? 0 : worker.launchCount')),
    complaints: () => complaints,
    beside: () => visitInFirefox(context),
    close: () => context.close(),
  }
}
