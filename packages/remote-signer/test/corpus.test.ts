import { encodePermissions, type JsonValue, type Pubkey } from '@nip46/core'
import { hexToBytes } from '@nip46/crypto'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { seededRandom } from '@nip46/testing'
import { type CorpusRow, counterChanges, rowEventText, rowProblems } from '@nip46/testing/corpus'
import { describe, expect, test } from 'vitest'
import { hasShared, sharedCorpus } from './shared.ts'
import {
  approver,
  createWorld,
  crypto,
  EVERYTHING,
  keyOfHex,
  NOW_SECONDS,
  plantOffer,
  RELAY,
  type TestClient,
  type World,
  type WorldOptions,
} from './world.ts'

/** For rows larger than what this package's crypto would emit. */
const roomy = tinyCrypto({ sendExtended: true, maxPlaintextBytes: 400_000 })

const found = hasShared('the bad-input corpus, areas D to G, through the running engine')

describe.skipIf(!found)('a bunker meets the bad-input corpus', () => {
  // A body of a suite is run even where the suite is left out.
  if (!found) return
  const { keys, rows: rowsOf, row: find } = sharedCorpus()
  const secretOf = (name: string): string => keys[name]?.sk ?? ''
  const pk = (name: string): Pubkey => keyOfHex(secretOf(name)).pubkey
  const rows = rowsOf('DEFG')

  async function corpusWorld(
    client: string,
    change: WorldOptions = {},
  ): Promise<{ world: World; client: TestClient; to: Pubkey }> {
    const world = await createWorld({
      keys: keyOfHex(secretOf('signer')),
      user: keyOfHex(secretOf('user')),
      seed: 'corpus',
      start: false,
      ...change,
    })
    const to = pk('signer')
    const userPubkey = pk('user')
    for (const secret of ['s3cret', 'first']) {
      await plantOffer(world.store, { secret, signerPubkey: to, userPubkey, granted: EVERYTHING })
    }
    await world.signer.start()
    const connected = world.client(keyOfHex(secretOf('client')))
    if (client === 'client') {
      await connected.ask({ id: 'first', method: 'connect', params: [to, 'first'] }, to)
      expect(connected.answers.splice(0)).toMatchObject([{ id: 'first', result: 'ack' }])
      return { world, client: connected, to }
    }
    return { world, client: world.client(keyOfHex(secretOf(client))), to }
  }

  /** What the relay hands over for a row. */
  function eventOf(row: CorpusRow, from: string, to: Pubkey): unknown {
    const key = roomy.importKey(hexToBytes(secretOf(from)))
    const random = seededRandom(`corpus ${row.id}`)
    const bytes = (length: number): Uint8Array => random.bytes(length)
    return JSON.parse(rowEventText(row, { key, to, third: pk('third'), crypto: roomy, random: bytes }))
  }

  async function state(world: World): Promise<string> {
    return JSON.stringify(await world.store.load(NOW_SECONDS * 1_000))
  }

  const special = new Set(['D42', 'D43', 'D44', 'D45', 'D46', 'G14', 'F52'])
  test.for(rows.filter(({ id }) => !special.has(id)).map((row) => [`${row.id} ${row.name}`, row] as const))(
    '%s',
    async ([, row]) => {
      const { world, client, to } = await corpusWorld('client')
      const before = world.signer.stats().dropped
      const stored = await state(world)
      world.net.inject(RELAY, eventOf(row, 'client', to))
      await world.clock.settle()
      await world.clock.settle()
      const [session] = world.signer.sessions()
      const performed = world.events.find((event) => event.type === 'performed')
      const problems = rowProblems(
        row,
        {
          answers: client.answers,
          dropped: counterChanges(before, world.signer.stats().dropped),
          ...(session !== undefined && {
            session: {
              metadata: (session.metadata ?? null) as JsonValue,
              requested: session.requested.map((one) => encodePermissions([one])),
              keepsGrants: JSON.stringify(session.granted) === JSON.stringify(EVERYTHING),
            },
          }),
          ...(typeof performed?.subject.kind === 'number' && { judgedKind: performed.subject.kind }),
        },
        crypto,
      )
      expect(problems).toEqual([])
      if (client.answers.length === 0) {
        expect(await state(world)).toBe(stored)
        expect(world.performed()).toBe(0)
      }
      await world.signer.close()
    },
  )

  test('D42 unknown client, not connect: answered within the budget, then not', async () => {
    const { world, client, to } = await corpusWorld('attacker')
    world.net.inject(RELAY, eventOf(find('D42'), 'attacker', to))
    await world.clock.settle()
    expect(client.answers).toMatchObject([{ result: '', error: 'unauthorized: not connected' }])
    await client.send({ id: 'again', method: 'ping', params: [] }, to)
    expect(client.answers).toHaveLength(1)
    expect(world.signer.stats().dropped).toEqual({ 'event/rate-limited': 1 })
    await world.signer.close()
  })

  test('D43 revoked session', async () => {
    const { world, client, to } = await corpusWorld('client')
    expect(await world.signer.revoke(client.pubkey)).toBe(1)
    world.net.inject(RELAY, eventOf(find('D43'), 'client', to))
    await world.clock.settle()
    expect(client.answers).toMatchObject([{ result: '', error: find('D43').expect.reply_error }])
    await world.signer.close()
  })

  test('D44 event already executed before a restart: the stored response again, nothing executed', async () => {
    const { world, client, to } = await corpusWorld('client')
    world.net.inject(RELAY, eventOf(find('D44'), 'client', to))
    await world.clock.settle()
    expect(client.answers).toMatchObject([{ result: 'pong' }])
    await world.signer.close()
    const again = await world.restart()
    again.net.inject(RELAY, eventOf(find('D44'), 'client', to))
    await world.clock.settle()
    expect(client.answers).toHaveLength(2)
    expect(client.answers[1]).toMatchObject({ id: client.answers[0]?.id, result: 'pong' })
    expect(again.performed()).toBe(0)
    await again.signer.close()
  })

  test('D45 new event, same request id and body: the stored response again, nothing executed', async () => {
    const { world, client, to } = await corpusWorld('client')
    world.net.inject(RELAY, eventOf(find('D44'), 'client', to))
    await world.clock.settle()
    world.net.inject(RELAY, eventOf(find('D45'), 'client', to))
    await world.clock.settle()
    expect(client.answers).toHaveLength(2)
    expect(client.answers[1]).toMatchObject({ id: client.answers[0]?.id, result: 'pong' })
    expect(world.performed()).toBe(0)
    await world.signer.close()
  })

  test('D46 same request id, other body, first in flight', async () => {
    const { world, client, to } = await corpusWorld('client', {
      approver: approver(() => new Promise(() => undefined)),
    })
    const template = JSON.stringify({ kind: 0, content: '', tags: [], created_at: NOW_SECONDS })
    await client.send({ id: 'a1', method: 'sign_event', params: [template] }, to)
    expect(world.signer.stats().waiting.questions).toBe(1)
    world.net.inject(RELAY, eventOf(find('D46'), 'client', to))
    await world.clock.settle()
    expect(client.answers).toMatchObject([{ id: 'a1', error: find('D46').expect.reply_error }])
    await world.signer.close()
  })

  test('G14 get_public_key before connect', async () => {
    const { world, client, to } = await corpusWorld('client2')
    world.net.inject(RELAY, eventOf(find('G14'), 'client2', to))
    await world.clock.settle()
    expect(client.answers).toMatchObject([{ id: 'g', error: find('G14').expect.reply_error }])
    await world.signer.close()
  })

  test('F52 params 50,000 deep: dropped for its size, or answered with invalid:', async () => {
    const { world, client, to } = await corpusWorld('client')
    expect(find('F52').expect.any).toEqual(['drop event/too-large', 'reply invalid:'])
    world.net.inject(RELAY, eventOf(find('F52'), 'client', to))
    await world.clock.settle()
    expect(client.answers).toEqual([])
    expect(world.signer.stats().dropped).toEqual({ 'event/too-large': 1 })
    await world.signer.close()
  })

  test('every row of the areas was run', () => {
    const counts = Object.fromEntries(
      ['D', 'E', 'F', 'G'].map((area) => [area, rows.filter((row) => row.area === area).length]),
    )
    process.stdout.write(`corpus rows through the engine: ${JSON.stringify(counts)}\n`)
    for (const id of special) expect(find(id).id).toBe(id)
    expect(rows.length).toBeGreaterThan(130)
  })
})
