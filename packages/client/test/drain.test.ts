/** What is left of sessions in every state after close, shown without a clock. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { encodeBunkerUri, type Pubkey } from '@nip46/core'
import { systemClock } from '@nip46/testing'
import { createScenarioSigner, startScenarioRelay } from '@nip46/testing/client-scenarios'
import { expect, onTestFinished, test } from 'vitest'
import { crypto, newKey, random } from './world.ts'

test('a process that closes its sessions has no timer and no socket left, and ends by itself', {
  timeout: 90_000,
}, async () => {
  const relay = await startScenarioRelay()
  const signer = createScenarioSigner({ crypto, random, clock: systemClock, key: newKey(), user: newKey() })
  signer.join(relay)
  signer.reply('ping', () => undefined)
  onTestFinished(async () => {
    signer.close()
    await relay.close()
  })
  const tokenOf = (remoteSigner: Pubkey) =>
    encodeBunkerUri({ remoteSigner, relays: [relay.url], secret: 'x' })
  const uris = [tokenOf(signer.key.pubkey), relay.url, tokenOf(newKey().pubkey)]
  const program = fileURLToPath(new URL('./drain-process.ts', import.meta.url))
  const child = spawn(process.execPath, ['--conditions=@nip46/source', '--no-warnings', program, ...uris], {
    // Nothing here depends on how long it takes.
    timeout: 80_000,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data) => {
      output += data
    })
  }
  const [code] = await once(child, 'close')
  expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/^\{.*\}\n$/) })
  const { before, after } = JSON.parse(output) as Record<'before' | 'after', readonly string[]>
  expect(before.filter((name) => name === 'Timeout').length).toBeGreaterThan(50)
  expect(before).toContain('TCPSocketWrap')
  expect(after).toEqual([])
})
