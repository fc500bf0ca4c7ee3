/**
 * The signing worker: it has no network, it may die or fall silent, and nobody is left without an answer.
 */

import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { Operation, Pubkey } from '@nip46/core'
import { createFakeClock, systemClock } from '@nip46/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { secretBytes } from '../src/keys/bytes.ts'
import {
  OPERATION_BATCH,
  OPERATIONS,
  WORKER_BATCHES,
  WORKER_DEATHS,
  WORKER_KDF_MS,
  WORKER_SILENCE_MS,
} from '../src/keys/limits.ts'
import { createWorkerLink, type WorkerLink } from '../src/keys/worker-link.ts'

const PUBKEY = 'ab'.repeat(32) as Pubkey
const note: Operation = {
  method: 'sign_event',
  template: { kind: 1, content: 'x', tags: [], created_at: 1_700_000_000 },
}
const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

function link(options: Parameters<typeof createWorkerLink>[0]): WorkerLink {
  const made = createWorkerLink(options)
  ends.push(() => made.close())
  return made
}

/** A worker of plain code that counts what it hears, and answers as `behaviour` says. */
function scripted(behaviour: string): Worker {
  return new Worker(
    `const { parentPort } = require('node:worker_threads')
     const heard = []
     parentPort.on('message', (message) => { heard.push(message); ${behaviour} })`,
    { eval: true, stdout: true, stderr: true },
  )
}
const ANSWER = `if (message.type === 'operations') parentPort.postMessage({
  type: 'results', first: message.first,
  outcomes: message.operations.map(() => 'done'),
  texts: message.operations.map(() => heard.length + ':' + message.operations.length),
})`

describe('no network', () => {
  const probe = (code: string): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const file = fileURLToPath(new URL('../src/keys/network-free.ts', import.meta.url))
      const worker = new Worker(
        `const { parentPort } = require('node:worker_threads')
         const url = require('node:url').pathToFileURL(${JSON.stringify(file)}).href
         import(url).then(async ({ closeNetwork, findNetwork }) => {
           const before = await findNetwork()
           closeNetwork()
           const found = await findNetwork()
           const attempt = async (what) => { try { return 'open: ' + String(await what()) } catch (cause) { return cause.message } }
           parentPort.postMessage(await (async () => { ${code} })())
         })`,
        { eval: true, execArgv: ['--conditions=@nip46/source'] },
      )
      ends.push(() => worker.terminate())
      worker.on('message', resolve)
      worker.on('error', reject)
    })

  test('a thread has many ways to the network, and none of them once they are closed', async () => {
    const { before, found } = (await probe('return { before, found }')) as Record<string, readonly string[]>
    expect(before).toEqual(
      expect.arrayContaining([
        'fetch',
        'WebSocket',
        'import node:net',
        'require node:net',
        'getBuiltinModule node:net',
      ]),
    )
    expect(found).toEqual([])
  })

  test('code in it that tries all the same gets nowhere', async () => {
    const tried = (await probe(`return Promise.all([
      attempt(() => fetch('http://127.0.0.1:1')),
      attempt(() => new WebSocket('ws://127.0.0.1:1')),
      attempt(() => import('node:net')),
      attempt(() => import('net')),
      attempt(() => import('node:fs')),
      attempt(() => import('data:text/javascript,export default 1')),
      attempt(() => require('node:tls')),
      attempt(() => require('node:worker_threads').Worker),
      attempt(() => process.getBuiltinModule('node:http')),
      attempt(() => process.binding('tcp_wrap')),
      attempt(() => process.dlopen({}, '/nowhere.node')),
      attempt(() => { delete globalThis.fetch; globalThis.fetch = 1; return globalThis.fetch }),
      attempt(() => { process.getBuiltinModule = 1; return typeof process.getBuiltinModule }),
    ])`)) as readonly string[]
    // The last assignments are ignored in this code, which is not strict: what matters is that nothing came back.
    expect(tried.slice(0, 11).filter((answer) => answer.startsWith('open'))).toEqual([])
    expect(tried.slice(11)).toEqual(['open: undefined', 'open: function'])
  })

  test('the real worker starts only like that, and says which backend it took', async () => {
    const worker = link({ clock: systemClock, onLost: () => undefined })
    expect(await worker.perform(PUBKEY, note)).toEqual({ ok: false, error: 'unavailable: the key is locked' })
    expect(['native', 'ox', 'tiny', 'noble']).toContain(worker.backend)
  })
})

describe('batches', () => {
  test('what is asked in one turn goes out together, and what comes in under load in larger batches', async () => {
    const worker = link({ clock: systemClock, onLost: () => undefined, createWorker: () => scripted(ANSWER) })
    const count = OPERATION_BATCH * (WORKER_BATCHES + 2) + 1
    const answers = await Promise.all(Array.from({ length: count }, () => worker.perform(PUBKEY, note)))
    const sizes = new Map(
      answers.map((answer) => (answer.ok ? answer.value : '').split(':') as [string, string]),
    )
    expect([...sizes.values()].map(Number)).toEqual([...Array(WORKER_BATCHES + 2).fill(OPERATION_BATCH), 1])
    expect(worker.underWay).toBe(0)
  })

  test(`at most ${OPERATIONS} operations are under way; the next is answered at once`, async () => {
    const worker = link({ clock: systemClock, onLost: () => undefined, createWorker: () => scripted('') })
    const waiting = Array.from({ length: OPERATIONS }, () => worker.perform(PUBKEY, note))
    expect(worker.underWay).toBe(OPERATIONS)
    const refused = { ok: false, error: 'unavailable: too many operations are under way' }
    expect(await worker.perform(PUBKEY, note)).toEqual(refused)
    await worker.close()
    const answers = await Promise.all(waiting)
    expect(answers.every((answer) => !answer.ok && answer.error.startsWith('unavailable: '))).toBe(true)
    expect(await worker.perform(PUBKEY, note)).toMatchObject({ ok: false })
  })
})

describe('a worker that fails', () => {
  test('dies: what it owed is answered, another takes its place, and after too many deaths none does', async () => {
    const lost: boolean[] = []
    const dying = 'process.exit(1)'
    let starts = 0
    const worker = link({
      clock: systemClock,
      onLost: (_, restarted) => lost.push(restarted),
      // The second one works for a while first.
      createWorker: () => scripted(++starts === 2 ? `if (heard.length > 1) ${dying}; ${ANSWER}` : dying),
    })
    const gone = { ok: false, error: 'unavailable: the signing worker was lost; try again' }
    expect(await worker.perform(PUBKEY, note)).toEqual(gone)
    expect(await worker.perform(PUBKEY, note)).toEqual({ ok: true, value: '1:1' })
    for (let i = 1; i < WORKER_DEATHS; i++) expect(await worker.perform(PUBKEY, note)).toEqual(gone)
    expect(lost).toEqual([...Array(WORKER_DEATHS - 1).fill(true), false])
    expect(await worker.perform(PUBKEY, note)).toEqual(gone)
    await expect(worker.call({ type: 'lock', pubkey: PUBKEY })).rejects.toMatchObject({
      code: 'vault/failed',
    })
  })

  test('is silent: it is ended, and what it owed is answered', async () => {
    const clock = createFakeClock()
    let starts = 0
    const lost: string[] = []
    const worker = link({
      clock,
      onLost: (reason) => lost.push(reason),
      createWorker: () => scripted(starts++ === 0 ? '' : ANSWER),
    })
    const owed = worker.perform(PUBKEY, note)
    await Promise.resolve()
    clock.advance(WORKER_SILENCE_MS - 1)
    expect(lost).toEqual([])
    clock.advance(1)
    expect(lost).toEqual(['it did not answer'])
    expect((await owed).ok).toBe(false)
    expect((await worker.perform(PUBKEY, note)).ok).toBe(true)
    const slow = link({ clock, onLost: (reason) => lost.push(reason), createWorker: () => scripted('') })
    const passphrase = secretBytes(3)
    const kdf = slow.call({ type: 'create', passphrase, logN: 16 })
    kdf.catch(() => undefined)
    expect(passphrase.length).toBe(0)
    clock.advance(WORKER_KDF_MS)
    await expect(kdf).rejects.toMatchObject({ code: 'vault/failed' })
    expect(clock.pending).toBe(0)
  })

  test('says what was not asked: it is ignored', async () => {
    const odd = `parentPort.postMessage({ type: 'results', first: 99, outcomes: ['done'], texts: ['no'] });
      parentPort.postMessage({ type: 'answer', id: 99, answer: { type: 'done' } }); ${ANSWER}`
    const worker = link({ clock: systemClock, onLost: () => undefined, createWorker: () => scripted(odd) })
    expect(await worker.perform(PUBKEY, note)).toEqual({ ok: true, value: '1:1' })
  })
})
