import { CARRIER_KIND, type Pubkey, type SignedEvent } from '@nip46/core'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { seededRandom } from '@nip46/testing'
import { describe, expect, test } from 'vitest'
import { type CorpusRow, corpusKeys, corpusRows, hasShared } from './shared.ts'
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

/** Rows that a later decision or another row overrules. */
const OVERRULED: { readonly [id: string]: { readonly drop: string; readonly why: string } } = {
  E01: {
    drop: 'payload/nip44',
    why: 'as a carrier it is D30: an empty content is dropped before any payload is read',
  },
}

/** For rows larger than what this package's crypto would emit. */
const roomy = tinyCrypto({ sendExtended: true, maxPlaintextBytes: 400_000 })

describe.skipIf(!hasShared('the bad-input corpus, areas D to G, through the running engine'))(
  'a bunker meets the bad-input corpus',
  () => {
    const keys = corpusKeys()
    const pk = (name: string): Pubkey => keyOfHex(keys[name]?.sk ?? '').pubkey
    const rows = corpusRows('DEFG')

    async function corpusWorld(
      client: string,
      change: WorldOptions = {},
    ): Promise<{ world: World; client: TestClient; to: Pubkey }> {
      const world = await createWorld({
        keys: keyOfHex(keys['signer']?.sk ?? ''),
        user: keyOfHex(keys['user']?.sk ?? ''),
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
      const connected = world.client(keyOfHex(keys['client']?.sk ?? ''))
      if (client === 'client') {
        await connected.ask({ id: 'first', method: 'connect', params: [to, 'first'] }, to)
        expect(connected.answers.splice(0)).toMatchObject([{ id: 'first', result: 'ack' }])
        return { world, client: connected, to }
      }
      return { world, client: world.client(keyOfHex(keys[client]?.sk ?? '')), to }
    }

    function carrier(client: TestClient, to: Pubkey, content: string): SignedEvent {
      const unsigned = {
        kind: CARRIER_KIND,
        pubkey: client.pubkey,
        created_at: NOW_SECONDS,
        tags: [['p', to]],
        content,
      }
      const id = crypto.eventId(unsigned)
      return { ...unsigned, id, sig: client.key.sign(id, seededRandom('aux').bytes(32)) }
    }

    function sealed(client: TestClient, to: Pubkey, text: string): SignedEvent {
      if (text.length < 40_000) return client.sealed(text, to)
      const conversation = roomy.importKey(hex(keys['client']?.sk ?? '')).conversation(to)
      if (!conversation.ok) throw new Error('no conversation')
      return carrier(client, to, conversation.value.nip44Encrypt(text, seededRandom('nonce').bytes(32)))
    }

    /** What the relay hands over for a row. */
    function eventOf({ id, area, text, expect: wanted }: CorpusRow, client: TestClient, to: Pubkey): unknown {
      if (area === 'D') return JSON.parse(text)
      if (area === 'E' && wanted.method === undefined) return carrier(client, to, text)
      if (area === 'E') {
        return sealed(client, to, JSON.stringify({ id, method: wanted.method, params: [pk('third'), text] }))
      }
      return sealed(client, to, text)
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
        world.net.inject(RELAY, eventOf(row, client, to))
        await world.clock.settle()
        await world.clock.settle()
        const drop = OVERRULED[row.id]?.drop ?? row.expect.drop
        if (drop !== undefined) {
          expect(client.answers).toEqual([])
          expect(changes(before, world.signer.stats().dropped)).toEqual({ [drop]: 1 })
          expect(await state(world)).toBe(stored)
          expect(world.performed()).toBe(0)
        } else if (row.expect.reply_error !== undefined) {
          expect(client.answers).toMatchObject([{ result: '', error: row.expect.reply_error }])
          expect(changes(before, world.signer.stats().dropped)).toEqual({})
          if (row.area === 'F' || row.area === 'G')
            expect(client.answers[0]?.id).toBe(String(JSON.parse(row.text).id))
        } else {
          expectOk(row, world, client)
        }
        await world.signer.close()
      },
    )

    function expectOk(row: CorpusRow, world: World, client: TestClient): void {
      expect(client.answers).toHaveLength(1)
      const [answer] = client.answers
      expect(answer).not.toHaveProperty('error')
      expect(({} as { admin?: unknown }).admin).toBe(undefined)
      const ok = row.expect.ok ?? {}
      const [session] = world.signer.sessions()
      for (const [member, wanted] of Object.entries(ok)) {
        if (member === 'result') expect(answer?.result).toBe(wanted)
        else if (member === 'id' && row.area === 'G')
          expect(JSON.parse(String(answer?.result)).id).toBe(wanted)
        else if (member === 'id') expect(answer?.id).toBe(wanted)
        else if (member === 'keys') expect(Object.keys(JSON.parse(String(answer?.result)))).toEqual(wanted)
        else if (member === 'metadata') expect(session?.metadata ?? null).toEqual(wanted)
        else if (member === 'granted_at_most') {
          const asked = session?.requested.map(({ method, kind }) =>
            kind === undefined ? method : `${method}:${kind}`,
          )
          expect(wanted).toEqual(asked)
          expect(session?.granted).toEqual(EVERYTHING)
        } else if (member === 'polluted') expect(wanted).toBe(false)
        else throw new Error(`row ${row.id} expects something this suite does not know: ${member}`)
      }
      if (row.expect.policy_sees !== undefined) {
        const performed = world.events.find((event) => event.type === 'performed')
        expect(performed).toMatchObject({ subject: { kind: row.expect.policy_sees } })
        expect(JSON.parse(String(answer?.result)).kind).toBe(row.expect.signs)
      }
      if (typeof answer?.result === 'string' && answer.result.startsWith('{"id"')) {
        const event = JSON.parse(answer.result) as SignedEvent
        expect(crypto.eventId(event)).toBe(event.id)
        expect(crypto.verify(event)).toBe(true)
      }
    }

    const find = (id: string): CorpusRow => {
      const row = rows.find((each) => each.id === id)
      if (row === undefined) throw new Error(`the corpus has no row ${id}`)
      return row
    }

    test('D42 unknown client, not connect: answered within the budget, then not', async () => {
      const { world, client, to } = await corpusWorld('attacker')
      world.net.inject(RELAY, eventOf(find('D42'), client, to))
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
      world.net.inject(RELAY, eventOf(find('D43'), client, to))
      await world.clock.settle()
      expect(client.answers).toMatchObject([{ result: '', error: find('D43').expect.reply_error }])
      await world.signer.close()
    })

    test('D44 event already executed before a restart: the stored response again, nothing executed', async () => {
      const { world, client, to } = await corpusWorld('client')
      world.net.inject(RELAY, eventOf(find('D44'), client, to))
      await world.clock.settle()
      expect(client.answers).toMatchObject([{ result: 'pong' }])
      await world.signer.close()
      const again = await world.restart()
      again.net.inject(RELAY, eventOf(find('D44'), client, to))
      await world.clock.settle()
      expect(client.answers).toHaveLength(2)
      expect(client.answers[1]).toMatchObject({ id: client.answers[0]?.id, result: 'pong' })
      expect(again.performed()).toBe(0)
      await again.signer.close()
    })

    test('D45 new event, same request id and body: the stored response again, nothing executed', async () => {
      const { world, client, to } = await corpusWorld('client')
      world.net.inject(RELAY, eventOf(find('D44'), client, to))
      await world.clock.settle()
      world.net.inject(RELAY, eventOf(find('D45'), client, to))
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
      world.net.inject(RELAY, eventOf(find('D46'), client, to))
      await world.clock.settle()
      expect(client.answers).toMatchObject([{ id: 'a1', error: find('D46').expect.reply_error }])
      await world.signer.close()
    })

    test('G14 get_public_key before connect', async () => {
      const { world, client, to } = await corpusWorld('client2')
      world.net.inject(RELAY, eventOf(find('G14'), client, to))
      await world.clock.settle()
      expect(client.answers).toMatchObject([{ id: 'g', error: find('G14').expect.reply_error }])
      await world.signer.close()
    })

    test('F52 params 50,000 deep: dropped for its size, or answered with invalid:', async () => {
      const { world, client, to } = await corpusWorld('client')
      expect(find('F52').expect.any).toEqual(['drop event/too-large', 'reply invalid:'])
      world.net.inject(RELAY, eventOf(find('F52'), client, to))
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
  },
)

function changes(
  before: { readonly [code: string]: number },
  after: { readonly [code: string]: number },
): { readonly [code: string]: number } {
  const changed = Object.entries(after).flatMap(([code, count]) => {
    const more = count - (before[code] ?? 0)
    return more === 0 ? [] : [[code, more] as const]
  })
  return Object.fromEntries(changed)
}

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
}
