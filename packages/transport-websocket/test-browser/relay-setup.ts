/** Starts a real relay beside the browser tests and tells them its URL. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    readonly relayUrl: string
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const program = fileURLToPath(new URL('relay-process.ts', import.meta.url))
  const relay = spawn(process.execPath, ['--conditions=@nip46/source', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exit = once(relay, 'exit')
  const first = await Promise.race([once(relay.stdout, 'data'), exit.then(() => undefined)])
  if (first === undefined) throw new Error('the relay for the browser tests did not start')
  project.provide('relayUrl', String(first[0]).trim())
  return async () => {
    relay.stdin.end()
    await exit
  }
}
