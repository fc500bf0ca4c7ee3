/** A store that was restored from a backup: what may have been done after the backup was made is not done again. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '@nip46/client'
import type { Approver, RelayUrl, SignedEvent, UserSigner } from '@nip46/core'
import type { StoreSeal } from '@nip46/core/remote-signer'
import { createRemoteSigner, localUserSigner, type RemoteSigner } from '@nip46/remote-signer'
import { openSqliteStore, restoreSqliteBackup } from '@nip46/store-sqlite'
import { createMemoryRelay, seededRandom } from '@nip46/testing'
import { expect, test } from 'vitest'
import { crypto, until } from './daemon-world.ts'

const relays = ['wss://relay.example/' as RelayUrl]

test('what was asked before a restore is neither done nor asked again, and what waited then is answered so', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'nip46-restore-'))
  const sent: SignedEvent[] = []
  const net = createMemoryRelay({ onPublish: (event) => sent.push(event) })
  const key = crypto.importKey(seededRandom('restored').bytes(32))
  let performed = 0
  let asked = 0
  const local = localUserSigner(key, { crypto })
  const userSigner: UserSigner = {
    userPubkey: local.userPubkey,
    perform(operation) {
      performed += 1
      return local.perform(operation)
    },
  }
  const approver: Approver = {
    decide: () => {
      asked += 1
      return new Promise(() => undefined)
    },
  }
  const start = async (file: string): Promise<{ signer: RemoteSigner; stop: () => Promise<void> }> => {
    const store = await openSqliteStore(file, { seal })
    const signer = createRemoteSigner({
      crypto,
      transport: net.connect(),
      userSigner,
      approver,
      relays,
      store,
      decisionTimeoutMs: 600_000,
    })
    await signer.start()
    backup = (to) => store.backup(to)
    return {
      signer,
      async stop() {
        await signer.close()
        await store.close()
      },
    }
  }
  let backup: (to: string) => Promise<void> = async () => undefined
  try {
    const first = await start(join(directory, 'store.sqlite'))
    const granted = [{ method: 'sign_event', kind: 1 }]
    const { uri } = await first.signer.offer({ granted })
    const later = await first.signer.offer({ granted })
    const app = await connect(uri, { crypto, transport: net.connect() })
    const waiting = app.signEvent({ kind: 7, content: 'waits' }, { timeout: 120_000 })
    waiting.catch(() => undefined)
    await until(() => asked === 1)
    await backup(join(directory, 'backup.sqlite'))
    const before = sent.length
    await app.signEvent({ kind: 1, content: 'after the backup' })
    const other = await connect(later.uri, { crypto, transport: net.connect() })
    expect([performed, first.signer.sessions().length]).toEqual([1, 2])
    const since = sent.slice(before)
    await other.close()
    await first.stop()

    // The moment of the restore is in whole seconds behind every event of before.
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    await restoreSqliteBackup(join(directory, 'backup.sqlite'), join(directory, 'again.sqlite'), { seal })
    const again = await start(join(directory, 'again.sqlite'))
    await expect(waiting).rejects.toThrow('restored from a backup')
    // A relay that kept everything, and a thief who kept a token that is unused in the backup.
    const replaying = net.connect()
    for (const event of since) await replaying.publish(relays, event)
    expect(await app.signEvent({ kind: 1, content: 'new' })).toMatchObject({ content: 'new' })
    expect([performed, asked, again.signer.sessions().length]).toEqual([2, 1, 1])
    await again.stop()

    // The next start is no restore, and what was asked since then goes on.
    const third = await start(join(directory, 'again.sqlite'))
    expect(await app.signEvent({ kind: 1, content: 'newer' })).toMatchObject({ content: 'newer' })
    for (const event of since) await replaying.publish(relays, event)
    expect(await app.signEvent({ kind: 1, content: 'newest' })).toMatchObject({ content: 'newest' })
    expect([performed, third.signer.sessions().length]).toEqual([4, 1])
    await app.close()
    await third.stop()
  } finally {
    key.destroy()
    await rm(directory, { recursive: true, force: true })
  }
})

/** Nothing here is a secret of anybody. */
const seal: StoreSeal = {
  seal: (plain) => Uint8Array.from(plain),
  open: (sealed) => ({ ok: true, value: Uint8Array.from(sealed) }),
}
