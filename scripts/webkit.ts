/**
 * Opens a page in Debian's WebKitGTK, the nearest to Safari that runs on Linux: in its own small browser, on a screen of its own,
 * driven by the few commands of W3C WebDriver that the tests need.
 * Never touches the display of the machine; what it starts ends with `close`.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, existsSync, globSync } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'

export interface WebKitPage {
  title(): Promise<string>
  /** PNG, in Base64. */
  screenshot(): Promise<string>
  close(): Promise<void>
}

/** How long the driver may take to listen, in milliseconds. */
const START_MS = 120_000
const DRIVER = 'WebKitWebDriver'
const SCREEN = 'Xvfb'

/** Why the tests in WebKit are left out on this machine; undefined if they are not. */
export function noWebKit(): string | undefined {
  const missing = [DRIVER, SCREEN].find((name) => !isProgram(name))
  if (missing !== undefined) return `there is no ${missing}`
  return miniBrowser() === undefined ? 'there is no MiniBrowser' : undefined
}

/** The browser that comes with the library. */
function miniBrowser(): string | undefined {
  return globSync('/usr/lib/*/webkit2gtk-4.*/MiniBrowser').sort().at(-1)
}

export async function openInWebKit(url: string): Promise<WebKitPage> {
  const started: ChildProcess[] = []
  const close = async (): Promise<void> => {
    for (const child of started.reverse()) await end(child)
  }
  try {
    const screen = spawn(SCREEN, ['-displayfd', '3', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    })
    started.push(screen)
    const display = await firstLine(screen)
    const port = await freePort()
    const driver = spawn(DRIVER, [`--port=${port}`, '--host=127.0.0.1'], {
      env: { ...process.env, DISPLAY: `:${display}`, GDK_BACKEND: 'x11' },
      stdio: 'ignore',
    })
    started.push(driver)
    const base = `http://127.0.0.1:${port}/session`
    const options = { binary: miniBrowser(), args: ['--automation'] }
    const capabilities = { alwaysMatch: { 'webkitgtk:browserOptions': options } }
    await listening(port)
    const { sessionId } = (await call('POST', base, { capabilities })) as { readonly sessionId: string }
    const session = `${base}/${sessionId}`
    await call('POST', `${session}/url`, { url })
    return {
      title: async () => String(await call('GET', `${session}/title`)),
      screenshot: async () => String(await call('GET', `${session}/screenshot`)),
      async close() {
        await call('DELETE', session).catch(() => undefined)
        await close()
      },
    }
  } catch (cause) {
    await close()
    throw cause
  }
}

async function call(method: 'GET' | 'POST' | 'DELETE', url: string, body?: unknown): Promise<unknown> {
  const response = await fetch(url, { method, ...(body !== undefined && { body: JSON.stringify(body) }) })
  const { value } = (await response.json()) as { readonly value: unknown }
  if (!response.ok) throw new Error(`${method} ${url}: ${JSON.stringify(value)?.slice(0, 300)}`)
  return value
}

/** The number of the display, which Xvfb chooses and writes there. */
async function firstLine(screen: ChildProcess): Promise<string> {
  const output = screen.stdio[3]
  if (output == null || !('setEncoding' in output)) throw new Error(`${SCREEN} has no fourth stream`)
  output.setEncoding('utf8')
  const ended = once(screen, 'exit').then(() => [''])
  const [text] = (await Promise.race([once(output, 'data'), ended])) as [string]
  if (text.trim() === '') throw new Error(`${SCREEN} ended at once`)
  return text.trim()
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port is free')
  return address.port
}

async function listening(port: number): Promise<void> {
  const deadline = Date.now() + START_MS
  for (;;) {
    try {
      return void (await fetch(`http://127.0.0.1:${port}/status`))
    } catch (cause) {
      if (Date.now() > deadline) throw cause
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  await exit
}

function isProgram(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      return existsSync(path)
    } catch {
      return false
    }
  })
}
