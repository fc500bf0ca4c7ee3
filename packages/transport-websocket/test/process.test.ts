import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

describe('a process that uses a pool', () => {
  test('ends after close, whatever the relays were doing', async () => {
    const program = fileURLToPath(new URL('./drain.ts', import.meta.url))
    const child = spawn(process.execPath, ['--conditions=@nip46/source', '--no-warnings', program])
    let output = ''
    child.stdout.on('data', (data) => {
      output += data
    })
    child.stderr.on('data', (data) => {
      output += data
    })
    const code = await new Promise((resolve) => child.on('close', resolve))
    expect({ code, output }).toEqual({ code: 0, output: 'kept: \n' })
  })
})

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
