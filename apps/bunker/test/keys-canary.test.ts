/**
 * Nothing secret in anything that people or programs can read: known secrets are searched for, in eight encodings, in all
 * that a vault writes, says and throws while it does everything it can.
 */

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { Worker } from 'node:worker_threads'
import { encodeNsec, hexToBytes } from '@nip46/crypto'
import { systemClock } from '@nip46/testing'
import { expect, test, vi } from 'vitest'
import { initVault, openVault } from '../src/keys/open-vault.ts'
import type { VaultEvent } from '../src/keys/vault.ts'
import { createWorkerLink } from '../src/keys/worker-link.ts'
import { encodingsOf, findSecrets } from './canary.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const SECRET = 'd1c5b3a79f8e6d4c2b1a09f8e7d6c5b4a3928170615243342516070819283745'
const VAULT_PASSPHRASE = 'canary of the vault passphrase'
const PASSPHRASE = 'canary of the key passphrase'
const NEW_PASSPHRASE = 'canary of the new passphrase'
const WRONG_PASSPHRASE = 'canary of a wrong passphrase'
const PLAINTEXT = 'canary of a plaintext that only the peer may read'
const TEXTS = [VAULT_PASSPHRASE, PASSPHRASE, NEW_PASSPHRASE, WRONG_PASSPHRASE, PLAINTEXT]
const canaries = [
  ...encodingsOf(hexToBytes(SECRET), SECRET),
  ...TEXTS.flatMap((text) => encodingsOf(bytes(text), text)),
]

test('the search finds each secret in each of its eight encodings', () => {
  expect(encodingsOf(hexToBytes(SECRET), SECRET)).toHaveLength(8)
  for (const { needle } of canaries)
    expect(findSecrets(Buffer.concat([bytes('…'), needle]), canaries)).not.toEqual([])
  expect(findSecrets(bytes('nothing of the kind'), canaries)).toEqual([])
})

test('files, events, errors, logs and what moves between threads as text hold no secret', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nip46-canary-'))
  const seen: string[] = []
  const real = Worker.prototype.postMessage
  const swallow = (text: unknown): boolean => {
    record(text)
    return true
  }
  const record = (value: unknown): void => {
    seen.push(inspect(value, { depth: 10, showHidden: true, maxStringLength: null, maxArrayLength: null }))
    if (value instanceof Error) seen.push(value.stack ?? '', JSON.stringify(value))
  }
  const spies = [
    ...(['log', 'info', 'warn', 'error', 'debug', 'trace'] as const).map((name) =>
      vi.spyOn(console, name).mockImplementation((...words) => record(words)),
    ),
    vi.spyOn(process.stdout, 'write').mockImplementation(swallow),
    vi.spyOn(process.stderr, 'write').mockImplementation(swallow),
    // Of what moves between the threads, operations have to be there; all else is recorded after it was sent.
    vi.spyOn(Worker.prototype, 'postMessage').mockImplementation(function (this: Worker, ...args) {
      const result = real.apply(this, args as Parameters<typeof real>)
      if (args[0]?.type === 'call') record(args[0])
      return result
    }),
  ]
  const attempt = async (run: () => Promise<unknown>): Promise<void> => {
    try {
      record(await run())
    } catch (cause) {
      record(cause)
    }
  }
  try {
    await initVault(join(folder, 'vault'), bytes(VAULT_PASSPHRASE), { logN: 16 })
    await attempt(() => openVault(join(folder, 'vault'), bytes(WRONG_PASSPHRASE), { logN: 16 }))
    const vault = await openVault(join(folder, 'vault'), bytes(VAULT_PASSPHRASE), { logN: 16 })
    const events: VaultEvent[] = []
    vault.on((event) => events.push(event))
    try {
      const key = await vault.importKey('me', bytes(SECRET), bytes(PASSPHRASE))
      await attempt(() => vault.importKey('twice', bytes(encodeNsec(hexToBytes(SECRET))), bytes(PASSPHRASE)))
      await attempt(() => vault.importKey('bad', bytes(`${SECRET}00`), bytes(PASSPHRASE)))
      await attempt(() => vault.importKey('bad', bytes(`nsec1${SECRET}`), bytes(PASSPHRASE)))
      await attempt(() => vault.importKey('bad name', bytes(SECRET), bytes(PASSPHRASE)))
      await attempt(() => vault.unlock('me', bytes(WRONG_PASSPHRASE)))
      await attempt(() => vault.unlock('me', bytes(PASSPHRASE), 60_000))
      await attempt(() =>
        vault.exportKey('me', bytes(PASSPHRASE), { exportPassphrase: bytes(NEW_PASSPHRASE) }),
      )
      await attempt(() => vault.changePassphrase('me', bytes(PASSPHRASE), bytes(NEW_PASSPHRASE)))
      await attempt(() => vault.changeVaultPassphrase(bytes(WRONG_PASSPHRASE), bytes(NEW_PASSPHRASE)))
      const signer = vault.userSigner(key.pubkey)
      const sealed = await signer?.perform({
        method: 'nip44_encrypt',
        peer: key.pubkey,
        plaintext: PLAINTEXT,
      })
      record(sealed)
      if (sealed?.ok !== true) throw new Error('nothing was encrypted')
      await attempt(async () =>
        signer?.perform({ method: 'nip44_decrypt', peer: key.pubkey, ciphertext: 'broken' }),
      )
      // A plaintext that cannot be handled, on its way through the thing that fails.
      await attempt(async () =>
        signer?.perform({ method: 'nip44_encrypt', peer: key.pubkey, plaintext: `${PLAINTEXT}\ud800` }),
      )
      record(vault)
      record(events)
      record(vault.seal())
      await attempt(() => vault.remove('me', bytes(WRONG_PASSPHRASE)))
    } finally {
      await vault.close()
    }
    const dying = createWorkerLink({
      clock: systemClock,
      onLost: (reason) => record(reason),
      createWorker: () =>
        new Worker(
          `require('node:worker_threads').parentPort.on('message', (m) => { console.error(m); throw new Error(JSON.stringify(m)) })`,
          { eval: true, stdout: true, stderr: true },
        ),
    })
    const pubkey = vault.list()[0]?.pubkey
    if (pubkey === undefined) throw new Error('no key was added')
    await attempt(() =>
      dying.perform(pubkey, { method: 'nip44_encrypt', peer: pubkey, plaintext: PLAINTEXT }),
    )
    await dying.close()
    for (const file of await readdir(folder, { recursive: true, withFileTypes: true }))
      if (file.isFile()) seen.push(await readFile(join(file.parentPath, file.name), 'latin1'))
  } finally {
    for (const spy of spies) spy.mockRestore()
    await rm(folder, { recursive: true })
  }
  expect(seen.length).toBeGreaterThan(20)
  expect(
    seen.flatMap((text) =>
      findSecrets(Buffer.from(text), canaries).map((name) => `${name} in ${text.slice(0, 200)}`),
    ),
  ).toEqual([])
})
