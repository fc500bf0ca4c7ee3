import { describe, expect, it } from 'vitest'
import type { ClientOutput } from '../src/client.ts'
import { fromOffer, step, wants } from '../src/client.ts'
import {
  AUTH_URL_CHARS,
  AUTH_URLS_PER_REQUEST,
  CLIENT_PENDING,
  CLIENT_SETTLED,
  MESSAGE_BYTES_OUT,
  REQUEST_SENDS,
} from '../src/limits.ts'
import { encodeRequest } from '../src/message.ts'
import { clientProfile } from '../src/profile.ts'
import { UsageError } from '../src/value.ts'
import { FRIEND, hexId, ONE, SECRET, SEED, START, TWO, templateText, USER } from './cast.ts'
import {
  benchClient,
  type ClientBench,
  clientFacts,
  kinds,
  readyBench,
  type Sent,
  sent,
  sentOne,
  settled,
} from './client-bench.ts'

const ID = hexId(1)
const SIGN = ['sign_event', [templateText()]] as const

/** The one copy of the request that is on its way. */
function ask(bench: ClientBench, method = 'ping', params: readonly string[] = []): Sent {
  return sentOne(bench.request(ID, method, params), method)
}

/** When copies went out, in milliseconds from now, while `ms` pass and each copy is reported as `said`. */
function copies(
  bench: ClientBench,
  ms: number,
  said: 'ok' | readonly string[] | undefined,
): readonly number[] {
  const from = bench.now
  const times: number[] = []
  const report = (outputs: readonly ClientOutput[]) => {
    for (const { id } of sent(outputs).filter((output) => output.id === ID)) {
      times.push(bench.now - from)
      if (said !== undefined) bench.published(id, said)
    }
  }
  while (bench.now < from + ms) report(bench.wait(500))
  return times
}

describe('A request of a client', () => {
  it('Q1 goes to all relays of the session at once, and Q13 settles with the raw result', () => {
    const bench = readyBench({ relays: [ONE, TWO] })
    const { text, relays } = ask(bench, ...SIGN)
    expect(text).toBe(encodeRequest({ id: ID, method: 'sign_event', params: [templateText()] }))
    expect(relays).toEqual([ONE, TWO])
    expect(bench.answer(ID, 'signed')).toEqual([
      { type: 'settle', id: ID, outcome: { ok: true, value: 'signed' } },
    ])
  })

  it('Q2 and Q3 waits for a live relay, and goes out when one comes', () => {
    const bench = readyBench()
    bench.down(ONE)
    expect(bench.request(ID, 'ping')).toEqual([])
    expect(sent(bench.live(ONE))).toMatchObject([{ id: ID, method: 'ping' }])
  })

  it('Q4 counts as taken at the first OK, and says so if no answer comes', () => {
    const bench = readyBench()
    ask(bench, ...SIGN)
    bench.published(ID, 'ok')
    const [late] = bench.wait(60_000)
    expect(late).toMatchObject({ outcome: { error: { code: 'timeout/no-answer', message: /a relay took/ } } })
  })

  it('Q6 is sent again when relays are rate limited', () => {
    const bench = readyBench()
    ask(bench, ...SIGN)
    expect(bench.published(ID, ['rate-limited: slow down'])).toEqual([])
    expect(copies(bench, 30_000, ['rate-limited: slow down'])).toEqual([2_000, 6_000, 12_000])
  })

  it('Q7 is sent again after 3, 10 and 30 s when nobody listens at any relay, whatever it asks', () => {
    const bench = readyBench()
    ask(bench, ...SIGN)
    expect(kinds(bench.published(ID, ['mute: nobody', 'mute: nobody']))).toEqual(['alert signer/offline'])
    expect(copies(bench, 59_000, ['mute: nobody'])).toEqual([3_000, 13_000, 43_000])
    expect(settled(bench.wait(1_000))).toEqual({ [ID]: 'timeout/no-answer' })
  })

  it('Q7 raises no alarm, and sends no signature request again, when another relay kept silent', () => {
    const bench = readyBench()
    ask(bench, ...SIGN)
    expect(bench.published(ID, ['mute: nobody', 'timeout'])).toEqual([])
    expect(copies(bench, 59_000, undefined)).toEqual([])
  })

  it('Q8 warns about the clock when relays refuse the time of the carrier', () => {
    const bench = readyBench()
    ask(bench)
    const outputs = bench.published(ID, ['invalid: created_at is too far in the future'])
    expect(kinds(outputs)).toEqual(['alert clock/skew', 'settle publish/rejected'])
  })

  it('Q9 fails with what each relay said when all of them refuse', () => {
    const bench = readyBench()
    ask(bench)
    const [end] = bench.published(ID, ['blocked: kind', 'restricted: no'])
    expect(end).toMatchObject({
      outcome: {
        error: {
          code: 'publish/rejected',
          relays: [{ reason: 'blocked: kind' }, { reason: 'restricted: no' }],
        },
      },
    })
  })

  it('Q9 does not fail over a later copy when a relay has an earlier one', () => {
    const bench = readyBench()
    ask(bench)
    bench.published(ID, 'ok')
    expect(sent(bench.wait(15_000))).toHaveLength(1)
    expect(bench.published(ID, ['blocked: kind'])).toEqual([])
    expect(settled(bench.answer(ID, 'pong'))).toEqual({ [ID]: 'ok:"pong"' })
  })

  it('Q10 that no relay answered for is sent again only if that does no harm', () => {
    const ping = readyBench()
    ask(ping)
    ping.published(ID, ['timeout'])
    expect(copies(ping, 3_000, undefined)).toEqual([2_000])
    const sign = readyBench()
    ask(sign, ...SIGN)
    sign.published(ID, ['timeout', 'unreachable'])
    expect(copies(sign, 59_000, undefined)).toEqual([])
  })

  it('is sent again when no relay could be reached', () => {
    const bench = readyBench()
    ask(bench, ...SIGN)
    bench.published(ID, ['unreachable: ECONNREFUSED', 'closed'])
    expect(copies(bench, 59_000, ['unreachable'])).toEqual([2_000, 6_000, 12_000])
  })

  it('Q11 is sent again 3 s after its relays came back, unless the answer came first', () => {
    const bench = readyBench()
    ask(bench, ...SIGN)
    bench.down(ONE)
    bench.wait(10_000)
    expect(sent(bench.live(ONE))).toEqual([])
    expect(copies(bench, 5_000, undefined)).toEqual([3_000])
    const other = readyBench()
    ask(other, ...SIGN)
    other.down(ONE)
    other.live(ONE)
    other.wait(2_000)
    other.answer(ID, 'signed')
    expect(sent(other.wait(60_000))).toEqual([])
  })

  it('Q11 is not put off for ever by a relay that drops every connection', () => {
    const bench = readyBench()
    ask(bench, ...SIGN)
    const times: number[] = []
    for (let i = 0; i < 10; i++) {
      for (const ms of [1_000, 1_000]) if (sent(bench.wait(ms)).length > 0) times.push(bench.now - START)
      bench.down(ONE)
      bench.wait(500)
      if (sent(bench.live(ONE)).length > 0) times.push(bench.now - START)
    }
    expect(times).toEqual([6_000, 11_000, 16_000])
  })

  it('never sends sign_event again while a relay that took it is still there', () => {
    const bench = readyBench()
    ask(bench, ...SIGN)
    bench.published(ID, 'ok')
    expect(copies(bench, 58_000, undefined)).toEqual([])
  })

  it('sends sign_event again, after listening first, when every relay was lost and its answer perhaps too', () => {
    const bench = readyBench()
    ask(bench, ...SIGN)
    bench.published(ID, 'ok')
    bench.down(ONE)
    bench.wait(1_000)
    bench.live(ONE)
    expect(copies(bench, 50_000, 'ok')).toEqual([3_000])
  })

  it('never sends sign_event again to a remote signer that is said to ask twice', () => {
    const bench = readyBench({ profile: clientProfile('E', { resendSignEvent: 'never' }) })
    ask(bench, ...SIGN)
    bench.published(ID, 'ok')
    bench.down(ONE)
    bench.wait(1_000)
    bench.live(ONE)
    expect(copies(bench, 58_000, undefined)).toEqual([])
  })

  it.each([
    ['create_account', readyBench],
    ['nip44_get_key', readyBench],
    ['unheard_of', readyBench],
    ['sign_event', () => readyBench({ profile: clientProfile('E', { resendSignEvent: 'never' }) })],
  ] as const)(
    'never sends %s again that a relay took, or may have taken before it was lost',
    (method, create) => {
      for (const said of ['ok', undefined] as const) {
        const bench = create()
        ask(bench, method)
        if (said !== undefined) bench.published(ID, said)
        bench.down(ONE)
        bench.wait(1_000)
        bench.live(ONE)
        expect(copies(bench, 58_000, undefined)).toEqual([])
      }
      const waiting = create()
      waiting.down(ONE)
      expect(waiting.request(ID, method)).toEqual([])
      // What never went out is no copy.
      expect(sent(waiting.live(ONE))).toHaveLength(1)
    },
  )

  it('never sends sign_event again when the relay’s OK comes late, after a refusal', () => {
    const bench = readyBench()
    ask(bench, ...SIGN)
    bench.published(ID, ['unreachable'])
    bench.published(ID, 'ok')
    expect(bench.state.pending[ID]).toMatchObject({ accepted: true })
    expect(bench.published(ID, ['mute: nobody'])).toEqual([])
    expect(copies(bench, 58_000, undefined)).toEqual([])
  })

  it.each(['ping', 'describe', 'nip44_decrypt', 'get_relays'])(
    'Q11 sends %s again after an outage even though a relay took it',
    (method) => {
      const bench = readyBench()
      ask(bench, method)
      bench.published(ID, 'ok')
      bench.down(ONE)
      bench.live(ONE)
      expect(copies(bench, 4_000, 'ok')).toEqual([3_000])
    },
  )

  it('Q12 sends what no person decides on again after 15 and 35 s', () => {
    for (const method of ['ping', 'get_public_key', 'describe', 'switch_relays']) {
      const bench = readyBench()
      ask(bench, method)
      expect(copies(bench, 59_000, 'ok')).toEqual([15_000, 35_000])
    }
    for (const method of ['sign_event', 'nip44_encrypt', 'nip04_decrypt', 'unheard_of']) {
      const bench = readyBench()
      ask(bench, method)
      expect(copies(bench, 59_000, 'ok')).toEqual([])
    }
  })

  it('sends copies that are equal to the letter, and never more than four', () => {
    const bench = readyBench()
    const texts = [ask(bench).text]
    for (let i = 0; i < 8; i++) {
      bench.down(ONE)
      bench.live(ONE)
      texts.push(...sent(bench.wait(4_000)).map(({ text }) => text))
    }
    expect(texts).toEqual(Array.from({ length: REQUEST_SENDS }, () => texts[0]))
  })

  it('Q14 fails with the remote signer’s words and what they mean; there is no grace for a second signer', () => {
    const bench = readyBench()
    ask(bench)
    const [end] = bench.fail(ID, 'Permission denied')
    expect(end).toMatchObject({
      outcome: { error: { code: 'remote/error', message: 'Permission denied', reason: 'rejected' } },
    })
    expect(bench.state.phase).toBe('ready')
  })

  it.each(['Connection revoked', 'unauthorized: not connected', 'unauthorized: anything', 'Unknown client'])(
    'Q14 ends with “%s” for all of them: only a new pairing helps',
    (words) => {
      const bench = readyBench()
      ask(bench)
      bench.feed({ type: 'request', id: hexId(77), method: 'ping', params: [] })
      const outputs = bench.fail(ID, words)
      expect(outputs).toMatchObject([
        { type: 'settle', id: ID, outcome: { error: { code: 'session/unpaired', message: words } } },
        { type: 'settle', id: hexId(77), outcome: { error: { code: 'session/unpaired' } } },
        { type: 'unpaired' },
      ])
      expect(bench.state).toMatchObject({ phase: 'unpaired', pending: {} })
      expect(wants(bench.state)).toEqual({})
      expect(bench.feed({ type: 'request', id: hexId(78), method: 'ping', params: [] })).toMatchObject([
        { type: 'settle', id: hexId(78), outcome: { error: { code: 'session/unpaired' } } },
      ])
      expect(bench.feed({ type: 'logout' })).toMatchObject([
        { type: 'ended', failure: { code: 'logged-out' } },
      ])
    },
  )

  it('Q14 is not ended by an error about one request', () => {
    for (const words of ['unauthorized', 'denied: not this kind', 'Not authorized']) {
      const bench = readyBench()
      ask(bench)
      bench.fail(ID, words)
      expect(bench.state.phase, words).toBe('ready')
    }
  })

  it('Q19 ends at its deadline, and Q21 a later answer is only counted', () => {
    const bench = readyBench()
    bench.request(ID, 'sign_event', [templateText()], 7_000)
    expect(bench.wait(6_999)).toEqual([])
    expect(settled(bench.wait(1))).toEqual({ [ID]: 'timeout/no-answer' })
    expect(kinds(bench.answer(ID, 'late'))).toEqual(['ignored response/late'])
  })

  it('R-SW-08 is not followed: relays named after the deadline are too late', () => {
    const bench = readyBench()
    bench.request(ID, 'switch_relays', [], 1_000)
    bench.wait(1_000)
    bench.answer(ID, JSON.stringify([TWO]))
    expect(bench.state.listen).toEqual([ONE])
  })

  it('Q20 ends when it is cancelled, with nothing on the wire', () => {
    const bench = readyBench()
    ask(bench)
    expect(bench.feed({ type: 'cancel', id: ID })).toEqual([
      {
        type: 'settle',
        id: ID,
        outcome: { ok: false, error: { code: 'cancelled', message: 'cancelled by the caller' } },
      },
    ])
    expect(bench.feed({ type: 'cancel', id: ID })).toEqual([])
    expect(bench.feed({ type: 'cancel', id: '__proto__' })).toEqual([])
  })

  it('cannot be cancelled when it is the machine’s own', () => {
    const bench = readyBench()
    const { id } = sentOne(bench.askRelays(), 'switch_relays')
    bench.feed({ type: 'cancel', id })
    expect(Object.keys(bench.state.pending)).toEqual([id])
  })

  it.each(['__proto__', 'constructor', 'toString', 'unknown', ''])(
    'Q22 has nothing to do with an answer to %j',
    (id) => {
      const bench = readyBench()
      ask(bench)
      expect(kinds(bench.hear({ id, result: 'x' }))).toEqual(['ignored response/unknown-id'])
      expect(kinds(bench.hear({ id, result: 'auth_url', error: 'https://x.example' }))).toEqual([
        'ignored response/unknown-id',
      ])
      expect(Object.keys(bench.state.pending)).toEqual([ID])
    },
  )

  it('may be about `constructor`: an id like any other', () => {
    const bench = readyBench()
    expect(sent(bench.request('constructor', 'ping'))).toHaveLength(1)
    expect(settled(bench.answer('constructor', 'pong'))).toEqual({ constructor: 'ok:"pong"' })
  })

  it('gives results that are no text as they came', () => {
    const bench = readyBench()
    ask(bench, 'get_relays')
    expect(settled(bench.answer(ID, { 'wss://x.example': { read: true } }))).toEqual({
      [ID]: 'ok:{"wss://x.example":{"read":true}}',
    })
  })

  it('drops what is in another scheme than its session', () => {
    const bench = readyBench()
    ask(bench)
    expect(kinds(bench.hear({ id: ID, result: 'pong' }, { scheme: 'nip04' }))).toEqual([
      'ignored transport/scheme',
    ])
    const old = readyBench({ profile: clientProfile('SEED') })
    expect(ask(old).scheme).toBe('nip04')
  })
})

describe('The user of a client session', () => {
  it('C31 is not believed to have changed: the call fails, with an alert', () => {
    const bench = readyBench()
    ask(bench, 'get_public_key')
    expect(kinds(bench.answer(ID, FRIEND))).toEqual([
      ...['alert session/identity-changed', 'settle session/identity-changed'],
    ])
    expect(bench.state).toMatchObject({ phase: 'ready', userPubkey: USER })
  })

  it('may be asked for again, and junk is for the method table to judge', () => {
    const bench = readyBench()
    ask(bench, 'get_public_key')
    expect(settled(bench.answer(ID, USER))).toEqual({ [ID]: `ok:"${USER}"` })
    bench.request(hexId(2), 'get_public_key')
    expect(settled(bench.answer(hexId(2), 'junk'))).toEqual({ [hexId(2)]: 'ok:"junk"' })
  })
})

describe('A page that a request waits for', () => {
  const page = (bench: ClientBench, url: string) => bench.hear({ id: ID, result: 'auth_url', error: url })

  it('H29 and Q15 is shown, with its origin, and the request waits 300 s more', () => {
    const bench = readyBench()
    ask(bench, ...SIGN)
    bench.wait(59_000)
    expect(page(bench, 'https://bunker.example/a?b#c')).toEqual([
      { type: 'auth-url', id: ID, url: 'https://bunker.example/a?b#c', origin: 'https://bunker.example' },
    ])
    expect(bench.wait(299_999)).toEqual([])
    expect(settled(bench.wait(1))).toEqual({ [ID]: 'timeout/auth' })
  })

  it('Q15 never shortens a longer wait', () => {
    const bench = readyBench()
    bench.request(ID, 'sign_event', [templateText()], 900_000)
    page(bench, 'https://bunker.example')
    expect(bench.wait(899_999)).toEqual([])
    expect(settled(bench.wait(1))).toEqual({ [ID]: 'timeout/auth' })
  })

  it('Q15 ends every plan to send the request again', () => {
    const bench = readyBench()
    ask(bench)
    page(bench, 'https://bunker.example')
    bench.down(ONE)
    bench.live(ONE)
    expect(copies(bench, 200_000, undefined)).toEqual([])
  })

  it('Q16 is shown once, however often it is sent', () => {
    const bench = readyBench()
    ask(bench)
    page(bench, 'https://bunker.example')
    const before = bench.state
    bench.sleep(1_000)
    expect(kinds(page(bench, 'https://bunker.example'))).toEqual(['ignored auth/repeated'])
    expect(bench.state.pending).toEqual(before.pending)
  })

  it(`H30 and Q16 may be replaced until there were ${AUTH_URLS_PER_REQUEST}; the next is dropped, a bad one too`, () => {
    const bench = readyBench()
    ask(bench)
    for (let i = 0; i < AUTH_URLS_PER_REQUEST; i++) {
      expect(kinds(page(bench, `https://bunker.example/${i}`))).toEqual(['auth-url'])
    }
    expect(kinds(page(bench, 'https://bunker.example/more'))).toEqual(['ignored auth/too-many'])
    expect(kinds(page(bench, 'javascript:alert(1)'))).toEqual(['ignored auth/too-many'])
    expect(settled(bench.answer(ID, 'pong'))).toEqual({ [ID]: 'ok:"pong"' })
  })

  it.each([
    ...[
      'javascript:alert(1)',
      'file:///etc/passwd',
      '//bunker.example',
      'not a url',
      '',
      'http://bunker.example',
      'http://localhost:8080/x',
      'http://127.0.0.1/x',
    ],
    ...[
      'https://user@bunker.example',
      'https://user:pass@bunker.example',
      'https://bunker.example/a b',
      'https://',
    ],
    ...['https://bunker.example/\u0000', ' https://bunker.example', 'data:text/html,x'],
    `https://bunker.example/${'x'.repeat(AUTH_URL_CHARS - 22)}`,
  ])(
    'H22 and Q17 fails the request if it must not be opened; the corpus wins over R-AUTH-01: %.60s',
    (url) => {
      const bench = readyBench()
      ask(bench)
      expect(settled(page(bench, url))).toEqual({ [ID]: 'auth/url' })
    },
  )

  it.each([
    ['http://localhost:8080/x', 'http://localhost:8080'],
    ['http://127.0.0.1/x', 'http://127.0.0.1'],
    ['http://[::1]:1/x', 'http://[::1]:1'],
    ['HTTPS://Bunker.Example:443/x', 'https://bunker.example'],
    ['https://bunker.example', 'https://bunker.example'],
  ])('may be at %s, shown as %s', (url, origin) => {
    const bench = readyBench({}, { allowLoopbackAuth: url.startsWith('http:') })
    ask(bench)
    expect(page(bench, url)).toEqual([{ type: 'auth-url', id: ID, url, origin }])
  })

  it('may be as long as the limit', () => {
    const bench = readyBench()
    ask(bench)
    const url = `https://bunker.example/${'x'.repeat(AUTH_URL_CHARS - 23)}`
    expect(url).toHaveLength(AUTH_URL_CHARS)
    expect(page(bench, url)).toMatchObject([{ type: 'auth-url', url }])
  })

  it('Q18 is over when the answer comes', () => {
    const bench = readyBench()
    ask(bench)
    page(bench, 'https://bunker.example')
    expect(settled(bench.fail(ID, 'denied: no'))).toEqual({ [ID]: 'remote/error' })
    expect(bench.wait(400_000)).toEqual([])
  })
})

describe('The limits of a client', () => {
  it(`takes ${CLIENT_PENDING} requests in flight, and refuses the next until one is settled`, () => {
    const bench = readyBench()
    for (let i = 0; i < CLIENT_PENDING; i++) {
      expect(sent(bench.request(hexId(i + 1), 'sign_event', ['{}']))).toHaveLength(1)
    }
    expect(settled(bench.request(hexId(900), 'ping'))).toEqual({ [hexId(900)]: 'request/busy' })
    bench.answer(hexId(5), 'x')
    expect(sent(bench.request(hexId(901), 'ping'))).toHaveLength(1)
  })

  it(`remembers ${CLIENT_SETTLED} settled ids`, () => {
    const bench = readyBench()
    for (let i = 0; i <= CLIENT_SETTLED; i++) {
      bench.request(hexId(i + 1), 'ping')
      bench.answer(hexId(i + 1), 'pong')
    }
    expect(bench.state.settled).toHaveLength(CLIENT_SETTLED)
    expect(kinds(bench.answer(hexId(1), 'pong'))).toEqual(['ignored response/unknown-id'])
    expect(kinds(bench.answer(hexId(2), 'pong'))).toEqual(['ignored response/late'])
    expect(() => bench.request(hexId(2), 'ping')).toThrow(UsageError)
  })

  it(`sends a request of ${MESSAGE_BYTES_OUT} bytes, and refuses one more byte`, () => {
    const bench = readyBench()
    const room = MESSAGE_BYTES_OUT - encodeRequest({ id: ID, method: 'nip44_encrypt', params: [''] }).length
    expect(sent(bench.request(ID, 'nip44_encrypt', ['x'.repeat(room)]))).toHaveLength(1)
    const long = 'é'.repeat(room / 2 + 1)
    expect(settled(bench.request(hexId(2), 'nip44_encrypt', [long]))).toEqual({
      [hexId(2)]: 'request/too-large',
    })
    expect(settled(bench.request(hexId(3), 'nip44_encrypt', ['x'.repeat(room + 1)]))).toEqual({
      [hexId(3)]: 'request/too-large',
    })
  })

  it('refuses an id in use, a time that is none, and knows both for the caller’s mistakes', () => {
    const bench = readyBench()
    bench.request(ID, 'ping')
    expect(() => bench.request(ID, 'ping')).toThrow(UsageError)
    for (const timeoutMs of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
      expect(() => bench.request(hexId(2), 'ping', [], timeoutMs)).toThrow(UsageError)
    }
  })
})

describe('The machine’s own requests', () => {
  const asked = (bench: ClientBench) => {
    const { id } = sentOne(bench.askRelays(), 'switch_relays')
    bench.answer(id, 'null')
    return id
  }

  it('count on from the seed, in a restarted machine too', () => {
    const bench = readyBench()
    expect([asked(bench), asked(bench)]).toEqual([`${SEED}-0`, `${SEED}-1`])
    bench.restart()
    bench.live(ONE)
    expect(asked(bench)).toBe(`${SEED}-2`)
  })

  it('need a seed that can be sent', () => {
    for (const seed of ['', 'a b', 'x'.repeat(65)])
      expect(() => benchClient(fromOffer({ ...clientFacts({ seed }), secret: SECRET }, START))).toThrow(
        UsageError,
      )
  })
})

describe('What is due in a client', () => {
  it('is done in whatever step comes next', () => {
    const bench = readyBench()
    bench.request(ID, 'sign_event', ['{}'], 5_000)
    bench.sleep(6_000)
    expect(settled(bench.request(hexId(2), 'ping'))).toEqual({ [ID]: 'timeout/no-answer' })
  })

  it('does not come before an answer that is there', () => {
    const bench = readyBench()
    bench.request(ID, 'sign_event', ['{}'], 5_000)
    bench.sleep(6_000)
    expect(settled(bench.answer(ID, 'signed'))).toEqual({ [ID]: 'ok:"signed"' })
  })
})

describe('The clock of a client', () => {
  it('C39a warns once an hour when the remote signer speaks from the future', () => {
    const bench = readyBench()
    const early = { at: bench.now + 121_000 }
    expect(kinds(bench.hear({ id: 'x', result: 'x' }, early))).toEqual([
      ...['alert clock/skew', 'ignored response/unknown-id'],
    ])
    expect(kinds(bench.hear({ id: 'x', result: 'x' }, early))).toEqual(['ignored response/unknown-id'])
    bench.sleep(3_600_000)
    const again = bench.hear({ id: 'x', result: 'x' }, { at: bench.now + 121_000 })
    expect(kinds(again)).toContain('alert clock/skew')
  })

  it('C39a warns when an answer is older than its question, but not about stored messages', () => {
    const bench = readyBench()
    ask(bench)
    expect(kinds(bench.hear({ id: 'x', result: 'x' }, { at: bench.now - 500_000 }))).toEqual([
      'ignored response/unknown-id',
    ])
    expect(kinds(bench.hear({ id: ID, result: 'x' }, { at: bench.now - 121_000 }))).toEqual([
      ...['alert clock/skew', 'settle ok'],
    ])
  })

  it('bears two minutes', () => {
    const bench = readyBench()
    ask(bench)
    expect(kinds(bench.hear({ id: 'x', result: 'x' }, { at: bench.now + 120_000 }))).toEqual([
      'ignored response/unknown-id',
    ])
    expect(kinds(bench.hear({ id: ID, result: 'x' }, { at: bench.now - 120_000 }))).toEqual(['settle ok'])
  })

  it('listens from a minute before the last word of its remote signer, never from the future', () => {
    const bench = readyBench()
    bench.sleep(1_000_000)
    bench.hear({ id: 'x', result: 'x' })
    expect(bench.wants.listen?.since).toBe(bench.now / 1_000 - 60)
    bench.hear({ id: 'x', result: 'x' }, { at: bench.now + 900_000 })
    expect(bench.wants.listen?.since).toBe(bench.now / 1_000 - 60)
  })

  it('is woken late after a sleep, and settles everything that is over, once', () => {
    const bench = readyBench()
    for (let i = 1; i <= 5; i++) bench.request(hexId(i), 'sign_event', ['{}'])
    bench.sleep(10_000_000)
    expect(Object.keys(settled(bench.feed({ type: 'wake' })))).toHaveLength(5)
  })
})

describe('Several ends at one moment', () => {
  it('settle each request once', () => {
    const bench = readyBench({ profile: clientProfile('SEED') })
    const { state } = bench
    // A login that ends together with a request of the caller.
    const login = { ...state, phase: 'identifying', userPubkey: null, deadline: START + 30_000 } as const
    const asked = step(
      login,
      { type: 'request', id: ID, method: 'ping', params: [], timeoutMs: 30_000 },
      START,
    )
    const woken = step(asked.state, { type: 'wake' }, START + 30_000)
    expect(Object.keys(settled(woken.outputs))).toEqual([ID])
  })
})
