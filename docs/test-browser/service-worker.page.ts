/**
 * The two files of run-in-a-service-worker.md, built as it says, in Chromium and Firefox, which end the worker and start it again.
 * Never another text than the page's.
 */

import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Approver } from '@nip46/core'
import { build, type PreviewServer, preview } from 'vite'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { countKeptSessions } from '../../scripts/kept-sessions.ts'
import { readCommands, readPrograms } from '../../scripts/markdown-program.ts'
import { readText, root } from '../../scripts/workspace.ts'
import { type Party, startParty } from '../party.ts'
import { CONDITIONS, makeGuideFolder } from './guide-folder.ts'
import { BROWSERS, type Visitor, type VisitorBrowser, WORKER_MS } from './visitor.ts'

const HTML = `<!doctype html><title>Service worker</title><form><input name="link"><button>Sign</button>
<button type="reset">Log out</button></form><output></output><script type="module" src="./signer-page.ts"></script>`
const SOON = { timeout: 60_000 }

const closers: (() => Promise<unknown>)[] = []
let party: Party
let server: PreviewServer
let visitor: Visitor
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
      connects = 0
      approval = Promise.resolve()
      visitor = await browser.visit()
      await visitor.open(server.resolvedUrls?.local[0] ?? '')
    })
    afterEach(() => visitor.close())

    test('the worker logs in once, and signs again after the browser ended it, without a new connect', async () => {
      await logIn()
      for (const _ of [1, 2]) {
        const starts = await visitor.serviceWorkerStarts()
        await visitor.endServiceWorker()
        expect(await submit('Sign')).toMatch(/^Signed [0-9a-f]{64}$/)
        expect(await visitor.serviceWorkerStarts()).toBe(starts + 1)
      }
      expect(connects).toBe(1)
    })

    test('a page that comes later has the session, too, until one logs out', async () => {
      await logIn()
      await visitor.endServiceWorker()
      await visitor.reload()
      expect(await submit('Sign')).toMatch(/^Signed /)
      expect(connects).toBe(1)

      expect(await submit('Log out')).toBe('Logged out')
      expect(await visitor.evaluate(countKeptSessions)).toBe(0)
      await visitor.endServiceWorker()
      // Nobody is logged in now, and the field for the link is empty.
      expect(await submit('Sign')).toMatch(/^Failed: Error: Nip46Error/)
    })

    test('a worker that is ended in the middle of a request leaves no page waiting for ever', async () => {
      await logIn()
      let approve: () => void = () => undefined
      const before = signatures
      approval = new Promise((resolve) => {
        approve = resolve
      })
      const failed = submit('Sign')
      await expect.poll(() => signatures, SOON).toBe(before + 1)
      await visitor.endServiceWorker()
      await visitor.beat()
      expect(await failed).toBe('Failed: Error: the browser ended the worker: try again')

      approve()
      expect(await submit('Sign')).toMatch(/^Signed /)
      expect(connects).toBe(1)
    })

    // Chromium gives each request five minutes.
    if (name !== 'Firefox') return
    test('a worker that the page asks for signs of life is not ended while a person thinks', async ({
      skip,
    }) => {
      await logIn()
      for (let rounds = 0; rounds < 5; rounds += 1) {
        const { longestPause, said, restarts } = await thinkLong()
        // A page that is itself held up for longer than a worker lives shows nothing.
        if (longestPause > WORKER_MS * 0.8) continue
        expect(said).toMatch(/^Signed /)
        expect(restarts).toBe(0)
        return
      }
      skip('this machine held the page up for seconds, five times')
    })
  })
}

/** The page asks for signs of life for longer than a worker lives that is asked for none. */
async function thinkLong(): Promise<{
  readonly longestPause: number
  readonly said: string
  readonly restarts: number
}> {
  let approve: () => void = () => undefined
  approval = new Promise((resolve) => {
    approve = resolve
  })
  const before = signatures
  const signing = submit('Sign')
  await expect.poll(() => signatures, SOON).toBe(before + 1)
  await visitor.beat()
  const starts = await visitor.serviceWorkerStarts()
  const began = performance.now()
  let last = began
  let longestPause = 0
  while (last - began < 2.3 * WORKER_MS) {
    await new Promise((resolve) => setTimeout(resolve, WORKER_MS / 6))
    await visitor.beat()
    const now = performance.now()
    longestPause = Math.max(longestPause, now - last)
    last = now
  }
  const restarts = (await visitor.serviceWorkerStarts()) - starts
  approve()
  // One whose worker is gone after all hears of that at the next beat.
  let isOver = false
  const said = signing.finally(() => {
    isOver = true
  })
  while (!isOver) {
    await visitor.beat()
    await new Promise((resolve) => setTimeout(resolve, WORKER_MS / 6))
  }
  return { longestPause, said: await said, restarts }
}

/** With a link that was not used, until the session is kept. */
async function logIn(): Promise<void> {
  await visitor.fill(await party.offer({ approval: 'ask' }))
  expect(await submit('Sign')).toMatch(/^Signed [0-9a-f]{64}$/)
  await expect.poll(() => visitor.evaluate(countKeptSessions), SOON).toBe(1)
}

/** What the page says next. */
async function submit(button: 'Sign' | 'Log out'): Promise<string> {
  const before = await visitor.output()
  await visitor.press(button)
  let now = before
  await expect
    .poll(
      async () => {
        now = await visitor.output()
        return now.length
      },
      { timeout: 60_000 },
    )
    .toBeGreaterThan(before.length)
  return now.slice(before.length).trim()
}
