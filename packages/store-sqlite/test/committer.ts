/**
 * A process that commits until it is killed, and says what was acknowledged: one line for each call.
 * Never ends by itself; SIGTERM closes the store.
 */

import { createSeal } from '@nip46/crypto/seal'
import { BOUNDS, openBoundedStore } from '../src/sqlite-store.ts'
import { callOf, FIRST_LINE } from './calls.ts'

const [file = '', start = '0', parallel = '8', patienceMs = ''] = process.argv.slice(2)
const bounds = {
  ...BOUNDS,
  ...(patienceMs !== '' && { commitPatienceMs: Number(patienceMs), closePatienceMs: Number(patienceMs) }),
}
const store = await openBoundedStore(file, { seal: createSeal(new Uint8Array(32).fill(7)) }, bounds).catch(
  (error: { readonly code?: unknown; readonly pid?: unknown; readonly message?: unknown }) => {
    process.stdout.write(`${JSON.stringify({ code: error.code, pid: error.pid, message: error.message })}\n`)
    process.exit(1)
  },
)
process.stdout.write(`${FIRST_LINE}\n`)
let next = Number(start)
const commitOne = async (): Promise<void> => {
  const n = next++
  try {
    const outcomes = await store.commit(callOf(n), Date.now())
    process.stdout.write(`${outcomes.every(({ type }) => type === 'done') ? 'ok' : 'conflict'} ${n}\n`)
  } catch (error) {
    process.stdout.write(`${String((error as { readonly code?: unknown }).code)} ${n}\n`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
const work = async (): Promise<void> => {
  for (;;) await commitOne()
}
// These do not wait for the ones before them, so that some wait while others are written.
if (patienceMs !== '') setInterval(commitOne, 100)
for (let i = 0; i < Number(parallel); i++) void work()
process.once('SIGTERM', async () => {
  await store.close()
  process.stdout.write('closed\n')
})
