/** The approval pages as a browser without scripts meets them, and as foreign pages do. */

import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Browser, chromium } from 'playwright'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PATIENCE } from '../../../scripts/patience.ts'
import { connectApp, crypto, type DaemonWorld, nextQuestion, startWorld, until } from './daemon-world.ts'

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium'

let world: DaemonWorld
let url: string

beforeAll(async () => {
  world = await startWorld({ flags: { http: '127.0.0.1:0', authPage: true } })
  url = world.daemon.url ?? ''
})
afterAll(() => world.close())

async function invite(): Promise<string> {
  const { url: page } = await world.api.call('browser.invite')
  return page ?? ''
}

async function signIn(): Promise<string> {
  const code = new URL(await invite()).searchParams.get('code') ?? ''
  const answer = await send('/enter', { code })
  expect(answer.status).toBe(303)
  const cookie = answer.headers.get('set-cookie') ?? ''
  expect(cookie).toMatch(/; HttpOnly; SameSite=Strict/)
  return cookie.split(';')[0] ?? ''
}

function send(
  path: string,
  form: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${url}${path}`, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin: url, ...headers },
    body: new URLSearchParams(form),
  })
}

const fieldOf = (page: string, name: string): string =>
  new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1] ?? ''

describe('without a browser', () => {
  test('an invitation is used by its form only, once; what is not signed in sees and does nothing', async () => {
    const link = await invite()
    expect((await fetch(link)).status).toBe(200)
    expect((await fetch(link)).status).toBe(200)
    const code = new URL(link).searchParams.get('code') ?? ''
    expect((await send('/enter', { code })).status).toBe(303)
    expect((await send('/enter', { code })).status).toBe(403)
    for (const path of ['/asks', '/ask/0123456789abcdef']) {
      const page = await fetch(`${url}${path}`)
      expect(page.status).toBe(401)
      expect(page.headers.get('content-security-policy')).toMatch(
        /^default-src 'none'.*form-action 'self'; frame-ancestors 'none'; style-src 'sha256-/,
      )
    }
    expect((await send('/ask/0123456789abcdef', { decision: 'allow' })).status).toBe(401)
  })

  test('only the form that was shown to this browser decides, and only once', async () => {
    const [cookie, other] = [await signIn(), await signIn()]
    const app = await connectApp(world, { name: 'Form app' })
    const signing = app.signEvent({ kind: 1, content: '<script>alert(1)</script> "&\u202e' })
    const { id, hash } = await nextQuestion(world.api)
    const page = await (await fetch(`${url}/ask/${id}`, { headers: { cookie } })).text()
    expect(page).not.toContain('<script')
    expect(page).not.toMatch(/\u202e/)
    expect(fieldOf(page, 'hash')).toBe(hash)
    const form = { token: fieldOf(page, 'token'), hash, decision: 'allow' }
    expect((await send(`/ask/${id}`, { ...form, token: '' }, { cookie })).status).toBe(403)
    expect((await send(`/ask/${id}`, form, { cookie: other })).status).toBe(403)
    expect((await send(`/ask/${id}`, form)).status).toBe(401)
    expect((await send(`/ask/${id}`, form, { cookie, origin: 'https://evil.example' })).status).toBe(403)
    expect((await send(`/ask/${id}`, form, { cookie, 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect((await world.api.call('request.list')).requests).toHaveLength(1)
    expect((await send(`/ask/${id}`, { ...form, hash: '0'.repeat(64) }, { cookie })).status).toBe(409)
    const again = await (await fetch(`${url}/ask/${id}`, { headers: { cookie } })).text()
    expect((await send(`/ask/${id}`, { ...form, token: fieldOf(again, 'token') }, { cookie })).status).toBe(
      200,
    )
    expect(crypto.verify(await signing)).toBe(true)
    const late = await fetch(`${url}/ask/${id}`, { headers: { cookie } })
    expect(late.status).toBe(409)
    expect(await late.text()).toContain('Decided before')
  })

  test('panic signs every browser out', async () => {
    const cookie = await signIn()
    expect((await fetch(`${url}/asks`, { headers: { cookie } })).status).toBe(200)
    await world.api.call('host.panic')
    expect((await fetch(`${url}/asks`, { headers: { cookie } })).status).toBe(401)
    await world.api.call('host.resume')
    await world.api.call('key.unlock', { name: 'me', passphrase: 'correct horse battery staple' })
  })
})

const absent = existsSync(CHROMIUM) ? '' : ` (left out: there is no ${CHROMIUM})`
if (absent !== '') process.stdout.write(`approval pages in a browser${absent}\n`)

describe.skipIf(absent !== '')(`in Chromium with scripts off${absent}`, () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  })
  afterAll(() => browser.close())

  test('an app sends its user to the page from its own site, and gets its signature', async () => {
    const context = await browser.newContext({
      javaScriptEnabled: false,
      viewport: { width: 390, height: 844 },
    })
    context.setDefaultTimeout(PATIENCE.expect.poll.timeout)
    const requests: string[] = []
    context.on('request', (request) => requests.push(request.url()))
    const page = await context.newPage()
    await page.goto(await invite())
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('Nothing waits.').waitFor()

    let sentTo: string | undefined
    const app = await connectApp(world, {
      name: 'Notes\u202e <img src=https://evil.example/x>',
      onAuthUrl: ({ url: asked }) => {
        sentTo = asked
      },
    })
    const signing = app.signEvent({
      kind: 1,
      content: 'Hello from a page. '.repeat(30),
      tags: [['t', 'nostr']],
    })
    const asked = await until(() => sentTo)
    expect(asked.startsWith(`${url}/ask/`)).toBe(true)
    // The app's own page is another site for the browser, so that the strict cookie does not come with its link.
    const site = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html')
      response.end(`<a href="${asked}">go</a><iframe src="${asked}"></iframe>`)
    })
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
    try {
      await page.goto(`http://localhost:${(site.address() as AddressInfo).port}/`)
      expect(await page.frames()[1]?.content()).toContain('ERR_BLOCKED_BY_RESPONSE')
      await page.getByRole('link', { name: 'go' }).click()
      const allow = page.getByRole('button', { name: 'Allow' })
      await allow.waitFor()
      await page.screenshot({ path: shot('ask-phone'), fullPage: true })
      await page.setViewportSize({ width: 1_280, height: 800 })
      await page.screenshot({ path: shot('ask-desktop'), fullPage: true })
      await allow.click()
      await page.getByRole('heading', { name: 'Allowed' }).waitFor()
      expect(await signing).toMatchObject({ kind: 1, tags: [['t', 'nostr']] })
      expect(requests.filter((each) => !/^http:\/\/(127\.0\.0\.1|localhost):/.test(each))).toEqual([])
    } finally {
      site.closeAllConnections()
      site.close()
      await context.close()
    }
  })
})

function shot(name: string): string {
  return `${process.env['SCREENSHOTS'] ?? world.directory}/${name}.png`
}
