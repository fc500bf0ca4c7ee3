import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { CLOSE_GRACE_MS } from '../src/socket.ts'

describe('a process that uses a pool', () => {
  test('has no timer and no socket left after close, whatever the relays were doing, and ends by itself', {
    timeout: 90_000,
  }, async () => {
    const program = fileURLToPath(new URL('./drain.ts', import.meta.url))
    const urls = [...(await badRelays()), 'ws://127.0.0.1:1']
    const child = spawn(process.execPath, ['--conditions=@nip46/source', '--no-warnings', program, ...urls], {
      // Nothing here depends on how long it takes.
      timeout: 80_000,
    })
    let output = ''
    child.stdout.on('data', (data) => {
      output += data
    })
    child.stderr.on('data', (data) => {
      output += data
    })
    const [code] = await once(child, 'close')
    expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/^\{.*\}\n$/) })
    const { before, after } = JSON.parse(output) as Record<'before' | 'after', readonly string[]>
    expect(before).toEqual(expect.arrayContaining(['TCPSocketWrap', 'Timeout']))
    expect(after).toEqual([])
  })

  test('waits for the goodbyes of relays for less than 100 ms', () => {
    expect(CLOSE_GRACE_MS).toBeLessThan(100)
  })
})

/** One that says nothing, one that does not even shake hands, and one that sends too much and hears nothing. */
async function badRelays(): Promise<readonly string[]> {
  const silent = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  const hung = createServer((socket) => void socket.on('error', () => undefined)).listen(0, '127.0.0.1')
  const flood = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  flood.on('connection', (client) => {
    client.on('error', () => undefined)
    client.send(`["NOTICE","${'x'.repeat(3_000_000)}"]`, () => client.pause())
  })
  onTestFinished(() => {
    for (const server of [silent, flood]) {
      for (const client of server.clients) client.terminate()
      server.close()
    }
    hung.close()
  })
  await Promise.all([once(silent, 'listening'), once(hung, 'listening'), once(flood, 'listening')])
  return [silent, hung, flood].map((server) => `ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
}

describe('a bundle for browsers', () => {
  test('contains neither ws nor anything of Node', () => {
    const reached = reach('index.ts', 'default')
    expect([...reached].filter((name) => !/^[a-z-]+\.ts$/.test(name))).toEqual([
      '@nip46/core',
      '@nip46/core/limits',
    ])
    expect(reached).toContain('socket-global.ts')
    expect(reached).not.toContain('socket-node.ts')
  })

  test('is another than what Node gets', () => {
    const reached = reach('index.ts', 'node')
    expect(reached).toContain('ws')
    expect(reached).toContain('socket-node.ts')
  })
})

/** Everything a source file imports at run time, with `#socket` resolved under one condition. */
function reach(
  file: string,
  condition: 'node' | 'default',
  seen: Set<string> = new Set(),
): ReadonlySet<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  if (!file.endsWith('.ts')) return seen
  const source = new URL(`../src/${file}`, import.meta.url)
  const { imports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const text = readFileSync(source, 'utf8')
  for (const [, clause, name = ''] of text.matchAll(/^(?:import|export) ([^']*?)from '([^']+)'/gms)) {
    if (clause?.startsWith('type ') === true) continue
    const target = name === '#socket' ? imports['#socket']['@nip46/source'][condition] : name
    reach(target.replace(/^\.\/(?:src\/)?/, ''), condition, seen)
  }
  return seen
}
