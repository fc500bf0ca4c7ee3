import { describe, expect, it } from 'vitest'
import { sessionOf } from '../src/client.ts'
import { SESSION_RELAYS, SWITCH_RELAYS } from '../src/limits.ts'
import { clientProfile } from '../src/profile.ts'
import type { RelayUrl } from '../src/value.ts'
import { FOUR, hexId, ONE, relay, START, THREE, TWO, templateText } from './cast.ts'
import { type ClientBench, clientFacts, kinds, readyBench, sent, sentOne, settled } from './client-bench.ts'

const ID = hexId(1)

/** A ready session at `ONE` whose remote signer names these relays. */
function told(relays: readonly RelayUrl[], bench: ClientBench = readyBench()): ClientBench {
  const { id } = sentOne(bench.askRelays(), 'switch_relays')
  bench.answer(id, JSON.stringify(relays))
  return bench
}

/** The relays whose proof is under way. */
function target({ state }: ClientBench): readonly RelayUrl[] | undefined {
  return Object.values(state.pending).find(({ proves }) => proves !== null)?.proves ?? undefined
}

/** The same, with the round trip on the new relays made. */
function switched(relays: readonly RelayUrl[], bench: ClientBench = readyBench()): ClientBench {
  told(relays, bench)
  const [ping] = sent(bench.live(...relays))
  bench.answer(ping?.id ?? '', 'pong')
  return bench
}

describe('A client that is told to use other relays', () => {
  it('W1 changes nothing for the relays in use, in any order', () => {
    const bench = told([TWO, ONE], readyBench({ relays: [ONE, TWO] }))
    expect(target(bench)).toBeUndefined()
  })

  it('is not sent into its own machine or network by a remote signer that is outside', () => {
    for (const inside of ['ws://127.0.0.1:6379/x', 'wss://localhost', 'wss://192.168.1.1', 'wss://[::1]:1']) {
      const bench = readyBench()
      const { id } = sentOne(bench.askRelays(), 'switch_relays')
      const outputs = bench.answer(id, JSON.stringify([TWO, inside]))
      expect(outputs).toContainEqual({ type: 'alert', code: 'relays/refused' })
      expect(target(bench)).toBeUndefined()
      expect(bench.wants.listen?.relays).toEqual([ONE])
    }
  })

  it('may move within its own machine if the token was for a relay there', () => {
    const [here, there] = ['ws://127.0.0.1:7777/', 'ws://127.0.0.1:8888/'] as RelayUrl[] as [
      RelayUrl,
      RelayUrl,
    ]
    expect(told([there], readyBench({ relays: [here] })).wants.listen?.relays).toEqual([here, there])
  })

  it('W2 listens to old and new ones, and sends to both', () => {
    const bench = told([TWO, THREE])
    expect(bench.wants.listen?.relays).toEqual([ONE, TWO, THREE])
    expect(sentOne(bench.request(ID, 'describe'), 'describe').relays).toEqual([ONE, TWO, THREE])
    expect(bench.state.relays).toEqual([ONE])
  })

  it('H54 makes before it breaks: the old relays stay until a round trip on the new ones', () => {
    const bench = told([TWO])
    const ping = sentOne(bench.live(TWO), 'ping')
    expect(ping.relays).toEqual([TWO])
    expect(sessionOf(bench.state)?.relays).toEqual([ONE])
    expect(bench.answer(ping.id, 'pong')).toEqual([{ type: 'relays', relays: [TWO] }])
    expect(sessionOf(bench.state)?.relays).toEqual([TWO])
    expect(bench.wants.listen?.relays).toEqual([ONE, TWO])
  })

  it('W3 takes an error for a round trip: some remote signers do not know ping', () => {
    const bench = told([TWO])
    const { id } = sentOne(bench.live(TWO), 'ping')
    expect(kinds(bench.fail(id, 'unsupported: unknown method'))).toEqual(['relays'])
  })

  it('W3 asks at once when a new relay is live already', () => {
    const bench = readyBench({ relays: [ONE, TWO] })
    const { id } = sentOne(bench.askRelays(), 'switch_relays')
    expect(sentOne(bench.answer(id, JSON.stringify([TWO, THREE])), 'ping').relays).toEqual([TWO, THREE])
  })

  it('W3 asks again on each further relay that comes live', () => {
    const bench = told([TWO, THREE])
    const first = sentOne(bench.live(TWO), 'ping')
    expect(sentOne(bench.live(THREE), 'ping').text).toBe(first.text)
  })

  it('W3 asks on the next relay when one refused the question', () => {
    const bench = told([TWO, THREE])
    const first = sentOne(bench.live(TWO), 'ping')
    bench.published(first.id, ['blocked: no'])
    const second = sentOne(bench.live(THREE), 'ping')
    expect(kinds(bench.answer(second.id, 'pong'))).toEqual(['relays'])
  })

  it('W4 leaves the old relays 5 s later', () => {
    const bench = switched([TWO])
    bench.wait(4_999)
    expect(bench.wants.listen?.relays).toEqual([ONE, TWO])
    bench.wait(1)
    expect(bench.wants.listen?.relays).toEqual([TWO])
    expect(bench.state.live).toEqual([TWO])
  })

  it('W4 waits for requests that went to the old relays only, but not past a minute', () => {
    const bench = readyBench()
    bench.request(ID, 'sign_event', [templateText()], 100_000)
    switched([TWO], bench)
    bench.wait(20_000)
    expect(bench.wants.listen?.relays).toEqual([ONE, TWO])
    bench.wait(41_000)
    expect(bench.wants.listen?.relays).toEqual([TWO])
    const other = readyBench()
    other.request(ID, 'sign_event', [templateText()])
    switched([TWO], other)
    other.answer(ID, 'signed')
    other.wait(5_000)
    expect(other.wants.listen?.relays).toEqual([TWO])
  })

  it('W4 leaves the old relays as soon as what was asked before is answered', () => {
    const bench = readyBench()
    bench.request(ID, 'sign_event', [templateText()])
    switched([TWO], bench)
    bench.wait(20_000)
    expect(settled(bench.answer(ID, 'signed'))).toEqual({ [ID]: 'ok:"signed"' })
    bench.wait(0)
    expect(bench.wants.listen?.relays).toEqual([TWO])
  })

  it('W4 does not wait for what is asked after the move', () => {
    const bench = switched([TWO])
    bench.wait(1)
    bench.request(ID, 'sign_event', [templateText()])
    bench.wait(4_999)
    expect(bench.wants.listen?.relays).toEqual([TWO])
    expect(settled(bench.answer(ID, 'signed'))).toEqual({ [ID]: 'ok:"signed"' })
  })

  it.each([
    ['are dead', () => []],
    ['take a subscription, but no signer hears there', (bench: ClientBench) => bench.live(TWO)],
  ])('W5 stays when the new relays %s for 10 s; it asks again after a day, not after 10 min', (_, come) => {
    const bench = told([TWO])
    come(bench)
    bench.wait(9_999)
    bench.feed({ type: 'wake' })
    expect(target(bench)).toEqual([TWO])
    expect(kinds(bench.wait(1))).toEqual(['alert relays/switch-failed'])
    expect(bench.wants.listen?.relays).toEqual([ONE])
    expect(bench.state).toMatchObject({ relays: [ONE], listen: [ONE], live: [ONE], pending: {} })
  })

  it('W5 waits no longer for a proof it does not need', () => {
    const bench = told([TWO])
    bench.wait(5_000)
    bench.live(TWO)
    bench.wait(5_000)
    expect(bench.state).toMatchObject({ listen: [ONE], pending: {} })
  })

  it('W6 follows a newer list, and keeps all it listens to meanwhile', () => {
    const bench = told([TWO])
    const { id } = sentOne(bench.askRelays(), 'switch_relays')
    bench.answer(id, JSON.stringify([THREE]))
    expect(bench.wants.listen?.relays).toEqual([ONE, TWO, THREE])
    bench.answer(sentOne(bench.live(THREE), 'ping').id, 'pong')
    bench.wait(5_000)
    expect(bench.wants.listen?.relays).toEqual([THREE])
  })

  it('W6 is back at its own relays alone when a newer list fails', () => {
    const bench = told([THREE], switched([TWO]))
    expect(bench.wants.listen?.relays).toEqual([ONE, TWO, THREE])
    expect(kinds(bench.wait(10_000))).toEqual(['alert relays/switch-failed'])
    expect(bench.state).toMatchObject({ relays: [TWO], listen: [TWO], live: [TWO] })
  })

  it('W6 listens to no relay that was never proven when a newer list fails, not even if it alone is live', () => {
    const bench = switched([TWO])
    bench.wait(10_000)
    told([THREE], bench)
    bench.live(THREE)
    told([FOUR], bench)
    bench.down(TWO)
    expect(bench.state).toMatchObject({ listen: [TWO, THREE, FOUR], live: [THREE] })
    expect(kinds(bench.wait(10_000))).toEqual(['alert relays/switch-failed'])
    expect(bench.state).toMatchObject({ relays: [TWO], listen: [TWO, ONE], live: [] })
    // From the token's relays it finds the remote signer again.
    sentOne(bench.live(ONE), 'switch_relays')
  })

  it('W6 is back at its own relays when a newer list fails, also if they had no place beside those that were live', () => {
    const many = (name: string) => Array.from({ length: SESSION_RELAYS }, (_, i) => relay(`${name}${i}`))
    const bench = told(many('b'))
    bench.live(...many('b'))
    told([TWO], bench)
    bench.down(ONE)
    bench.wait(10_000)
    expect(bench.wants.listen?.relays).toEqual([ONE])
  })

  it('W6 keeps the token’s relays when a list fails that has them too', () => {
    const bench = switched([TWO])
    bench.wait(10_000)
    bench.down(TWO)
    bench.wait(60_000)
    const { id } = sentOne(bench.live(ONE), 'switch_relays')
    bench.answer(id, JSON.stringify([ONE, THREE]))
    expect(kinds(bench.wait(10_000))).toEqual(['alert relays/switch-failed'])
    expect(bench.state).toMatchObject({ listen: [TWO, ONE], live: [ONE] })
  })

  it('W6 does not take an old round trip for one on the newest relays', () => {
    const bench = told([TWO])
    const old = sentOne(bench.live(TWO), 'ping')
    told([THREE], bench)
    expect(kinds(bench.answer(old.id, 'pong'))).toEqual(['ignored response/late'])
    expect(bench.state.relays).toEqual([ONE])
  })

  it('goes back when the remote signer takes its word back', () => {
    const bench = told([TWO])
    told([ONE], bench)
    expect(target(bench)).toEqual([ONE])
    bench.answer(Object.keys(bench.state.pending)[0] ?? '', 'pong')
    bench.wait(5_000)
    expect(bench.wants.listen?.relays).toEqual([ONE])
  })

  it('survives a new relay that dies right after its proof', () => {
    const bench = switched([TWO])
    bench.down(TWO)
    bench.wait(5_000)
    expect(bench.state).toMatchObject({ live: [], downSince: START + 5_000 })
    bench.wait(60_000)
    expect(bench.wants.listen?.relays).toEqual([TWO, ONE])
  })

  it.each([
    ['H48 no JSON', 'wss://x'],
    ['H50 no relay at all', '[]'],
    ['H51 too many', JSON.stringify(Array.from({ length: SWITCH_RELAYS + 1 }, (_, i) => relay(`r${i}`)))],
    ['H53 a number', '[5]'],
    ['plain text to a stranger', '["ws://x.example"]'],
  ])(
    'keeps its relays when the list is not usable, alerts, and leaves the words to the caller: %s',
    (_, result) => {
      const bench = readyBench()
      const { id } = sentOne(bench.askRelays(), 'switch_relays')
      expect(kinds(bench.answer(id, result))).toEqual(['alert relays/refused'])
      expect(target(bench)).toBeUndefined()
      bench.request(ID, 'switch_relays')
      expect(kinds(bench.answer(ID, result))).toEqual(['settle ok', 'alert relays/refused'])
    },
  )

  it('stays ready when nobody answers its question', () => {
    const bench = readyBench()
    bench.askRelays()
    expect(sent(bench.wait(10_000))).toEqual([])
    expect(bench.state).toMatchObject({ phase: 'ready', pending: {}, deadline: null })
  })

  it('stays ready when the relays refuse its question', () => {
    const bench = readyBench()
    const { id } = sentOne(bench.askRelays(), 'switch_relays')
    expect(bench.published(id, ['blocked: no'])).toEqual([])
    expect(bench.state).toMatchObject({ phase: 'ready', pending: {} })
  })

  it('follows a list that a caller asked for', () => {
    const bench = readyBench()
    bench.request(ID, 'switch_relays')
    expect(settled(bench.answer(ID, JSON.stringify([TWO])))).toEqual({
      [ID]: `ok:${JSON.stringify(JSON.stringify([TWO]))}`,
    })
    expect(target(bench)).toEqual([TWO])
  })

  it('asks before it is ready by itself only', () => {
    const bench = readyBench()
    bench.feed({ type: 'logout' })
    expect(bench.askRelays()).toEqual([])
  })

  it(`uses at most ${SESSION_RELAYS} relays, and during a switch as many again`, () => {
    const many = (name: string, count: number) =>
      Array.from({ length: count }, (_, i) => relay(`${name}${i}`))
    const bench = readyBench({ relays: many('a', SESSION_RELAYS + 1) })
    expect(bench.state.relays).toHaveLength(SESSION_RELAYS)
    told(many('b', SESSION_RELAYS), bench)
    expect(bench.wants.listen?.relays).toHaveLength(2 * SESSION_RELAYS)
    told(many('c', SESSION_RELAYS + 1), bench)
    expect(bench.wants.listen?.relays).toHaveLength(2 * SESSION_RELAYS)
    expect(bench.state.live.every((url) => bench.wants.listen?.relays.includes(url))).toBe(true)
    switched(many('d', 3), bench)
    bench.wait(5_000)
    expect(bench.wants.listen?.relays).toEqual(many('d', 3))
  })
})

describe('A client whose relays come and go', () => {
  it('takes no notice of relays it did not ask for', () => {
    const bench = readyBench()
    const before = bench.state
    bench.live(FOUR)
    bench.down(FOUR)
    bench.live(ONE)
    expect(bench.state).toEqual(before)
  })

  it('W7 listens at the token’s relays too when its own stay dead for a minute', () => {
    const bench = switched([TWO])
    bench.wait(10_000)
    bench.down(TWO)
    bench.wait(59_999)
    bench.feed({ type: 'wake' })
    expect(bench.wants.listen?.relays).toEqual([TWO])
    bench.wait(1)
    expect(bench.wants.listen?.relays).toEqual([TWO, ONE])
  })

  it('W7 asks at the token’s relays where the remote signer is, and follows', () => {
    const bench = switched([TWO])
    bench.wait(10_000)
    bench.down(TWO)
    bench.wait(60_000)
    const { id } = sentOne(bench.live(ONE), 'switch_relays')
    bench.answer(id, JSON.stringify([THREE]))
    // The one relay that works is kept until the new one does.
    expect(bench.wants.listen?.relays).toEqual([ONE, TWO, THREE])
    expect(bench.state.live).toEqual([ONE])
    bench.answer(sentOne(bench.live(THREE), 'ping').id, 'pong')
    bench.wait(5_000)
    expect(bench.wants.listen?.relays).toEqual([THREE])
  })

  it('W7 listens at its own relays alone when one is back before anybody woke it', () => {
    const bench = switched([TWO])
    bench.wait(10_000)
    bench.down(TWO)
    bench.sleep(100_000)
    bench.live(TWO)
    expect(bench.state).toMatchObject({ listen: [TWO], live: [TWO], downSince: null })
  })

  it('W7 stays at the token’s relays when those it is sent to from there fail', () => {
    const bench = switched([TWO])
    bench.wait(10_000)
    bench.down(TWO)
    bench.wait(60_000)
    const { id } = sentOne(bench.live(ONE), 'switch_relays')
    bench.answer(id, JSON.stringify([THREE]))
    expect(kinds(bench.wait(10_000))).toEqual(['alert relays/switch-failed'])
    expect(bench.state).toMatchObject({ relays: [TWO], live: [ONE] })
    expect(bench.wants.listen?.relays).toEqual([TWO, ONE])
    expect(sent(bench.request(ID, 'ping'))).toHaveLength(1)
    bench.live(TWO)
    expect(bench.wants.listen?.relays).toEqual([TWO])
  })

  it('W7 leaves the token’s relays again when its own are back', () => {
    const bench = switched([TWO])
    bench.wait(10_000)
    bench.down(TWO)
    bench.wait(60_000)
    bench.live(ONE)
    bench.live(TWO)
    expect(bench.wants.listen?.relays).toEqual([TWO])
    expect(bench.state.live).toEqual([TWO])
  })

  it('W7 asks nothing there of a remote signer that does not know switch_relays', () => {
    const { state } = switched([TWO])
    const bench = readyBench({ profile: clientProfile('SEED') })
    expect(state.profile.switchRelays).toBe(true)
    expect(sent(bench.wait(200_000_000))).toEqual([])
  })

  it('C40 listens from before the outage when a relay is back', () => {
    const bench = readyBench()
    bench.sleep(600_000)
    bench.hear({ id: 'x', result: 'x' })
    bench.down(ONE)
    bench.wait(600_000)
    expect(bench.wants.listen?.since).toBe(START / 1_000 + 540)
  })

  it('stays ready for ever without a relay, and wakes no more than it must', () => {
    const bench = readyBench()
    bench.down(ONE)
    expect(bench.wait(1_000_000)).toEqual([])
    expect(bench.wants.wakeAt).toBeUndefined()
    expect(bench.state.phase).toBe('ready')
  })

  it('needs one relay, and cuts a longer list', () => {
    expect(clientFacts().relays).toHaveLength(1)
    const { state } = readyBench({ relays: Array.from({ length: 20 }, (_, i) => relay(`r${i}`)) })
    expect(state.relays).toHaveLength(SESSION_RELAYS)
  })
})
