import { describe, expect, it } from 'vitest'
import {
  ANSWER_MEMORY_MS,
  ANSWER_RESENDS,
  FRESHNESS_SECONDS,
  MESSAGE_BYTES_OUT,
  SESSION_PENDING,
  SESSION_RELAYS,
  SESSION_UNDECIDED,
} from '../src/limits.ts'
import { encodeResponse } from '../src/message.ts'
import type { SignerOutput } from '../src/remote-signer.ts'
import { step } from '../src/remote-signer.ts'
import {
  CLIENT,
  FRIEND,
  hexId,
  ONE,
  relay,
  SECRET,
  SIGNER,
  START,
  STRANGER,
  TWO,
  templateText,
  USER,
} from './cast.ts'
import { answers, offeringBench, openBench, SIGN_ANYTHING, signerKinds } from './signer-bench.ts'

const EVERYTHING = [
  ...SIGN_ANYTHING,
  ...['nip44_encrypt', 'nip44_decrypt', 'nip04_encrypt', 'nip04_decrypt'].map((method) => ({ method })),
]

describe('What a remote signer answers by itself', () => {
  it.each([
    ['ping', 'pong'],
    ['get_public_key', USER],
    ['switch_relays', 'null'],
    [
      'describe',
      '["connect","describe","get_public_key","logout","nip04_decrypt","nip04_encrypt","nip44_decrypt","nip44_encrypt","ping","sign_event","switch_relays"]',
    ],
  ])('%s', (method, result) => {
    expect(answers(openBench([]).request('r', method))).toEqual([`r: ${result}`])
  })

  it('G99 takes no notice of params too many', () => {
    expect(answers(openBench().request('r', 'switch_relays', ['x', 'y']))).toEqual(['r: null'])
  })

  it('decision 15: get_relays and nip44_get_key are known only where the host says so, and described then', () => {
    const userRelays = { 'wss://one.example': { read: true, write: false } }
    const bench = openBench([], { userRelays, nip44GetKey: true })
    expect(answers(bench.request('r', 'get_relays'))).toEqual([`r: ${JSON.stringify(userRelays)}`])
    expect(signerKinds(bench.request('k', 'nip44_get_key', [FRIEND]))).toEqual(['ask operation'])
    const [described] = answers(bench.request('d', 'describe'))
    expect(described).toContain('"get_relays"')
    expect(described).toContain('"nip44_get_key"')
    const plain = openBench()
    expect(answers(plain.request('r', 'get_relays'))).toEqual(['r! unsupported: unknown method'])
    expect(answers(plain.request('k', 'nip44_get_key', [FRIEND]))).toEqual(['k! unsupported: unknown method'])
  })

  it.each(['unheard_of', 'create_account', 'disconnect', '__proto__', 'constructor', 'toString'])(
    'X1 an error to %s',
    (method) => {
      expect(answers(openBench().request('r', method))).toEqual(['r! unsupported: unknown method'])
    },
  )

  it('answers on the relay that asked and all relays of the session (R-SW-09)', () => {
    const bench = offeringBench({ relays: [ONE, TWO] })
    bench.request('c', 'connect', [SIGNER, SECRET])
    const far = relay('far')
    expect(bench.request('r', 'ping', [], { relay: far })).toMatchObject([{ relays: [far, ONE, TWO] }])
  })
})

describe('A request for the user’s key', () => {
  it('S11 and X3 is performed at once when it is granted, and X9 answered with the result', () => {
    const bench = openBench()
    expect(bench.request('r', 'sign_event', [templateText()])).toEqual([
      {
        ...{ type: 'perform', id: 'r' },
        operation: {
          method: 'sign_event',
          template: { kind: 1, content: 'hello', tags: [], created_at: START / 1_000 },
        },
      },
    ])
    expect(answers(bench.complete('r', 'signed'))).toEqual(['r: signed'])
    expect(bench.session().pending).toEqual({})
  })

  it.each([
    ['nip44_encrypt', 'text'],
    ['nip44_decrypt', 'payload'],
    ['nip04_encrypt', ''],
    ['nip04_decrypt', 'payload?iv=x'],
  ])('%s is performed with its peer and text', (method, text) => {
    const [output] = openBench(EVERYTHING).request('r', method, [FRIEND, text])
    const member = method.endsWith('encrypt') ? 'plaintext' : 'ciphertext'
    expect(output).toEqual({ type: 'perform', id: 'r', operation: { method, peer: FRIEND, [member]: text } })
  })

  it('S12 and X4 is asked about when it is not granted, and X5 performed after a yes', () => {
    const bench = openBench([])
    const [asked] = bench.request('r', 'nip44_encrypt', [FRIEND, 'text'])
    expect(asked).toEqual({
      ...{ type: 'ask', id: 'r' },
      question: {
        ...{ type: 'operation', clientPubkey: CLIENT },
        operation: { method: 'nip44_encrypt', peer: FRIEND, plaintext: 'text' },
      },
    })
    expect(signerKinds(bench.decide('r', { allow: true }))).toEqual(['perform nip44_encrypt'])
    expect(answers(bench.complete('r', 'payload'))).toEqual(['r: payload'])
  })

  it('X5 remembers a grant given with the yes, once; other open questions stay open', () => {
    const bench = openBench([])
    bench.request('r1', 'nip44_encrypt', [FRIEND, 'a'])
    bench.request('r2', 'nip44_encrypt', [FRIEND, 'b'])
    const grant = [{ method: 'nip44_encrypt' }]
    bench.decide('r1', { allow: true, grant })
    bench.decide('r2', { allow: true, grant })
    expect(bench.session().granted).toEqual(grant)
    expect(signerKinds(bench.request('r3', 'nip44_encrypt', [FRIEND, 'c']))).toEqual([
      'perform nip44_encrypt',
    ])
  })

  it('X6 is answered with a denial', () => {
    const bench = openBench([])
    bench.request('r1', 'sign_event', [templateText()])
    bench.request('r2', 'sign_event', [templateText()])
    expect(answers(bench.decide('r1', { allow: false }))).toEqual(['r1! denied: the user said no'])
    expect(answers(bench.decide('r2', { allow: false, reason: 'policy' }))).toEqual(['r2! denied: policy'])
  })

  it('X7 is answered when nobody decided within a minute, and I34 a later yes signs nothing', () => {
    const bench = openBench([])
    bench.request('r', 'sign_event', [templateText()])
    expect(bench.wait(59_999)).toEqual([])
    expect(answers(bench.wait(1))).toEqual(['r! timeout: no approval'])
    expect(signerKinds(bench.decide('r', { allow: true }))).toEqual(['ignored decision/unknown'])
  })

  it('I34 takes no yes that comes before the wake but after the time', () => {
    const bench = openBench([])
    bench.request('r', 'sign_event', [templateText()])
    bench.sleep(60_000)
    expect(signerKinds(bench.decide('r', { allow: true }))).toEqual([
      ...['r! timeout: no approval', 'ignored decision/unknown'],
    ])
  })

  it('X7 waits as long as the host says', () => {
    const bench = openBench([], { decisionTimeoutMs: 5_000 })
    bench.request('r', 'sign_event', [templateText()])
    expect(bench.wait(4_999)).toEqual([])
    expect(answers(bench.wait(1))).toEqual(['r! timeout: no approval'])
  })

  it('I32 is decided once', () => {
    const bench = openBench([])
    bench.request('r', 'sign_event', [templateText()])
    bench.decide('r', { allow: true })
    expect(signerKinds(bench.decide('r', { allow: true }))).toEqual(['ignored decision/unknown'])
    expect(signerKinds(bench.decide('r', { allow: false }))).toEqual(['ignored decision/unknown'])
  })

  it('is completed once, and only after the yes', () => {
    const bench = openBench([])
    bench.request('r', 'sign_event', [templateText()])
    expect(signerKinds(bench.complete('r', 'early'))).toEqual(['ignored operation/unknown'])
    bench.decide('r', { allow: true })
    bench.complete('r', 'signed')
    expect(signerKinds(bench.complete('r', 'again'))).toEqual(['ignored operation/unknown'])
    for (const id of ['__proto__', 'constructor', 'nobody']) {
      expect(signerKinds(bench.complete(id, 'x'))).toEqual(['ignored operation/unknown'])
      expect(signerKinds(bench.decide(id, { allow: true }))).toEqual(['ignored decision/unknown'])
    }
  })

  it('X4 can be sent to a page, once (R-AUTH-04), and is decided within 300 s then', () => {
    const bench = openBench([])
    bench.request('r', 'sign_event', [templateText()])
    const challenge = { type: 'challenge', id: 'r', url: 'https://bunker.example/p' } as const
    expect(answers(bench.feed(challenge))).toEqual(['r? https://bunker.example/p'])
    expect(signerKinds(bench.feed(challenge))).toEqual(['ignored decision/unknown'])
    expect(bench.wait(299_999)).toEqual([])
    expect(signerKinds(bench.decide('r', { allow: true }))).toEqual(['perform sign_event'])
  })

  it('X4 is not hurried by a page', () => {
    const bench = openBench([], { decisionTimeoutMs: 900_000 })
    bench.request('r', 'sign_event', [templateText()])
    bench.feed({ type: 'challenge', id: 'r', url: 'https://bunker.example' })
    expect(bench.wait(899_999)).toEqual([])
    expect(answers(bench.wait(1))).toEqual(['r! timeout: no approval'])
  })

  it('X10 passes on what the key said, and never an error that would read as success', () => {
    const bench = openBench()
    bench.request('r1', 'sign_event', [templateText()])
    bench.request('r2', 'sign_event', [templateText()])
    const failed = (id: string, error: string) =>
      answers(bench.feed({ type: 'complete', id, outcome: { ok: false, error } }))
    expect(failed('r1', 'unavailable: the key is locked')).toEqual(['r1! unavailable: the key is locked'])
    expect(failed('r2', '')).toEqual(['r2! internal: the operation failed'])
  })

  it('decision 10 answers an empty plaintext with an error', () => {
    const bench = openBench(EVERYTHING)
    bench.request('r', 'nip04_decrypt', [FRIEND, 'x'])
    expect(answers(bench.complete('r', ''))).toEqual(['r! invalid: the plaintext is empty'])
  })

  it('X2 is answered before anybody is asked when its params are wrong', () => {
    const bench = openBench([])
    expect(answers(bench.request('r', 'sign_event', []))).toEqual(['r! invalid: sign_event needs an event'])
    expect(answers(bench.request('s', 'nip44_encrypt', ['zz', 'x']))).toEqual([
      's! invalid: third-party pubkey is not a valid key',
    ])
  })

  it('decision 19 is refused for the key of any client of this bunker, granted or not, and for its shared key too', () => {
    const bench = openBench(EVERYTHING, {
      nip44GetKey: true,
      isClientPubkey: (pubkey) => pubkey === STRANGER,
    })
    for (const method of [
      'nip44_encrypt',
      'nip44_decrypt',
      'nip04_encrypt',
      'nip04_decrypt',
      'nip44_get_key',
    ]) {
      expect(answers(bench.request(method, method, [STRANGER, 'x']))).toEqual([
        `${method}! denied: pubkey belongs to a NIP-46 session`,
      ])
    }
  })

  it('decision 15 always asks before it shares a conversation key, and never remembers', () => {
    const bench = openBench([{ method: 'nip44_get_key' }], { nip44GetKey: true })
    expect(signerKinds(bench.request('r', 'nip44_get_key', [FRIEND]))).toEqual(['ask operation'])
    bench.decide('r', { allow: true, grant: [{ method: 'nip44_get_key' }, { method: 'sign_event' }] })
    expect(bench.session().granted).toEqual([{ method: 'nip44_get_key' }])
    expect(signerKinds(bench.request('s', 'nip44_get_key', [FRIEND]))).toEqual(['ask operation'])
  })
})

describe('An event to sign', () => {
  it.each([0, 3, 5, 62, 10_002, 22_242, 24_242, 27_235])(
    'G74 to G79: kind %i is not covered by a grant without a kind',
    (kind) => {
      const bench = openBench()
      expect(signerKinds(bench.request('r', 'sign_event', [templateText(kind)]))).toEqual(['ask operation'])
      expect(answers(bench.decide('r', { allow: false }))).toEqual([
        `r! denied: kind ${kind} needs its own grant`,
      ])
      const granted = openBench([{ method: 'sign_event', kind }])
      expect(signerKinds(granted.request('r', 'sign_event', [templateText(kind)]))).toEqual([
        'perform sign_event',
      ])
    },
  )

  it('G73 kind 24133 is refused outright, under any grant', () => {
    const text = templateText(24_133)
    expect(answers(openBench().request('r', 'sign_event', [text]))).toEqual([
      'r! denied: kind 24133 needs its own grant',
    ])
    for (const granted of [[], [{ method: 'sign_event', kind: 24_133 }]]) {
      expect(answers(openBench(granted).request('r', 'sign_event', [text]))).toEqual([
        'r! denied: kind 24133 is never signed (NIP-46)',
      ])
    }
  })

  it.each([14, 15, 1_059])('G82 and G83 kind %i is never signed', (kind) => {
    expect(
      answers(openBench([{ method: 'sign_event', kind }]).request('r', 'sign_event', [templateText(kind)])),
    ).toEqual([`r! denied: kind ${kind} is never signed (NIP-59)`])
  })

  it('G38 from a year ahead is refused, whatever its kind; from more than an hour ahead it is asked about', () => {
    const ahead = (s: number, kind = 1) => {
      const bench = openBench()
      return signerKinds(bench.request('r', 'sign_event', [templateText(kind, 'x', START / 1_000 + s)]))
    }
    const refused = ['r! denied: created_at is too far in the future', 'refused sign_event']
    expect(ahead(366 * 86_400 + 1)).toEqual(refused)
    expect(ahead(366 * 86_400 + 1, 0)).toEqual(refused)
    expect(ahead(366 * 86_400)).toEqual(['ask operation'])
    expect(ahead(3_601)).toEqual(['ask operation'])
    expect(ahead(3_600)).toEqual(['perform sign_event'])
    expect(ahead(-1_000_000_000)).toEqual(['perform sign_event'])
  })
})

describe('A request that comes again', () => {
  const signed = () => {
    const bench = openBench()
    bench.request('r', 'sign_event', [templateText()])
    bench.complete('r', 'signed')
    return bench
  }

  it('S20 while it is open is dropped, from another relay remembered; nothing is asked or performed twice', () => {
    const bench = openBench([])
    bench.request('r', 'sign_event', [templateText()])
    const again = bench.request('r', 'sign_event', [templateText()], { relay: TWO })
    expect(signerKinds(again)).toEqual(['ignored request/repeated'])
    bench.decide('r', { allow: true })
    expect(signerKinds(bench.request('r', 'sign_event', [templateText()]))).toEqual([
      'ignored request/repeated',
    ])
    expect(bench.complete('r', 'signed')).toMatchObject([{ relays: [ONE, TWO] }])
  })

  it('D46 with another body while the first is open is refused', () => {
    const bench = openBench([])
    bench.request('r', 'sign_event', [templateText()])
    expect(answers(bench.request('r', 'sign_event', [templateText(1, 'other')]))).toEqual([
      'r! duplicate: request id in use',
    ])
    expect(answers(bench.request('r', 'ping'))).toEqual(['r! duplicate: request id in use'])
  })

  it('D45 and S21 after it was answered gets the same answer, and nothing is performed', () => {
    const bench = signed()
    const [again] = bench.request('r', 'sign_event', [templateText()], { relay: TWO })
    expect(again).toMatchObject({
      type: 'send',
      id: 'r',
      text: '{"id":"r","result":"signed"}',
      relays: [ONE, TWO],
    })
    expect(bench.session().pending).toEqual({})
  })

  it('S22 with another body after it was answered is a new request', () => {
    const bench = signed()
    expect(signerKinds(bench.request('r', 'sign_event', [templateText(1, 'other')]))).toEqual([
      'perform sign_event',
    ])
    expect(answers(bench.complete('r', 'second'))).toEqual(['r: second'])
    expect(answers(bench.request('r', 'sign_event', [templateText(1, 'other')]))).toEqual(['r: second'])
  })

  it('S21 gets errors and denials again too', () => {
    const bench = openBench([])
    bench.request('r', 'sign_event', [templateText()])
    bench.decide('r', { allow: false })
    expect(answers(bench.request('r', 'sign_event', [templateText()]))).toEqual([
      'r! denied: the user said no',
    ])
  })

  it(`gets its answer ${ANSWER_RESENDS} times more, then silence`, () => {
    const bench = signed()
    for (let i = 0; i < ANSWER_RESENDS; i++) {
      expect(answers(bench.request('r', 'sign_event', [templateText()]))).toEqual(['r: signed'])
    }
    expect(signerKinds(bench.request('r', 'sign_event', [templateText()]))).toEqual([
      'ignored request/resends',
    ])
  })

  it('S23 is new once its answer is forgotten, 10 min later', () => {
    const bench = signed()
    bench.sleep(ANSWER_MEMORY_MS)
    const text = templateText()
    expect(answers(bench.request('r', 'sign_event', [text]))).toEqual(['r: signed'])
    const other = signed()
    other.sleep(ANSWER_MEMORY_MS + 1)
    expect(signerKinds(other.request('r', 'sign_event', [text]))).toEqual(['perform sign_event'])
  })

  it('decision 13 is told that its answer is no longer kept when the room was needed, and is not executed again', () => {
    const bench = openBench(EVERYTHING)
    for (let i = 0; i < 40; i++) {
      bench.request(hexId(i), 'nip44_decrypt', [FRIEND, 'x'])
      bench.complete(hexId(i), 'x'.repeat(40_000))
    }
    const again = (i: number) => answers(bench.request(hexId(i), 'nip44_decrypt', [FRIEND, 'x']))
    expect(again(0)).toEqual([`${hexId(0)}! duplicate: answered before, and the answer is no longer kept`])
    expect(again(39)).toEqual([`${hexId(39)}: ${'x'.repeat(40_000)}`])
    const repeated = bench.feed({ type: 'repeat', requestId: hexId(0), relay: ONE })
    expect(signerKinds(repeated)).toEqual(['ignored request/repeated'])
  })

  it('D44 as the very same event: from one more relay nothing, from the same relay the stored answer', () => {
    const bench = signed()
    const repeat = (url = ONE) => bench.feed({ type: 'repeat', requestId: 'r', relay: url })
    expect(signerKinds(repeat(TWO))).toEqual(['ignored request/repeated'])
    expect(answers(repeat(TWO))).toEqual(['r: signed'])
    expect(answers(repeat())).toEqual(['r: signed'])
    expect(answers(repeat())).toEqual(['r: signed'])
    expect(signerKinds(repeat())).toEqual(['ignored request/resends'])
  })

  it('D44 as the very same event while it is open, or never seen, says nothing', () => {
    const bench = openBench([])
    bench.request('r', 'sign_event', [templateText()])
    const repeat = (requestId: string) => signerKinds(bench.feed({ type: 'repeat', requestId, relay: ONE }))
    for (const id of ['r', 'nobody', '__proto__', 'constructor'])
      expect(repeat(id)).toEqual(['ignored request/repeated'])
    bench.feed({ type: 'revoke' })
    expect(repeat('r')).toEqual(['ignored session/ended'])
  })

  it('is told apart under ids that are names of JavaScript', () => {
    const bench = openBench()
    for (const id of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect(
        signerKinds(
          bench.hear(
            `{"id":${JSON.stringify(id)},"method":"sign_event","params":[${JSON.stringify(templateText())}]}`,
          ),
        ),
      ).toEqual(['perform sign_event'])
    }
    bench.restart()
    for (const id of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect(answers(bench.complete(id, 'signed'))).toEqual([`${id}: signed`])
      expect(answers(bench.request(id, 'sign_event', [templateText()]))).toEqual([`${id}: signed`])
    }
    expect(({} as { text?: unknown }).text).toBeUndefined()
  })
})

describe('A message that is no good request', () => {
  it('G12 is dropped, or answered when it has an id', () => {
    const bench = openBench()
    expect(signerKinds(bench.hear('junk'))).toEqual(['ignored request/json'])
    expect(signerKinds(bench.hear({ method: 'ping' }))).toEqual(['ignored request/id'])
    expect(signerKinds(bench.hear({ id: 'r', result: 'ack' }))).toEqual(['ignored request/method'])
    expect(signerKinds(bench.hear({ id: 'r', method: 5 }))).toEqual(['r! invalid: method must be a string'])
    expect(signerKinds(bench.hear({ id: 7, method: 'ping', params: [] }))).toEqual([
      '7! invalid: id must be a string',
    ])
    expect(signerKinds(bench.hear('x'.repeat(98_305)))).toEqual(['ignored event/too-large'])
  })

  it('D21 is answered once a minute when it is not of this time, in both directions (decision 13)', () => {
    const bench = openBench()
    const late = { at: bench.now - (FRESHNESS_SECONDS + 3_000) * 1_000 }
    expect(answers(bench.request('r', 'ping', [], late))).toEqual([
      'r! expired: request is 3600 s old (limit 600 s)',
    ])
    expect(signerKinds(bench.request('s', 'ping', [], late))).toEqual(['ignored event/expired'])
    bench.sleep(60_000)
    const early = { at: bench.now + (FRESHNESS_SECONDS + 1) * 1_000 }
    expect(answers(bench.request('t', 'ping', [], early))).toEqual([
      't! expired: request is 601 s in the future (limit 600 s)',
    ])
    for (const at of [bench.now - 600_000, bench.now + 600_000]) {
      expect(answers(bench.request(`u${at}`, 'ping', [], { at }))).toEqual([`u${at}: pong`])
    }
  })
})

describe('The dialect of 2023', () => {
  it('is answered in its own shape in a NIP-04 session', () => {
    const bench = openBench(EVERYTHING, {}, { scheme: 'nip04' })
    const nip04 = { scheme: 'nip04' } as const
    const [said] = bench.hear({ id: 7, method: 'ping', params: [] }, nip04)
    expect(said).toMatchObject({ scheme: 'nip04', text: '{"id":"7","result":"pong","error":null}' })
    const event = { kind: 1, content: 'x', tags: [], created_at: START / 1_000 }
    expect(signerKinds(bench.hear({ id: 'r', method: 'sign_event', params: [event] }, nip04))).toEqual([
      'perform sign_event',
    ])
    const signedEvent = { id: 'e', sig: 's' }
    const [signed] = bench.complete('r', JSON.stringify(signedEvent))
    expect(JSON.parse(signed?.type === 'send' ? signed.text : '')).toEqual({
      id: 'r',
      result: signedEvent,
      error: null,
    })
    bench.hear({ id: 8, method: 'nip04_decrypt', params: [FRIEND, 'x'] }, nip04)
    const [plain] = bench.complete('8', '{"a":1}')
    expect(plain).toMatchObject({ text: '{"id":"8","result":["{\\"a\\":1}"],"error":null}' })
  })

  it('is refused in a NIP-44 session', () => {
    const bench = openBench()
    expect(answers(bench.hear({ id: 'r', method: 'sign_event', params: [{}] }))).toEqual([
      'r! invalid: params must be an array of strings',
    ])
  })

  it('is told in its own shape when an answer is too large', () => {
    const bench = openBench(EVERYTHING, {}, { scheme: 'nip04' })
    bench.hear({ id: 7, method: 'nip44_decrypt', params: [FRIEND, 'x'] }, { scheme: 'nip04' })
    const [said] = bench.complete('7', 'x'.repeat(50_000))
    expect(said).toMatchObject({
      text: '{"id":"7","result":null,"error":"too-large: the answer does not fit into one event"}',
    })
  })
})

describe('The end of a remote signer’s session', () => {
  const bench2 = () => {
    const bench = openBench([])
    bench.request('r', 'sign_event', [templateText()])
    return bench
  }

  it('S17 answers a logout, and is over once a relay took the answer; X8 what was open is answered first', () => {
    const bench = bench2()
    expect(answers(bench.request('o', 'logout'))).toEqual(['r! unauthorized: session revoked', 'o: ack'])
    expect(bench.feed({ type: 'published', id: 'r' })).toEqual([])
    expect(bench.session().phase).toBe('ending')
    expect(signerKinds(bench.feed({ type: 'published', id: 'o' }))).toEqual(['ended logout'])
    expect(bench.wants).toEqual({})
  })

  it('S17 is over after 5 s even if no relay took the answer', () => {
    const bench = openBench()
    bench.request('o', 'logout')
    expect(bench.wait(4_999)).toEqual([])
    expect(signerKinds(bench.wait(1))).toEqual(['ended logout'])
  })

  it('S17 is over at the next input once its time has passed', () => {
    const bench = openBench()
    bench.request('o', 'logout')
    bench.sleep(5_000)
    expect(signerKinds(bench.request('p', 'ping'))).toEqual([
      ...['ended logout', 'p! unauthorized: session revoked'],
    ])
  })

  it('S17 says ack again while it ends, and takes nothing else', () => {
    const bench = openBench()
    bench.request('o', 'logout')
    expect(answers(bench.request('o', 'logout'))).toEqual(['o: ack'])
    expect(signerKinds(bench.request('p', 'ping'))).toEqual(['ignored request/repeated'])
    expect(signerKinds(bench.request('q', 'connect', [SIGNER, SECRET]))).toEqual(['ignored request/repeated'])
  })

  it('S17 takes no logout from before the pairing (R-LO-03)', () => {
    const bench = openBench()
    expect(signerKinds(bench.request('o', 'logout', [], { at: START - 301_000 }))).toEqual([
      'ignored request/logout-replayed',
    ])
    expect(answers(bench.request('o', 'logout', [], { at: START - 300_000 }))).toEqual(['o: ack'])
  })

  it('lets no result of the key out after a logout', () => {
    const bench = openBench()
    bench.request('r', 'sign_event', [templateText()])
    bench.request('o', 'logout')
    expect(signerKinds(bench.complete('r', 'signed'))).toEqual(['ignored operation/unknown'])
  })

  it('S18 answers what is open when it is revoked, and performs nothing more', () => {
    const bench = bench2()
    expect(signerKinds(bench.feed({ type: 'revoke' }))).toEqual([
      'r! unauthorized: session revoked',
      'ended revoked',
    ])
    expect(signerKinds(bench.decide('r', { allow: true }))).toEqual(['ignored decision/unknown'])
    expect(bench.feed({ type: 'revoke' })).toEqual([])
    expect(bench.feed({ type: 'wake' })).toEqual([])
    expect(bench.wants).toEqual({})
  })

  it('D43 and S19 tells a revoked client so', () => {
    const bench = openBench()
    bench.feed({ type: 'revoke' })
    expect(answers(bench.request('s', 'sign_event', [templateText()]))).toEqual([
      's! unauthorized: session revoked',
    ])
    expect(signerKinds(bench.hear({ id: 's', method: 5 }))).toEqual(['ignored session/ended'])
    const late = { at: bench.now - 700_000 }
    expect(answers(bench.request('t', 'ping', [], late))).toEqual([
      't! expired: request is 700 s old (limit 600 s)',
    ])
    expect(signerKinds(bench.request('u', 'ping', [], late))).toEqual(['ignored event/expired'])
  })

  it('S18 ends when its time is over, at the wake or at the next input, whichever is first', () => {
    const expiring = () => {
      const bench = bench2()
      bench.sessions.set(CLIENT, { ...bench.session(), expiresAt: START + 10_000 })
      return bench
    }
    expect(signerKinds(expiring().wait(10_000))).toEqual([
      'r! unauthorized: session expired',
      'ended expired',
    ])
    const bench = expiring()
    bench.sleep(10_000)
    expect(signerKinds(bench.request('s', 'ping'))).toEqual([
      ...['r! unauthorized: session expired', 'ended expired', 's! unauthorized: session revoked'],
    ])
  })
})

describe('The limits of a session', () => {
  it(`are ${SESSION_PENDING} requests in hand; the next is told so`, () => {
    const bench = openBench(EVERYTHING)
    for (let i = 0; i < SESSION_PENDING; i++) {
      expect(signerKinds(bench.request(hexId(i), 'sign_event', [templateText()]))).toEqual([
        'perform sign_event',
      ])
    }
    expect(answers(bench.request('more', 'sign_event', [templateText()]))).toEqual([
      'more! rate-limited: too many pending requests',
    ])
    expect(answers(bench.request('p', 'ping'))).toEqual(['p: pong'])
    bench.complete(hexId(0), 'signed')
    expect(signerKinds(bench.request('again', 'sign_event', [templateText()]))).toEqual([
      'perform sign_event',
    ])
  })

  it(`are ${SESSION_UNDECIDED} of them that wait for a decision; the next is told so, and what needs none goes on`, () => {
    const bench = openBench([{ method: 'nip44_decrypt' }])
    for (let i = 0; i < SESSION_UNDECIDED; i++) {
      expect(signerKinds(bench.request(hexId(i), 'sign_event', [templateText()]))).toEqual(['ask operation'])
    }
    expect(answers(bench.request('more', 'sign_event', [templateText()]))).toEqual([
      'more! rate-limited: too many pending requests',
    ])
    expect(signerKinds(bench.request('d', 'nip44_decrypt', [FRIEND, 'x']))).toEqual(['perform nip44_decrypt'])
    bench.decide(hexId(0), { allow: false })
    expect(signerKinds(bench.request('again', 'sign_event', [templateText()]))).toEqual(['ask operation'])
  })

  it(`are answers of ${MESSAGE_BYTES_OUT} bytes; a larger one is a typed error (decision 18)`, () => {
    const bench = openBench(EVERYTHING)
    const room = MESSAGE_BYTES_OUT - encodeResponse({ type: 'result', id: 'r', result: '' }).length
    bench.request('r', 'nip44_decrypt', [FRIEND, 'x'])
    expect(answers(bench.complete('r', 'x'.repeat(room)))).toEqual([`r: ${'x'.repeat(room)}`])
    bench.request('s', 'nip44_decrypt', [FRIEND, 'x'])
    const tooLarge = 's! too-large: the answer does not fit into one event'
    expect(answers(bench.complete('s', 'x'.repeat(room + 1)))).toEqual([tooLarge])
    expect(answers(bench.request('s', 'nip44_decrypt', [FRIEND, 'x']))).toEqual([tooLarge])
  })

  it(`are ${2 * SESSION_RELAYS} relays that one request came from`, () => {
    const bench = openBench([])
    bench.request('r', 'sign_event', [templateText()])
    for (let i = 0; i < 50; i++) bench.feed({ type: 'repeat', requestId: 'r', relay: relay(`r${i}`) })
    expect(bench.session().pending['r']?.relays).toHaveLength(2 * SESSION_RELAYS)
    bench.decide('r', { allow: false })
    for (let i = 50; i < 99; i++) bench.feed({ type: 'repeat', requestId: 'r', relay: relay(`r${i}`) })
    expect(JSON.stringify(bench.session().ledger)).not.toContain('r60')
  })
})

describe('A session that was restarted from JSON', () => {
  it('hands out again what was asked and what was to be performed', () => {
    const bench = openBench([{ method: 'sign_event', kind: 1 }])
    const asked = bench.request('a', 'sign_event', [templateText(4)])
    const performed = bench.request('b', 'sign_event', [templateText()])
    expect(bench.restart()).toEqual([...asked, ...performed])
    expect(answers(bench.complete('b', 'signed'))).toEqual(['b: signed'])
    expect(signerKinds(bench.decide('a', { allow: true }))).toEqual(['perform sign_event'])
  })

  it('comes to the same end when it is restarted before any step', () => {
    const scenario = (restartBefore: number) => {
      const bench = offeringBench({ approval: 'ask', relays: [ONE] }, { preferredRelays: [TWO] })
      const outputs: SignerOutput[] = []
      const steps: (() => readonly SignerOutput[])[] = [
        () => bench.request('c', 'connect', [SIGNER, SECRET]),
        () => bench.request('k', 'get_public_key'),
        () => bench.pair({ allow: true, grant: [{ method: 'sign_event', kind: 1 }] }),
        () => bench.request('w', 'switch_relays'),
        () => bench.request('r', 'sign_event', [templateText()], { relay: TWO }),
        () => bench.request('r', 'sign_event', [templateText()]),
        () => bench.complete('r', 'signed'),
        () => bench.request('s', 'sign_event', [templateText(4, 'x')]),
        () => bench.feed({ type: 'challenge', id: 's', url: 'https://bunker.example' }),
        () => bench.wait(100_000),
        () => bench.decide('s', { allow: true }),
        () => bench.complete('s', 'signed too'),
        () => bench.request('r', 'sign_event', [templateText()]),
        () => bench.request('o', 'logout'),
        () => bench.feed({ type: 'published', id: 'o' }),
      ]
      steps.forEach((run, i) => {
        if (i === restartBefore) bench.restart()
        outputs.push(...run())
      })
      return { steps: steps.length, outputs }
    }
    const { steps, outputs } = scenario(-1)
    expect(signerKinds(outputs)).toEqual([
      ...['ask connect', 'c: ack', `k: ${USER}`, `w: ["wss://two.example"]`, 'perform sign_event'],
      ...[
        'ignored request/repeated',
        'r: signed',
        'ask operation',
        's? https://bunker.example',
        'perform sign_event',
      ],
      ...['s: signed too', 'r: signed', 'o: ack', 'ended logout'],
    ])
    for (let i = 0; i < steps; i++) expect(scenario(i).outputs, `restarted before step ${i}`).toEqual(outputs)
  })
})

describe('The step of a session', () => {
  it('changes no state it was given', () => {
    const bench = openBench()
    const session = bench.session()
    const before = JSON.stringify(session)
    const arrival = bench.arrival({ id: 'r', method: 'sign_event', params: [templateText()] })
    step(session, { type: 'message', arrival }, bench.now, bench.context)
    expect(JSON.stringify(session)).toBe(before)
  })
})
