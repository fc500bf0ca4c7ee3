/**
 * The built page in Chromium, against the bunker's own daemon over a relay: each in a process of its own.
 * With a folder in `SCREENSHOTS` it leaves pictures there, phone and desktop, light and dark, for somebody to look at.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright'
import { build } from 'vite'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { CHROMIUM_ARGS, chromiumPath } from '../../../scripts/chromium.ts'
import { countKeptSessions } from '../../../scripts/kept-sessions.ts'
import { PATIENCE } from '../../../scripts/patience.ts'
import { announceSigner, type SignerSite } from './announcement.ts'
import { type Bunker, run, serve, startBunker } from './parties.ts'

let browser: Browser
let relayUrl: string
let bunker: Bunker
let address: string
let site: SignerSite
const closers: (() => Promise<unknown>)[] = []
const pages: Page[] = []

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nip46-page-'))
  closers.push(() => rm(folder, { recursive: true }))
  const root = join(import.meta.dirname, '..')
  await build({ root, logLevel: 'warn', build: { outDir: folder, emptyOutDir: true } })
  const server = await serve(folder)
  closers.push(() => server.close())
  const relay = run('./relay-process.ts')
  closers.push(() => relay.stop())
  relayUrl = await relay.line(/^ws:/)
  address = `${server.url}?relay=${encodeURIComponent(relayUrl)}`
  bunker = await startBunker(relayUrl)
  closers.push(() => bunker.stop())
  site = await announceSigner(relayUrl)
  browser = await chromium.launch({ executablePath: chromiumPath(), args: [...CHROMIUM_ARGS] })
  closers.push(() => browser.close())
})

afterEach(async () => {
  for (const page of pages.splice(0)) await page.context().close()
})

afterAll(async () => {
  for (const close of closers.reverse()) await close()
})

/** A page, and what its console and its policy had against it. */
async function open(
  options: Parameters<Browser['newContext']>[0] = {},
  prepare: (page: Page) => Promise<unknown> = async () => undefined,
): Promise<{ page: Page; complaints: string[]; context: BrowserContext }> {
  const context = await browser.newContext(options)
  context.setDefaultTimeout(PATIENCE.expect.poll.timeout)
  const page = await context.newPage()
  pages.push(page)
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  await site.serveTo(context)
  await prepare(page)
  await page.goto(address)
  return { page, complaints, context }
}

async function logIn(page: Page, uri: string): Promise<void> {
  await page.getByLabel('Or paste a link from your signer').fill(uri)
  await page.getByRole('button', { name: 'Connect' }).click()
  await page.locator('#user').waitFor()
}

async function postNote(page: Page, text: string): Promise<void> {
  await page.getByLabel('Your note').fill(text)
  await page.getByRole('button', { name: 'Sign and post' }).click()
  await page.getByText('Posted.', { exact: true }).waitFor()
}

describe('a visitor', () => {
  test('pastes the link of the daemon, posts, comes back after a reload, posts again, and logs out', async () => {
    const { page, complaints } = await open()
    await logIn(page, await bunker.link())
    const npub = await page.locator('#user').textContent()
    expect(npub).toBe(`${bunker.npub.slice(0, 12)}…${bunker.npub.slice(-6)}`)
    await postNote(page, 'Hello from a page <b>that</b> never saw the key')
    expect(await page.locator('#posted p').textContent()).toBe(
      'Hello from a page <b>that</b> never saw the key',
    )
    expect(await bunker.command('audit', 'tail')).toContain('sign_event')

    await page.reload()
    await page.locator('#user').waitFor()
    expect(await page.locator('#user').textContent()).toBe(npub)
    await postNote(page, 'Once more, without logging in')

    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByRole('heading', { name: 'Log in with your signer' }).waitFor()
    await page.reload()
    await page.getByRole('heading', { name: 'Log in with your signer' }).waitFor()
    expect(complaints).toEqual([])
  })

  test('has the daemon take the offer of the QR code', async () => {
    const { page, complaints } = await open()
    const link = page.getByRole('link', { name: 'Open my signer' })
    const uri = (await link.getAttribute('href')) ?? ''
    expect(uri).toMatch(/^nostrconnect:\/\//)
    await bunker.command('connect', uri, '--grant', 'sign_event:1', '--yes')
    await page.locator('#user').waitFor()
    await postNote(page, 'By QR code')
    expect(complaints).toEqual([])
  })

  test('chooses a signer that was found, whose page hands the offer to the daemon', async () => {
    const { page, complaints, context } = await open()
    const listed = page.getByRole('link', { name: site.name })
    expect(await listed.textContent()).toContain(site.domain)
    const opened = context.waitForEvent('page')
    await listed.click()
    const uri = new URL((await opened).url()).searchParams.get('uri') ?? ''
    expect(uri).toMatch(/^nostrconnect:\/\//)
    await bunker.command('connect', uri, '--grant', 'sign_event:1', '--yes')
    await page.locator('#user').waitFor()
    await postNote(page, 'With a signer from the list')
    expect(complaints).toEqual([])
  })

  test('is told that the daemon is away and what to do, and can do it', async () => {
    const { page } = await open({}, (opened) => opened.clock.install())
    await logIn(page, await bunker.link())
    await bunker.down()
    try {
      await page.getByLabel('Your note').fill('Once more')
      await page.getByRole('button', { name: 'Sign and post' }).click()
      await page.getByText('No answer yet. Open your signer').waitFor()
      expect(await page.getByRole('button', { name: 'Sign and post' }).isDisabled()).toBe(true)
      await page.clock.fastForward('01:10')
      await page.getByText('Your signer did not answer. Open it, then try again.').waitFor()
    } finally {
      await bunker.up()
    }
    await postNote(page, 'Once more')
  })

  test('logs out while the daemon is away: nothing of the session is left', async () => {
    const { page } = await open()
    await logIn(page, await bunker.link())
    await expect.poll(() => page.evaluate(countKeptSessions)).toBe(1)
    await bunker.down()
    try {
      await page.getByRole('button', { name: 'Log out' }).click()
      await page.getByRole('heading', { name: 'Log in with your signer' }).waitFor()
      await expect.poll(() => page.evaluate(countKeptSessions)).toBe(0)
      await page.reload()
      await page.getByRole('heading', { name: 'Log in with your signer' }).waitFor()
    } finally {
      await bunker.up()
    }
  })

  test('is told when the browser keeps no session', async () => {
    const { page } = await open({}, (opened) =>
      opened.addInitScript(() => Object.defineProperty(globalThis, 'indexedDB', { value: undefined })),
    )
    await page.getByText('This browser does not keep your login').waitFor()
    await logIn(page, await bunker.link())
    await postNote(page, 'Only for now')
  })
})

/** The pictures are for eyes; what a program can see of them is checked beside. */
describe.each([
  ['phone', { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }],
  ['desktop', { viewport: { width: 1280, height: 900 } }],
] as const)('on a %s', (device, options) => {
  test.each(['light', 'dark'] as const)('in a %s theme everything fits', async (colorScheme) => {
    const shot = async (name: string): Promise<void> => {
      const width = await page.evaluate(() => document.documentElement.scrollWidth)
      expect(width, name).toBeLessThanOrEqual(options.viewport.width)
      const folder = process.env['SCREENSHOTS']
      if (folder !== undefined) {
        // Not `fullPage`, which takes the touch screen away.
        const height = await page.evaluate(() => document.documentElement.scrollHeight)
        await page.setViewportSize({ width: options.viewport.width, height })
        await page.screenshot({ path: join(folder, `${device}-${colorScheme}-${name}.png`) })
        await page.setViewportSize(options.viewport)
      }
    }
    const { page } = await open({ ...options, colorScheme })
    await page.getByText('Scan the code with your signer').waitFor()
    await page.getByRole('link', { name: site.name }).waitFor()
    // On a phone the signer is on the same device, and the code is one tap away.
    expect(await page.getByRole('img', { name: 'QR code' }).isVisible()).toBe(device === 'desktop')
    await shot('offer')
    if (device === 'phone') {
      await page.getByText('QR code for another device').click()
      await shot('qr')
    }
    await page.getByLabel('Or paste').fill('nostrconnect://wrong')
    await page.getByRole('button', { name: 'Connect' }).click()
    await page.getByRole('alert').waitFor()
    await shot('error')
    await logIn(page, await bunker.link())
    await page.getByText('Connected', { exact: true }).waitFor()
    await shot('account')
    await postNote(
      page,
      'A note with a rather long word: Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen.',
    )
    await shot('posted')
  })
})
