import { describe, expect, it } from 'vitest'
import { type ClientSession, fromBunker, fromOffer, fromSession, sessionOf, step } from '../src/client.ts'
import { clientProfile } from '../src/profile.ts'
import { UsageError } from '../src/value.ts'
import {
  CLIENT,
  FRIEND,
  hexId,
  ONE,
  SECRET,
  SEED,
  SIGNER,
  START,
  STRANGER,
  THREE,
  TWO,
  USER,
} from './cast.ts'
import {
  benchClient,
  bunkerBench,
  type ClientBench,
  clientFacts,
  kinds,
  offerBench,
  sent,
  sentOne,
  settled,
} from './client-bench.ts'

/** Through connect to the moment after its answer. */
function connected(bench: ClientBench): ReturnType<ClientBench['feed']> {
  return bench.answer(sentOne(bench.live(ONE), 'connect').id, 'ack')
}

describe('A client that follows a bunker:// URI', () => {
  it('C1 listens for its remote signer on the relays of the URI before anything goes out', () => {
    const bench = bunkerBench({ relays: [ONE, TWO] })
    expect(bench.wants.listen).toEqual({
      ...{ relays: [ONE, TWO], to: CLIENT, from: SIGNER, since: START / 1_000 - 120 },
    })
    expect(sent(bench.feed({ type: 'wake' }))).toEqual([])
  })

  it('C5 sends connect once a relay is live, with pubkey and secret, and to all relays', () => {
    const bench = bunkerBench({ relays: [ONE, TWO] })
    expect(sent(bench.live(TWO))).toMatchObject([
      ...[{ method: 'connect', params: [SIGNER, SECRET], to: SIGNER, relays: [ONE, TWO], scheme: 'nip44' }],
    ])
    expect(sent(bench.live(ONE))).toEqual([])
  })

  it.each([
    ['neither perms nor metadata', {}, [SIGNER, SECRET]],
    ['perms', { perms: 'sign_event:1' }, [SIGNER, SECRET, 'sign_event:1']],
    ['metadata', { metadata: { name: 'App' } }, [SIGNER, SECRET, '', '{"name":"App"}']],
    ['no secret', { secret: null }, [SIGNER, '']],
    ['the 2023-02 dialect', { profile: clientProfile('A0') }, [CLIENT, SECRET]],
    ['the dialect that names the user', { profile: clientProfile('B'), userPubkey: USER }, [USER, SECRET]],
  ])('R-CONN-02 says connect as its profile does: %s', (_, facts, params) => {
    expect(sentOne(bunkerBench(facts).live(ONE), 'connect').params).toEqual(params)
  })

  it('C6 gives up after 15 s without a relay', () => {
    const bench = bunkerBench({ relays: [ONE, TWO] })
    expect(bench.wait(14_999)).toEqual([])
    expect(kinds(bench.wait(1))).toEqual(['ended transport/no-relay'])
  })

  it('C6 goes on with a relay that comes late, but before anybody woke it', () => {
    const bench = bunkerBench()
    bench.sleep(20_000)
    expect(kinds(bench.live(ONE))).toEqual(['send connect'])
    expect(bench.state).toMatchObject({ phase: 'connecting', downSince: null })
  })

  it('C6 counts the 15 s anew when its only relay is lost in the middle of the login', () => {
    const bench = bunkerBench()
    connected(bench)
    bench.wait(14_000)
    bench.down(ONE)
    expect(kinds(bench.wait(14_000))).not.toContain('failed transport/no-relay')
    expect(bench.state.phase).toBe('identifying')
    expect(kinds(bench.wait(1_000))).toEqual(['ended transport/no-relay'])
  })

  it('C7 takes `ack`, spends the secret, and asks which relays to use', () => {
    const bench = bunkerBench()
    expect(kinds(connected(bench))).toEqual(['connected', 'send switch_relays'])
    expect(bench.state).toMatchObject({ phase: 'switching', secret: null })
  })

  it('C7 takes the secret of the token itself (decision 9)', () => {
    const bench = bunkerBench()
    const { id } = sentOne(bench.live(ONE), 'connect')
    bench.feed({ type: 'wake' })
    expect(kinds(bench.answer(id, SECRET))).toContain('connected')
  })

  it.each([
    ['another text', 'other'],
    ['the empty text', ''],
    ['a number', 5],
    ['null, in a dialect after 2023', null],
  ])('H47 fails on %s instead of `ack` or the secret; the corpus wins over R-CONN-07', (_, result) => {
    const bench = bunkerBench()
    const outputs = bench.answer(sentOne(bench.live(ONE), 'connect').id, result)
    expect(kinds(outputs)).toEqual(['ended connect/secret'])
  })

  it('C7 takes null from a remote signer of an older dialect', () => {
    const bench = bunkerBench({ profile: clientProfile('SEED') })
    expect(kinds(bench.answer(sentOne(bench.live(ONE), 'connect').id, null))).toContain('connected')
  })

  it('C8 shows the page that a connect waits for, and waits longer', () => {
    const bench = bunkerBench()
    const { id } = sentOne(bench.live(ONE), 'connect')
    const outputs = bench.hear({ id, result: 'auth_url', error: 'https://bunker.example/go?x=1' })
    expect(outputs).toEqual([
      { type: 'auth-url', id, url: 'https://bunker.example/go?x=1', origin: 'https://bunker.example' },
    ])
    expect(bench.wait(299_999)).toEqual([])
    expect(kinds(bench.answer(id, 'ack'))).toContain('connected')
  })

  it('C14 fails when the page was not finished within 300 s', () => {
    const bench = bunkerBench()
    const { id } = sentOne(bench.live(ONE), 'connect')
    bench.hear({ id, result: 'auth_url', error: 'https://bunker.example' })
    expect(kinds(bench.wait(300_000))).toEqual(['ended timeout/auth'])
  })

  it('C8 fails the connect over a page that must not be opened', () => {
    const bench = bunkerBench()
    const { id } = sentOne(bench.live(ONE), 'connect')
    const outputs = bench.hear({ id, result: 'auth_url', error: 'javascript:alert(1)' })
    expect(kinds(outputs)).toEqual(['ended auth/url'])
  })

  it('C10 asks who the user is when connect went out twice and was refused, and is in if that works', () => {
    const bench = bunkerBench()
    const { id } = sentOne(bench.live(ONE), 'connect')
    bench.down(ONE)
    bench.live(ONE)
    expect(sentOne(bench.wait(3_000), 'connect').id).toBe(id)
    const probe = sentOne(bench.fail(id, 'already connected'), 'get_public_key')
    expect(kinds(bench.answer(probe.id, USER))).toEqual(['connected', 'ready', 'send switch_relays'])
    expect(bench.state).toMatchObject({ phase: 'ready', userPubkey: USER, secret: null, refusal: null })
  })

  it.each([
    ['is refused too', (bench: ClientBench, id: string) => bench.fail(id, 'unauthorized: not connected')],
    ['gets no answer', (bench: ClientBench) => bench.wait(30_000)],
  ])('C10 fails with the refusal of connect when the question who the user is %s', (_, end) => {
    const bench = bunkerBench()
    const { id } = sentOne(bench.live(ONE), 'connect')
    bench.down(ONE)
    bench.live(ONE)
    bench.wait(3_000)
    const probe = sentOne(bench.fail(id, 'denied: the user said no'), 'get_public_key')
    const outputs = end(bench, probe.id)
    expect(kinds(outputs).filter((kind) => !kind.startsWith('send'))).toEqual(['ended remote/error'])
    expect(outputs).toContainEqual({
      type: 'ended',
      failure: { code: 'remote/error', message: 'denied: the user said no', reason: 'rejected' },
    })
  })

  it('C11 fails with the remote signer’s words when connect is refused; there is no grace for a second signer (C9)', () => {
    const bench = bunkerBench()
    const outputs = bench.fail(
      sentOne(bench.live(ONE), 'connect').id,
      'unauthorized: secret invalid or already used',
    )
    expect(outputs).toEqual([
      {
        type: 'ended',
        failure: {
          code: 'remote/error',
          message: 'unauthorized: secret invalid or already used',
          reason: 'bad-secret',
        },
      },
    ])
  })

  it('C12 sends connect again after an outage: the same id and text, four times at most', () => {
    const bench = bunkerBench()
    const first = sentOne(bench.live(ONE), 'connect')
    const texts: string[] = []
    for (let i = 0; i < 5; i++) {
      bench.down(ONE)
      bench.live(ONE)
      texts.push(...sent(bench.wait(4_000)).map(({ text }) => text))
    }
    expect(texts).toEqual([first.text, first.text, first.text])
  })

  it('C13 gives up 65 s after it began, and says that nobody answered', () => {
    const bench = bunkerBench()
    const { id } = sentOne(bench.live(ONE), 'connect')
    bench.published(id, 'ok')
    const outputs = [...bench.wait(64_999)]
    expect(kinds(outputs)).toEqual([])
    outputs.push(...bench.wait(1))
    expect(outputs).toMatchObject([
      {
        type: 'ended',
        failure: { code: 'timeout/no-answer', message: 'no answer in time; a relay took the request' },
      },
    ])
  })

  it('fails when every relay refuses the connect, with each relay’s words', () => {
    const bench = bunkerBench({ relays: [ONE, TWO] })
    const { id } = sentOne(bench.live(ONE), 'connect')
    const refusals = [
      { relay: ONE, reason: 'blocked: kind' },
      { relay: TWO, reason: 'restricted: no' },
    ]
    const outputs = bench.feed({ type: 'published', id, outcome: { ok: false, error: refusals } })
    expect(outputs).toMatchObject([
      { type: 'ended', failure: { code: 'publish/rejected', relays: refusals } },
    ])
  })
})

describe('A client that shows a nostrconnect:// offer', () => {
  it('C2 listens to everybody', () => {
    expect(offerBench().wants.listen).toEqual({ relays: [ONE], to: CLIENT, since: START / 1_000 - 120 })
  })

  it('C2 needs a secret', () => {
    expect(() => fromOffer({ ...clientFacts(), secret: '' }, START)).toThrow(UsageError)
  })

  it('C15 is bound to whoever answers with exactly the secret', () => {
    const bench = offerBench()
    bench.live(ONE)
    const outputs = bench.hear({ id: 'x', result: SECRET }, { by: STRANGER })
    expect(outputs[0]).toEqual({ type: 'connected', remoteSigner: STRANGER })
    expect(sent(outputs)).toMatchObject([{ method: 'switch_relays', to: STRANGER }])
  })

  it('C16 is bound by a connect request with the secret, and answers it', () => {
    const bench = offerBench({ relays: [ONE, TWO] })
    bench.live(ONE)
    const outputs = bench.hear({ id: 'x', method: 'connect', params: [SIGNER, SECRET] })
    expect(outputs[0]).toEqual({
      ...{ type: 'send', id: 'x', to: SIGNER, relays: [ONE, TWO], scheme: 'nip44', kind: 'response' },
      text: '{"id":"x","result":"ack"}',
    })
    expect(bench.state.remoteSigner).toBe(SIGNER)
  })

  it.each([
    ['H44 `ack`', { id: 'x', result: 'ack' }],
    ['another secret', { id: 'x', result: `${SECRET}0` }],
    ['an error', { id: 'x', result: '', error: 'denied: no' }],
    ['a page', { id: 'x', result: 'auth_url', error: 'https://evil.example' }],
    ['the secret as an error', { id: 'x', error: SECRET }],
    ['the secret beside an error', { id: 'x', result: SECRET, error: 'no' }],
    ['a connect with another secret', { id: 'x', method: 'connect', params: [SIGNER, 'nope'] }],
    [
      'C17 a connect without one (A0); nobody is asked to confirm',
      { id: 'x', method: 'connect', params: [SIGNER] },
    ],
    ['another request with the secret', { id: 'x', method: 'ping', params: [SIGNER, SECRET] }],
  ])('C19 goes on waiting after %s', (_, body) => {
    const bench = offerBench()
    bench.live(ONE)
    const before = bench.state
    expect(kinds(bench.hear(body, { by: STRANGER }))).toEqual(['ignored connect/secret'])
    expect(bench.state).toEqual(before)
  })

  it('C19 goes on waiting after texts that are no message', () => {
    const bench = offerBench()
    expect(kinds(bench.hear('junk', { by: STRANGER }))).toEqual(['ignored response/json'])
    expect(kinds(bench.hear('x'.repeat(98_305), { by: STRANGER }))).toEqual(['ignored event/too-large'])
  })

  it('C18 takes `ack` where the profile allows it; nobody is asked to confirm', () => {
    const bench = offerBench({ profile: clientProfile('E', { allowLegacyAck: true }) })
    bench.live(ONE)
    expect(kinds(bench.hear({ id: 'x', result: 'ack' }))[0]).toBe('connected')
  })

  it('C20 fails when nobody came within 300 s', () => {
    const bench = offerBench()
    bench.live(ONE)
    expect(bench.wait(299_999)).toEqual([])
    expect(kinds(bench.wait(1))).toEqual(['ended timeout/connect'])
  })

  it('C20 waits for its relays as long as for its signer', () => {
    expect(offerBench().wait(299_999)).toEqual([])
  })

  it.each([
    ['a response', { id: 'y', result: SECRET }],
    ['a connect request', { id: 'y', method: 'connect', params: [STRANGER, SECRET] }],
  ])('H46 keeps the first signer and warns once when a second one has the secret, as %s', (_, body) => {
    const bench = offerBench()
    bench.live(ONE)
    bench.hear({ id: 'x', result: SECRET })
    expect(bench.wants.listen?.from).toBeUndefined()
    expect(kinds(bench.hear(body, { by: STRANGER }))).toEqual(['alert connect/two-signers'])
    expect(kinds(bench.hear(body, { by: FRIEND }))).toEqual(['ignored event/author'])
    expect(bench.state).toMatchObject({ remoteSigner: SIGNER, secret: null })
  })

  it('H46 watches for a second signer for 30 s, then listens to its own only and forgets the secret', () => {
    const bench = offerBench()
    bench.live(ONE)
    const asked = sentOne(bench.hear({ id: 'x', result: SECRET }), 'switch_relays')
    bench.answer(sentOne(bench.answer(asked.id, 'null'), 'get_public_key').id, USER)
    bench.wait(29_999)
    expect(bench.state.secret).toBe(SECRET)
    bench.wait(1)
    expect(bench.state.secret).toBeNull()
    expect(bench.wants.listen?.from).toBe(SIGNER)
    expect(kinds(bench.hear({ id: 'y', result: SECRET }, { by: STRANGER }))).toEqual(['ignored event/author'])
  })

  it('ignores its own signer saying the secret again', () => {
    const bench = offerBench()
    bench.live(ONE)
    bench.hear({ id: 'x', result: SECRET })
    expect(kinds(bench.hear({ id: 'x', result: SECRET }))).toEqual(['ignored response/unknown-id'])
    const asRequest = { id: 'x', method: 'connect', params: [SIGNER, SECRET] }
    expect(kinds(bench.hear(asRequest))).toEqual(['ignored request/unexpected'])
  })
})

describe('A login after connect', () => {
  it('C21 and C24 wait 1.5 s for the relays and no longer; a later list still counts', () => {
    const bench = bunkerBench()
    const asked = sentOne(connected(bench), 'switch_relays')
    expect(bench.wait(1_499)).toEqual([])
    expect(kinds(bench.wait(1))).toEqual(['send get_public_key'])
    bench.answer(asked.id, JSON.stringify([TWO]))
    expect(bench.wants.listen?.relays).toEqual([ONE, TWO])
  })

  it('C22 goes straight to the user’s key when the profile does not switch', () => {
    const bench = bunkerBench({ profile: clientProfile('SEED') })
    expect(kinds(connected(bench))).toEqual(['connected', 'send get_public_key'])
  })

  it('C23 asks for the user’s key on old and new relays', () => {
    const bench = bunkerBench()
    const asked = sentOne(connected(bench), 'switch_relays')
    const outputs = bench.answer(asked.id, JSON.stringify([TWO, THREE]))
    expect(sentOne(outputs, 'get_public_key').relays).toEqual([ONE, TWO, THREE])
  })

  it.each([
    ['null', null],
    ['"null"', 'null'],
    ['the empty text', ''],
    ['the relays in use', JSON.stringify([ONE])],
  ])('C24 goes on when nothing changes: %s', (_, result) => {
    const bench = bunkerBench()
    const outputs = bench.answer(sentOne(connected(bench), 'switch_relays').id, result)
    expect(kinds(outputs)).toEqual(['send get_public_key'])
    expect(bench.wants.listen?.relays).toEqual([ONE])
  })

  it.each([
    ['no texts', '[{"toString":""}]'],
    ['lists in lists without end', `${'['.repeat(20_000)}${']'.repeat(20_000)}`],
  ])('C24 goes on when the relays are %s', (_, result) => {
    const bench = bunkerBench()
    const outputs = bench.answer(sentOne(connected(bench), 'switch_relays').id, result)
    expect(kinds(outputs)).toEqual(['alert relays/refused', 'send get_public_key'])
  })

  it('C24 goes on when switch_relays is unknown, or refused by the relays', () => {
    const bench = bunkerBench()
    const asked = sentOne(connected(bench), 'switch_relays')
    expect(kinds(bench.fail(asked.id, 'unsupported: unknown method'))).toEqual(['send get_public_key'])
    const other = bunkerBench()
    const again = sentOne(connected(other), 'switch_relays')
    expect(kinds(other.published(again.id, ['blocked: no']))).toEqual(['send get_public_key'])
  })

  it('C25 is ready once it knows the user', () => {
    const bench = bunkerBench({ profile: clientProfile('D') })
    const asked = sentOne(connected(bench), 'switch_relays')
    const { id } = sentOne(bench.answer(asked.id, 'null'), 'get_public_key')
    expect(bench.answer(id, USER)).toEqual([{ type: 'ready', userPubkey: USER }])
    expect(bench.state).toMatchObject({ phase: 'ready', deadline: null, secret: null })
  })

  it('C26 takes the signer’s key for the user’s where the profile says so and the method is unsupported', () => {
    const bench = bunkerBench({ profile: clientProfile('SEED') })
    const { id } = sentOne(connected(bench), 'get_public_key')
    expect(bench.fail(id, 'Unrecognized method: get_public_key')).toEqual([
      { type: 'ready', userPubkey: SIGNER },
    ])
  })

  it('C26 guesses no key from silence or another error', () => {
    const bench = bunkerBench({ profile: clientProfile('SEED') })
    const { id } = sentOne(connected(bench), 'get_public_key')
    expect(kinds(bench.fail(id, 'denied: no'))).toEqual(['ended remote/error'])
    const other = bunkerBench({ profile: clientProfile('SEED') })
    connected(other)
    expect(kinds(other.wait(30_000)).slice(-1)).toEqual(['ended timeout/no-answer'])
  })

  it.each([
    ['H39 an npub', 'npub1tjw8smlfajgfn0vle6ytq32l6nsk237n6mgtm2qfdcp3nrf7sxesfes8zd'],
    ['H40 63 hex characters', USER.slice(1)],
    ['H41 no point of the curve', '1234567890abcdef1234567890abcdef1234567890abcdef1234567890abcdef'],
    ['H42 the empty text', ''],
    ['a number', 7],
  ])('C27 fails on %s for a user', (_, result) => {
    const bench = bunkerBench({ profile: clientProfile('SEED') })
    const { id } = sentOne(connected(bench), 'get_public_key')
    expect(kinds(bench.answer(id, result))).toEqual(['ended response/pubkey'])
  })

  it('fails when another user answers than the one expected', () => {
    const bench = bunkerBench({ profile: clientProfile('SEED'), userPubkey: USER })
    const { id } = sentOne(connected(bench), 'get_public_key')
    expect(kinds(bench.answer(id, FRIEND))).toEqual([
      ...['alert session/identity-changed', 'ended session/identity-changed'],
    ])
  })

  it('C28 holds requests until it is ready, and then sends them', () => {
    const bench = bunkerBench({ profile: clientProfile('SEED') })
    expect(bench.request(hexId(1), 'ping')).toEqual([])
    const { id } = sentOne(connected(bench), 'get_public_key')
    bench.request(hexId(2), 'describe')
    expect(kinds(bench.answer(id, USER))).toEqual(['ready', 'send ping', 'send describe'])
  })

  it('C28 counts the time a held request waits', () => {
    const bench = bunkerBench()
    bench.request(hexId(1), 'ping', [], 5_000)
    expect(settled(bench.wait(5_000))).toEqual({ [hexId(1)]: 'timeout/not-sent' })
  })

  it('waits for a page that get_public_key needs, and fails over one that must not be opened', () => {
    const bench = bunkerBench({ profile: clientProfile('SEED') })
    const { id } = sentOne(connected(bench), 'get_public_key')
    bench.hear({ id, result: 'auth_url', error: 'https://bunker.example' })
    bench.wait(200_000)
    expect(bench.state.phase).toBe('identifying')
    const url = 'http://bunker.example'
    expect(kinds(bench.hear({ id, result: 'auth_url', error: url }))).toEqual(['ended auth/url'])
  })

  it('never shows a page for switch_relays, and is not held up by one', () => {
    const bench = bunkerBench()
    const { id } = sentOne(connected(bench), 'switch_relays')
    const outputs = bench.hear({ id, result: 'auth_url', error: 'https://bunker.example' })
    expect(kinds(outputs)).toEqual(['ignored auth/unexpected'])
    expect(kinds(bench.wait(1_500))).toEqual(['send get_public_key'])
  })
})

describe('A client that goes on with a stored session', () => {
  const session: ClientSession = {
    ...{
      v: 1,
      clientPubkey: CLIENT,
      remoteSigner: SIGNER,
      userPubkey: USER,
      relays: [TWO],
      originRelays: [ONE],
    },
    ...{ profile: clientProfile('E'), lastSwitchAt: START - 3_600_000 },
  }

  it('C3 is ready at once and sends no connect', () => {
    const bench = benchClient(fromSession(session, SEED, START))
    expect(bench.state.phase).toBe('ready')
    expect(bench.live(TWO)).toEqual([])
    expect(bench.wants.listen).toEqual({
      relays: [TWO],
      to: CLIENT,
      from: SIGNER,
      since: START / 1_000 - 120,
    })
  })

  it.each([
    ['a day ago', START - 86_400_000],
    ['never', 0],
  ])('C3 asks for the relays in the background when it last did so %s', (_, lastSwitchAt) => {
    const bench = benchClient(fromSession({ ...session, lastSwitchAt }, SEED, START))
    expect(bench.wait(5_000)).toEqual([])
    expect(kinds(bench.live(TWO))).toEqual(['send switch_relays'])
    expect(bench.state.phase).toBe('ready')
  })

  it('R-SW-01 asks for the relays every 24 h while it is ready, one question at a time', () => {
    const bench = benchClient(fromSession(session, SEED, START))
    bench.live(TWO)
    expect(sent(bench.wait(82_799_999))).toEqual([])
    const { id } = sentOne(bench.wait(1), 'switch_relays')
    bench.answer(id, 'null')
    expect(sent(bench.wait(86_399_999))).toEqual([])
    expect(kinds(bench.wait(1))).toEqual(['send switch_relays'])
  })

  it('gives back what it was made from', () => {
    expect(sessionOf(fromSession(session, SEED, START))).toEqual(session)
    expect(sessionOf(bunkerBench().state)).toBeUndefined()
  })
})

describe('The end of a client session', () => {
  const ready = (facts = {}) => {
    const bench = bunkerBench({ profile: clientProfile('SEED', { logout: 'logout' }), ...facts })
    const { id } = sentOne(connected(bench), 'get_public_key')
    bench.answer(id, USER)
    return bench
  }

  it('C36 settles what is in flight, says logout, and C37 ends at any answer', () => {
    const bench = ready()
    bench.request(hexId(1), 'ping')
    const outputs = bench.feed({ type: 'logout' })
    expect(kinds(outputs)).toEqual(['settle logged-out', 'send logout'])
    expect(kinds(bench.fail(sentOne(outputs, 'logout').id, 'no'))).toEqual(['ended logged-out'])
  })

  it('C37 ends after 3 s without an answer, whatever pages it is shown', () => {
    const bench = ready()
    const { id } = sentOne(bench.feed({ type: 'logout' }), 'logout')
    const page = bench.hear({ id, result: 'auth_url', error: 'https://bunker.example' })
    expect(kinds(page)).toEqual(['ignored auth/unexpected'])
    expect(bench.wait(2_999)).toEqual([])
    expect(kinds(bench.wait(1))).toEqual(['ended logged-out'])
  })

  it('C36 takes no new requests while it logs out', () => {
    const bench = ready()
    bench.feed({ type: 'logout' })
    expect(settled(bench.request(hexId(9), 'ping'))).toEqual({ [hexId(9)]: 'logged-out' })
    expect(bench.feed({ type: 'logout' })).toEqual([])
  })

  it.each([
    ['no relay is live', (bench: ClientBench) => bench.down(ONE), {}],
    ['the dialect has no logout', () => [], { profile: clientProfile('SEED') }],
  ])('C37 ends at once when %s', (_, prepare, facts) => {
    const bench = ready(facts)
    prepare(bench)
    expect(kinds(bench.feed({ type: 'logout' }))).toEqual(['ended logged-out'])
  })

  it('C36 says `disconnect` in the 2023-02 dialect', () => {
    const bench = ready({ profile: clientProfile('A0') })
    expect(kinds(bench.feed({ type: 'logout' }))).toEqual(['send disconnect'])
  })

  it('C36 logs out in the middle of a login, and of an offer', () => {
    const bench = bunkerBench()
    connected(bench)
    expect(kinds(bench.feed({ type: 'logout' }))).toEqual(['send logout'])
    expect(kinds(offerBench().feed({ type: 'logout' }))).toEqual(['ended logged-out'])
  })

  it('is a logout also if it is closed, or disconnected, before the remote signer answers', () => {
    const bench = ready()
    bench.feed({ type: 'logout' })
    expect(kinds(bench.feed({ type: 'close' }))).toEqual(['ended logged-out'])
    const old = ready({ profile: clientProfile('A0') })
    old.feed({ type: 'logout' })
    expect(kinds(old.hear({ id: 'x', method: 'disconnect', params: [] }))).toEqual(['ended logged-out'])
  })

  it('C33 is ended by `disconnect` in the 2023-02 dialect only; the request is not answered', () => {
    const request = { id: 'x', method: 'disconnect', params: [] }
    const old = ready({ profile: clientProfile('A0') })
    old.request(hexId(1), 'ping')
    expect(kinds(old.hear(request))).toEqual(['settle closed', 'ended closed'])
    expect(kinds(ready().hear(request))).toEqual(['ignored request/unexpected'])
  })

  it('C35 answers no requests', () => {
    const request = { id: 'x', method: 'sign_event', params: ['{}'] }
    expect(kinds(ready().hear(request))).toEqual(['ignored request/unexpected'])
    const old = ready({ profile: clientProfile('A0') })
    expect(kinds(old.hear(request))).toEqual(['ignored request/unexpected'])
  })

  it('C38 closes without a word to anybody, and settles what is in flight', () => {
    const bench = ready()
    bench.request(hexId(1), 'ping')
    bench.request(hexId(2), 'sign_event', ['{}'])
    expect(kinds(bench.feed({ type: 'close' }))).toEqual(['settle closed', 'settle closed', 'ended closed'])
    expect(bench.state).toMatchObject({ pending: {}, secret: null, live: [], deadline: null })
  })

  it('C39 says nothing after the end but that it is over, and wants nothing', () => {
    const bench = ready()
    const { id } = sentOne(bench.request(hexId(1), 'ping'), 'ping')
    bench.feed({ type: 'close' })
    expect(bench.wants).toEqual({})
    expect(kinds(bench.answer(id, 'pong'))).toEqual(['ignored session/closed'])
    expect(settled(bench.request(hexId(2), 'ping'))).toEqual({ [hexId(2)]: 'closed' })
    const rest = [
      ...[
        { type: 'live', relay: ONE } as const,
        { type: 'down', relay: ONE } as const,
        { type: 'wake' } as const,
      ],
      ...[{ type: 'cancel', id } as const, { type: 'close' } as const],
      ...[{ type: 'logout' } as const],
    ]
    expect(rest.flatMap((input) => bench.feed(input))).toEqual([])
    expect(bench.published(id, 'ok')).toEqual([])
    expect(sessionOf(bench.state)).toBeUndefined()
  })

  it('says to later requests why it failed', () => {
    const bench = bunkerBench()
    bench.fail(sentOne(bench.live(ONE), 'connect').id, 'denied: no')
    expect(bench.request(hexId(1), 'ping')).toMatchObject([
      { type: 'settle', id: hexId(1), outcome: { error: { code: 'remote/error', message: 'denied: no' } } },
    ])
    const out = ready()
    out.down(ONE)
    out.feed({ type: 'logout' })
    expect(settled(out.request(hexId(1), 'ping'))).toEqual({ [hexId(1)]: 'logged-out' })
  })

  it('C34 hears nobody but its remote signer', () => {
    const bench = ready()
    bench.request(hexId(1), 'ping')
    expect(kinds(bench.hear({ id: hexId(1), result: 'pong' }, { by: STRANGER }))).toEqual([
      'ignored event/author',
    ])
  })
})

describe('A caller of the client machine', () => {
  it('is told about a session without relays or a seed', () => {
    expect(() => fromBunker({ ...clientFacts({ relays: [] }), remoteSigner: SIGNER }, START)).toThrow(
      UsageError,
    )
    expect(() => fromBunker({ ...clientFacts({ seed: '' }), remoteSigner: SIGNER }, START)).toThrow(
      UsageError,
    )
  })

  it('is told about ids that would not work', () => {
    const { state } = bunkerBench()
    for (const id of ['', '__proto__', 'a b', 'x'.repeat(65)]) {
      const request = { type: 'request', id, method: 'ping', params: [] } as const
      expect(() => step(state, request, START)).toThrow(UsageError)
    }
  })
})
