import { describe, expect, it } from 'vitest'
import {
  addOffer,
  EMPTY_ADMISSION,
  forgetOffer,
  type Offer,
  revokeOffer,
  SECRET_REFUSED,
} from '../src/admission.ts'
import { tokenKey } from '../src/connect-request.ts'
import { CONNECT_TRIES_PER_MINUTE, OFFERS, SESSION_RELAYS } from '../src/limits.ts'
import { hashSecret } from '../src/secret.ts'
import { UsageError } from '../src/value.ts'
import {
  CLIENT,
  FRIEND,
  hexId,
  ONE,
  pubkeyOf,
  relay,
  SECRET,
  SIGNER,
  START,
  STRANGER,
  THREE,
  TWO,
  templateText,
  USER,
} from './cast.ts'
import {
  answers,
  answerText,
  offeringBench,
  offerOf,
  openBench,
  SIGN_ANYTHING,
  type SignerBench,
  signerKinds,
} from './signer-bench.ts'

/** The answer to a stranger. */
function refusal(bench: SignerBench): string | undefined {
  const { last } = bench
  return last?.reply === undefined ? last?.dropped : answerText(last.reply)
}

const TOKEN = hashSecret(SECRET)

describe('A token of a remote signer', () => {
  it('O1 is kept as a hash, never as the secret', () => {
    const { admission } = offeringBench()
    expect(Object.keys(admission.offers)).toEqual([TOKEN])
    expect(JSON.stringify(admission)).not.toContain(SECRET)
  })

  it('S1 and O2 opens a session at once when the secret is enough, and is spent on that client', () => {
    const bench = offeringBench({ granted: SIGN_ANYTHING, relays: [ONE, TWO] })
    const outputs = bench.request('c', 'connect', [SIGNER, SECRET, 'sign_event:1', '{"name":"App"}'])
    expect(outputs).toEqual([
      {
        ...{ type: 'send', id: 'c', to: CLIENT, relays: [ONE, TWO], scheme: 'nip44' },
        text: '{"id":"c","result":"ack"}',
      },
    ])
    expect(bench.session()).toMatchObject({
      ...{ phase: 'open', granted: SIGN_ANYTHING, requested: [{ method: 'sign_event', kind: 1 }] },
      ...{ metadata: { name: 'App' }, userPubkey: USER, token: TOKEN },
    })
    expect(bench.admission.offers[TOKEN]).toMatchObject({ usedBy: CLIENT })
  })

  it('never grants what a client merely asked for', () => {
    const bench = offeringBench()
    bench.request('c', 'connect', [SIGNER, SECRET, 'sign_event:1'])
    expect(signerKinds(bench.request('r', 'sign_event', [templateText()]))).toEqual(['ask operation'])
  })

  it('O3 is worth nothing after it ran out, or was revoked', () => {
    const bench = offeringBench()
    bench.sleep(86_400_000)
    bench.request('c', 'connect', [SIGNER, SECRET])
    expect(refusal(bench)).toBe(`c! ${SECRET_REFUSED}`)
    const other = offeringBench()
    other.admission = revokeOffer(other.admission, TOKEN)
    other.request('c', 'connect', [SIGNER, SECRET])
    expect(refusal(other)).toBe(`c! ${SECRET_REFUSED}`)
    expect(other.sessions.size).toBe(0)
  })

  it('O4 and S4 gives the same client the same ack again', () => {
    const bench = openBench()
    expect(answers(bench.request('c2', 'connect', [SIGNER, SECRET]))).toEqual(['c2: ack'])
    expect(answers(bench.request('c3', 'connect', [USER, SECRET]))).toEqual(['c3: ack'])
  })

  it('O5 gives another client the one text for bad secrets', () => {
    const bench = openBench()
    bench.request('c', 'connect', [SIGNER, SECRET], { from: STRANGER })
    expect(refusal(bench)).toBe(`c! ${SECRET_REFUSED}`)
    expect(bench.sessions.has(STRANGER)).toBe(false)
  })

  it('is not found at another signer key', () => {
    const bench = offeringBench()
    bench.request('c', 'connect', [SIGNER, SECRET], { to: FRIEND })
    expect(refusal(bench)).toBe(`c! ${SECRET_REFUSED}`)
  })

  it('can be forgotten, and forgetting or revoking another changes nothing', () => {
    const { admission } = offeringBench()
    expect(forgetOffer(admission, TOKEN).offers).toEqual({})
    expect(forgetOffer(admission, 'no').offers).toEqual(admission.offers)
    expect(revokeOffer(admission, '__proto__')).toBe(admission)
  })

  it('cannot be handed out again once it was used', () => {
    const bench = openBench()
    expect(() => addOffer(bench.admission, SECRET, offerOf())).toThrow(UsageError)
  })

  it('without a secret serves every client that somebody says yes to', () => {
    const bench = offeringBench({ approval: 'secret' }, {}, null)
    for (const client of [CLIENT, STRANGER]) {
      expect(signerKinds(bench.request('c', 'connect', [SIGNER], { from: client }))).toEqual(['ask connect'])
      expect(answers(bench.pair({ allow: true }, client))).toEqual(['c: ack'])
    }
  })

  it.each([
    ['without a secret', null],
    ['with an empty one', ''],
  ])('%s always waits for somebody to decide', (_, secret) => {
    const { admission } = offeringBench({ approval: 'secret' }, {}, secret)
    expect(admission.offers[tokenKey(null, SIGNER)]).toMatchObject({ approval: 'ask' })
  })
})

describe('A stranger at a remote signer', () => {
  it.each([
    ['G01 no params', [], 'c! invalid: connect needs the remote-signer pubkey'],
    ['G02 another signer', [FRIEND, SECRET], 'c! unauthorized: not this remote signer'],
    ['G05 no secret', [SIGNER], `c! ${SECRET_REFUSED}`],
    ['G05 an empty secret', [SIGNER, ''], `c! ${SECRET_REFUSED}`],
    ['G06 a wrong secret', [SIGNER, 'nope'], `c! ${SECRET_REFUSED}`],
    ['G07 a part of the secret', [SIGNER, SECRET.slice(0, -1)], `c! ${SECRET_REFUSED}`],
    ['G08 more than the secret', [SIGNER, `${SECRET}\u0000`], `c! ${SECRET_REFUSED}`],
    ['a wrong secret for another signer', [FRIEND, 'nope'], `c! ${SECRET_REFUSED}`],
    ['a wrong secret for the user', [USER, 'nope'], `c! ${SECRET_REFUSED}`],
  ])('S3 is refused on connect with %s', (_, params, text) => {
    const bench = offeringBench()
    expect(bench.request('c', 'connect', params)).toEqual([])
    expect(refusal(bench)).toBe(text)
    expect(bench.sessions.size).toBe(0)
  })

  it.each([
    ['G05 no secret', [SIGNER], `c2! ${SECRET_REFUSED}`],
    ['G06 a wrong secret', [SIGNER, 'nope'], `c2! ${SECRET_REFUSED}`],
    ['G01 no params', [], 'c2! invalid: connect needs the remote-signer pubkey'],
    ['G02 another signer', [FRIEND, SECRET], 'c2! unauthorized: not this remote signer'],
  ])(
    'is refused alike once connected, and stays connected; the corpus wins over R-CONN-06: %s',
    (_, params, text) => {
      const bench = openBench()
      const said = answers(bench.request('c2', 'connect', params))
      expect([...said, ...(bench.last === undefined ? [] : [refusal(bench)])]).toEqual([text])
      expect(answers(bench.request('r', 'ping'))).toEqual(['r: pong'])
    },
  )

  it.each([
    ['the remote signer', SIGNER],
    ['the remote signer in capitals', SIGNER.toUpperCase()],
    ['the client (2023-02)', CLIENT],
    ['the user (2024-02-20)', USER],
    ['nothing', ''],
  ])('may mean %s by the first param', (_, target) => {
    expect(answers(offeringBench().request('c', 'connect', [target, SECRET]))).toEqual(['c: ack'])
  })

  it('G11 and G12 and G13 may ask for nonsense and call itself nonsense', () => {
    const bench = offeringBench()
    bench.request('c', 'connect', [SIGNER, SECRET, 'sign_event:1,frob,*', '{nope'])
    expect(bench.session()).toMatchObject({
      requested: [{ method: 'sign_event', kind: 1 }],
      metadata: null,
      granted: [],
    })
    const other = offeringBench()
    const metadata = '{"name":{"a":1},"url":5,"image":["x"],"__proto__":{"x":1}}'
    other.request('c', 'connect', [SIGNER, SECRET, 'x'.repeat(5_000), metadata])
    expect(other.session()).toMatchObject({ requested: [], metadata: {} })
  })

  it.each(['get_public_key', 'ping', 'sign_event', 'logout'])(
    'S9, G14 and D42 is told that it is not connected on %s',
    (method) => {
      const bench = offeringBench()
      bench.request('r', method, [])
      expect(refusal(bench)).toBe('r! unauthorized: not connected')
    },
  )

  it('S10 may begin without connect where the host allows it, and waits for a decision', () => {
    const bench = offeringBench({}, { implicitConnect: true }, null)
    expect(signerKinds(bench.request('r', 'get_public_key'))).toEqual(['ask connect'])
    expect(answers(bench.pair({ allow: true }))).toEqual([`r: ${USER}`])
  })

  it('S10 still needs a token without a secret', () => {
    const bench = offeringBench({}, { implicitConnect: true })
    bench.request('r', 'get_public_key')
    expect(refusal(bench)).toBe('r! unauthorized: not connected')
  })

  it.each([
    ['junk', 'junk', 'request/json'],
    ['no id', { method: 'connect', params: [] }, 'request/id'],
    ['no method', { id: 'c' }, 'request/method'],
    ['a method that is none', { id: 'c', method: 5 }, 'c! invalid: method must be a string'],
    [
      'params that are none',
      { id: 'c', method: 'connect', params: {} },
      'c! invalid: params must be an array of strings',
    ],
    ['too much', 'x'.repeat(98_305), 'event/too-large'],
  ])('is dropped or told when it sends %s', (_, body, text) => {
    const bench = offeringBench()
    bench.hear(body)
    expect(refusal(bench)).toBe(text)
  })

  it('is dropped when its message is not of this time; a paired client would be told', () => {
    for (const at of [START - 601_000, START + 601_000]) {
      const bench = offeringBench()
      bench.request('c', 'connect', [SIGNER, SECRET], { at })
      expect(refusal(bench)).toBe('event/expired')
    }
    expect(
      answers(offeringBench().request('c', 'connect', [SIGNER, SECRET], { at: START - 600_000 })),
    ).toEqual(['c: ack'])
  })

  it(`decision 12: ${CONNECT_TRIES_PER_MINUTE} failed tries a minute are answered, then there is silence`, () => {
    const bench = offeringBench()
    const attempt = (secret: string, from = STRANGER) => {
      bench.request('c', 'connect', [SIGNER, secret], { from })
      return refusal(bench)
    }
    for (let i = 0; i < CONNECT_TRIES_PER_MINUTE; i++) {
      expect(attempt(`guess ${i}`, i % 2 === 0 ? STRANGER : FRIEND)).toBe(`c! ${SECRET_REFUSED}`)
    }
    expect(attempt('guess')).toBe('connect/silenced')
    bench.sleep(59_999)
    expect(attempt('guess')).toBe('connect/silenced')
    bench.sleep(1)
    expect(attempt('guess')).toBe(`c! ${SECRET_REFUSED}`)
  })

  it('cannot get around the count by naming the user or another signer', () => {
    const bench = offeringBench()
    for (let i = 0; i < CONNECT_TRIES_PER_MINUTE; i++) bench.request('c', 'connect', [USER, `guess ${i}`])
    bench.request('c', 'connect', [FRIEND, 'guess'])
    expect(refusal(bench)).toBe('connect/silenced')
  })

  it('does not silence the owner of the secret, nor another signer key', () => {
    const bench = offeringBench()
    for (let i = 0; i < 9; i++) bench.request('c', 'connect', [SIGNER, 'guess'], { from: STRANGER })
    expect(answers(bench.request('c', 'connect', [SIGNER, SECRET]))).toEqual(['c: ack'])
    bench.request('c', 'connect', [SIGNER, 'guess'], { from: STRANGER, to: FRIEND })
    expect(refusal(bench)).toBe(`c! ${SECRET_REFUSED}`)
  })
})

describe('A pairing that somebody decides on', () => {
  const pairing = (facts: Partial<Offer> = {}, context = {}) => {
    const bench = offeringBench({ approval: 'ask', ...facts }, context)
    const outputs = bench.request('c', 'connect', [SIGNER, SECRET, 'sign_event:1', '{"name":"App"}'])
    return { bench, outputs }
  }

  it('S2 asks with all that is known of the client', () => {
    expect(pairing().outputs).toEqual([
      {
        ...{ type: 'ask', id: '' },
        question: {
          ...{ type: 'connect', clientPubkey: CLIENT, requested: [{ method: 'sign_event', kind: 1 }] },
          ...{ metadata: { name: 'App' }, relays: [ONE], legacyEncryption: false },
        },
      },
    ])
  })

  it('S2 says when the connection would be encrypted with NIP-04 (decision 14)', () => {
    const bench = offeringBench({ approval: 'ask' })
    const [asked] = bench.request('c', 'connect', [SIGNER, SECRET], { scheme: 'nip04' })
    expect(asked).toMatchObject({ question: { legacyEncryption: true } })
    expect(bench.pair({ allow: true })).toMatchObject([{ scheme: 'nip04' }])
  })

  it('S5 acks every connect that waited, handles what was held, and spends the token', () => {
    const { bench } = pairing()
    expect(bench.request('c2', 'connect', [SIGNER, SECRET])).toEqual([])
    expect(bench.request('r', 'get_public_key')).toEqual([])
    const outputs = bench.pair({ allow: true, grant: [{ method: 'sign_event', kind: 1 }] })
    expect(answers(outputs)).toEqual(['c: ack', 'c2: ack', `r: ${USER}`])
    expect(bench.session()).toMatchObject({
      phase: 'open',
      granted: [{ method: 'sign_event', kind: 1 }],
      held: [],
    })
    expect(bench.admission.offers[TOKEN]).toMatchObject({ usedBy: CLIENT })
  })

  it('S5 takes another token that was held to admission, like any later one', () => {
    const { bench } = pairing()
    bench.request('c2', 'connect', [SIGNER, 'nope'])
    const outputs = bench.pair({ allow: true })
    expect(signerKinds(outputs)).toEqual(['c: ack', 'readmit'])
  })

  it('S6 answers all that waited when somebody says no, and the token stays good', () => {
    const { bench } = pairing()
    bench.request('r', 'ping')
    const outputs = bench.pair({ allow: false })
    expect(signerKinds(outputs)).toEqual([
      'c! denied: the user said no',
      'r! denied: the user said no',
      'ended refused',
    ])
    expect(bench.admission.offers[TOKEN]).toMatchObject({ usedBy: null })
    expect(bench.wants).toEqual({})
  })

  it('S6 gives the reason if there is one', () => {
    expect(answers(pairing().bench.pair({ allow: false, reason: 'not today' }))).toEqual([
      'c! denied: not today',
    ])
  })

  it('S6 ends after a minute without a decision, and a later yes counts for nothing', () => {
    const { bench } = pairing()
    expect(bench.wait(59_999)).toEqual([])
    expect(signerKinds(bench.wait(1))).toEqual(['c! timeout: no approval', 'ended refused'])
    expect(signerKinds(bench.pair({ allow: true }))).toEqual(['ignored decision/unknown'])
    expect(bench.admission.offers[TOKEN]).toMatchObject({ usedBy: null })
  })

  it('S6 takes no yes that comes before the wake but after the time', () => {
    const { bench } = pairing()
    bench.sleep(60_000)
    expect(signerKinds(bench.pair({ allow: true }))).toEqual(['c! timeout: no approval', 'ended refused'])
  })

  it('S6 waits as long as the host says', () => {
    const { bench } = pairing({}, { decisionTimeoutMs: 5_000 })
    expect(bench.wait(4_999)).toEqual([])
    expect(answers(bench.wait(1))).toEqual(['c! timeout: no approval'])
  })

  it('S7 asks once, however often connect comes, and holds eight requests at most', () => {
    const { bench } = pairing()
    expect(signerKinds(bench.request('c', 'connect', [SIGNER, SECRET]))).toEqual(['ignored request/repeated'])
    for (let i = 0; i < 7; i++) expect(bench.request(`r${i}`, 'ping')).toEqual([])
    expect(signerKinds(bench.request('r7', 'ping'))).toEqual(['ignored session/held'])
    expect(answers(bench.pair({ allow: true }))).toHaveLength(8)
  })

  it('S8 performs nothing twice that was held twice', () => {
    const { bench } = pairing({ granted: SIGN_ANYTHING })
    bench.request('r', 'sign_event', [templateText()])
    bench.request('r', 'sign_event', [templateText()])
    expect(signerKinds(bench.pair({ allow: true }))).toEqual([
      'c: ack',
      'perform sign_event',
      'ignored request/repeated',
    ])
  })

  it('S8 handles what was held even if it is old by the time of the decision', () => {
    const bench = offeringBench({ approval: 'ask' })
    bench.request('c', 'connect', [SIGNER, SECRET], { at: START - 590_000 })
    bench.request('r', 'ping', [], { at: START - 590_000 })
    bench.sleep(50_000)
    expect(answers(bench.pair({ allow: true }))).toEqual(['c: ack', 'r: pong'])
  })

  it('S8 stops at a logout among what was held', () => {
    const { bench } = pairing()
    bench.request('r1', 'logout')
    bench.request('r2', 'ping')
    expect(answers(bench.pair({ allow: true }))).toEqual(['c: ack', 'r1: ack'])
    expect(bench.session().phase).toBe('ending')
  })

  it('O2 is refused after all when another client spent the token meanwhile', () => {
    const { bench } = pairing()
    bench.request('d', 'connect', [SIGNER, SECRET], { from: STRANGER })
    expect(answers(bench.pair({ allow: true }, STRANGER))).toEqual(['d: ack'])
    expect(signerKinds(bench.pair({ allow: true }))).toEqual([`c! ${SECRET_REFUSED}`, 'ended refused'])
    expect(bench.admission.offers[TOKEN]).toMatchObject({ usedBy: STRANGER })
  })

  it('repeats a refusal to the same connect, and asks nobody again', () => {
    const { bench } = pairing()
    bench.pair({ allow: false })
    const again = [SIGNER, SECRET, 'sign_event:1', '{"name":"App"}']
    expect(signerKinds(bench.request('c', 'connect', again))).toEqual(['c! denied: the user said no'])
    expect(signerKinds(bench.request('c9', 'connect', again))).toEqual(['ask connect'])
  })

  it('S2 can be sent to a page, once, and waits 300 s then', () => {
    const { bench } = pairing()
    bench.request('c2', 'connect', [SIGNER, SECRET])
    bench.request('r', 'ping')
    const challenge = { type: 'challenge', id: '', url: 'https://bunker.example/p' } as const
    bench.sleep(59_000)
    expect(answers(bench.feed(challenge))).toEqual([
      'c? https://bunker.example/p',
      'c2? https://bunker.example/p',
    ])
    expect(signerKinds(bench.feed(challenge))).toEqual(['ignored decision/unknown'])
    expect(bench.request('c3', 'connect', [SIGNER, SECRET])).toEqual([])
    expect(bench.wait(299_999)).toEqual([])
    expect(signerKinds(bench.wait(1))).toContain('ended refused')
  })

  it('S18 answers what waits when it is revoked before the decision', () => {
    const { bench } = pairing()
    expect(signerKinds(bench.feed({ type: 'revoke' }))).toEqual([
      'c! unauthorized: session revoked',
      'ended revoked',
    ])
    expect(signerKinds(bench.pair({ allow: true }))).toEqual(['ignored decision/unknown'])
  })

  it('is asked again after a restart', () => {
    const { bench, outputs } = pairing()
    expect(bench.restart()).toEqual(outputs)
    expect(answers(bench.pair({ allow: true }))).toEqual(['c: ack'])
  })
})

describe('A client that presents another token', () => {
  const SECOND = 'b0a3c2d1e4f5968778695a4b3c2d1e0f'
  const second = (facts: Partial<Offer> = {}) => {
    const bench = openBench([{ method: 'sign_event', kind: 1 }])
    bench.admission = addOffer(
      bench.admission,
      SECOND,
      offerOf({ relays: [TWO], granted: [{ method: 'nip44_encrypt' }], ...facts }),
    )
    return bench
  }

  it('S4 keeps its session and gains what the token grants; the token is spent', () => {
    const bench = second()
    bench.request('r', 'sign_event', [templateText()])
    expect(answers(bench.request('c2', 'connect', [SIGNER, SECOND]))).toEqual(['c2: ack'])
    expect(bench.session()).toMatchObject({
      ...{ phase: 'open', token: hashSecret(SECOND), relays: [TWO, ONE] },
      granted: [{ method: 'sign_event', kind: 1 }, { method: 'nip44_encrypt' }],
    })
    expect(bench.admission.offers[hashSecret(SECOND)]).toMatchObject({ usedBy: CLIENT })
    expect(answers(bench.complete('r', 'signed'))).toEqual(['r: signed'])
  })

  it('gains nothing from a token that somebody would have to decide on, and loses nothing', () => {
    const bench = second({ approval: 'ask' })
    const before = bench.session()
    expect(signerKinds(bench.request('c2', 'connect', [SIGNER, SECOND]))).toEqual(['c2: ack'])
    expect(bench.session()).toEqual({ ...before, ledger: bench.session().ledger })
    expect(bench.admission.offers[hashSecret(SECOND)]).toMatchObject({ usedBy: null })
  })

  it('starts anew with the token of another user: no grants, no answers of the first one', () => {
    const bench = second({ userPubkey: FRIEND })
    bench.request('r', 'sign_event', [templateText()])
    expect(answers(bench.request('c2', 'connect', [SIGNER, SECOND]))).toEqual([
      ...['r! unauthorized: session revoked', 'c2: ack'],
    ])
    expect(bench.session()).toMatchObject({
      userPubkey: FRIEND,
      granted: [{ method: 'nip44_encrypt' }],
      pending: {},
    })
    expect(answers(bench.request('k', 'get_public_key'))).toEqual([`k: ${FRIEND}`])
    expect(signerKinds(bench.complete('r', 'signed'))).toEqual(['ignored operation/unknown'])
  })

  it('S19 comes back after a logout with a fresh token only', () => {
    const bench = second()
    bench.request('o', 'logout')
    bench.wait(5_000)
    bench.request('c3', 'connect', [SIGNER, SECRET])
    expect(refusal(bench)).toBe(`c3! ${SECRET_REFUSED}`)
    expect(answers(bench.request('c4', 'connect', [SIGNER, SECOND]))).toEqual(['c4: ack'])
    expect(bench.session()).toMatchObject({ phase: 'open', granted: [{ method: 'nip44_encrypt' }] })
  })

  it('S19 is not acked for the connect of its former session', () => {
    const bench = openBench()
    bench.feed({ type: 'revoke' })
    expect(bench.request('c', 'connect', [SIGNER, SECRET])).toEqual([])
    expect(refusal(bench)).toBe(`c! ${SECRET_REFUSED}`)
  })

  it('remembers what it was answered across the tokens', () => {
    const bench = second()
    bench.request('r', 'sign_event', [templateText()])
    bench.complete('r', 'signed')
    bench.request('c2', 'connect', [SIGNER, SECOND])
    expect(answers(bench.request('r', 'sign_event', [templateText()]))).toEqual(['r: signed'])
  })
})

describe('The limits of admission', () => {
  it(`are ${OFFERS} tokens that are alive or in use`, () => {
    let admission = EMPTY_ADMISSION
    const offers: Record<string, Offer> = {}
    for (let i = 0; i < OFFERS; i++)
      offers[hashSecret(`s${i}`)] = { ...offerOf(), usedBy: null, revoked: false }
    admission = { ...admission, offers: Object.fromEntries(Object.entries(offers).slice(1)) }
    admission = addOffer(admission, 'last', offerOf())
    expect(Object.keys(admission.offers)).toHaveLength(OFFERS)
    expect(() => addOffer(admission, 'more', offerOf())).toThrow(UsageError)
    // The same token again takes no more room, and tokens that ran out make room.
    expect(Object.keys(addOffer(admission, 'last', offerOf()).offers)).toHaveLength(OFFERS)
    const later = offerOf({ createdAt: START + 86_400_000, expiresAt: START + 90_000_000 })
    expect(Object.keys(addOffer(admission, 'more', later).offers)).toHaveLength(1)
  })

  it('keeps a used token that ran out, to tell its client from a thief', () => {
    const { admission } = openBench()
    const later = offerOf({ createdAt: START + 90_000_000, expiresAt: START + 99_000_000 })
    expect(addOffer(admission, 'more', later).offers[TOKEN]).toMatchObject({ usedBy: CLIENT })
  })

  it(`are ${SESSION_RELAYS} relays for a session`, () => {
    const relays = Array.from({ length: SESSION_RELAYS + 1 }, (_, i) => relay(`r${i}`))
    const bench = offeringBench({ relays })
    bench.request('c', 'connect', [SIGNER, SECRET], { relay: THREE })
    expect(bench.session().relays).toHaveLength(SESSION_RELAYS)
  })

  it('count failures for each signer key, not for each client', () => {
    const bench = offeringBench()
    for (let i = 0; i < 50; i++) {
      bench.request(hexId(i), 'connect', [SIGNER, 'guess'], { from: pubkeyOf(`guesser ${i}`) })
    }
    expect(Object.keys(bench.admission.failures)).toEqual([SIGNER])
    expect(bench.admission.failures[SIGNER]).toHaveLength(CONNECT_TRIES_PER_MINUTE)
    expect(bench.sessions.size).toBe(0)
  })
})
