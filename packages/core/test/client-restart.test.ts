import { describe, expect, it } from 'vitest'
import type { ClientOutput } from '../src/client.ts'
import { clientProfile } from '../src/profile.ts'
import type { RelayUrl } from '../src/value.ts'
import { hexId, ONE, SECRET, SIGNER, TWO, templateText, USER } from './cast.ts'
import {
  bunkerBench,
  type ClientBench,
  clientFacts,
  offerBench,
  readyBench,
  sent,
  sentOne,
  settled,
} from './client-bench.ts'

/** A whole session as a person sees it: login, a switch of relays, requests, a page, logout. */
function scenario(
  start: () => ClientBench,
  restartBefore: number,
): { readonly steps: number; readonly ends: unknown } {
  const bench = start()
  const ends: unknown[] = []
  let listening: readonly RelayUrl[] = []
  let steps = 0
  const step = (run: () => readonly ClientOutput[]): readonly ClientOutput[] => {
    const outputs: ClientOutput[] = []
    if (steps++ === restartBefore) {
      bench.restart()
      // The new process connects again where the old one listened.
      const again = bench.wants.listen?.relays ?? []
      outputs.push(...bench.live(...again.filter((url) => listening.includes(url))), ...bench.wait(2_500))
    }
    outputs.push(...run())
    for (const output of outputs) {
      if (output.type === 'settle' || output.type === 'connected' || output.type === 'ready')
        ends.push(output)
      if (output.type === 'auth-url' || output.type === 'ended') ends.push(output)
      if (output.type === 'ended') listening = []
    }
    return outputs
  }
  const live = (relay: RelayUrl) => {
    listening = [...listening, relay]
    return step(() => bench.live(relay))
  }
  const own = (method: string) => {
    const found = Object.entries(bench.state.pending).find(
      ([, pending]) => pending.method === method && pending.own,
    )
    if (found === undefined) throw new Error(`${method} is not under way`)
    return found[0]
  }

  live(ONE)
  if (bench.state.phase === 'connecting') step(() => bench.answer(own('connect'), 'ack'))
  else step(() => bench.hear({ id: 'x', result: SECRET }))
  step(() => bench.request(hexId(1), 'sign_event', [templateText()]))
  step(() => bench.answer(own('switch_relays'), JSON.stringify([TWO])))
  step(() => bench.answer(own('get_public_key'), USER))
  live(TWO)
  step(() => bench.answer(own('ping'), 'pong'))
  step(() => bench.published(hexId(1), 'ok'))
  step(() => bench.hear({ id: hexId(1), result: 'auth_url', error: 'https://bunker.example' }))
  step(() => bench.wait(61_000))
  step(() => bench.answer(hexId(1), 'signed'))
  step(() => bench.request(hexId(2), 'ping', [], 5_000))
  step(() => bench.wait(5_000))
  step(() => bench.feed({ type: 'logout' }))
  step(() => bench.answer(own('logout'), 'ack'))
  return { steps, ends }
}

describe.each([
  ['a bunker:// URI', () => bunkerBench()],
  ['a nostrconnect:// offer', () => offerBench()],
])('A client session from %s', (_, start) => {
  it('comes to the same end when it is restarted from JSON before any step', () => {
    const { steps, ends } = scenario(start, -1)
    expect(ends).toMatchObject([
      ...[
        { type: 'connected', remoteSigner: SIGNER },
        { type: 'ready', userPubkey: USER },
        { type: 'auth-url' },
      ],
      ...[{ type: 'settle', id: hexId(1), outcome: { ok: true, value: 'signed' } }],
      ...[{ type: 'settle', id: hexId(2), outcome: { error: { code: 'timeout/no-answer' } } }],
      { type: 'ended', failure: { code: 'logged-out' } },
    ])
    expect(steps).toBe(15)
    for (let i = 0; i < steps; i++)
      expect(scenario(start, i).ends, `restarted before step ${i}`).toEqual(ends)
  })
})

describe('A client that was restarted', () => {
  it('listens for answers before it sends again what may have been answered', () => {
    const bench = readyBench()
    bench.request(hexId(1), 'ping')
    bench.wait(14_900)
    bench.restart()
    bench.sleep(500)
    expect(sent(bench.live(ONE))).toEqual([])
    bench.wait(2_000)
    expect(settled(bench.answer(hexId(1), 'pong'))).toEqual({ [hexId(1)]: 'ok:"pong"' })
  })

  it('sends again what was never answered', () => {
    const bench = readyBench()
    bench.request(hexId(1), 'sign_event', [templateText()])
    bench.restart()
    bench.live(ONE)
    expect(sentOne(bench.wait(3_000), 'sign_event').id).toBe(hexId(1))
  })

  it('sends a signature request again, once, that a relay had taken', () => {
    const bench = readyBench()
    bench.request(hexId(1), 'sign_event', [templateText()])
    bench.published(hexId(1), 'ok')
    bench.restart()
    bench.live(ONE)
    expect(sent(bench.wait(59_000))).toHaveLength(1)
  })

  it('sends no signature request again to a remote signer that is said to ask twice', () => {
    const bench = readyBench({ profile: clientProfile('E', { resendSignEvent: 'never' }) })
    bench.request(hexId(1), 'sign_event', [templateText()])
    bench.published(hexId(1), 'ok')
    bench.restart()
    bench.live(ONE)
    expect(sent(bench.wait(59_000))).toEqual([])
  })

  it('sends what never went out', () => {
    const bench = readyBench()
    bench.down(ONE)
    bench.request(hexId(1), 'ping')
    bench.restart()
    expect(sent(bench.live(ONE))).toHaveLength(1)
  })

  it('settles at once what ran out meanwhile', () => {
    const bench = readyBench()
    bench.request(hexId(1), 'ping')
    bench.restart()
    bench.sleep(100_000)
    expect(settled(bench.wait(0))).toEqual({ [hexId(1)]: 'timeout/no-answer' })
  })

  it('gives its relays 15 s from the restart, not from the start, to finish a login', () => {
    const bench = bunkerBench()
    bench.live(ONE)
    bench.wait(20_000)
    bench.restart()
    expect(bench.wait(14_999)).toEqual([])
    expect(bench.wait(1)).toMatchObject([{ type: 'ended', failure: { code: 'transport/no-relay' } }])
  })

  it('falls back to the token’s relays a minute after the restart', () => {
    const bench = readyBench({ relays: [ONE], profile: clientProfile('E') })
    const { id } = sentOne(bench.askRelays(), 'switch_relays')
    bench.answer(id, JSON.stringify([TWO]))
    bench.answer(sentOne(bench.live(TWO), 'ping').id, 'pong')
    bench.wait(10_000)
    bench.restart()
    bench.wait(59_999)
    expect(bench.wants.listen?.relays).toEqual([TWO])
    bench.wait(2)
    expect(bench.wants.listen?.relays).toEqual([TWO, ONE])
  })

  it('keeps what it was told in its facts', () => {
    const facts = clientFacts({ perms: 'sign_event:1', metadata: { name: 'App' } })
    const bench = bunkerBench(facts)
    bench.restart()
    expect(sentOne(bench.live(ONE), 'connect').params).toEqual([
      SIGNER,
      SECRET,
      'sign_event:1',
      '{"name":"App"}',
    ])
  })
})
