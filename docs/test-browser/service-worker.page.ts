/**
 * The two files of run-in-a-service-worker.md, built as it says, in Chromium, which ends the worker and starts it again.
 * Never another text than the page's.
 */

import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Approver } from '@nip46/core'
import { type Browser, type BrowserContext, type CDPSession, chromium, type Page } from 'playwright'
import { build, type PreviewServer, preview } from 'vite'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { CHROMIUM_ARGS, chromiumPath } from '../../scripts/chromium.ts'
import { countKeptSessions } from '../../scripts/kept-sessions.ts'
import { readCommands, readPrograms } from '../../scripts/markdown-program.ts'
import { readText, root } from '../../scripts/workspace.ts'
import { type Party, startParty } from '../party.ts'
import { CONDITIONS, makeGuideFolder } from './guide-folder.ts'

const HTML = `<!doctype html><title>Service worker</title><form><input name="link"><button>Sign</button>
<button type="reset">Log out</button></form><output></output><script type="module" src="./signer-page.ts"></script>`
const SOON = { timeout: 30_000 }

const closers: (() => Promise<unknown>)[] = []
let party: Party
let browser: Browser
let server: PreviewServer
let context: BrowserContext
let page: Page
let devTools: CDPSession
/** How the newest worker does, as Chromium tells it. */
let running: string | undefined
let connects = 0
let signatures = 0
/** What the approver waits for before it says yes to a signature. */
let approval: Promise<void> = Promise.resolve()

const approver: Approver = {
  async decide({ type }) {
    if (type === 'connect') connects += 1
    else {
      signatures += 1
      await approval
    }
    return { allow: true }
  },
}

beforeAll(async () => {
  party = await startParty(approver)
  closers.push(() => party.close())
  const { folder, remove } = await makeGuideFolder()
  closers.push(remove)
  const guide = readText('docs/guide/run-in-a-service-worker.md')
  const [worker = '', app = ''] = readPrograms(guide).map(({ code }) => code)
  await writeFile(join(folder, 'index.html'), HTML)
  await writeFile(join(folder, 'signer.service-worker.ts'), worker)
  await writeFile(join(folder, 'signer-page.ts'), app)
  const [npx, esbuild, ...args] = readCommands(guide)[0]?.split(' ') ?? []
  expect([npx, esbuild]).toEqual(['npx', 'esbuild'])
  const program = join(root, 'node_modules/.bin/esbuild')
  await promisify(execFile)(program, [...args, '--log-level=warning', '--conditions=@nip46/source'], {
    cwd: folder,
  })
  const config = {
    root: folder,
    configFile: false,
    logLevel: 'warn',
    resolve: { conditions: CONDITIONS },
  } as const
  await build({ ...config, build: { target: 'es2023' } })
  server = await preview({ ...config, preview: { host: '127.0.0.1', port: 0 } })
  closers.push(() => server.close())
  browser = await chromium.launch({ executablePath: chromiumPath(), args: [...CHROMIUM_ARGS] })
  closers.push(() => browser.close())
})

afterAll(async () => {
  for (const close of closers.reverse()) await close()
})

beforeEach(async () => {
  connects = 0
  running = undefined
  context = await browser.newContext()
  page = await context.newPage()
  devTools = await context.newCDPSession(page)
  devTools.on('ServiceWorker.workerVersionUpdated', ({ versions }) => {
    running = versions.at(-1)?.runningStatus ?? running
    console.log(Date.now() % 100000, JSON.stringify(versions))
  })
  await devTools.send('ServiceWorker.enable')
  await page.goto(server.resolvedUrls?.local[0] ?? '')
})

afterEach(() => context.close())

test('the worker logs in once, and signs again after the browser ended it, without a new connect', async () => {
  await page.locator('input').fill(await party.offer({ approval: 'ask' }))
  expect(await submit('Sign')).toMatch(/^Signed [0-9a-f]{64}$/)
  await expect.poll(() => page.evaluate(countKeptSessions), SOON).toBe(1)
  for (const _ of [1, 2]) {
    await endWorker()
    expect(await submit('Sign')).toMatch(/^Signed [0-9a-f]{64}$/)
    await expect.poll(() => running, SOON).toBe('running')
  }
  expect(connects).toBe(1)
})

test('a page that comes later has the session, too, until one logs out', async () => {
  await page.locator('input').fill(await party.offer({ approval: 'ask' }))
  expect(await submit('Sign')).toMatch(/^Signed /)
  await expect.poll(() => page.evaluate(countKeptSessions), SOON).toBe(1)
  await endWorker()
  await page.reload()
  expect(await submit('Sign')).toMatch(/^Signed /)
  expect(connects).toBe(1)

  expect(await submit('Log out')).toBe('Logged out')
  expect(await page.evaluate(countKeptSessions)).toBe(0)
  await endWorker()
  // Nobody is logged in now, and the field for the link is empty.
  expect(await submit('Sign')).toMatch(/^Failed: Error: Nip46Error/)
})

test('a worker that is ended in the middle of a request leaves no page waiting for ever', async () => {
  await page.clock.install()
  await page.reload()
  await page.locator('input').fill(await party.offer({ approval: 'ask' }))
  expect(await submit('Sign')).toMatch(/^Signed /)
  await expect.poll(() => page.evaluate(countKeptSessions), SOON).toBe(1)

  let approve: () => void = () => undefined
  const before = signatures
  approval = new Promise((resolve) => {
    approve = resolve
  })
  const failed = submit('Sign')
  await expect.poll(() => signatures, SOON).toBe(before + 1)
  await endWorker()
  await page.clock.fastForward('01:15')
  expect(await failed).toBe('Failed: Error: no answer: try again')

  approve()
  expect(await submit('Sign')).toMatch(/^Signed /)
  expect(connects).toBe(1)
})

async function endWorker(): Promise<void> {
  await devTools.send('ServiceWorker.stopAllWorkers')
  await expect.poll(() => running, SOON).toBe('stopped')
}

/** What the page says next. */
async function submit(button: 'Sign' | 'Log out'): Promise<string> {
  const output = page.locator('output')
  const before = (await output.textContent()) ?? ''
  await page.getByRole('button', { name: button }).click()
  let now = before
  await expect
    .poll(
      async () => {
        now = (await output.textContent()) ?? ''
        return now.length
      },
      { timeout: 60_000 },
    )
    .toBeGreaterThan(before.length)
  return now.slice(before.length).trim()
}
