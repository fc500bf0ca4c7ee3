/**
 * A member in a process of its own, for tests that kill or stop it: joins, then commits what each line of its input says and
 * prints the outcome. Arguments: connection string, lease in milliseconds.
 */

import { createInterface } from 'node:readline'
import { createSeal } from '@nip46/crypto/seal'
import { openPostgresStore } from '@nip46/store-postgres'

const [connection = '', lease = ''] = process.argv.slice(2)
const seal = createSeal(new Uint8Array(32).fill(9))
const store = await openPostgresStore({ connection, seal, leaseMs: Number(lease) })
const member = await store.sharing.join({
  changed: () => undefined,
  turnRequested: () => undefined,
  members: () => undefined,
  fenced: () => console.log('fenced'),
})
console.log(`joined ${member.id}`)
for await (const line of createInterface({ input: process.stdin })) {
  const [outcome] = await store.commit(JSON.parse(line), Date.now())
  console.log(`outcome ${outcome?.type}`)
}
await store.close()
