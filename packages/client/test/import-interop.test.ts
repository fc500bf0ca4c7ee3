/** Sessions that other libraries made, each in its own process, and that go on here: over a real relay, with our signer. */

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parseRelayUrl } from '@nip46/core'
import { createRelay } from '@nip46/relay'
import { createRemoteSigner, dangerouslyAllowAll, localUserSigner } from '@nip46/remote-signer'
import { createRelayPool } from '@nip46/transport-websocket'
import { afterAll, expect, test } from 'vitest'
import {
  type ForeignSession,
  importSession,
  parseBunkerPointer,
  parseNbunksec,
  parseNdkPayload,
} from '../src/import.ts'
import { resume } from '../src/index.ts'
import { crypto, newKey } from './world.ts'

const relay = createRelay({ crypto })
const url = parseRelayUrl((await relay.listen()).url)
if (!url.ok) throw new Error('the relay has no URL')
const pool = createRelayPool()
const user = newKey()
const signer = createRemoteSigner({
  crypto,
  transport: pool,
  userSigner: localUserSigner(user, { crypto }),
  approver: dangerouslyAllowAll,
  relays: [url.value],
})
await signer.start()
const transport = createRelayPool()

afterAll(async () => {
  await transport.close()
  await signer.close()
  await pool.close()
  await relay.close()
})

interface Kept {
  readonly userPubkey: string
  readonly kept: unknown
}

test.each<[string, (kept: never) => ForeignSession, boolean]>([
  ['ndk', (kept: string) => parseNdkPayload(kept), true],
  [
    'nostr-tools',
    ({ pointer, key }: { pointer: unknown; key: unknown }) => parseBunkerPointer(pointer, key),
    false,
  ],
  ['applesauce', (kept: string) => parseNbunksec(kept), false],
])('%s: its login goes on here without a question', async (name, parse, namesUser) => {
  const program = fileURLToPath(new URL(`./peer/${name}.ts`, import.meta.url))
  const { uri } = await signer.offer()
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--no-warnings', program, uri, url.value ?? ''],
    {
      timeout: 90_000,
      killSignal: 'SIGKILL',
    },
  )
  const { userPubkey, kept } = JSON.parse(stdout) as Kept
  expect(userPubkey).toBe(user.pubkey)
  const sessions = signer.sessions().length

  const foreign = parse(kept as never)
  expect(foreign.userPubkey).toBe(namesUser ? user.pubkey : null)
  const session = await importSession(foreign, { crypto, transport })
  expect(session.userPubkey).toBe(user.pubkey)
  expect((await session.signEvent({ kind: 1, content: `no longer in ${name}` })).pubkey).toBe(user.pubkey)
  const saved = session.save()
  session.close()
  const again = await resume(saved, { crypto, transport })
  expect(await again.ping()).toBe('pong')
  expect(signer.sessions().length).toBe(sessions)
  await again.logout()
})
