/** Every bound of the daemon and its API, at the bound and one over. Bounds of HTTP itself are in `daemon-http.test.ts`. */

import { EventEmitter } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Deliberation, Operation, Pubkey, Question, Verdict } from '@nip46/core'
import { createSeal } from '@nip46/crypto/seal'
import { memoryStore } from '@nip46/remote-signer'
import { createFakeClock, seededRandom } from '@nip46/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createBrowsers } from '../src/api/browsers.ts'
import { createEventHub } from '../src/api/events.ts'
import {
  BROWSER_MS,
  BROWSERS,
  FORM_TOKEN_MS,
  FORM_TOKENS,
  INVITE_MS,
  INVITES,
  STREAM_BACKLOG_BYTES,
  STREAM_BEAT_MS,
  STREAMS,
} from '../src/api/limits.ts'
import { anyJson, integer, JSON_CHARS, JSON_LEVELS, LIST_ITEMS, list } from '../src/api/schema.ts'
import type { LinkView } from '../src/api/shapes.ts'
import { openTokens, TOKENS } from '../src/api/tokens.ts'
import { createDesk, type Desk } from '../src/daemon/desk.ts'
import { entriesOf } from '../src/daemon/handlers/app-view.ts'
import { listFiles, MANIFEST, verifyBackup } from '../src/daemon/handlers/backups.ts'
import { linkHandlers } from '../src/daemon/handlers/links.ts'
import type { Host } from '../src/daemon/host.ts'
import {
  AUDIT_RECORDS_MIN,
  BACKUP_FILES,
  CHALLENGE_AFTER_MS,
  DECIDED_REMEMBERED,
  LINK_LISTED,
  PAGE_PATIENCE_MS,
  QUESTIONS,
  QUESTIONS_PER_APP,
  SETTINGS_RACES,
  SETTLE_MS,
  TRIM_ENTRIES,
} from '../src/daemon/limits.ts'
import { CONFIG_BYTES, loadConfig } from '../src/daemon/load-config.ts'
import { createLog, LOG_TEXT_CHARS } from '../src/daemon/log.ts'
import { PRIVATE_FILE_BYTES, readPrivateFile } from '../src/daemon/private-file.ts'
import { LABELS, openSettings, withLabel } from '../src/daemon/settings.ts'
import { type OpenStore, openStore } from '../src/daemon/store.ts'
import { COUNTED_APPS, COUNTED_NAMES, createUses } from '../src/daemon/uses.ts'

const NOW = 1_767_225_600_000
const NEVER = { for: [], scopes: [] }
const random = seededRandom('daemon limits')
const bytes = (length: number): Uint8Array => random.bytes(length)

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nip46-limits-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

describe('questions', () => {
  const clock = createFakeClock(NOW)
  const client = (at: number): Pubkey => at.toString(16).padStart(64, '0') as Pubkey

  function startDesk(page?: string): { readonly desk: Desk; ask: typeof ask } {
    const desk = createDesk({
      clock,
      patienceMs: 60_000,
      naming: () => ({ label: '', claims: { name: null, url: null } }),
      choices: () => ({ allow: NEVER, deny: NEVER }),
      remembered: () => null,
      settled: () => () => false,
      page: () => page,
      onAsked: () => undefined,
      onSettled: () => undefined,
    })
    function ask(from: number, content: string, counted?: Promise<boolean>): Asking {
      const operation: Operation = {
        method: 'sign_event',
        template: { kind: 1, content, tags: [], created_at: 0 },
      }
      const question: Question = { type: 'operation', clientPubkey: client(from), operation }
      const abort = new AbortController()
      const pages: string[] = []
      const deliberation: Deliberation = {
        challenge: (url) => void pages.push(url),
        userPubkey: client(0),
        expiresAt: clock.now() + 60_000,
        signal: abort.signal,
        ...(counted !== undefined && { counted }),
      }
      const asking: Asking = { verdict: undefined, pages, abort: () => abort.abort() }
      void desk.approver.decide(question, deliberation).then((verdict) => {
        asking.verdict = verdict
      })
      return asking
    }
    return { desk, ask }
  }

  interface Asking {
    verdict: Verdict | undefined
    readonly pages: readonly string[]
    abort(): void
  }

  test('of one app, up to its bound; one over is denied, and another app is still asked about', async () => {
    const { desk, ask } = startDesk()
    for (let at = 0; at < QUESTIONS_PER_APP; at++) ask(1, String(at))
    const over = ask(1, 'over')
    const other = ask(2, 'other')
    // Exactly what waits already is no further question.
    const same = ask(1, '0')
    await clock.settle()
    expect(desk.size).toBe(QUESTIONS_PER_APP + 1)
    expect(over.verdict).toMatchObject({ allow: false, reason: expect.stringContaining('too many') })
    expect([other.verdict, same.verdict]).toEqual([undefined, undefined])
    const [first] = desk.list()
    await desk.settle(first?.id ?? '', first?.hash ?? '', true)
    const next = ask(1, 'over')
    await clock.settle()
    expect([same.verdict, next.verdict]).toEqual([{ allow: true }, undefined])
  })

  test('of all apps, up to the bound; one over is denied, whoever asks', async () => {
    const { desk, ask } = startDesk()
    for (let at = 0; at < QUESTIONS; at++) ask(Math.floor(at / QUESTIONS_PER_APP), String(at))
    await clock.settle()
    expect(desk.size).toBe(QUESTIONS)
    const over = ask(9_999, 'over')
    await clock.settle()
    expect(over.verdict).toMatchObject({ allow: false, reason: expect.stringContaining('too many') })
    expect(desk.size).toBe(QUESTIONS)
    expect(desk.stop()).toBe(QUESTIONS)
  })

  test('how they ended is remembered up to the bound, and then no longer known', async () => {
    const { desk, ask } = startDesk()
    const ids: string[] = []
    for (let at = 0; at <= DECIDED_REMEMBERED; at++) {
      ask(1, String(at))
      const [{ id = '', hash = '' } = {}] = desk.list()
      await desk.settle(id, hash, true)
      ids.push(id)
    }
    expect(() => desk.show(ids[1] ?? '')).toThrow(expect.objectContaining({ code: 'request/decided' }))
    expect(() => desk.show(ids[0] ?? '')).toThrow(expect.objectContaining({ code: 'request/unknown' }))
  })

  test('a decision that another daemon forestalled, or that is not stored in time, is told as such', async () => {
    const { desk, ask } = startDesk()
    ask(1, 'late', Promise.resolve(false))
    const [late] = desk.list()
    const elsewhere = { status: 409, code: 'request/decided', facts: { decision: 'elsewhere' } }
    await expect(desk.settle(late?.id ?? '', late?.hash ?? '', true)).rejects.toMatchObject(elsewhere)
    await expect(desk.settle(late?.id ?? '', late?.hash ?? '', false)).rejects.toMatchObject(elsewhere)

    ask(1, 'stuck', new Promise(() => undefined))
    const [stuck] = desk.list()
    let told: unknown
    desk.settle(stuck?.id ?? '', stuck?.hash ?? '', true).catch((cause: unknown) => {
      told = cause
    })
    await clock.advance(SETTLE_MS - 1)
    expect(told).toBeUndefined()
    await clock.advance(1)
    await clock.settle()
    expect(told).toMatchObject({ status: 503, code: 'request/unstored' })
  })

  test('an app is sent to the page after a while, and what is no longer asked is gone (I34)', async () => {
    const page = 'http://127.0.0.1:7747/ask/1'
    const { desk, ask } = startDesk(page)
    const asking = ask(1, 'slow')
    await clock.advance(CHALLENGE_AFTER_MS - 1)
    expect(asking.pages).toEqual([])
    await clock.advance(1)
    expect(asking.pages).toEqual([page])
    const [shown] = desk.list()
    expect(shown?.expiresAt).toBe((shown?.askedAt ?? 0) + PAGE_PATIENCE_MS)
    asking.abort()
    await clock.settle()
    expect(asking.verdict).toEqual({ allow: false })
    await expect(desk.settle(shown?.id ?? '', shown?.hash ?? '', true)).rejects.toMatchObject({
      status: 410,
      code: 'request/gone',
    })
  })
})

describe('what the API gives out', () => {
  test('tokens up to their bound; one over is refused until one is revoked or over', async () => {
    let now = NOW
    const tokens = await openTokens(null, bytes, () => now)
    const made = []
    for (let at = 0; at < TOKENS - 1; at++) made.push(await tokens.create(`t${at}`, ['read'], undefined))
    await tokens.create('short', ['read'], 1_000)
    await expect(tokens.create('over', ['read'], undefined)).rejects.toThrow(`${TOKENS} tokens are out`)
    now += 1_000
    const { token } = await tokens.create('in the place of the short one', ['read'], undefined)
    await expect(tokens.create('over', ['read'], undefined)).rejects.toThrow('revoke one first')
    await tokens.revoke(made[0]?.info.id ?? '')
    await tokens.create('fits again', ['read'], undefined)
    expect(tokens.check(token)).toMatchObject({ label: 'in the place of the short one' })
    expect(tokens.check(made[0]?.token ?? '')).toBe(undefined)
  })

  test('invitations: the oldest goes, and each has its time', async () => {
    const clock = createFakeClock(NOW)
    const browsers = createBrowsers(bytes, clock)
    const codes = Array.from({ length: INVITES + 1 }, () => browsers.invite().code)
    expect(browsers.enter(codes[0] ?? '')).toBe(undefined)
    expect(browsers.enter(codes[1] ?? '')).toMatch(/^[\w-]{43}$/)
    await clock.advance(INVITE_MS - 1)
    expect(browsers.enter(codes[2] ?? '')).toBeDefined()
    await clock.advance(1)
    expect(browsers.enter(codes[3] ?? '')).toBe(undefined)
  })

  test('browsers: the one unused longest goes, and each stays signed in for its time', async () => {
    const clock = createFakeClock(NOW)
    const browsers = createBrowsers(bytes, clock)
    const signIn = (): string => browsers.enter(browsers.invite().code) ?? ''
    const cookies = Array.from({ length: BROWSERS }, signIn)
    expect(browsers.size).toBe(BROWSERS)
    // The first one is used, so that the second one is the one unused longest.
    expect(browsers.check(cookies[0] ?? '')).toBeDefined()
    const over = signIn()
    expect(browsers.size).toBe(BROWSERS)
    expect(browsers.check(cookies[1] ?? '')).toBe(undefined)
    await clock.advance(BROWSER_MS - 1)
    expect(browsers.check(cookies[0] ?? '')).toBeDefined()
    await clock.advance(1)
    expect(browsers.check(over)).toBe(undefined)
  })

  test('forms: the oldest can no longer be sent, and each has its time', async () => {
    const clock = createFakeClock(NOW)
    const browsers = createBrowsers(bytes, clock)
    const tokens = Array.from({ length: FORM_TOKENS + 1 }, () => browsers.formToken('browser', 'ask'))
    expect(browsers.takeFormToken(tokens[0] ?? '', 'browser', 'ask')).toBe(false)
    expect(browsers.takeFormToken(tokens[1] ?? '', 'browser', 'ask')).toBe(true)
    expect(browsers.takeFormToken(tokens[1] ?? '', 'browser', 'ask')).toBe(false)
    await clock.advance(FORM_TOKEN_MS - 1)
    expect(browsers.takeFormToken(tokens[2] ?? '', 'browser', 'ask')).toBe(true)
    await clock.advance(1)
    expect(browsers.takeFormToken(tokens[3] ?? '', 'browser', 'ask')).toBe(false)
  })
})

describe('what one answer lists', () => {
  test('links: the youngest, as many as it may', () => {
    const offers = Array.from({ length: LINK_LISTED + 1 }, (_, at) => ({
      token: String(at),
      createdAt: at,
      expiresAt: NOW,
      usedBy: null,
      policy: null,
    }))
    const host = {
      signer: { offers: () => offers },
      settings: { state: { links: {} } },
      clock: { now: () => 0 },
    } as unknown as Host
    const list = linkHandlers(host)['link.list']
    const { links } = list({}, { name: 'owner', scopes: new Set() }) as { links: readonly LinkView[] }
    expect(links).toHaveLength(LINK_LISTED)
    expect([links[0]?.id, links.at(-1)?.id]).toEqual([String(LINK_LISTED), '1'])
  })

  test('entries of the log that a proposal looks at: the youngest, as many as it may', async () => {
    const page = 1_000
    const count = TRIM_ENTRIES + 1
    let reads = 0
    const host = {
      store: {
        audit: {
          async readAudit({ after = count + 1 }: { after?: number }) {
            reads += 1
            const first = after - 1
            const entries = Array.from({ length: Math.min(page, first) }, (_, at) => ({
              position: first - at,
            }))
            return { entries, next: first > page ? first - page + 1 : null }
          },
        },
      },
    } as unknown as Host
    const entries = await entriesOf(host)
    expect(entries).toHaveLength(TRIM_ENTRIES)
    expect([entries[0]?.position, entries.at(-1)?.position]).toEqual([2, count])
    expect(reads).toBe(TRIM_ENTRIES / page)
  })
})

describe('event streams', () => {
  /** A reader that takes nothing: what is written waits. */
  class SlowReader extends EventEmitter {
    writableLength = 0
    text = ''
    isDestroyed = false
    writeHead(): void {}
    write(text: string): void {
      this.text += text
      this.writableLength += Buffer.byteLength(text)
    }
    end(): void {
      this.emit('close')
    }
    destroy(): void {
      this.isDestroyed = true
      this.emit('close')
    }
  }
  const open = (hub: ReturnType<typeof createEventHub>, reader = new SlowReader()): SlowReader | undefined =>
    hub.open(reader as unknown as ServerResponse, ['log']) ? reader : undefined

  test('as many as there may be; one over is refused until another is over', () => {
    const hub = createEventHub(createFakeClock(NOW))
    const readers = Array.from({ length: STREAMS }, () => open(hub))
    expect(hub.size).toBe(STREAMS)
    expect(open(hub)).toBe(undefined)
    readers[0]?.end()
    expect(open(hub)).toBeDefined()
  })

  test('a reader may leave so much waiting; one byte more ends its stream, and no other', () => {
    const hub = createEventHub(createFakeClock(NOW))
    const [slow, quick] = [open(hub), open(hub)]
    const used = slow?.writableLength ?? 0
    const message = (length: number) => ({ topic: 'log', entry: 'x'.repeat(length) }) as const
    const frame = Buffer.byteLength(`event: log\ndata: ${JSON.stringify(message(0))}\n\n`)
    hub.publish(message(STREAM_BACKLOG_BYTES - used - frame))
    expect(slow?.writableLength).toBe(STREAM_BACKLOG_BYTES)
    expect(slow?.isDestroyed).toBe(false)
    if (quick !== undefined) quick.writableLength = 0
    hub.publish(message(0))
    expect(slow?.isDestroyed).toBe(true)
    expect(quick?.isDestroyed).toBe(false)
    expect(hub.size).toBe(1)
  })

  test('a stream that says nothing sends a comment', async () => {
    const clock = createFakeClock(NOW)
    const hub = createEventHub(clock)
    const reader = open(hub)
    await clock.advance(STREAM_BEAT_MS - 1)
    expect(reader?.text).not.toContain('still here')
    await clock.advance(1)
    expect(reader?.text).toContain(': still here\n\n')
    hub.close()
  })
})

describe('files', () => {
  test('a settings file up to its bound, and not one byte more', async () => {
    const file = join(directory, 'config.json')
    const body = '{"relays":["wss://relay.example.com"]}'
    await writeFile(file, body.padEnd(CONFIG_BYTES))
    const env = { HOME: directory }
    expect((await loadConfig({ env, file })).config.relays).toHaveLength(1)
    await writeFile(file, body.padEnd(CONFIG_BYTES + 1))
    await expect(loadConfig({ env, file })).rejects.toThrow(`larger than ${CONFIG_BYTES} bytes`)
  })

  test('a small file of the daemon up to its bound, and not one byte more', async () => {
    const file = join(directory, 'settings.json')
    await writeFile(file, Buffer.alloc(PRIVATE_FILE_BYTES, 0x20), { mode: 0o600 })
    expect(await readPrivateFile(file)).toHaveLength(PRIVATE_FILE_BYTES)
    await writeFile(file, Buffer.alloc(PRIVATE_FILE_BYTES + 1, 0x20), { mode: 0o600 })
    await expect(readPrivateFile(file)).rejects.toThrow('longer than anything that is written there')
  })

  test('a setting is changed again as often as another daemon was faster, up to the bound', async () => {
    const records = memoryStore()
    const change = async (faster: number): Promise<unknown> => {
      let left = faster
      const settings = await openSettings({
        records: {
          readHostRecords: records.readHostRecords,
          writeHostRecords: async (changes) => (left-- > 0 ? 'stale' : records.writeHostRecords(changes)),
        },
        isShared: true,
        now: () => 1,
        onChanged: () => undefined,
      })
      return settings
        .change((state) => ({ ...state, panicAt: faster }))
        .then(
          () => settings.state.panicAt,
          (cause) => cause.code,
        )
    }
    expect(await change(SETTINGS_RACES - 1)).toBe(SETTINGS_RACES - 1)
    expect(await change(SETTINGS_RACES)).toBe('store/busy')
  })

  test('names of apps up to their bound; then the oldest goes', () => {
    const full = Object.fromEntries(Array.from({ length: LABELS }, (_, at) => [`app ${at}`, 'name']))
    const renamed = withLabel(full, 'app 1', 'other')
    expect(Object.keys(renamed)).toHaveLength(LABELS)
    const over = withLabel(full, 'one more', 'name')
    expect(Object.keys(over)).toHaveLength(LABELS)
    expect([over['app 0'], over['app 1'], over['one more']]).toEqual([undefined, 'name', 'name'])
    expect(Object.keys(withLabel(full, 'app 7', ''))).toHaveLength(LABELS - 1)
  })

  test('a backup has as many files as it may, and not one more', async () => {
    const place = join(directory, 'backup')
    await mkdir(place)
    for (let at = 0; at < 3; at++) await writeFile(join(place, `file ${at}`), String(at))
    expect(await listFiles(place, 3)).toHaveLength(3)
    await expect(listFiles(place, 2)).rejects.toMatchObject({ code: 'backup/files' })
    // A manifest that names more than there may be is none.
    const entry = { bytes: 1, sha256: '0'.repeat(64) }
    const manifest = (count: number): string =>
      JSON.stringify({
        v: 1,
        createdAt: NOW,
        files: Array.from({ length: count }, (_, at) => ({ name: `file ${at}`, ...entry })),
      })
    await writeFile(join(place, MANIFEST), manifest(BACKUP_FILES))
    expect((await verifyBackup(place)).backup?.files).toHaveLength(BACKUP_FILES)
    await writeFile(join(place, MANIFEST), manifest(BACKUP_FILES + 1))
    expect(await verifyBackup(place)).toEqual({
      ok: false,
      problems: [`${MANIFEST} is damaged`],
      backup: null,
    })
  })
})

test('the log in SQLite keeps as many records as the settings say, whatever was kept before', async () => {
  const data = join(directory, 'retention')
  await mkdir(data, { mode: 0o700 })
  const key = bytes(32)
  const open = async (auditRecords: number) => {
    const { config } = await loadConfig({
      ...{ env: {}, home: directory },
      flags: { data, relays: 'wss://one.example', auditRecords: String(auditRecords) },
    })
    return openStore(config, {
      vault: { seal: () => createSeal(key, { random: bytes }) },
      instance: async () => '',
      onReach: () => undefined,
    })
  }
  const record = {
    type: 'offer-withdrawn',
    at: NOW,
    signerPubkey: USER,
    userPubkey: USER,
    clientPubkey: null,
  } as const
  const write = async ({ store }: OpenStore, count: number): Promise<void> => {
    await store.commit([{ audit: Array.from({ length: count }, () => record) }], NOW)
    await store.commit([{ audit: [record] }], NOW)
  }
  const wide = await open(2 * AUDIT_RECORDS_MIN)
  await write(wide, 2 * AUDIT_RECORDS_MIN - 1)
  expect(await wide.audit.verifyAudit()).toMatchObject({ ok: true, entries: 2 * AUDIT_RECORDS_MIN })
  await wide.close()
  const narrow = await open(AUDIT_RECORDS_MIN)
  await write(narrow, 1)
  await narrow.store.commit([{ audit: [record] }], NOW)
  const { ok, entries } = await narrow.audit.verifyAudit()
  expect(ok).toBe(true)
  expect(entries).toBeGreaterThanOrEqual(AUDIT_RECORDS_MIN)
  expect(entries).toBeLessThan(AUDIT_RECORDS_MIN + 256)
  await narrow.close()
})

const USER = 'a'.repeat(64) as Pubkey

describe('what is read, counted and written', () => {
  test(`of ${COUNTED_APPS} apps ${COUNTED_NAMES} names each are counted, and further ones as "other"`, () => {
    const uses = createUses()
    const app = (n: number) => n.toString(16).padStart(64, '0') as Pubkey
    for (let kind = 0; kind <= COUNTED_NAMES; kind++) uses.count(app(0), { method: 'sign_event', kind })
    expect(uses.of(app(0))).toMatchObject({ [`sign_event:${COUNTED_NAMES - 1}`]: 1, other: 1 })
    expect(Object.keys(uses.of(app(0)))).toHaveLength(COUNTED_NAMES + 1)
    for (let n = 1; n < COUNTED_APPS; n++) uses.count(app(n), { method: 'nip44_decrypt' })
    expect(uses.of(app(0))).not.toEqual({})
    uses.count(app(COUNTED_APPS), { method: 'nip44_decrypt' })
    expect([uses.of(app(0)), uses.of(app(1))]).toEqual([{}, { nip44_decrypt: 1 }])
  })

  test(`a list of an input has ${LIST_ITEMS} items, and not one more`, () => {
    const numbers = list(integer(0, 1, 'a bit'))
    const zeros = (length: number) => Array.from({ length }, () => 0)
    expect(numbers.read(zeros(LIST_ITEMS), 'bits').ok).toBe(true)
    expect(numbers.read(zeros(LIST_ITEMS + 1), 'bits').ok).toBe(false)
  })

  test(`free JSON has ${JSON_LEVELS} levels and ${JSON_CHARS} characters, and not one more`, () => {
    const free = anyJson('anything')
    const nested = (levels: number): unknown => (levels === 0 ? 'x' : [nested(levels - 1)])
    expect(free.read(nested(JSON_LEVELS), 'json').ok).toBe(true)
    expect(free.read(nested(JSON_LEVELS + 1), 'json').ok).toBe(false)
    // Two of them are quotes.
    expect(free.read('x'.repeat(JSON_CHARS - 2), 'json').ok).toBe(true)
    expect(free.read('x'.repeat(JSON_CHARS - 1), 'json').ok).toBe(false)
  })

  test(`a text in the log has ${LOG_TEXT_CHARS} characters, and not one more`, () => {
    const lines: string[] = []
    const log = createLog({ level: 'info', now: Date.now, print: (line) => lines.push(line) })
    for (const length of [LOG_TEXT_CHARS, LOG_TEXT_CHARS + 1])
      log.write('info', 'event', { reason: 'x.'.repeat(length).slice(0, length) })
    const [most, cut] = lines.map((line) => JSON.parse(line).reason as string)
    expect(most).toBe('x.'.repeat(LOG_TEXT_CHARS).slice(0, LOG_TEXT_CHARS))
    expect(cut).toBe(most)
  })

  test('a secret that the end of a text in the log falls into is masked like any other', () => {
    const lines: string[] = []
    const log = createLog({ level: 'info', now: Date.now, print: (line) => lines.push(line) })
    const secret = 'a1b2'.repeat(16)
    for (let room = 0; room <= secret.length; room++)
      log.write('info', 'event', {
        reason: `${'x.'.repeat(LOG_TEXT_CHARS).slice(room, LOG_TEXT_CHARS)} ${secret}`,
      })
    for (const line of lines) expect(line).not.toContain('a1b2')
    expect(lines).toHaveLength(secret.length + 1)
  })
})
