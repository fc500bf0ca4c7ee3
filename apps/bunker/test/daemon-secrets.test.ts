/** What leaves the daemon holds no secret: its log, its metrics, what strangers are answered, what is on the disk. */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { connectApp, nextQuestion, PASSPHRASE, startWorld } from './daemon-world.ts'

/** Eight ways in which a text may be written down. */
function encodings(text: string): readonly string[] {
  const bytes = Buffer.from(text)
  return [
    text,
    bytes.toString('hex'),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
    encodeURIComponent(text),
    JSON.stringify(text).slice(1, -1),
    Buffer.from(bytes).reverse().toString('latin1'),
    Buffer.from(text, 'utf16le').toString('latin1'),
  ]
}

test('no token, link, passphrase, key or plaintext is in the log, the metrics, or the files', async () => {
  const world = await startWorld({ flags: { http: '127.0.0.1:0' } })
  const { api } = world
  const imported = '7f'.repeat(32)
  await api.call('key.import', { name: 'canary', passphrase: PASSPHRASE, secret: imported })
  const { token } = await api.call('token.create', { label: 'canary', scopes: ['read', 'admin'] })
  const { links } = await api.call('link.create', { key: 'me' })
  const uri = links[0]?.uri ?? ''
  const app = await connectApp(world, { grants: 'nip44_encrypt,nip44_decrypt', key: 'me' })
  const plaintext = 'canary plaintext 4f1b93'
  const ciphertext = await app.nip44.encrypt(await app.getPublicKey(), plaintext)
  expect(await app.nip44.decrypt(await app.getPublicKey(), ciphertext)).toBe(plaintext)
  const content = 'canary content c0ffee77'
  const asked = app.signEvent({ kind: 1, content })
  const { id, hash } = await nextQuestion(api)
  await api.call('request.approve', { id, hash })
  await asked
  // Wrong ones too, in every place that takes one.
  await api.call('key.unlock', { name: 'me', passphrase: 'canary wrong passphrase' }).catch(() => undefined)
  await api
    .call('connect.preview', { uri: `nostrconnect://canary?secret=${imported}` })
    .catch(() => undefined)
  await fetch(`${world.daemon.url}/api/v1/status?token=${token}`, {
    headers: { authorization: `Bearer x${token}` },
  })
  const metrics = await (
    await fetch(`${world.daemon.url}/metrics`, { headers: { authorization: `Bearer ${token}` } })
  ).text()
  const ready = await (await fetch(`${world.daemon.url}/readyz`)).text()
  await world.daemon.close()

  const secrets = [
    token,
    uri,
    new URL(uri).searchParams.get('secret') ?? '',
    plaintext,
    content,
    ciphertext,
    PASSPHRASE,
    'canary wrong passphrase',
    imported,
  ]
  const files = await readdir(world.directory, { recursive: true, withFileTypes: true })
  const onDisk = await Promise.all(
    files
      .filter((file) => file.isFile())
      .map(
        async (file) =>
          [file.name, (await readFile(join(file.parentPath, file.name))).toString('latin1')] as const,
      ),
  )
  const outputs = [['log', world.log.join('\n')], ['metrics', metrics], ['readyz', ready], ...onDisk] as const
  expect(world.log.length).toBeGreaterThan(10)
  expect(onDisk.length).toBeGreaterThan(3)
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(10)
    for (const form of encodings(secret))
      for (const [name, text] of outputs)
        expect(text.includes(form), `${secret.slice(0, 8)}… in ${name}`).toBe(false)
  }
  await world.close()
})
