/**
 * The vault with its real worker and real files: what people do with keys, and what must never happen to them.
 */

import {
  chmod,
  link,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeBech32, encodeBech32, isHex64, type Operation, type Pubkey } from '@nip46/core'
import { bytesToHex, encodeNsec, hexToBytes } from '@nip46/crypto'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { createFakeClock, type FakeClock } from '@nip46/testing'
import { decrypt, encrypt } from 'nostr-tools/nip49'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FREE_TRIES, KDF_QUEUE, KEYS, PASSPHRASE_BYTES, SECRET_TEXT_BYTES } from '../src/keys/limits.ts'
import { initVault, openVault } from '../src/keys/open-vault.ts'
import { createTries } from '../src/keys/tries.ts'
import type { Vault, VaultEvent, VaultSigner } from '../src/keys/vault.ts'
import { vaultExists } from '../src/keys/vault-files.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const VAULT_PASS = bytes('of the vault')
const PASS = bytes('correct horse')
const NEW_PASS = bytes('battery staple')
const FAST = { logN: 16 } as const
/** NIP-06's first test vector. */
const WORDS = 'leader monkey parrot ring guide accident before fence cannon height naive bean'
const WORDS_SECRET = '7f7ff03d123792d6ac594bfa67bf6d0c0ab55b6b1fdb6249303fe861f1ccba9a'
const crypto = tinyCrypto()

let folder: string
let open: Vault[]
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'nip46-vault-')), 'vault')
  open = []
})
afterEach(async () => {
  for (const vault of open) await vault.close()
  await rm(join(folder, '..'), { recursive: true, force: true })
})

async function fresh(clock?: FakeClock): Promise<Vault> {
  await initVault(folder, VAULT_PASS, FAST)
  return reopen(clock)
}

async function reopen(clock?: FakeClock): Promise<Vault> {
  const vault = await openVault(folder, VAULT_PASS, { ...FAST, ...(clock !== undefined && { clock }) })
  open.push(vault)
  return vault
}

function signerOf(vault: Vault, pubkey: Pubkey, waitForUnlockMs?: number): VaultSigner {
  const signer = vault.userSigner(pubkey, { ...(waitForUnlockMs !== undefined && { waitForUnlockMs }) })
  if (signer === undefined) throw new Error('there is no such key')
  return signer
}

const note = (content: string): Operation => ({
  method: 'sign_event',
  template: { kind: 1, content, tags: [], created_at: 1_700_000_000 },
})

describe('keys', () => {
  test('a key is made, unlocked, signs as a library expects it, is locked, and is there after the vault is opened again', async () => {
    const vault = await fresh()
    const made = await vault.create('me', PASS)
    expect(made).toMatchObject({ name: 'me', state: 'locked', locksAt: null })
    const signer = signerOf(vault, made.pubkey)
    expect(await signer.perform(note('early'))).toEqual({
      ok: false,
      error: 'unavailable: the key is locked',
    })
    expect((await vault.unlock('me', PASS)).state).toBe('unlocked')
    const results = await Promise.all(
      Array.from({ length: 200 }, (_, i) => signer.perform(note(`note ${i}`))),
    )
    results.forEach((result, i) => {
      if (!result.ok) throw new Error(result.error)
      const event = JSON.parse(result.value)
      expect(event.content).toBe(`note ${i}`)
      expect(crypto.verify({ pubkey: made.pubkey, id: event.id, sig: event.sig })).toBe(true)
    })
    expect((await vault.lock('me')).state).toBe('locked')
    expect(await signer.perform(note('late'))).toEqual({ ok: false, error: 'unavailable: the key is locked' })
    await vault.close()
    const again = await reopen()
    expect(again.list()).toEqual([{ ...made }])
    expect(again.show(made.pubkey)).toEqual(again.show('ME'))
  })

  test('nsec, hex, ncryptsec and seed words are taken in, and give the key they should', async () => {
    const vault = await fresh()
    const secret = hexToBytes(WORDS_SECRET)
    const { pubkey } = crypto.importKey(secret.slice())
    const ways: readonly (readonly [string, Uint8Array, object?])[] = [
      ['hex', bytes(`${WORDS_SECRET.toUpperCase()}\n`)],
      ['nsec', bytes(encodeNsec(secret))],
      ['ncryptsec', bytes(encrypt(secret, 'inner', 4)), { secretPassphrase: bytes('inner') }],
      ['words', bytes(`  ${WORDS.toUpperCase().replaceAll(' ', '  ')} `)],
    ]
    for (const [name, text, options] of ways) {
      const key = await vault.importKey(name, text, PASS, options)
      expect(key, name).toMatchObject({ name, pubkey, state: 'locked' })
      await vault.remove(name, PASS)
    }
    // Other accounts and BIP-39 passphrases are other keys.
    const second = await vault.importKey('second', bytes(WORDS), PASS, { account: 1 })
    const third = await vault.importKey('third', bytes(WORDS), PASS, { secretPassphrase: bytes('x') })
    expect(new Set([pubkey, second.pubkey, third.pubkey]).size).toBe(3)
  })

  test('what is no key is refused, with one outcome each, and changes nothing', async () => {
    const vault = await fresh()
    const refused: readonly (readonly [Uint8Array, string])[] = [
      [bytes(''), 'key/shape'],
      [bytes('0'.repeat(64)), 'key/shape'],
      [bytes('f'.repeat(64)), 'key/shape'],
      [bytes('nsec1qqqq'), 'key/shape'],
      [bytes(WORDS.replace('leader', 'monkey')), 'key/shape'],
      [bytes('npub1sn0wdenkukak0d9dfczzeacvhkrgz92ak56egt7vdgzn8pv2wfqqhrjdv9'), 'key/shape'],
      [Uint8Array.of(0xff, 0xfe, 0), 'key/shape'],
      [bytes('a'.repeat(SECRET_TEXT_BYTES + 1)), 'key/shape'],
      [bytes(encrypt(hexToBytes(WORDS_SECRET), 'inner', 4)), 'key/password'],
    ]
    for (const [text, code] of refused)
      await expect(vault.importKey('x', text, PASS), new TextDecoder().decode(text)).rejects.toMatchObject({
        code,
      })
    // I18 of the corpus: LOG_N 31 asks for 2 TiB.
    const bomb = withLogN(encrypt(hexToBytes(WORDS_SECRET), 'inner', 4), 31)
    await expect(vault.importKey('x', bytes(bomb), PASS)).rejects.toMatchObject({ code: 'key/scrypt-cost' })
    await expect(vault.importKey('x', 'text' as never, PASS)).rejects.toThrow('UTF-8 bytes')
    await expect(vault.importKey('x', bytes(WORDS), PASS, { account: -1 })).rejects.toThrow('account')
    expect(vault.list()).toEqual([])
    expect(await readdir(join(folder, 'keys'))).toEqual([])
  })

  test('an export opens in another library, under the passphrase asked for', async () => {
    const vault = await fresh()
    await vault.importKey('me', bytes(WORDS_SECRET), PASS)
    const same = await vault.exportKey('me', PASS)
    expect(bytesToHex(decrypt(same, 'correct horse'))).toBe(WORDS_SECRET)
    const other = await vault.exportKey('me', PASS, { exportPassphrase: NEW_PASS, logN: 17 })
    expect(bytesToHex(decrypt(other, 'battery staple'))).toBe(WORDS_SECRET)
    await expect(vault.exportKey('me', NEW_PASS)).rejects.toMatchObject({ code: 'key/password' })
    await expect(vault.exportKey('me', PASS, { logN: 23 })).rejects.toThrow('16 to 22')
  })

  test('names are unique, whatever their case, and a key is in the vault once', async () => {
    const vault = await fresh()
    await vault.importKey('me', bytes(WORDS_SECRET), PASS)
    await expect(vault.create('ME', PASS)).rejects.toMatchObject({ code: 'key/exists' })
    await expect(vault.importKey('you', bytes(WORDS_SECRET), PASS)).rejects.toMatchObject({
      code: 'key/exists',
    })
    for (const name of ['', '.x', '../x', 'a/b', 'a b', 'x'.repeat(65), 'a'.repeat(64), '\u202ex'])
      await expect(vault.create(name, PASS), name).rejects.toMatchObject({ code: 'key/name' })
    const longest = await vault.create('x'.repeat(64), PASS)
    await expect(vault.rename('me', longest.name.toUpperCase())).rejects.toMatchObject({ code: 'key/exists' })
    expect((await vault.rename('me', 'ME')).name).toBe('ME')
    expect((await vault.rename('ME', 'work')).name).toBe('work')
    await expect(vault.lock('me')).rejects.toMatchObject({ code: 'key/absent' })
    await vault.close()
    expect((await reopen()).list().map(({ name }) => name)).toEqual(['work', longest.name])
  })

  test('a new passphrase is the only one, and an unlocked key stays unlocked', async () => {
    const vault = await fresh()
    const { pubkey } = await vault.create('me', PASS)
    await vault.unlock('me', PASS)
    expect((await vault.changePassphrase('me', PASS, NEW_PASS)).state).toBe('unlocked')
    expect((await signerOf(vault, pubkey).perform(note('x'))).ok).toBe(true)
    await vault.lock('me')
    await expect(vault.unlock('me', PASS)).rejects.toMatchObject({ code: 'key/password' })
    expect((await vault.unlock('me', NEW_PASS)).state).toBe('unlocked')
  })

  test('a key is deleted for good only with its passphrase, and its signer says no from then on', async () => {
    const vault = await fresh()
    const { pubkey } = await vault.create('me', PASS)
    await vault.unlock('me', PASS)
    const signer = signerOf(vault, pubkey)
    await expect(vault.remove('me', NEW_PASS)).rejects.toMatchObject({ code: 'key/password' })
    expect((await signer.perform(note('still'))).ok).toBe(true)
    await vault.remove('me', PASS)
    expect(await readdir(join(folder, 'keys'))).toEqual([])
    expect(await signer.perform(note('gone'))).toEqual({ ok: false, error: 'unavailable: the key is locked' })
    expect(vault.userSigner(pubkey)).toBeUndefined()
  })
})

describe('locking', () => {
  test('a key locks by itself when its time is over, also where the timer is late', async () => {
    const clock = createFakeClock()
    const vault = await fresh(clock)
    const { pubkey } = await vault.create('me', PASS)
    const events: VaultEvent[] = []
    vault.on((event) => events.push(event))
    const unlocked = await vault.unlock('me', PASS, 60_000)
    expect(unlocked.locksAt).toBe(clock.now() + 60_000)
    const signer = signerOf(vault, pubkey)
    clock.advance(59_999)
    expect((await signer.perform(note('in time'))).ok).toBe(true)
    clock.advance(1)
    expect(vault.show('me')?.state).toBe('locked')
    expect((await signer.perform(note('late'))).ok).toBe(false)
    expect(events.at(-1)).toMatchObject({ type: 'key-locked', reason: 'timeout' })
    // A machine that slept: time has gone by, no timer has run.
    await vault.unlock('me', PASS, 60_000)
    clock.jump(60_000)
    expect((await signer.perform(note('after a sleep'))).ok).toBe(false)
    expect(vault.show('me')?.state).toBe('locked')
    // Longer than any timer of the host.
    await vault.unlock('me', PASS, 30 * 86_400_000)
    clock.advance(30 * 86_400_000 - 1)
    expect(vault.show('me')?.state).toBe('unlocked')
    clock.advance(1)
    expect(vault.show('me')?.state).toBe('locked')
    await expect(vault.unlock('me', PASS, 0)).rejects.toThrow('milliseconds')
    await expect(vault.unlock('me', PASS, 31_536_000_001)).rejects.toThrow('milliseconds')
  })

  test('unlocking an unlocked key checks the passphrase and starts the time anew', async () => {
    const clock = createFakeClock()
    const vault = await fresh(clock)
    await vault.create('me', PASS)
    await vault.unlock('me', PASS, 60_000)
    clock.advance(30_000)
    await expect(vault.unlock('me', NEW_PASS, 60_000)).rejects.toMatchObject({ code: 'key/password' })
    expect((await vault.unlock('me', PASS, 60_000)).locksAt).toBe(clock.now() + 60_000)
    expect((await vault.unlock('me', PASS)).locksAt).toBeNull()
    clock.advance(1_000_000)
    expect(vault.show('me')?.state).toBe('unlocked')
  })

  test('lock wins over an unlock that is under way', async () => {
    const vault = await fresh()
    const { pubkey } = await vault.create('me', PASS)
    const unlocking = vault.unlock('me', PASS)
    await new Promise((resolve) => setImmediate(resolve))
    await vault.lock('me')
    expect((await unlocking).state).toBe('locked')
    expect(vault.show('me')?.state).toBe('locked')
    expect((await signerOf(vault, pubkey).perform(note('x'))).ok).toBe(false)
  })

  test('lockAll says how many were unlocked', async () => {
    const vault = await fresh()
    for (const name of ['a', 'b', 'c']) await vault.create(name, PASS)
    await vault.unlock('a', PASS)
    await vault.unlock('b', PASS)
    expect(await vault.lockAll()).toBe(2)
    expect(await vault.lockAll()).toBe(0)
  })

  test('an operation may wait for its key to be unlocked, and not longer than it said', async () => {
    const clock = createFakeClock()
    const vault = await fresh(clock)
    const { pubkey } = await vault.create('me', PASS)
    const patient = signerOf(vault, pubkey, 10_000)
    const early = patient.perform(note('patient'))
    await vault.unlock('me', PASS)
    expect((await early).ok).toBe(true)
    await vault.lock('me')
    const late = patient.perform(note('too late'))
    clock.advance(10_000)
    expect(await late).toEqual({ ok: false, error: 'unavailable: the key is locked' })
    const left = patient.perform(note('left waiting'))
    await vault.close()
    expect((await left).ok).toBe(false)
    expect(() => vault.userSigner(pubkey)).not.toThrow()
  })
})

describe('wrong passphrases', () => {
  test('after some in a row each further try has to wait, a right one ends that, and the text is always the same', async () => {
    const clock = createFakeClock()
    const vault = await fresh(clock)
    await vault.create('me', PASS)
    const events: VaultEvent[] = []
    vault.on((event) => events.push(event))
    for (let i = 0; i <= FREE_TRIES; i++)
      await expect(vault.unlock('me', NEW_PASS)).rejects.toMatchObject({
        code: 'key/password',
        message: 'wrong passphrase, or the text is damaged',
      })
    // Now also the right one has to wait, for unlock and all the rest.
    await expect(vault.unlock('me', PASS)).rejects.toMatchObject({ code: 'key/tries', retryAfterMs: 1_000 })
    await expect(vault.exportKey('me', PASS)).rejects.toMatchObject({ code: 'key/tries' })
    await expect(vault.remove('me', PASS)).rejects.toMatchObject({ code: 'key/tries' })
    clock.advance(1_000)
    expect((await vault.unlock('me', PASS)).state).toBe('unlocked')
    expect(events.filter(({ type }) => type === 'wrong-passphrase')).toHaveLength(FREE_TRIES + 1)
  })

  test('the pause doubles up to a minute, and a clock that is set back locks nobody out', () => {
    const clock = createFakeClock()
    const tries = createTries(clock)
    const pauses: number[] = []
    for (let i = 0; i < FREE_TRIES + 10; i++) {
      tries.wrong()
      try {
        tries.check()
        pauses.push(0)
      } catch (cause) {
        pauses.push((cause as { retryAfterMs: number }).retryAfterMs)
      }
    }
    expect(pauses).toEqual([0, 0, 0, ...[1, 2, 4, 8, 16, 32, 60, 60, 60, 60].map((s) => s * 1_000)])
    clock.jump(-3_600_000)
    expect(() => tries.check()).not.toThrow()
  })

  test('the vault opens with its own passphrase only, also after that was changed, and stores stay readable', async () => {
    const vault = await fresh()
    await vault.create('me', PASS)
    const sealed = vault.seal().seal(bytes('a record'), 'place')
    await expect(vault.changeVaultPassphrase(PASS, NEW_PASS)).rejects.toMatchObject({
      code: 'vault/password',
    })
    await vault.changeVaultPassphrase(VAULT_PASS, NEW_PASS)
    await vault.close()
    await expect(openVault(folder, VAULT_PASS, FAST)).rejects.toMatchObject({ code: 'vault/password' })
    const again = await openVault(folder, NEW_PASS, FAST)
    open.push(again)
    const opened = again.seal().open(sealed, 'place')
    expect(opened.ok && new TextDecoder().decode(opened.value)).toBe('a record')
    expect(again.seal().open(sealed, 'elsewhere').ok).toBe(false)
    expect(again.list()).toHaveLength(1)
  })
})

describe('files', () => {
  test('directories are 0700 and files 0600, whatever the umask, and nothing half written is left', async () => {
    const before = process.umask(0)
    try {
      const vault = await fresh()
      await vault.create('me', PASS)
      await vault.rename('me', 'you')
      await vault.changeVaultPassphrase(VAULT_PASS, VAULT_PASS)
    } finally {
      process.umask(before)
    }
    for (const path of [folder, join(folder, 'keys')]) expect((await stat(path)).mode & 0o777).toBe(0o700)
    const files = await readdir(folder, { recursive: true, withFileTypes: true })
    const plain = files.filter((file) => file.isFile())
    expect(plain.map(({ name }) => name).filter((name) => !name.endsWith('.json'))).toEqual([])
    for (const { parentPath, name } of plain)
      expect((await stat(join(parentPath, name))).mode & 0o777, name).toBe(0o600)
  })

  test('what others may read, a link, and what is not from this vault are refused, with the fix', async () => {
    const vault = await fresh()
    const { pubkey } = await vault.create('me', PASS)
    await vault.close()
    const keyFile = join(folder, 'keys', `${pubkey}.json`)
    // I17 of the corpus.
    await chmod(keyFile, 0o644)
    await expect(reopen()).rejects.toMatchObject({
      code: 'key/permissions',
      message: `others may read ${keyFile}: run chmod 600 ${keyFile}`,
    })
    await chmod(keyFile, 0o600)
    await chmod(folder, 0o750)
    await expect(reopen()).rejects.toMatchObject({ code: 'key/permissions' })
    await chmod(folder, 0o700)
    const text = await readFile(keyFile, 'utf8')
    for (const changed of [
      text.replace('"me"', '"you"'),
      text.replace('ncryptsec1q', 'ncryptsec1p'),
      text.replace('"version": 1', '"version": 0'),
      text.replace('"mac"', '"extra": 1, "mac"'),
      '{}',
      '',
      'null',
      '\u0000',
      `${text}${' '.repeat(20_000)}`,
    ]) {
      await writeFile(keyFile, changed)
      await expect(reopen(), changed.slice(0, 80)).rejects.toMatchObject({ code: 'vault/damaged' })
    }
    await writeFile(keyFile, text.replace('"version": 1', '"version": 2'))
    await expect(reopen()).rejects.toMatchObject({ code: 'vault/newer' })
    // The same text under another key's name.
    await writeFile(keyFile, text)
    const other = join(folder, 'keys', `${'ab'.repeat(32)}.json`)
    await link(keyFile, other)
    await expect(reopen()).rejects.toMatchObject({ code: 'vault/damaged' })
    await rm(other)
    await rm(keyFile)
    await symlink('/etc/passwd', keyFile)
    await expect(reopen()).rejects.toMatchObject({ code: 'key/permissions' })
  })

  test('the vault file is authenticated as a whole', async () => {
    const vault = await fresh()
    await vault.close()
    const file = join(folder, 'vault.json')
    const text = await readFile(file, 'utf8')
    const { salt, sealed } = JSON.parse(text)
    const flip = (hex: string): string => `${hex.startsWith('0') ? '1' : '0'}${hex.slice(1)}`
    for (const [changed, code] of [
      [text.replace(salt, flip(salt)), 'vault/password'],
      [text.replace(sealed, flip(sealed)), 'vault/password'],
      [text.replace('"logN": 16', '"logN": 17'), 'vault/password'],
      [text.replace('"logN": 16', '"logN": 23'), 'vault/damaged'],
      [text.replace('"logN": 16', '"logN": 15'), 'vault/damaged'],
      [text.replace('"version": 1', '"version": 9'), 'vault/newer'],
      ['[]', 'vault/damaged'],
    ] as const) {
      await writeFile(file, changed)
      await expect(reopen(), changed).rejects.toMatchObject({ code })
    }
    await writeFile(file, text)
    expect((await reopen()).list()).toEqual([])
  })

  test('there is one vault in a directory, and init changes none that is there', async () => {
    expect(await vaultExists(folder)).toBe(false)
    await expect(reopen()).rejects.toMatchObject({ code: 'vault/absent' })
    const vault = await fresh()
    expect(await vaultExists(folder)).toBe(true)
    await expect(initVault(folder, NEW_PASS, FAST)).rejects.toMatchObject({ code: 'vault/exists' })
    await vault.close()
    expect((await reopen()).list()).toEqual([])
    await expect(initVault(folder, bytes(''), FAST)).rejects.toMatchObject({ code: 'passphrase/empty' })
    await expect(openVault(folder, new Uint8Array(PASSPHRASE_BYTES + 1))).rejects.toMatchObject({
      code: 'passphrase/too-long',
    })
    await expect(openVault(folder, new Uint8Array(PASSPHRASE_BYTES).fill(97), FAST)).rejects.toMatchObject({
      code: 'vault/password',
    })
    await expect(initVault(folder, PASS, { logN: 15 })).rejects.toThrow('16 to 22')
  })

  test('what a crash left half written is taken away once it is old', async () => {
    const vault = await fresh()
    await vault.close()
    const old = join(folder, 'keys', '.0123.tmp')
    const young = join(folder, 'keys', '.4567.tmp')
    await writeFile(old, 'half', { mode: 0o600 })
    await writeFile(young, 'half', { mode: 0o600 })
    const hours = new Date(Date.now() - 2 * 3_600_000)
    await utimes(old, hours, hours)
    await reopen()
    expect(await readdir(join(folder, 'keys'))).toEqual(['.4567.tmp'])
  })

  test('a key whose file cannot be written is not there, and is told as such', async () => {
    const vault = await fresh()
    await rm(join(folder, 'keys'), { recursive: true })
    await expect(vault.create('me', PASS)).rejects.toMatchObject({ code: 'vault/failed' })
    expect(vault.list()).toEqual([])
  })
})

describe('bounds', () => {
  test('so many calls wait for scrypt, the next one is refused, and the rest goes on', async () => {
    const vault = await fresh()
    const outcomes = await Promise.allSettled(
      Array.from({ length: KDF_QUEUE + 3 }, () => vault.unlock('nobody', PASS)),
    )
    const codes = outcomes.map((outcome) =>
      outcome.status === 'rejected' ? outcome.reason.code : 'fulfilled',
    )
    expect(codes.filter((code) => code === 'vault/busy')).toHaveLength(2)
    expect(codes.filter((code) => code === 'key/absent')).toHaveLength(KDF_QUEUE + 1)
    expect((await vault.create('me', PASS)).name).toBe('me')
  })

  test('a closed vault rejects everything, and what waits is settled', async () => {
    const vault = await fresh()
    await vault.create('me', PASS)
    const waiting = Promise.allSettled([vault.unlock('me', PASS), vault.unlock('me', PASS)])
    await vault.close()
    await vault.close()
    for (const outcome of await waiting) expect(outcome.status).toBe('rejected')
    for (const call of [vault.create('x', PASS), vault.lock('me'), vault.lockAll(), vault.rename('me', 'x')])
      await expect(call).rejects.toMatchObject({ code: 'vault/closed' })
    expect(() => vault.seal()).toThrow('closed')
    expect(vault.userSigner(vault.list()[0]?.pubkey as Pubkey)).toBeUndefined()
  })

  test('a passphrase is copied before the call returns, so that its owner can wipe it', async () => {
    const vault = await fresh()
    const mine = bytes('wiped at once')
    const making = vault.create('me', mine)
    mine.fill(0)
    await making
    const again = bytes('wiped at once')
    const unlocking = vault.unlock('me', again)
    again.fill(0)
    expect((await unlocking).state).toBe('unlocked')
  })

  test(`a vault holds at most ${KEYS} keys`, async () => {
    const vault = await fresh()
    const first = await vault.create('me', PASS)
    await vault.close()
    // As many files as there can be: the last one too many is refused before any is read.
    for (let i = 0; i < KEYS; i++)
      await writeFile(join(folder, 'keys', `${i.toString(16).padStart(64, '0')}.json`), 'x', { mode: 0o600 })
    await expect(reopen()).rejects.toMatchObject({ code: 'key/full' })
    expect(isHex64(first.pubkey)).toBe(true)
  })
})

/** The same text with another cost in it, and a checksum that fits. */
function withLogN(ncryptsec: string, logN: number): string {
  const decoded = decodeBech32(ncryptsec)
  if (decoded === undefined) throw new Error('no ncryptsec')
  decoded.bytes[1] = logN
  return encodeBech32('ncryptsec', decoded.bytes)
}
