import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { createRelayPool } from '../src/index.ts'
import { type CorpusRow, corpusIsThere, corpusRows } from './corpus.ts'
import { authenticateAs, bench, event, FILTERS, RELAY, relayUrl } from './fixture.ts'

const rows = new Map(corpusRows('C').map((row) => [row.id, row]))
const tested = new Set<string>()

/** A row of the corpus, so that its input and expectation are the file's and not a copy. */
function row(id: string): CorpusRow {
  const found = rows.get(id)
  if (found === undefined) throw new Error(`the corpus has no ${id}`)
  tested.add(id)
  return found
}

/** The frame of a row about an OK, for an event that was published. */
function okFrame({ input }: CorpusRow, eventId: string): unknown[] {
  return JSON.parse(input.replace('<published id>', eventId))
}

describe.skipIf(!corpusIsThere)(
  `corpus, area C: relay frames${corpusIsThere ? '' : ' (left out: ../shared is not beside this checkout)'}`,
  () => {
    for (const id of ['C02', 'C04', 'C07', 'C09', 'C11', 'C12', 'C20', 'C21', 'C23']) {
      test(`${id} ${rows.get(id)?.name ?? ''}: one counter goes up, and nothing else changes`, () => {
        const { input, expect: expected } = row(id)
        const { health, sockets, goLive, publish, drops } = bench()
        const { log, events } = goLive()
        const pending = publish(1)
        const sent = sockets.last.sent.length
        const began = performance.now()
        sockets.last.getData(input)
        // Generous: the machine may be busy.
        expect(performance.now() - began).toBeLessThan(30_000)
        expect(drops).toEqual([expected['drop']])
        expect(health()?.drops).toEqual({ [String(expected['drop'])]: 1 })
        expect(sockets.last.sent).toHaveLength(sent)
        expect(pending.outcome).toBeUndefined()
        expect(log).toEqual(['live'])
        expect(events).toEqual([])
        expect(health()?.state).toBe('open')
      })
    }

    test('C13: rate-limited goes to the same relay after a second, to the others at once, and is not lost', () => {
      const { clock, sockets, publish, goLive } = bench()
      goLive()
      const published = publish(1)
      expect(sockets.last.frames('EVENT')).toHaveLength(1)
      sockets.last.get(...okFrame(row('C13'), event(1).id))
      clock.advance(999)
      expect(sockets.last.frames('EVENT')).toHaveLength(1)
      clock.advance(1_001)
      expect(sockets.last.frames('EVENT')).toHaveLength(2)
      expect(published.outcome).toBeUndefined()
      sockets.last.get('OK', event(1).id, true, '')
      expect(published.outcome).toEqual({ ok: true })
    })

    test('C14: auth-required is answered with the transport key and the URL we dialled, then sent again', () => {
      const { sockets, publish, goLive } = bench()
      goLive()
      sockets.last.get('AUTH', 'the challenge')
      const authenticate = authenticateAs(1)
      const published = publish(1, authenticate)
      sockets.last.get(...okFrame(row('C14'), event(1).id))
      expect(authenticate.asked).toEqual([[RELAY, 'the challenge']])
      const auth = sockets.last.frames('AUTH')[0]?.[1] as { id: string; tags: unknown }
      expect(auth.tags).toContainEqual(['relay', RELAY])
      sockets.last.get('OK', auth.id, true, '')
      expect(sockets.last.frames('EVENT')).toHaveLength(2)
      sockets.last.get('OK', event(1).id, true, '')
      expect(published.outcome).toEqual({ ok: true })
    })

    test('C15: blocked on every relay is an error that lists each relay and its reason', async () => {
      const { input } = row('C15')
      const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
      await once(server, 'listening')
      server.on('connection', (socket) => {
        socket.on('message', (data) => {
          const [, { id }] = JSON.parse(String(data))
          socket.send(input.replace('<published id>', id))
        })
      })
      const { port } = server.address() as AddressInfo
      const relays = [relayUrl(`ws://127.0.0.1:${port}/a`), relayUrl(`ws://127.0.0.1:${port}/b`)]
      const pool = createRelayPool()
      const result = await pool.publish(relays, event(1))
      expect(result).toEqual({
        ok: false,
        error: relays.map((relay) => ({ relay, reason: 'blocked: no' })),
      })
      await pool.close()
      server.close()
    })

    test('C18: CLOSED auth-required leads to AUTH, then to the REQ again', () => {
      const { sockets, subscribe } = bench()
      const { log } = subscribe({ authenticate: authenticateAs(1) })
      sockets.last.open()
      const [, id] = sockets.last.frames('REQ')[0] ?? []
      sockets.last.get('AUTH', 'c')
      sockets.last.getData(row('C18').input.replace('"s1"', JSON.stringify(id)))
      const auth = sockets.last.frames('AUTH')[0]?.[1] as { id: string }
      sockets.last.get('OK', auth.id, true, '')
      expect(sockets.last.frames('REQ')).toEqual([
        ['REQ', id, ...FILTERS],
        ['REQ', id, ...FILTERS],
      ])
      sockets.last.get('EOSE', id)
      expect(log).toEqual(['live'])
    })

    test('C24: a frame of 10 MB closes with 1009, then the link reconnects with backoff', async () => {
      const { input, expect: expected } = row('C24')
      const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
      await once(server, 'listening')
      const codes: number[] = []
      let connections = 0
      server.on('connection', (socket) => {
        connections += 1
        socket.on('error', () => undefined)
        socket.on('close', (code) => codes.push(code))
        if (connections === 1) socket.on('message', () => socket.send(input))
      })
      const { port } = server.address() as AddressInfo
      const pool = createRelayPool({ random: (length) => new Uint8Array(length).fill(0x40) })
      const downs: [string, boolean][] = []
      pool.subscribe({
        relays: [relayUrl(`ws://127.0.0.1:${port}`)],
        filters: FILTERS,
        onEvent: () => undefined,
        onDown: (_, reason, final) => downs.push([reason, final]),
      })
      await expect.poll(() => codes).toEqual([expected['close']])
      // The relay may see the end before the client does.
      await expect
        .poll(() => downs)
        .toEqual([[expect.stringMatching(/^unreachable: .*payload size/i), false]])
      await expect.poll(() => connections).toBe(2)
      await pool.close()
      server.close()
    })

    test('every row of area C has its test here', () => {
      expect([...tested].sort()).toEqual([...rows.keys()].sort())
    })
  },
)
