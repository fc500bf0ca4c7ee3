/**
 * The files of use-in-react-vue-svelte.md, built by Vite with each framework, in Chromium and Firefox: log in, sign, come back, log out.
 * Never another text than the page's, but for the relay.
 */

import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type PreviewServer, preview } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { countKeptSessions } from '../../scripts/kept-sessions.ts'
import { readText, root } from '../../scripts/workspace.ts'
import { type Party, startParty } from '../party.ts'
import { CONDITIONS, makeGuideFolder } from './guide-folder.ts'
import { BROWSERS, type VisitorBrowser } from './visitor.ts'

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
/** By name of the framework. */
const urls = new Map<string, string>()

beforeAll(async () => {
  party = await startParty()
  closers.push(() => party.close())
  for (const framework of FRAMEWORKS) {
    const server = await serve(framework)
    urls.set(framework.name, server.resolvedUrls?.local[0] ?? '')
  }
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

    test.each(FRAMEWORKS)('$name', async (framework) => {
      const visitor = await browser.visit()
      await visitor.open(urls.get(framework.name) ?? '')
      const link = await party.offer()
      // It knows what the page told it.
      await expect
        .poll(() => visitor.evaluate(offeredLink))
        .toContain(encodeURIComponent(new URL(party.relay).host))
      await visitor.fill(link)
      await visitor.press('Connect')

      const sign = async (): Promise<void> => {
        await visitor.press('Sign')
        await expect.poll(() => visitor.output()).toMatch(/^Signed [0-9a-f]{64}$/)
      }
      await sign()
      await expect.poll(() => visitor.evaluate(countKeptSessions)).toBe(1)
      await visitor.reload()
      await sign()
      await visitor.press('Log out')
      await expect.poll(() => visitor.evaluate(offeredLink)).toMatch(/^nostrconnect:/)
      await expect.poll(() => visitor.evaluate(countKeptSessions)).toBe(0)
      // The element's own offer ends when another login goes on; a browser complains of the socket that was still dialled.
      const isDial = (text: string): boolean => text.includes(party.relay)
      expect(visitor.complaints().filter((text) => !isDial(text))).toEqual([])
      await visitor.close()
    })
  })
}

/** Runs in the page: what the login element offers, if it is there. */
function offeredLink(): string {
  const element = document.querySelector('nip46-login')
  return element?.shadowRoot?.querySelector('a[part="open"]')?.getAttribute('href') ?? ''
}

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
