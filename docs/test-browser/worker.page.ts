/**
 * The two files of run-in-a-worker.md, built by Vite as an app would, in Chromium: with a worker, and with one that tabs share.
 * Never another text than the page's.
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright'
import { build, type PreviewServer, preview } from 'vite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CHROMIUM_ARGS, chromiumPath } from '../../scripts/chromium.ts'
import { readPrograms } from '../../scripts/markdown-program.ts'
import { readText } from '../../scripts/workspace.ts'
import { type Party, startParty } from '../party.ts'
import { CONDITIONS, makeGuideFolder } from './guide-folder.ts'

const HTML = `<!doctype html><title>Worker</title><form><input name="link"><button>Log in</button></form>
<output></output><script type="module" src="./page.ts"></script>`
/** One on a page of its own, one that is shared. */
const PAGES = ['own', 'shared']

const closers: (() => Promise<unknown>)[] = []
let party: Party
let browser: Browser
let server: PreviewServer

beforeAll(async () => {
  party = await startParty()
  closers.push(() => party.close())
  const { folder, remove } = await makeGuideFolder()
  closers.push(remove)
  const programs = readPrograms(readText('docs/guide/run-in-a-worker.md')).map(({ code }) => code)
  const [worker = '', page = ''] = programs
  for (const name of PAGES) {
    await mkdir(join(folder, name))
    await writeFile(join(folder, name, 'index.html'), HTML)
    await writeFile(join(folder, name, 'signer.worker.ts'), worker)
    await writeFile(join(folder, name, 'page.ts'), name === 'own' ? page : shared(page))
  }
  const config = {
    root: folder,
    configFile: false,
    logLevel: 'warn',
    resolve: { conditions: CONDITIONS },
  } as const
  const input = PAGES.map((name) => join(folder, name, 'index.html'))
  await build({ ...config, worker: { format: 'es' }, build: { rollupOptions: { input }, target: 'es2023' } })
  server = await preview({ ...config, preview: { host: '127.0.0.1', port: 0 } })
  closers.push(() => server.close())
  browser = await chromium.launch({ executablePath: chromiumPath(), args: [...CHROMIUM_ARGS] })
  closers.push(() => browser.close())
})

afterAll(async () => {
  for (const close of closers.reverse()) await close()
})

test('a worker logs in, signs and logs out for its page', async () => {
  const page = await open('own')
  const said = await logIn(page)
  expect(said).toMatch(/connected[\s\S]*ready[\s\S]*Signed [0-9a-f]{64}[\s\S]*Logged out/)
  // It would be said if the session could not be kept there.
  expect(said).not.toContain('alert')
})

test('what fails in the worker fails in the page', async () => {
  const page = await open('own')
  expect(await logIn(page, 'bunker://nonsense')).toContain('Failed: Nip46Error')
})

test('a shared worker does it for one page after the other', async () => {
  const context = await browser.newContext()
  const pages = [await open('shared', context), await open('shared', context)]
  for (const page of pages) expect(await logIn(page)).toMatch(/Signed [0-9a-f]{64}[\s\S]*Logged out/)
})

/** As the page says to do it. */
function shared(page: string): string {
  const changed = page.replace('new Worker(', 'new SharedWorker(').replace('>(worker)', '>(worker.port)')
  if (!changed.includes('SharedWorker') || !changed.includes('.port')) throw new Error('nothing to replace')
  return changed
}

async function open(name: string, context: Pick<Browser, 'newPage'> = browser): Promise<Page> {
  const page = await context.newPage()
  await page.goto(new URL(`${name}/`, server.resolvedUrls?.local[0]).href)
  return page
}

/** What the page says in the end. */
async function logIn(page: Page, link?: string): Promise<string> {
  await page.locator('input').fill(link ?? (await party.offer()))
  await page.locator('button').click()
  await page.getByText(/Logged out|Failed|Wrong user/).waitFor()
  return (await page.locator('output').textContent()) ?? ''
}
