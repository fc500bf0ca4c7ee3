import { describe, expect, it } from 'vitest'
import { SWITCH_RELAYS, TEMPLATE_TAGS } from '../src/limits.ts'
import { type Json, parseRequest, parseResponse } from '../src/message.ts'
import {
  type AcceptContext,
  acceptResult,
  isMethod,
  isOperationMethod,
  isRepeatable,
  type Method,
  type Operation,
  parseOperation,
} from '../src/method.ts'
import { parsePubkey } from '../src/pubkey.ts'
import { parseTemplate, templateId } from '../src/template.ts'
import type { Pubkey, Result } from '../src/value.ts'
import { verifyingCrypto } from './bip340.ts'
import { mutations } from './mutation.ts'
import { type CorpusRow, corpusKeys, corpusRows, hasShared, pickRows } from './shared.ts'

const USER = must(parsePubkey('5c9c786fe9ec9099bd9fce88b0455fd4e16547d3d6d0bda8096e03198d3e81b3'))
const PEER = must(parsePubkey('1822e120f17644bfc91838c8a6d4c1ecf162a76564b0243faf67cb127ed44b48'))
/** What the corpus says was asked for. */
const ASKED = { kind: 1, content: 'hi', tags: [], created_at: 1_767_225_600 }
const CONTEXT: AcceptContext = { crypto: verifyingCrypto, userPubkey: USER }

function must<T>(result: Result<T, unknown>): T {
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.error)}`)
  return result.value
}

/** What a remote signer does with a request text, as far as its params go. */
function operate(text: string): Result<Operation, string> {
  const { method, params } = must(parseRequest(text))
  if (!isOperationMethod(method)) throw new Error(`${method} does not ask for the user's key`)
  return parseOperation(method, params, USER)
}

/** What a client believes of a response text. */
function accept(method: Method, text: string, context: AcceptContext = CONTEXT): Result<unknown, string> {
  const response = must(parseResponse(text))
  const params = method === 'sign_event' ? [JSON.stringify(ASKED)] : []
  switch (response.type) {
    case 'result':
      return acceptResult({ method, params }, response.result, context)
    case 'native-result':
      return acceptResult({ method, params }, response.value, context)
    case 'error':
      return { ok: false, error: 'remote/error' }
    case 'auth-url':
      return { ok: false, error: 'auth/url' }
  }
}

const inCorpus = hasShared('core: params and results of the corpus')
const titled = (rows: readonly CorpusRow[]): (readonly [string, string, CorpusRow])[] =>
  rows.map((row) => [row.id, row.name, row])

/** What the parser of params decides; G38 (too far in the future) and G73-G83 (grants) are policy. */
function isAboutParams({ id }: CorpusRow): boolean {
  return ((id >= 'G15' && id <= 'G72') || (id >= 'G87' && id <= 'G92') || id === 'G97') && id !== 'G38'
}

describe.skipIf(!inCorpus)('Params of the corpus (../shared)', () => {
  it('has the user the tests assume', () => {
    expect(corpusKeys()['user']?.pk).toBe(USER)
  })

  it.each(inCorpus ? titled(corpusRows('G').filter(isAboutParams)) : [])('%s: %s', (_, __, row) => {
    const result = operate(row.text)
    if (row.expect.reply_error !== undefined) {
      expect(result).toEqual({ ok: false, error: row.expect.reply_error })
      return
    }
    const operation = must(result)
    if (operation.method !== 'sign_event') {
      expect(operation).toEqual({ method: 'nip04_encrypt', peer: PEER, plaintext: '' })
      return
    }
    const { template } = operation
    expect(Object.keys(template).sort()).toEqual(['content', 'created_at', 'kind', 'tags'])
    if (row.expect.ok?.['id'] !== undefined) expect(templateId(template, USER)).toBe(row.expect.ok['id'])
    if (row.expect.policy_sees !== undefined) expect(template.kind).toBe(row.expect.policy_sees)
  })
})

describe.skipIf(!inCorpus)('Results of the corpus (../shared)', () => {
  const answers: readonly (readonly [Method, readonly string[]])[] = [
    ['ping', ['H10', 'H11', 'H12', 'H14', 'H15', 'H16', 'H17']],
    ['get_public_key', ['H39', 'H40', 'H41', 'H42']],
    ['nip04_decrypt', ['H13']],
    ['sign_event', ['H32', 'H34', 'H35', 'H36', 'H37']],
    ['switch_relays', ['H48', 'H50', 'H51', 'H53']],
  ]
  const rows = inCorpus
    ? answers.flatMap(([method, ids]) =>
        pickRows('H', ids).map((row) => [row.id, row.name, method, row] as const),
      )
    : []
  it.each(rows)('%s: %s, as an answer to %s', (_, __, method, row) => {
    const result = accept(method, row.text)
    if (row.expect.client_throws !== undefined)
      expect(result).toEqual({ ok: false, error: row.expect.client_throws })
    else expect(result).toEqual({ ok: true, value: row.expect.ok?.['value'] })
  })

  it('H12 is legal as an answer to switch_relays', () => {
    expect(accept('switch_relays', pickRows('H', ['H12'])[0]?.text ?? '')).toEqual({ ok: true, value: null })
  })

  it('H35 is taken by a client that allows another created_at', () => {
    const text = pickRows('H', ['H35'])[0]?.text ?? ''
    expect(accept('sign_event', text, { ...CONTEXT, allowCreatedAtChange: true }).ok).toBe(true)
  })

  it('H36 is taken by a client that does not know its user yet', () => {
    expect(accept('sign_event', pickRows('H', ['H36'])[0]?.text ?? '', { crypto: verifyingCrypto }).ok).toBe(
      true,
    )
  })
})

describe('The table of methods', () => {
  it('knows the methods of every era and no others', () => {
    for (const method of ['connect', 'sign_event', 'nip44_get_key', 'describe', 'create_account']) {
      expect(isMethod(method)).toBe(true)
    }
    for (const method of ['', 'frob', 'constructor', '__proto__', 'PING']) {
      expect([method, isMethod(method), isOperationMethod(method), isRepeatable(method)]).toEqual([
        method,
        false,
        false,
        false,
      ])
    }
  })

  it('never repeats what creates something', () => {
    for (const method of ['sign_event', 'connect', 'create_account', 'nip44_get_key']) {
      expect([method, isRepeatable(method)]).toEqual([method, false])
    }
    expect(isRepeatable('ping')).toBe(true)
  })
})

describe('Params', () => {
  it('ignore what comes after those that are known', () => {
    expect(parseOperation('nip44_encrypt', [PEER, 'hi', '4'], USER)).toEqual({
      ok: true,
      value: { method: 'nip44_encrypt', peer: PEER, plaintext: 'hi' },
    })
  })

  it.each([
    ['nip44_encrypt', [], 'invalid: nip44_encrypt needs a pubkey and a text'],
    ['nip04_decrypt', [PEER], 'invalid: nip04_decrypt needs a pubkey and a text'],
    ['nip04_encrypt', [PEER.toUpperCase(), 'x'], 'invalid: third-party pubkey is not a valid key'],
    ['nip04_encrypt', [PEER, '\ud800'], 'invalid: text is not valid Unicode'],
    ['nip44_get_key', [], 'invalid: third-party pubkey is not a valid key'],
    ['sign_event', [], 'invalid: sign_event needs an event'],
    ['sign_event', ['['.repeat(90_000)], 'invalid: event is not JSON'],
  ] as const)('of %s can be wrong: %#', (method, params, error) => {
    expect(parseOperation(method, params, USER)).toEqual({ ok: false, error })
  })

  it('of sign_event may name the user and nobody else', () => {
    const by = (pubkey: unknown): Result<unknown, string> =>
      parseTemplate(JSON.stringify({ ...ASKED, pubkey }), USER)
    for (const pubkey of [USER, '', null, undefined]) expect(by(pubkey)).toEqual({ ok: true, value: ASKED })
    expect(by(PEER)).toEqual({ ok: false, error: 'invalid: pubkey is not the user of this session' })
    expect(by(7)).toEqual({ ok: false, error: 'invalid: pubkey must be 64 lower-case hex digits' })
  })

  it('of decryption hold any ciphertext', () => {
    expect(parseOperation('nip44_decrypt', [PEER, ''], USER)).toEqual({
      ok: true,
      value: { method: 'nip44_decrypt', peer: PEER, ciphertext: '' },
    })
  })

  it('of sign_event end at the limit of tags', () => {
    const tagged = (count: number): string => JSON.stringify({ ...ASKED, tags: Array(count).fill(['t']) })
    expect(must(parseTemplate(tagged(TEMPLATE_TAGS), USER)).tags).toHaveLength(TEMPLATE_TAGS)
    expect(parseTemplate(tagged(TEMPLATE_TAGS + 1), USER)).toEqual({
      ok: false,
      error: `too-large: more than ${TEMPLATE_TAGS} tags`,
    })
  })

  it('survive 4,000 damages', () => {
    const texts = [
      JSON.stringify({ ...ASKED, tags: [['p', PEER, '']], pubkey: USER, id: '', sig: null }),
      JSON.stringify(ASKED),
      PEER,
    ]
    const outcomes = { ok: 0, refused: 0 }
    for (const text of mutations(texts, 4_000, 46)) {
      const results = [
        parseOperation('sign_event', [text], USER),
        parseOperation('nip44_encrypt', [text, text], USER),
        parseOperation('nip04_decrypt', [PEER, text], USER),
      ]
      const [signing] = results
      if (signing?.ok === true && signing.value.method === 'sign_event') {
        outcomes.ok++
        // What was read is canonical: it reads the same again.
        expect(parseTemplate(JSON.stringify(signing.value.template), USER)).toEqual({
          ok: true,
          value: signing.value.template,
        })
      } else outcomes.refused++
    }
    expect(outcomes.ok).toBeGreaterThan(200)
    expect(outcomes.refused).toBeGreaterThan(1_000)
  })
})

describe('A result', () => {
  const result = (method: Method, value: Json, context = CONTEXT): Result<unknown, string> =>
    acceptResult({ method, params: method === 'sign_event' ? [JSON.stringify(ASKED)] : [] }, value, context)

  it.each<[Method, Json, unknown]>([
    ['ping', 'pong', 'pong'],
    ['ping', 'ok', 'pong'],
    ['connect', 'ack', 'ack'],
    ['connect', 's3cret', 's3cret'],
    ['connect', null, 'ack'],
    ['logout', 'ack', 'ack'],
    ['get_public_key', USER, USER],
    ['switch_relays', 'null', null],
    ['switch_relays', null, null],
    ['switch_relays', '', null],
    ['switch_relays', '""', null],
    ['switch_relays', '["wss://A.example","wss://a.example/"]', ['wss://a.example/']],
    ['switch_relays', ['wss://a.example'], ['wss://a.example/']],
    ['describe', '["ping"]', ['ping']],
    ['describe', ['ping'], ['ping']],
    ['get_relays', '{"wss://a":{"read":true,"write":1}}', { 'wss://a': { read: true, write: false } }],
    ['nip04_decrypt', ['plain'], 'plain'],
    ['nip04_decrypt', '["plain"]', '["plain"]'],
    ['nip44_decrypt', 'null', 'null'],
    ['nip44_encrypt', 'x', 'x'],
    ['nip44_get_key', USER, USER],
  ])('of %s may be %j', (method, value, accepted) => {
    expect(result(method, value)).toEqual({ ok: true, value: accepted })
  })

  it.each<[Method, Json, string]>([
    ['ping', null, 'response/shape'],
    ['connect', 5, 'response/shape'],
    ['logout', [], 'response/shape'],
    ['get_public_key', PEER, 'session/identity-changed'],
    ['get_public_key', USER.toUpperCase(), 'response/pubkey'],
    ['get_public_key', null, 'response/pubkey'],
    ['create_account', 'bob', 'response/pubkey'],
    ['switch_relays', 'ack', 'response/relays'],
    ['switch_relays', '["wss://a.example","ws://b.example"]', 'response/relays'],
    ['switch_relays', { a: 1 }, 'response/relays'],
    ['switch_relays', [['wss://a.example']], 'response/relays'],
    ['switch_relays', [{ toString: 1, valueOf: 1 }], 'response/relays'],
    ['switch_relays', '[{"toString":""}]', 'response/relays'],
    ['switch_relays', 0, 'response/relays'],
    ['describe', '{}', 'response/shape'],
    ['describe', [5], 'response/shape'],
    ['get_relays', 'null', 'response/shape'],
    ['get_relays', '{"wss://a":true}', 'response/shape'],
    ['nip44_encrypt', '', 'response/shape'],
    ['nip04_encrypt', null, 'response/shape'],
    ['nip44_decrypt', ['plain'], 'response/shape'],
    ['nip04_decrypt', ['a', 'b'], 'response/shape'],
    ['nip44_get_key', 'zz', 'response/shape'],
    ['sign_event', 'not JSON', 'response/shape'],
    ['sign_event', 'null', 'response/shape'],
    ['sign_event', '[]', 'response/shape'],
    ['sign_event', { ...ASKED, pubkey: USER, id: USER }, 'response/shape'],
  ])('of %s may not be %j: %s', (method, value, problem) => {
    expect(result(method, value)).toEqual({ ok: false, error: problem })
  })

  it('of switch_relays may be nested deeper than texts can be made of', () => {
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`
    expect(result('switch_relays', deep)).toEqual({ ok: false, error: 'response/relays' })
  })

  it('of switch_relays ends at the limit of relays', () => {
    const relays = Array.from({ length: SWITCH_RELAYS + 1 }, (_, i) => `wss://r${i}.example`)
    expect(must(result('switch_relays', relays.slice(1)))).toHaveLength(SWITCH_RELAYS)
    expect(result('switch_relays', relays)).toEqual({ ok: false, error: 'response/relays' })
  })

  it('of switch_relays may name ws:// relays if the client allows them', () => {
    const context = { ...CONTEXT, relayUrls: { allowInsecure: true } }
    expect(result('switch_relays', ['ws://b.example'], context)).toEqual({
      ok: true,
      value: ['ws://b.example/'],
    })
  })

  it('of get_relays cannot reach the prototype of anything', () => {
    const relays = must(result('get_relays', '{"__proto__":{"read":true,"write":true}}')) as object
    expect(Object.keys(relays)).toEqual(['__proto__'])
    expect(({} as { read?: boolean }).read).toBeUndefined()
  })

  const inShared = hasShared('core: a signed event of the corpus')

  it.skipIf(!inShared)(
    'of sign_event is the signed event, without members that nobody asked for (../shared)',
    () => {
      const response = must(parseResponse(pickRows('H', ['H36'])[0]?.text ?? ''))
      const event = JSON.parse(response.type === 'result' ? response.result : '') as {
        [member: string]: Json
      }
      const context = { crypto: verifyingCrypto, userPubkey: event['pubkey'] as Pubkey }
      const native = must(result('sign_event', { ...event, extra: 1 }, context)) as object
      expect(Object.keys(native).sort()).toEqual([
        'content',
        'created_at',
        'id',
        'kind',
        'pubkey',
        'sig',
        'tags',
      ])
      expect(result('sign_event', JSON.stringify(event), context)).toEqual({ ok: true, value: native })
      expect(result('sign_event', { ...event, id: USER }, context)).toEqual({
        ok: false,
        error: 'response/event-invalid',
      })
      const request = { method: 'sign_event', params: ['no JSON'] } as const
      expect(acceptResult(request, event, context)).toEqual({ ok: false, error: 'response/event-mismatch' })
    },
  )

  it('survives 2,000 damages of every kind', () => {
    const methods: readonly Method[] = [
      ...([
        'connect',
        'get_public_key',
        'ping',
        'get_relays',
        'switch_relays',
        'logout',
        'describe',
        'disconnect',
      ] as const),
      ...([
        'create_account',
        'sign_event',
        'nip44_encrypt',
        'nip44_decrypt',
        'nip04_encrypt',
        'nip04_decrypt',
      ] as const),
      'nip44_get_key',
    ]
    const signed = JSON.stringify({ ...ASKED, pubkey: USER, id: USER, sig: USER + USER })
    const texts = [signed, '["wss://a.example","wss://b.example"]', '{"wss://a":{"read":true}}', USER, 'null']
    const crypto = { ...verifyingCrypto, verify: () => false }
    const problems = new Set<string>()
    for (const text of mutations(texts, 2_000, 3)) {
      const native = parseResponse(`{"id":"1","result":${text}}`)
      for (const method of methods) {
        const values: Json[] = [text]
        if (native.ok && native.value.type === 'native-result') values.push(native.value.value)
        for (const value of values) {
          const accepted = result(method, value, { crypto, userPubkey: USER })
          if (!accepted.ok) problems.add(accepted.error)
        }
      }
    }
    expect([...problems].sort()).toEqual([
      'response/event-invalid',
      'response/event-mismatch',
      'response/pubkey',
      'response/relays',
      'response/shape',
      'session/identity-changed',
    ])
  })
})
