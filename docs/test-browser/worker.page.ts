/**
 * The two files of run-in-a-worker.md, built by Vite as an app would, in Chromium and Firefox: with a worker, and with one that tabs share.
 * Never another text than the page's.
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build, type PreviewServer, preview } from 'vite'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readPrograms } from '../../scripts/markdown-program.ts'
import { readText } from '../../scripts/workspace.ts'
import { type Party, startParty } from '../party.ts'
import { CONDITIONS, makeGuideFolder } from './guide-folder.ts'
import { BROWSERS, type Visitor, type VisitorBrowser } from './visitor.ts'

const HTML = `<!doctype html><title>Worker</title><form><input name="link"><button>Log in</button></form>
<output></output><script type="module" src="./page.ts"></script>`
/** One on a page of its own, one that is shared. */
const PAGES = ['own', 'shared']

const closers: (() => Promise<unknown>)[] = []
let party: Party
let visitor: Visitor
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
})

afterAll(async () => {
  for (const close of closers.reverse()) await close()
})

for (const { name, missing, launch } of BROWSERS) {
  describe.skipIf(missing !== undefined)(missing === undefined ? name : `${name} (${missing})`, () => {
    let browser: VisitorBrowser

    beforeAll(async () => {
      browser = await launch()
    })
    afterAll(() => browser.close())

    beforeEach(async () => {
      visitor = await browser.visit()
    })
    afterEach(() => visitor.close())

    test('a worker logs in, signs and logs out for its page', async () => {
      const said = await logIn(visitor, 'own')
      expect(said).toMatch(/connected[\s\S]*ready[\s\S]*Signed [0-9a-f]{64}[\s\S]*Logged out/)
      // It would be said if the session could not be kept there.
      expect(said).not.toContain('alert')
    })

    test('what fails in the worker fails in the page', async () => {
      expect(await logIn(visitor, 'own', 'bunker://nonsense')).toContain('Failed: Nip46Error')
    })

    test('a shared worker does it for one page after the other', async () => {
      for (const page of [visitor, await visitor.beside()]) {
        expect(await logIn(page, 'shared')).toMatch(/Signed [0-9a-f]{64}[\s\S]*Logged out/)
      }
    })
  })
}

/** As the page says to do it. */
function shared(page: string): string {
  const changed = page.replace('new Worker(', 'new SharedWorker(').replace('>(worker)', '>(worker.port)')
  if (!changed.includes('SharedWorker') || !changed.includes('.port')) throw new Error('nothing to replace')
  return changed
}

/** What the page says in the end. */
async function logIn(page: Visitor, name: string, link?: string): Promise<string> {
  await page.open(new URL(`${name}/`, server.resolvedUrls?.local[0]).href)
  await page.fill(link ?? (await party.offer()))
  await page.press('Log in')
  let said = ''
  await expect
    .poll(
      async () => {
        said = await page.output()
        return said
      },
      { timeout: 60_000 },
    )
    .toMatch(/Logged out|Failed|Wrong user/)
  return said
}
