/** Run by `process.test.ts`: uses a pool on the relays it is given, closes it, and says what then still holds the event loop. */

import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import { parseRelayUrl, type RelayUrl } from '@nip46/core'
import { createRelayPool } from '@nip46/transport-websocket'

const relays = process.argv.slice(2).map((url): RelayUrl => {
  const parsed = parseRelayUrl(url)
  if (!parsed.ok) throw new Error(parsed.error)
  return parsed.value
})
/** The pipes to whoever started this are there before and after. */
const held = (): readonly string[] =>
  process.getActiveResourcesInfo().filter((name) => !name.startsWith('Pipe'))

const pool = createRelayPool()
pool.subscribe({ relays, filters: [{ kinds: [24133], '#p': ['ab'] }], onEvent: () => undefined })
const hex = 'ab'.repeat(32)
const event = { id: hex, pubkey: hex, created_at: 0, kind: 24133, tags: [], content: '', sig: hex + hex }
const published = pool.publish(relays, event)
// One has refused by now and is dialled again later; the others are connected, or being so.
await wait(900)
const before = held()

await pool.close()
// What was let go of in this turn is gone from the loop one or two turns later.
for (let turns = 0; turns < 3; turns += 1) await turn()
process.stdout.write(`${JSON.stringify({ before, after: held() })}\n`)
if ((await published).ok) throw new Error('no relay said OK')
