/** Area H of the corpus: what a remote signer can answer, and what the client makes of it. */

import type { Pubkey } from '@nip46/core'
import { describe, expect, test } from 'vitest'
import { type BunkerSession, Nip46Error } from '../src/index.ts'
import { authUrl, okay } from './scripted-signer.ts'
import { type CorpusRow, corpusKey, corpusRows, expandText, hasShared } from './shared.ts'
import { carrier, createWorld, newKey, ONE, START, type World } from './world.ts'

const here = hasShared('corpus area H (client)')

/** With the keys of the corpus, whose events were signed by them. */
function corpusWorld(): World {
  return createWorld({ secret: 's3cret', signerKey: corpusKey('signer'), userKey: corpusKey('user') })
}

function clientKey(): Uint8Array {
  return Uint8Array.from(Buffer.from(corpusKey('client'), 'hex'))
}

/** The row's text with the id of the request in the place of `q1`. */
function textFor(row: CorpusRow, id: string): string {
  return expandText(row.input).replace('{"id":"q1"', `{"id":"${id}"`)
}

/** Sends any text as the remote signer, past every limit of a correct one. */
function force(world: World, to: Pubkey, text: string): void {
  world.network.inject(ONE, carrier(world.signer.key, to, text, Math.floor(world.clock.now() / 1_000)))
}

const outcomeOf = (promise: Promise<unknown>) =>
  promise.then(
    (value) => ({ value }),
    (error: unknown) => {
      if (!(error instanceof Nip46Error)) throw error
      return { code: error.code }
    },
  )

/** The request that a row's answer is for. */
function ask(session: BunkerSession, { name, id }: CorpusRow): { method: string; promise: Promise<unknown> } {
  if (name.startsWith('sign_event')) {
    const template = { kind: 1, content: 'hi', tags: [], created_at: START / 1_000 }
    return { method: 'sign_event', promise: session.signEvent(template) }
  }
  if (name.startsWith('switch_relays')) return { method: 'switch_relays', promise: session.switchRelays() }
  if (id === 'H13')
    return { method: 'nip04_decrypt', promise: session.nip04.decrypt(newKey().pubkey, 'x?iv=y') }
  return { method: 'ping', promise: session.ping() }
}

const rows = here ? corpusRows('H') : []
const byId = new Map(rows.map((row) => [row.id, row]))
const pick = (test: (row: CorpusRow) => boolean): [string, string, CorpusRow][] =>
  rows.filter(test).map((row) => [row.id, row.name, row])

const ELSEWHERE = ['H19', 'H21', 'H29', 'H30', 'H44', 'H46', 'H47', 'H54']
const isIdentity = ({ name }: CorpusRow): boolean => name.startsWith('get_public_key')

const dropped = pick(({ id, expect }) => expect.drop !== undefined && !ELSEWHERE.includes(id))
const answered = pick(
  (row) => !ELSEWHERE.includes(row.id) && !isIdentity(row) && row.expect.drop === undefined,
)
const identities = pick(isIdentity)

describe.skipIf(!here)('corpus area H', () => {
  test('every row is in one of the groups below', () => {
    const covered = [...dropped, ...answered, ...identities].map(([id]) => id)
    expect([...covered, ...ELSEWHERE].toSorted()).toEqual(rows.map(({ id }) => id).toSorted())
  })

  test.each(dropped)('%s %s: dropped, and the request still gets its answer', async (_, __, row) => {
    const world = corpusWorld()
    let ids: string[] = []
    world.signer.script('ping', ({ id }) => void ids.push(id) as undefined)
    const session = await world.login({ clientKey: clientKey() })
    const ping = session.ping()
    await world.clock.settle()
    world.events.length = 0
    force(world, session.clientPubkey, textFor(row, ids[0] ?? ''))
    await world.clock.settle()
    expect(world.events).toEqual([{ type: 'ignored', code: row.expect.drop }])
    await world.signer.say(session.clientPubkey, okay(ids[0] ?? '', 'pong'))
    expect(await world.settled(ping)).toBe('pong')
    ids = []
  })

  test.each(answered)('%s %s: settles as the row says', async (_, __, row) => {
    const world = corpusWorld()
    const session = await world.login({ clientKey: clientKey() })
    const { method, promise } = ask(session, row)
    world.signer.script(method, ({ id }) => textFor(row, id))
    const outcome = await world.settled(outcomeOf(promise))
    if (row.expect.ok !== undefined) expect(outcome).toEqual(row.expect.ok)
    else expect(outcome).toEqual({ code: row.expect.client_throws })
    if (method === 'switch_relays') {
      await world.clock.run(70_000)
      expect(session.relays).toEqual([ONE])
      expect(world.codes('alert')).toEqual(['relays/refused'])
    }
    expect(await world.settled(session.nip44.encrypt(newKey().pubkey, 'still alive'))).not.toBe('')
  })

  test('H35 with allowCreatedAtChange the other created_at is taken', async () => {
    const world = corpusWorld()
    const row = byId.get('H35') as CorpusRow
    const session = await world.login({ clientKey: clientKey(), allowCreatedAtChange: true })
    const { promise } = ask(session, row)
    world.signer.script('sign_event', ({ id }) => textFor(row, id))
    expect(await world.settled(promise)).toMatchObject({ created_at: START / 1_000 + 5, content: 'hi' })
  })

  test.each(identities)('%s %s: the login fails', async (_, __, row) => {
    const world = corpusWorld()
    world.signer.script('get_public_key', ({ id }) => textFor(row, id))
    expect((await world.failure(world.connect())).code).toBe(row.expect.client_throws)
  })

  test.each(['H19', 'H21'])('%s a forged carrier is dropped', async (id) => {
    const world = corpusWorld()
    const row = byId.get(id) as CorpusRow
    world.signer.script('ping', () => undefined)
    const session = await world.login({ clientKey: clientKey() })
    const ping = session.ping()
    await world.clock.settle()
    world.events.length = 0
    world.network.inject(ONE, JSON.parse(expandText(row.input)))
    await world.clock.settle()
    expect(world.events).toEqual([{ type: 'ignored', code: row.expect.drop }])
    expect((await world.failure(ping)).code).toBe('timeout/no-answer')
  })

  test('H29, H30 an https page is shown, a fourth one is not', async () => {
    const world = corpusWorld()
    const row = byId.get('H30') as CorpusRow
    const ids: string[] = []
    world.signer.script('ping', ({ id }) => {
      ids.push(id)
      return textFor(row, id)
    })
    const session = await world.login({ clientKey: clientKey() })
    const ping = session.ping()
    let settled = false
    void ping.then(() => {
      settled = true
    })
    await world.clock.settle()
    const [id = ''] = ids
    expect(world.authUrls).toEqual([
      { url: 'https://bunker.example/a', origin: 'https://bunker.example', requestId: id },
    ])
    for (const page of ['b', 'c']) {
      await world.signer.say(session.clientPubkey, authUrl(id, `https://bunker.example/${page}`))
    }
    await world.clock.settle()
    world.events.length = 0
    await world.signer.say(session.clientPubkey, textFor(row, id))
    await world.clock.settle()
    expect(world.events).toEqual([{ type: 'ignored', code: 'auth/too-many' }])
    expect(world.authUrls.length).toBe(3)
    expect(settled).toBe(false)
    await world.signer.say(session.clientPubkey, okay(id, 'pong'))
    expect(await world.settled(ping)).toBe('pong')
  })

  test('H44, H46 only the secret takes an offer; a second taker is reported and the first kept', async () => {
    const world = corpusWorld()
    // The corpus' secret is `0s8j2djs`; the client makes its own, so the row's text carries that instead.
    const { uri, session } = world.offer({ clientKey: clientKey() })
    const params = new URL(uri.replace('nostrconnect://', 'https://')).searchParams
    const client = new URL(uri.replace('nostrconnect://', 'https://')).hostname as Pubkey
    const secret = params.get('secret') ?? ''
    await world.clock.settle()
    force(world, client, expandText((byId.get('H44') as CorpusRow).input))
    await world.clock.settle()
    expect(world.codes('ignored')).toEqual([(byId.get('H44') as CorpusRow).expect.drop])

    const taking = expandText((byId.get('H46') as CorpusRow).input).replace('0s8j2djs', secret)
    force(world, client, taking)
    const taken = await world.settled(session)
    const second = newKey(corpusKey('othersigner'))
    world.network.inject(ONE, carrier(second, client, taking, START / 1_000))
    await world.clock.settle()
    expect(world.codes('alert')).toEqual([(byId.get('H46') as CorpusRow).expect.alert])
    expect(taken.remoteSigner).toBe(world.signer.key.pubkey)
    expect(await world.settled(taken.ping())).toBe('pong')
  })

  test('H47 a bunker that proves another secret is not believed', async () => {
    const world = corpusWorld()
    const row = byId.get('H47') as CorpusRow
    world.signer.script('connect', ({ id }) => textFor(row, id))
    expect((await world.failure(world.connect())).code).toBe(row.expect.client_throws)
  })

  test('H54 dead new relays leave the old ones in use', async () => {
    const world = corpusWorld()
    const row = byId.get('H54') as CorpusRow
    world.network.down('wss://dead.example.com')
    const session = await world.login({ clientKey: clientKey() })
    world.signer.script('switch_relays', ({ id }) => textFor(row, id))
    expect(await world.settled(session.switchRelays())).toEqual(['wss://dead.example.com/'])
    await world.clock.run(9_000)
    expect(session.relays).toEqual([ONE])
    expect(await world.settled(session.ping())).toBe('pong')
    await world.clock.run(2_000)
    expect(world.codes('alert')).toEqual(['relays/switch-failed'])
    expect(session.relays).toEqual([ONE])
    expect(await world.settled(session.ping())).toBe('pong')
  })
})
