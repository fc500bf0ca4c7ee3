/** Run by `drain.test.ts`: uses sessions in every state over real sockets, closes them, and says what then still holds the event loop. */

import { setImmediate as turn } from 'node:timers/promises'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { createRelayPool } from '@nip46/transport-websocket'
import { connect, offer, type SessionOptions } from '../src/index.ts'

const [uri = '', relay = '', silent = ''] = process.argv.slice(2)
/** The pipes to whoever started this are there before and after. */
const held = (): readonly string[] =>
  process.getActiveResourcesInfo().filter((name) => !name.startsWith('Pipe'))

const transport = createRelayPool()
const options: SessionOptions = { crypto: tinyCrypto(), transport }
const session = await connect(uri, options)
await session.signEvent({ kind: 1, content: 'hello' })
// The signer does not answer these, one has a time-out of its own, and most wait for their turn.
const open: Promise<unknown>[] = Array.from({ length: 100 }, () => session.ping())
open.push(session.ping({ timeout: 60_000 }))
const offered = offer({ ...options, relays: [relay] })
const login = new AbortController()
open.push(offered.session, connect(silent, { ...options, signal: login.signal }))
await turn()
const before = held()

session.close()
offered.cancel()
login.abort()
await transport.close()
for (let turns = 0; turns < 3; turns += 1) await turn()
process.stdout.write(`${JSON.stringify({ before, after: held() })}\n`)
await Promise.allSettled(open)
