import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ERROR_CHARS, JSON_DEPTH, MESSAGE_BYTES_IN, PARAMS, REQUEST_ID_CHARS } from '../src/limits.ts'
import {
  encodeRequest,
  encodeResponse,
  type Json,
  looksLikeRequest,
  parseRequest,
  parseResponse,
  type RequestProblem,
  type Response,
} from '../src/message.ts'
import { isMethod } from '../src/method.ts'
import type { Result } from '../src/value.ts'
import { mutations } from './mutation.ts'
import { corpusRows, hasShared, pickRows } from './shared.ts'

const EVENT = { kind: 1, content: 'hi', tags: [['p', 'x']], created_at: 1 }

function dropped(code: string): Result<never, unknown> {
  return { ok: false, error: { type: 'drop', code } }
}

function refused(id: string, error: string): Result<never, unknown> {
  return { ok: false, error: { type: 'reply', id, error } }
}

function nested(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth)
}

const inCorpus = hasShared('core: requests and responses of the corpus')

describe.skipIf(!inCorpus)('A request text of the corpus (../shared)', () => {
  it.each(inCorpus ? corpusRows('F').map((row) => [row.id, row.name, row] as const) : [])(
    '%s: %s',
    (_, __, row) => {
      const result = parseRequest(row.text)
      if (row.expect.drop !== undefined) expect(result).toEqual(dropped(row.expect.drop))
      else if (row.expect.any !== undefined) expect(row.expect.any.join()).toContain(describeProblem(result))
      else if (row.expect.reply_error === 'unsupported: unknown method') {
        // The parser passes unknown methods on; the table, or the remote signer's settings, refuse them.
        expect(
          result.ok && (!isMethod(result.value.method) || SWITCHED_OFF.includes(result.value.method)),
        ).toBe(true)
      } else if (row.expect.reply_error !== undefined) {
        const { id } = JSON.parse(row.text) as { id: unknown }
        expect(result).toEqual(refused(String(id), row.expect.reply_error))
      } else {
        const { id } = JSON.parse(row.text) as { id: string }
        expect(result).toEqual({ ok: true, value: { id, method: 'ping', params: [] } })
        expect(({} as { admin?: boolean }).admin).toBeUndefined()
      }
    },
  )
})

/** Known to some era, and answered only by a remote signer that is set up for it. */
const SWITCHED_OFF = ['disconnect', 'get_relays', 'create_account', 'nip44_get_key']

function describeProblem(result: Result<unknown, RequestProblem>): string {
  if (result.ok) return 'ok'
  return result.error.type === 'drop'
    ? `drop ${result.error.code}`
    : `reply ${result.error.error.split(' ')[0]}`
}

describe.skipIf(!inCorpus)('A response text of the corpus (../shared)', () => {
  it.each(['H01', 'H03', 'H04', 'H18'])('%s is dropped', (id) => {
    const row = pickRows('H', [id])[0]
    expect(parseResponse(row?.text ?? '')).toEqual({ ok: false, error: row?.expect.drop })
  })

  it.each([
    ['H05', '__proto__'],
    ['H07', 'zz'],
    ['H08', ''],
  ])('%s has an id that no request of ours has', (id, name) => {
    const parsed = parseResponse(pickRows('H', [id])[0]?.text ?? '')
    expect(parsed).toEqual({ ok: true, value: { type: 'result', id: name, result: 'x' } })
  })

  it.each([
    ['H14', { type: 'result', id: 'q1', result: 'pong' }],
    ['H15', { type: 'result', id: 'q1', result: 'pong' }],
    ['H16', { type: 'error', id: 'q1', error: 'no' }],
    ['H17', { type: 'error', id: 'q1', error: '{"code":1}' }],
    ['H22', { type: 'auth-url', id: 'q1', url: 'javascript:alert(1)' }],
    ['H29', { type: 'auth-url', id: 'q1', url: 'https://bunker.example/a' }],
  ])('%s is read', (id, value) => {
    expect(parseResponse(pickRows('H', [id])[0]?.text ?? '')).toEqual({ ok: true, value })
  })
})

describe('A request', () => {
  it.each([
    ['{"id":"1","method":"ping","params":[]}', { id: '1', method: 'ping', params: [] }],
    ['{"id":"1","method":"ping"}', { id: '1', method: 'ping', params: [] }],
    ['{"id":"1","method":"ping","params":["a"],"result":"x"}', { id: '1', method: 'ping', params: ['a'] }],
    [' {"method":"ping","id":"__proto__"} ', { id: '__proto__', method: 'ping', params: [] }],
  ])('is read from %s', (text, value) => {
    expect(parseRequest(text)).toEqual({ ok: true, value })
    expect(looksLikeRequest(text)).toBe(true)
  })

  it.each([
    ['{"id":1,"method":"ping","params":null}', { id: '1', method: 'ping', params: [], native: true }],
    ['{"id":"1","method":"ping","params":null}', { id: '1', method: 'ping', params: [] }],
    [
      `{"id":"1","method":"sign_event","params":[${JSON.stringify(EVENT)}]}`,
      { id: '1', method: 'sign_event', params: [JSON.stringify(EVENT)], native: true },
    ],
    [
      '{"id":"1","method":"x","params":[1.50,true,null,["a"],"b"]}',
      { id: '1', method: 'x', params: ['1.5', 'true', '', '["a"]', 'b'], native: true },
    ],
  ])('of the 2023 dialect is read when that is accepted: %s', (text, value) => {
    expect(parseRequest(text, { acceptNative: true })).toEqual({ ok: true, value })
  })

  it.each([
    ['[]', 'request/json'],
    ['"x"', 'request/json'],
    ['1', 'request/json'],
    ['null', 'request/json'],
    ['{', 'request/json'],
    ['', 'request/json'],
    ['{"id":{}}', 'request/id'],
    ['{"id":"","method":"ping","params":[]}', 'request/id'],
    ['{"__proto__":{"id":"a"},"method":"ping"}', 'request/id'],
    ['{"id":"1","result":"ack"}', 'request/method'],
    ['{"id":"1","__proto__":{"method":"ping"}}', 'request/method'],
  ])('is not %s', (text, code) => {
    expect(parseRequest(text)).toEqual(dropped(code))
    expect(looksLikeRequest(text) && code === 'request/json').toBe(false)
  })

  it.each([
    ['{"id":"1","method":7}', 'invalid: method must be a string'],
    ['{"id":"1","method":""}', 'invalid: method must be a string'],
    ['{"id":"1","method":"ping","params":"x"}', 'invalid: params must be an array of strings'],
    ['{"id":"1","method":"ping","params":[null]}', 'invalid: params must be an array of strings'],
  ])('that can be answered is answered: %s', (text, error) => {
    expect(parseRequest(text)).toEqual(refused('1', error))
  })

  it('ends at the limits of size, id, params and nesting', () => {
    const sized = (bytes: number, filler = 'x'): string => {
      const start = '{"id":"1","method":"ping","params":["'
      return `${start}${filler.repeat((bytes - start.length - 3) / Buffer.byteLength(filler))}"]}`
    }
    expect(parseRequest(sized(MESSAGE_BYTES_IN)).ok).toBe(true)
    expect(parseRequest(sized(MESSAGE_BYTES_IN + 1))).toEqual(dropped('event/too-large'))
    expect(looksLikeRequest(sized(MESSAGE_BYTES_IN + 1))).toBe(false)
    // 40 characters around three-byte characters: bytes count, not characters.
    expect(Buffer.byteLength(sized(MESSAGE_BYTES_IN - 2, '日'))).toBe(MESSAGE_BYTES_IN - 2)
    expect(parseRequest(sized(MESSAGE_BYTES_IN - 2, '日')).ok).toBe(true)
    expect(parseRequest(sized(MESSAGE_BYTES_IN + 1, '日'))).toEqual(dropped('event/too-large'))

    const withId = (chars: number): string => `{"id":"${'i'.repeat(chars)}","method":"ping"}`
    expect(parseRequest(withId(REQUEST_ID_CHARS)).ok).toBe(true)
    expect(parseRequest(withId(REQUEST_ID_CHARS + 1))).toEqual(dropped('request/id'))

    const withParams = (count: number): string =>
      JSON.stringify({ id: '1', method: 'ping', params: Array(count).fill('') })
    expect(parseRequest(withParams(PARAMS)).ok).toBe(true)
    expect(parseRequest(withParams(PARAMS + 1))).toEqual(refused('1', 'invalid: too many params'))

    const deep = (depth: number): string => `{"id":"1","method":"ping","params":[${nested(depth)}]}`
    expect(parseRequest(deep(JSON_DEPTH), { acceptNative: true }).ok).toBe(true)
    for (const depth of [JSON_DEPTH + 1, 40_000]) {
      expect(parseRequest(deep(depth), { acceptNative: true })).toEqual(
        refused('1', 'invalid: params must be an array of strings'),
      )
    }
  })
})

describe('A response', () => {
  it.each<[string, Response]>([
    ['{"id":"1","result":"ack"}', { type: 'result', id: '1', result: 'ack' }],
    ['{"id":"1","result":"ack","error":""}', { type: 'result', id: '1', result: 'ack' }],
    ['{"id":"1","result":"ack","error":null}', { type: 'result', id: '1', result: 'ack' }],
    ['{"id":"1","result":"ack","error":false}', { type: 'result', id: '1', result: 'ack' }],
    ['{"id":"1","result":"ack","error":0}', { type: 'result', id: '1', result: 'ack' }],
    ['{"id":1,"result":"ack"}', { type: 'result', id: '1', result: 'ack' }],
    ['{"id":"1","result":""}', { type: 'result', id: '1', result: '' }],
    ['{"id":"1","error":"no"}', { type: 'error', id: '1', error: 'no' }],
    [
      '{"id":"1","result":"error","error":"Not authorized"}',
      { type: 'error', id: '1', error: 'Not authorized' },
    ],
    ['{"id":"1","result":"","error":"no permission"}', { type: 'error', id: '1', error: 'no permission' }],
    ['{"id":"1","error":{"code":1,"message":"no"}}', { type: 'error', id: '1', error: 'no' }],
    ['{"id":"1","result":"x","error":["no"]}', { type: 'error', id: '1', error: '["no"]' }],
    ['{"id":"1"}', { type: 'native-result', id: '1', value: null }],
    [
      '{"id":"1","result":"auth_url","error":"https://a.example"}',
      { type: 'auth-url', id: '1', url: 'https://a.example' },
    ],
    ['{"id":"1","result":"auth_url"}', { type: 'auth-url', id: '1', url: '' }],
    [
      '{"id":"1","result":"auth_required","auth_url":"https://a.example"}',
      { type: 'auth-url', id: '1', url: 'https://a.example' },
    ],
    ['{"id":"1","result":["wss://a"]}', { type: 'native-result', id: '1', value: ['wss://a'] }],
    ['{"id":"1","result":"null"}', { type: 'result', id: '1', result: 'null' }],
    [
      `{"id":"1","result":${JSON.stringify(EVENT)},"error":null}`,
      { type: 'native-result', id: '1', value: EVENT },
    ],
    ['{"id":{},"result":"x"}', { type: 'result', id: '', result: 'x' }],
  ])('is read from %s', (text, value) => {
    expect(parseResponse(text)).toEqual({ ok: true, value })
    expect(looksLikeRequest(text)).toBe(false)
  })

  it.each(['[]', '"x"', '1', '{', '', 'null'])('is not %j', (text) => {
    expect(parseResponse(text)).toEqual({ ok: false, error: 'response/json' })
  })

  it('ends at the limits of size, id, error and nesting', () => {
    const sized = (chars: number): string => `{"id":"1","result":"${'x'.repeat(chars - 22)}"}`
    expect(sized(MESSAGE_BYTES_IN)).toHaveLength(MESSAGE_BYTES_IN)
    expect(parseResponse(sized(MESSAGE_BYTES_IN)).ok).toBe(true)
    expect(parseResponse(sized(MESSAGE_BYTES_IN + 1))).toEqual({ ok: false, error: 'event/too-large' })

    const id = (chars: number): Result<Response, string> =>
      parseResponse(`{"id":"${'i'.repeat(chars)}","result":""}`)
    expect(id(REQUEST_ID_CHARS)).toEqual({
      ok: true,
      value: { type: 'result', id: 'i'.repeat(REQUEST_ID_CHARS), result: '' },
    })
    expect(id(REQUEST_ID_CHARS + 1)).toEqual({ ok: true, value: { type: 'result', id: '', result: '' } })

    const error = (text: string): Result<Response, string> =>
      parseResponse(JSON.stringify({ id: '1', error: text }))
    const longest = 'e'.repeat(ERROR_CHARS)
    expect(error(longest)).toEqual({ ok: true, value: { type: 'error', id: '1', error: longest } })
    expect(error(`${longest}e`)).toEqual({ ok: true, value: { type: 'error', id: '1', error: longest } })
    expect(error(`${longest.slice(1)}😀`)).toEqual({
      ok: true,
      value: { type: 'error', id: '1', error: longest.slice(1) },
    })

    for (const member of ['result', 'error']) {
      expect(parseResponse(`{"id":"1","${member}":${nested(JSON_DEPTH)}}`).ok).toBe(true)
      for (const depth of [JSON_DEPTH + 1, 40_000]) {
        expect(parseResponse(`{"id":"1","${member}":${nested(depth)}}`)).toEqual({
          ok: false,
          error: 'response/json',
        })
      }
    }
  })
})

describe('Writing messages', () => {
  it('gives a request three members in their order', () => {
    const request = { id: '1', method: 'ping', params: ['a'], native: true, extra: 1 }
    expect(encodeRequest(request)).toBe('{"id":"1","method":"ping","params":["a"]}')
  })

  it('gives success no error, and failure an empty result', () => {
    expect(encodeResponse({ type: 'result', id: '1', result: 'pong' })).toBe('{"id":"1","result":"pong"}')
    expect(encodeResponse({ type: 'error', id: '1', error: 'no' })).toBe(
      '{"id":"1","result":"","error":"no"}',
    )
    expect(encodeResponse({ type: 'auth-url', id: '1', url: 'https://a' })).toBe(
      '{"id":"1","result":"auth_url","error":"https://a"}',
    )
    expect(encodeResponse({ type: 'native-result', id: '1', value: ['a'] })).toBe(
      '{"id":"1","result":"[\\"a\\"]"}',
    )
  })

  it('cuts error texts at their limit, between characters', () => {
    const error = `${'e'.repeat(ERROR_CHARS - 1)}😀`
    const text = encodeResponse({ type: 'error', id: '1', error })
    expect((JSON.parse(text) as { error: string }).error).toBe('e'.repeat(ERROR_CHARS - 1))
  })

  it('gives the 2023 dialect every key, and values that are not strings', () => {
    const native = (result: string, method?: string): unknown =>
      JSON.parse(
        encodeResponse(
          { type: 'result', id: '1', result },
          { native: true, ...(method !== undefined && { method }) },
        ),
      )
    expect(native(JSON.stringify(EVENT), 'sign_event')).toEqual({ id: '1', result: EVENT, error: null })
    expect(native('["ping"]', 'describe')).toEqual({ id: '1', result: ['ping'], error: null })
    expect(native('pong', 'ping')).toEqual({ id: '1', result: 'pong', error: null })
    expect(native('{"a":1}', 'nip04_decrypt')).toEqual({ id: '1', result: ['{"a":1}'], error: null })
    expect(native('{"a":1}', 'nip44_decrypt')).toEqual({ id: '1', result: '{"a":1}', error: null })
    expect(native(nested(40_000))).toEqual({ id: '1', result: nested(40_000), error: null })
    expect(encodeResponse({ type: 'error', id: '1', error: 'no' }, { native: true })).toBe(
      '{"id":"1","result":null,"error":"no"}',
    )
    expect(encodeResponse({ type: 'native-result', id: '1', value: 5 }, { native: true })).toBe(
      '{"id":"1","result":5,"error":null}',
    )
  })

  it('gives requests that are read back', () => {
    const request = fc.record({
      id: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
      method: fc.string({ unit: 'binary', minLength: 1 }),
      params: fc.array(fc.string({ unit: 'binary' }), { maxLength: PARAMS }),
    })
    fc.assert(
      fc.property(request, (value) => {
        expect(parseRequest(encodeRequest(value))).toEqual({ ok: true, value })
      }),
      { seed: 46, numRuns: 200 },
    )
  })

  it('gives responses that are read back, in both dialects', () => {
    const id = fc.string({ minLength: 1, maxLength: 20 })
    const text = fc
      .string({ unit: 'binary', minLength: 1 })
      .filter((result) => !['auth_url', 'auth_required'].includes(result))
    const response: fc.Arbitrary<Response> = fc.oneof(
      fc.record({ type: fc.constant('result' as const), id, result: text }),
      fc.record({ type: fc.constant('error' as const), id, error: text }),
      fc.record({ type: fc.constant('auth-url' as const), id, url: fc.webUrl() }),
    )
    fc.assert(
      fc.property(response, (value) => {
        expect(parseResponse(encodeResponse(value))).toEqual({ ok: true, value })
        if (value.type === 'error') {
          expect(parseResponse(encodeResponse(value, { native: true }))).toEqual({ ok: true, value })
        }
      }),
      { seed: 46, numRuns: 500 },
    )
    fc.assert(
      fc.property(id, fc.jsonValue({ maxDepth: 3 }), (name, json) => {
        const value = JSON.parse(JSON.stringify(json)) as Json
        fc.pre(value !== 'auth_url')
        const read = parseResponse(
          encodeResponse({ type: 'native-result', id: name, value }, { native: true }),
        )
        expect(read).toEqual({
          ok: true,
          value:
            typeof value === 'string'
              ? { type: 'result', id: name, result: value }
              : { type: 'native-result', id: name, value },
        })
      }),
      { seed: 46, numRuns: 300 },
    )
  })
})

describe('A damaged message', () => {
  it('is refused or read, 6,000 times, and never throws', () => {
    const texts = [
      '{"id":"1","method":"sign_event","params":["{\\"kind\\":1,\\"content\\":\\"hi\\"}"]}',
      '{"id":1,"method":"connect","params":["ab",null,{"a":[1]}]}',
      '{"id":"1","result":{"a":[1]},"error":null}',
      '{"id":"1","result":"auth_url","error":"https://a.example"}',
      '{"id":"1","result":"","error":{"message":"no"}}',
    ]
    const outcomes = { request: 0, reply: 0, drop: 0, response: 0 }
    for (const text of mutations(texts, 6_000, 46)) {
      for (const acceptNative of [false, true]) {
        const request = parseRequest(text, { acceptNative })
        if (request.ok) {
          outcomes.request++
          expect(parseRequest(encodeRequest(request.value)).ok).toBe(true)
        } else outcomes[request.error.type]++
      }
      const response = parseResponse(text)
      looksLikeRequest(text)
      if (!response.ok) continue
      outcomes.response++
      for (const native of [false, true])
        expect(parseResponse(encodeResponse(response.value, { native })).ok).toBe(true)
    }
    for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(200)
  })
})
