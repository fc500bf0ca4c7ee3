import { describe, expect, it } from 'vitest'
import { acceptOffer } from '../src/admission.ts'
import { SESSION_RELAYS } from '../src/limits.ts'
import type { NostrConnectOffer } from '../src/nostrconnect-uri.ts'
import type { SignerOutput } from '../src/remote-signer.ts'
import {
  CLIENT,
  FRIEND,
  hexId,
  ONE,
  relay,
  SECRET,
  SIGNER,
  START,
  THREE,
  TWO,
  templateText,
  USER,
} from './cast.ts'
import {
  answers,
  benchSigner,
  openBench,
  SIGN_ANYTHING,
  type SignerBench,
  signerKinds,
} from './signer-bench.ts'

const LIST = 'w: ["wss://two.example","wss://three.example"]'

describe('A remote signer that moves to other relays', () => {
  const moving = () => openBench([], { preferredRelays: [TWO, THREE] })

  it('R1 and R2 tells the client where to go, and listens at both', () => {
    const bench = moving()
    const [said] = bench.request('w', 'switch_relays')
    expect(answers(said === undefined ? [] : [said])).toEqual([LIST])
    expect(said).toMatchObject({ relays: [ONE, TWO, THREE] })
    expect(bench.wants.listen).toEqual({ relays: [TWO, THREE, ONE], to: SIGNER })
    expect(bench.session().relays).toEqual([TWO, THREE])
  })

  it('R-SW-02 says "null" as a text when there is nothing to change', () => {
    expect(answers(openBench([], { preferredRelays: [ONE] }).request('w', 'switch_relays'))).toEqual([
      'w: null',
    ])
    expect(answers(openBench([]).request('w', 'switch_relays'))).toEqual(['w: null'])
  })

  it('R2 says it again to a client that is still at the old relays: the answer was lost', () => {
    const bench = moving()
    bench.request('w', 'switch_relays')
    bench.sleep(1_000_000)
    expect(answers(bench.request('x', 'switch_relays'))).toEqual([
      'x: ["wss://two.example","wss://three.example"]',
    ])
    expect(answers(bench.request('y', 'switch_relays', [], { relay: TWO }))).toEqual(['y: null'])
  })

  it('R3 and R4 leaves the old relays a minute after the client came to a new one', () => {
    const bench = moving()
    bench.request('w', 'switch_relays')
    bench.request('p', 'ping', [], { relay: ONE })
    bench.wait(100_000)
    expect(bench.wants.listen?.relays).toContain(ONE)
    bench.request('q', 'ping', [], { relay: THREE })
    bench.wait(59_999)
    expect(bench.wants.listen?.relays).toContain(ONE)
    bench.wait(1)
    expect(bench.wants.listen?.relays).toEqual([TWO, THREE])
  })

  it('R4 leaves the old relays after a day in any case', () => {
    const bench = moving()
    bench.request('w', 'switch_relays')
    bench.wait(86_399_999)
    expect(bench.wants.listen?.relays).toContain(ONE)
    bench.wait(1)
    expect(bench.wants.listen?.relays).toEqual([TWO, THREE])
    expect(bench.wants.wakeAt).toBeUndefined()
  })

  it('R1 keeps the older relays too when it moves twice before the client did', () => {
    const bench = moving()
    bench.request('w', 'switch_relays')
    bench.context = { ...bench.context, preferredRelays: [THREE] }
    expect(answers(bench.request('x', 'switch_relays'))).toEqual(['x: ["wss://three.example"]'])
    expect(bench.wants.listen?.relays).toEqual([THREE, TWO, ONE])
  })

  it(`names ${SESSION_RELAYS} relays at most, and keeps as many old ones`, () => {
    const many = (name: string) => Array.from({ length: SESSION_RELAYS + 1 }, (_, i) => relay(`${name}${i}`))
    const bench = openBench([], { preferredRelays: many('a') })
    for (const name of ['b', 'c', 'd']) {
      bench.request(name, 'switch_relays')
      bench.context = { ...bench.context, preferredRelays: many(name) }
    }
    expect(bench.session().relays).toHaveLength(SESSION_RELAYS)
    expect(bench.wants.listen?.relays).toHaveLength(2 * SESSION_RELAYS)
  })
})

function accepted(
  offer: Partial<NostrConnectOffer> = {},
  request: { readonly scheme?: 'nip44' | 'nip04'; readonly era?: 'A0' } = {},
): SignerBench {
  const bench = benchSigner()
  const whole: NostrConnectOffer = {
    ...{ clientPubkey: CLIENT, relays: [ONE], secret: SECRET, permissions: [], rejectedPermissions: [] },
    ...{ wildcard: false, metadata: { name: 'App' } },
    ...offer,
  } as NostrConnectOffer
  const facts = {
    signerPubkey: SIGNER,
    userPubkey: USER,
    relays: [TWO],
    granted: SIGN_ANYTHING,
    id: hexId(1),
  }
  bench.sessions.set(CLIENT, acceptOffer({ offer: whole, ...facts, ...request }, START))
  return bench
}

/** When and what went out while time passes. */
function announcements(bench: SignerBench, ms: number): readonly string[] {
  const said: string[] = []
  for (let i = 0; i <= ms / 500; i++) {
    const outputs: readonly SignerOutput[] = bench.wait(i === 0 ? 0 : 500)
    said.push(...signerKinds(outputs).map((kind) => `${(bench.now - START) / 1_000} s ${kind}`))
  }
  return said
}

describe('A remote signer that accepts a nostrconnect:// offer', () => {
  it('N2 and N3 says exactly the secret on the offer’s relays and its own, and again after 2, 7 and 17 s', () => {
    const bench = accepted()
    const [said] = bench.wait(0)
    expect(said).toEqual({
      ...{ type: 'send', id: hexId(1), to: CLIENT, relays: [ONE, TWO], scheme: 'nip44' },
      text: `{"id":"${hexId(1)}","result":"${SECRET}"}`,
    })
    const again = `${hexId(1)}: ${SECRET}`
    expect(announcements(bench, 100_000)).toEqual([`2 s ${again}`, `7 s ${again}`, `17 s ${again}`])
  })

  it('N4 stops as soon as it hears the client, and serves it', () => {
    const bench = accepted()
    bench.wait(0)
    expect(answers(bench.request('k', 'get_public_key'))).toEqual([`k: ${USER}`])
    expect(bench.session()).toMatchObject({ phase: 'open', announcement: null })
    expect(announcements(bench, 400_000)).toEqual([])
  })

  it('N4 takes a request it must refuse for a sign of life too', () => {
    const bench = accepted()
    bench.hear({ id: 'x', method: 5 })
    expect(bench.session().phase).toBe('open')
  })

  it('N4 takes no message of another time for one', () => {
    const bench = accepted()
    bench.request('x', 'ping', [], { at: START - 700_000 })
    expect(bench.session().phase).toBe('unconfirmed')
  })

  it('N5 forgets a client that never came within 300 s', () => {
    const bench = accepted()
    bench.wait(299_999)
    expect(bench.session().phase).toBe('unconfirmed')
    expect(signerKinds(bench.wait(1))).toEqual(['ended client-never-came'])
    expect(bench.wants).toEqual({})
  })

  it('N6 says `ack` to an offer without a secret', () => {
    expect(answers(accepted({ secret: null }, { scheme: 'nip04' }).wait(0))).toEqual([`${hexId(1)}: ack`])
  })

  it('N6 sends the 2023 dialect a connect request too, and N8 takes the answer for a sign of life', () => {
    const bench = accepted({ secret: null }, { scheme: 'nip04', era: 'A0' })
    const outputs = bench.wait(0)
    expect(outputs.map((output) => (output.type === 'send' ? output.text : ''))).toEqual([
      `{"id":"${hexId(1)}","method":"connect","params":["${SIGNER}"]}`,
      `{"id":"${hexId(1)}","result":"ack"}`,
    ])
    expect(bench.hear({ id: hexId(1), result: 'ack' }, { scheme: 'nip04' })).toEqual([])
    expect(bench.session().phase).toBe('open')
  })

  it('S4 acks a connect with the offer’s own secret', () => {
    expect(answers(accepted().request('c', 'connect', [SIGNER, SECRET]))).toEqual(['c: ack'])
  })

  it('grants what its user granted, not what the offer asked for', () => {
    const bench = accepted({ permissions: [{ method: 'nip44_decrypt' }] })
    expect(bench.session()).toMatchObject({
      granted: SIGN_ANYTHING,
      requested: [{ method: 'nip44_decrypt' }],
    })
    expect(signerKinds(bench.request('r', 'nip44_decrypt', [FRIEND, 'x']))).toEqual(['ask operation'])
    expect(signerKinds(bench.request('s', 'sign_event', [templateText()]))).toEqual(['perform sign_event'])
  })

  it('keeps a hash of the secret for later; only the announcement holds it, until the client is heard', () => {
    const bench = accepted()
    bench.wait(0)
    bench.request('p', 'ping')
    expect(JSON.stringify(bench.session())).not.toContain(SECRET)
  })

  it('can be revoked before the client came', () => {
    const bench = accepted()
    expect(signerKinds(bench.feed({ type: 'revoke' }))).toEqual(['ended revoked'])
    expect(announcements(bench, 60_000)).toEqual([])
  })

  it('goes on announcing after a restart', () => {
    const bench = accepted()
    bench.wait(0)
    bench.restart()
    expect(answers(bench.wait(2_000))).toHaveLength(1)
  })

  it(`uses ${SESSION_RELAYS} relays at most`, () => {
    const relays = Array.from({ length: SESSION_RELAYS }, (_, i) => relay(`r${i}`))
    expect(accepted({ relays }).session().relays).toEqual(relays)
  })

  it('A0 ends at `disconnect`', () => {
    const bench = accepted({}, { scheme: 'nip04', era: 'A0' })
    expect(answers(bench.request('o', 'disconnect', [], { scheme: 'nip04' }))).toEqual(['o: ack'])
    expect(bench.session().phase).toBe('ending')
    expect(answers(accepted({}).request('d', 'describe'))[0]).not.toContain('disconnect')
  })
})
