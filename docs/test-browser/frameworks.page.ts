/**
 * The files of use-in-react-vue-svelte.md, built by Vite with each framework, in Chromium: log in, sign, come back, log out.
 * Never another text than the page's, but for the relay.
 */

import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Browser, chromium } from 'playwright'
import { type PreviewServer, preview } from 'vite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CHROMIUM_ARGS, chromiumPath } from '../../scripts/chromium.ts'
import { countKeptSessions } from '../../scripts/kept-sessions.ts'
import { PATIENCE } from '../../scripts/patience.ts'
import { readText, root } from '../../scripts/workspace.ts'
import { type Party, startParty } from '../party.ts'
import { CONDITIONS, makeGuideFolder } from './guide-folder.ts'

const GUIDE = 'docs/guide/use-in-react-vue-svelte.md'

interface Framework {
  readonly name: string
  readonly file: string
  /** What starts the app, as a template of the framework's does. */
  readonly main: string
  /** What its Vite needs: an import, and what stands in `plugins`. */
  readonly plugin: readonly [imported: string, used: string]
}

const FRAMEWORKS: readonly Framework[] = [
  {
    name: 'React',
    file: 'App.tsx',
    main: `import { createElement } from 'react'
      import { createRoot } from 'react-dom/client'
      import { App } from './App.tsx'
      createRoot(document.querySelector('main')).render(createElement(App))`,
    plugin: ['', ''],
  },
  {
    name: 'Vue',
    file: 'App.vue',
    main: `import { createApp } from 'vue'
      import App from './App.vue'
      createApp(App).mount('main')`,
    plugin: [`import vue from '@vitejs/plugin-vue'`, vuePlugin()],
  },
  {
    name: 'Svelte',
    file: 'App.svelte',
    main: `import { mount } from 'svelte'
      import App from './App.svelte'
      mount(App, { target: document.querySelector('main') })`,
    plugin: [`import { svelte } from '@sveltejs/vite-plugin-svelte'`, 'svelte()'],
  },
]
const HTML = `<!doctype html><title>App</title><link rel="icon" href="data:,"><main></main>
<script type="module" src="./main.js"></script>`

const closers: (() => Promise<unknown>)[] = []
let party: Party
let browser: Browser

beforeAll(async () => {
  party = await startParty()
  closers.push(() => party.close())
  browser = await chromium.launch({ executablePath: chromiumPath(), args: [...CHROMIUM_ARGS] })
  closers.push(() => browser.close())
})

afterAll(async () => {
  for (const close of closers.reverse()) await close()
})

test.each(FRAMEWORKS)('$name', async (framework) => {
  const server = await serve(framework)
  const page = await browser.newPage()
  page.setDefaultTimeout(PATIENCE.expect.poll.timeout)
  const complaints: string[] = []
  page.on('console', (line) => {
    // The element's own offer ends when another login goes on; a browser complains of the socket that was still dialled.
    const isDial = line.text().startsWith('WebSocket connection to')
    if (['warning', 'error'].includes(line.type()) && !isDial) complaints.push(line.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(server.resolvedUrls?.local[0] ?? '')
  await page.getByLabel('Or paste').fill(await party.offer())
  // It knows what the page told it.
  const offered = page.getByRole('link', { name: 'Open my signer' })
  expect(await offered.getAttribute('href')).toContain(encodeURIComponent(new URL(party.relay).host))
  await page.getByRole('button', { name: 'Connect' }).click()

  const sign = async (): Promise<void> => {
    await page.getByRole('button', { name: 'Sign' }).click()
    await page.getByText(/^Signed [0-9a-f]{64}$/).waitFor()
  }
  await sign()
  await expect.poll(() => page.evaluate(countKeptSessions)).toBe(1)
  await page.reload()
  await sign()
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByRole('heading', { name: 'Log in with your signer' }).waitFor()
  await expect.poll(() => page.evaluate(countKeptSessions)).toBe(0)
  expect(complaints).toEqual([])
  await page.close()
})

/** The app of one framework, as its visitors get it. */
async function serve({ file, main, plugin: [imported, used] }: Framework): Promise<PreviewServer> {
  const { folder, remove } = await makeGuideFolder()
  closers.push(remove)
  const session = blockOf('session.ts')
  expect(session).toContain('wss://relay.example')
  const files = {
    'index.html': HTML,
    'main.js': main,
    'session.ts': session.replace('wss://relay.example', party.relay),
    [file]: blockOf(file),
    'vite.config.js': `${imported}
      export default { plugins: [${used}], resolve: { conditions: ${JSON.stringify(CONDITIONS)} } }`,
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  // In a process of its own: vitest's has other conditions, and another mode.
  const { NODE_ENV: _, NODE_OPTIONS: __, ...env } = process.env
  await promisify(execFile)(join(root, 'node_modules/.bin/vite'), ['build', '--logLevel', 'warn'], {
    cwd: folder,
    env,
  })
  const server = await preview({ root: folder, configFile: false, preview: { host: '127.0.0.1', port: 0 } })
  closers.push(() => server.close())
  return server
}

/** The block whose first line names this file. */
function blockOf(file: string): string {
  const guide = readText(GUIDE)
  const blocks = [...guide.matchAll(/^```\w+\n(.*?)^```$/gms)].map((match) => match[1] ?? '')
  const found = blocks.find((block) => block.split('\n')[0]?.includes(file))
  if (found === undefined) throw new Error(`the guide has no ${file}`)
  return found
}

/** As the guide has it. */
function vuePlugin(): string {
  const found = /^`(vue\(.*\))`\.$/m.exec(readText(GUIDE))?.[1]
  if (found === undefined) throw new Error('the guide has no settings for Vue')
  return found
}
