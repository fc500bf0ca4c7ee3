/**
 * The bad-input corpus, areas D to G, against the program itself: `up` in a process of its own, over sockets.
 *
 * What a relay takes comes through our own relay. What none would take, or would not pass on as it is, is handed to the daemon by
 * a relay that lies. The daemon's clock is set to the corpus' now.
 */

import {
  CORPUS_NOW,
  type CorpusRow,
  counterChanges,
  OVERRULED_ROWS,
  type RowSeen,
  rowEventText,
  rowProblems,
} from '@nip46/testing/corpus'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hostRandom } from '../src/host-random.ts'
import {
  type CorpusDaemon,
  type CorpusWorld,
  POLICY,
  roomy,
  type SocketClient,
  startCorpusWorld,
} from './corpus-world.ts'
import { until } from './daemon-world.ts'
import { hasShared, sharedCorpus } from './shared.ts'

/** Rows that a daemon answers otherwise than the engine alone, and why. */
const OTHERWISE: { readonly [id: string]: { readonly answer: object; readonly why: string } } = {
  F37: {
    answer: { result: expect.stringMatching(/^\{"ws:[^"]+":\{"read":true,"write":true\}\}$/) },
    why: 'get_relays is a known method where the remote signer knows relays of the user, as a daemon does',
  },
  G73: {
    answer: { result: '', error: 'denied: kind 24133 is never signed (NIP-46)' },
    why: 'the policy refuses this kind whatever is granted: a grant of its own would not help, and is not named',
  },
}

/** Each on a daemon of its own: an event that was never seen before, then the first use of the token. */
const FRESH = [['D14', 'G12'], ['D18', 'G13'], ['D38'], ['D39'], ['D40']]
/** Rows that say what was before, or need another client. */
const TOLD_APART = ['D01', 'D21', 'D42', 'D43', 'D44', 'D45', 'D46', 'E01', 'G11', 'G14', 'F52']

const found = hasShared('the bad-input corpus, areas D to G, against a daemon in a process')

describe.skipIf(!found)('the program meets the bad-input corpus', () => {
  // A body of a suite is run even where the suite is left out.
  if (!found) return
  const corpus = sharedCorpus()
  const rows = corpus.rows('DEFG')
  const find = corpus.row
  const isDrop = ({ id, expect }: CorpusRow): boolean =>
    expect.drop !== undefined || OVERRULED_ROWS[id] !== undefined
  const others = [...TOLD_APART, ...FRESH.flat(), ...Object.keys(OTHERWISE)]
  const titled = (some: readonly CorpusRow[]) => some.map((row) => [`${row.id} ${row.name}`, row] as const)
  const ran = new Map<string, 'relay' | 'liar'>()
  let world: CorpusWorld
  let daemon: CorpusDaemon
  let client: SocketClient
  const daemons: CorpusDaemon[] = []

  async function start(): Promise<{ readonly daemon: CorpusDaemon; readonly client: SocketClient }> {
    // They all have the same keys: one at a time.
    for (const each of daemons.splice(0)) await each.close()
    const fresh = await world.start()
    daemons.push(fresh)
    return { daemon: fresh, client: await connected() }
  }

  async function connected(): Promise<SocketClient> {
    const made = await world.client('client')
    await made.send({ id: 'first', method: 'connect', params: [world.to, 'first'] })
    await until(() => made.answers.length > 0)
    expect(made.answers.splice(0)).toMatchObject([{ id: 'first', result: 'ack' }])
    return made
  }

  beforeAll(async () => {
    world = await startCorpusWorld(corpus)
    const made = await start()
    daemon = made.daemon
    client = made.client
  })
  afterAll(async () => {
    for (const each of daemons) await each.close()
    await world?.close()
  })

  const eventText = (row: CorpusRow, from = 'client'): string =>
    rowEventText(row, {
      key: world.key(from),
      to: world.to,
      third: world.key('third').pubkey,
      crypto: roomy,
      random: hostRandom,
    })

  async function bring(row: CorpusRow, from = 'client'): Promise<void> {
    ran.set(row.id, await world.bring(eventText(row, from)))
  }

  const dropped = async (): Promise<Readonly<Record<string, number>>> =>
    (await daemon.process.status()).dropped

  /** What comes of a row: an answer or a drop, whatever is first. */
  async function see(row: CorpusRow, reader = client, from = 'client'): Promise<RowSeen> {
    expect(reader.answers).toEqual([])
    const before = await dropped()
    await bring(row, from)
    await until(
      async () =>
        reader.answers.length > 0 || Object.keys(counterChanges(before, await dropped())).length > 0,
    )
    return { answers: reader.answers.splice(0), dropped: counterChanges(before, await dropped()) }
  }

  // -- what comes to nothing ---------------------------------------------------------------------

  describe('dropped', () => {
    const drops = rows.filter((row) => isDrop(row) && !others.includes(row.id))
    let before: Awaited<ReturnType<CorpusDaemon['stored']>>

    test('the answer to the connection is out', async () => {
      before = await until(async () => {
        const stored = await daemon.stored()
        return stored['outbox']?.length === 0 && stored
      })
      expect(before['sessions']).toHaveLength(1)
    })

    test.for(titled(drops))('%s', async ([, row]) => {
      expect(rowProblems(row, await see(row), roomy)).toEqual([])
    })

    test('nothing was stored, nothing was answered, and each was counted once', async () => {
      await client.send({ id: 'still there', method: 'get_public_key', params: [] })
      await until(() => client.answers.length > 0)
      expect(client.answers.splice(0)).toMatchObject([{ id: 'still there', result: corpus.keys['user']?.pk }])
      const { performed, dropped: all } = await daemon.process.status()
      expect(performed).toBe(0)
      expect(Object.values(all).reduce((sum, count) => sum + count, 0)).toBe(drops.length)
      const after = await daemon.stored()
      const { clients, keys, offers, sessions } = before
      expect(after).toMatchObject({ clients, keys, offers })
      expect(after['sessions']).toHaveLength(sessions?.length ?? 0)
      // That one request, and nothing else.
      expect(after['claims']).toHaveLength((before['claims']?.length ?? 0) + 1)
      expect(after['audit']).toEqual(before['audit'])
    })
  })

  // -- what is answered --------------------------------------------------------------------------

  test.for(titled(rows.filter((row) => !isDrop(row) && !others.includes(row.id))))('%s', async ([, row]) => {
    const seen = await see(row)
    const judged = row.expect.policy_sees === undefined ? {} : { judgedKind: await judgedKind() }
    expect(rowProblems(row, { ...seen, ...judged }, roomy)).toEqual([])
  })

  /** The kind in the newest record of the log. */
  async function judgedKind(): Promise<number> {
    const { entries } = await daemon.process.api.call('audit.list', { newest: true, limit: 1 })
    const record = (entries[0]?.record ?? {}) as { readonly subject?: { readonly kind?: unknown } }
    return Number(record.subject?.kind)
  }

  test.for(titled(Object.keys(OTHERWISE).map(find)))(
    '%s: otherwise than the engine alone',
    async ([, row]) => {
      const { answers, dropped } = await see(row)
      expect({ answers, dropped }).toEqual({
        answers: [{ id: JSON.parse(row.text).id, ...OTHERWISE[row.id]?.answer }],
        dropped: {},
      })
    },
  )

  test('D21 one hour old, and as much older as the corpus took to get here', async () => {
    const row = find('D21')
    const age = (): number => Math.floor(world.now() / 1_000) - CORPUS_NOW + 3_600
    const least = age()
    const seen = await see(row)
    const most = age()
    const [, told] = /request is (\d+) s old/.exec(String(seen.answers[0]?.error)) ?? []
    expect(Number(told)).toBeGreaterThanOrEqual(least)
    expect(Number(told)).toBeLessThanOrEqual(most)
    const answers = seen.answers.map(({ error = '', ...rest }) => ({
      ...rest,
      error: error.replace(`${told} s`, '3600 s'),
    }))
    expect(rowProblems(row, { ...seen, answers }, roomy)).toEqual([])
  })

  test('F52 params 50,000 deep: dropped for its size, or answered with invalid:', async () => {
    expect(find('F52').expect.any).toEqual(['drop event/too-large', 'reply invalid:'])
    expect(await see(find('F52'))).toEqual({ answers: [], dropped: { 'event/too-large': 1 } })
  })

  test('D01 valid ping (control), D45 new event, same request id and body: the stored response again', async () => {
    expect(rowProblems(find('D01'), await see(find('D01')), roomy)).toEqual([])
    const { performed } = await daemon.process.status()
    const again = await see(find('D45'))
    expect(again.answers).toEqual([{ id: expect.any(String), result: 'pong' }])
    expect((await daemon.process.status()).performed).toBe(performed)
  })

  test('D42 unknown client, not connect: answered within the budget, then not', async () => {
    const attacker = await world.client('attacker')
    const seen = await see(find('D42'), attacker, 'attacker')
    expect(rowProblems(find('D42'), seen, roomy)).toEqual([])
    const before = await dropped()
    await attacker.send({ id: 'again', method: 'ping', params: [] })
    const after = await until(async () => {
      const changes = counterChanges(before, await dropped())
      return Object.keys(changes).length > 0 && changes
    })
    expect(after).toEqual({ 'event/rate-limited': 1 })
    expect(attacker.answers).toEqual([])
  })

  test('G14 get_public_key before connect', async () => {
    const stranger = await world.client('client2')
    const seen = await see(find('G14'), stranger, 'client2')
    expect(rowProblems(find('G14'), seen, roomy)).toEqual([])
  })

  // -- with what was before ----------------------------------------------------------------------

  /** The session as the API shows it: of metadata the name and the URL. */
  async function sessionOf(row: CorpusRow): Promise<NonNullable<RowSeen['session']>> {
    const wanted = row.expect.ok?.['metadata'] ?? null
    const { claims, requested, granted, policy } = await daemon.process.api.call('app.show', {
      clientPubkey: client.pubkey,
    })
    const claimsNothing = claims.name === null && claims.url === null
    const wantsNothing = wanted === null || JSON.stringify(wanted) === '{}'
    return {
      metadata: claimsNothing && wantsNothing ? (wanted as null) : claims,
      requested,
      keepsGrants: granted.length === 0 && policy.grants.length === POLICY.grants.split(',').length,
    }
  }

  test('G11 connect: unknown perms', async () => {
    const seen = await see(find('G11'))
    const session = await sessionOf(find('G11'))
    expect(rowProblems(find('G11'), { ...seen, session }, roomy)).toEqual([])
  })

  test('D44 event already executed before the process was killed: the stored response again, nothing executed', async () => {
    const { performed } = await daemon.process.status()
    expect(performed).toBeGreaterThan(0)
    // An answer of which no relay said yet that it took it is sent once more after a start.
    await until(async () => (await daemon.stored())['outbox']?.length === 0)
    daemon = await daemon.restart()
    daemons[0] = daemon
    const seen = await see(find('D44'))
    expect(seen.answers).toEqual([{ id: expect.any(String), result: 'pong' }])
    expect((await daemon.process.status()).performed).toBe(0)
  })

  test('E01 empty: the same event as D30, which a daemon that was started again has not seen', async () => {
    expect(rowProblems(find('E01'), await see(find('E01')), roomy)).toEqual([])
  })

  test('D46 same request id, other body, first in flight', async () => {
    const { api } = daemon.process
    await api.call('app.policy.set', { clientPubkey: client.pubkey, policy: { preset: 'paranoid' } })
    const template = JSON.stringify({ kind: 30_078, content: '', tags: [], created_at: CORPUS_NOW })
    await client.send({ id: 'a1', method: 'sign_event', params: [template] })
    await until(async () => (await daemon.process.status()).questions === 1)
    expect((await see(find('D46'))).answers).toMatchObject([
      { id: 'a1', error: find('D46').expect.reply_error },
    ])
    const [question] = (await api.call('request.list')).requests
    await api.call('request.deny', { id: question?.id ?? '', hash: question?.hash ?? '' })
    await until(() => client.answers.length > 0)
    expect(client.answers.splice(0)).toMatchObject([{ id: 'a1', result: '' }])
    await api.call('app.policy.set', { clientPubkey: client.pubkey, policy: POLICY })
  })

  test('D43 revoked session', async () => {
    expect(await daemon.process.api.call('app.revoke', { clientPubkey: client.pubkey })).toEqual({ ended: 1 })
    expect(rowProblems(find('D43'), await see(find('D43')), roomy)).toEqual([])
  })

  describe.for(FRESH)('on a daemon of its own', (ids) => {
    beforeAll(async () => {
      const fresh = await start()
      daemon = fresh.daemon
      client = fresh.client
    })

    test.for(titled(ids.map(find)))('%s', async ([, row]) => {
      const seen = await see(row)
      const session = row.area === 'G' ? { session: await sessionOf(row) } : {}
      expect(rowProblems(row, { ...seen, ...session }, roomy)).toEqual([])
    })
  })

  test('every row of the areas was run against the program', () => {
    expect(rows.map(({ id }) => id).filter((id) => !ran.has(id))).toEqual([])
    const over = (way: string): number => [...ran.values()].filter((each) => each === way).length
    const counts = ['D', 'E', 'F', 'G'].map((area) => `${area} ${corpus.rows(area).length}`).join(', ')
    const lines = [
      `corpus rows against the program: ${counts}; ${over('relay')} through our relay, ${over('liar')} from a relay that lies`,
      ...Object.entries(OTHERWISE).map(([id, { why }]) => `  ${id} is answered otherwise: ${why}`),
    ]
    process.stdout.write(`${lines.join('\n')}\n`)
  })
})
