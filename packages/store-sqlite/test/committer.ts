/**
 * A process that commits until it is killed, and says what was acknowledged: one line for each call.
 * Never ends by itself.
 */

import { createSeal } from '@nip46/crypto/seal'
import { openSqliteStore } from '../src/index.ts'
import { callOf, FIRST_LINE } from './calls.ts'

const [file = '', start = '0', parallel = '8'] = process.argv.slice(2)
const store = await openSqliteStore(file, { seal: createSeal(new Uint8Array(32).fill(7)) }).catch(
  (error: { readonly code?: unknown; readonly pid?: unknown; readonly message?: unknown }) => {
    process.stdout.write(`${JSON.stringify({ code: error.code, pid: error.pid, message: error.message })}\n`)
    process.exit(1)
  },
)
process.stdout.write(`${FIRST_LINE}\n`)
let next = Number(start)
const work = async (): Promise<void> => {
  for (;;) {
    const n = next++
    try {
      const outcomes = await store.commit(callOf(n), Date.now())
      process.stdout.write(`${outcomes.every(({ type }) => type === 'done') ? 'ok' : 'conflict'} ${n}\n`)
    } catch (error) {
      process.stdout.write(`${String((error as { readonly code?: unknown }).code)} ${n}\n`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}
for (let i = 0; i < Number(parallel); i++) void work()
