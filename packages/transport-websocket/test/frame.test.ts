import { limits } from '@nip46/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  closeFrame,
  parseRelayFrame,
  reasonPrefix,
  requestFrame,
  SUBSCRIPTION_ID_CHARS,
  signedFrame,
} from '../src/frame.ts'
import { event } from './fixture.ts'

const parse = (...frame: readonly unknown[]): unknown => parseRelayFrame(JSON.stringify(frame))

describe('frames a relay may send', () => {
  test('each verb of NIP-01 and NIP-42 is read', () => {
    expect(parse('EVENT', 's', { id: 1 })).toEqual({
      ok: true,
      value: { type: 'event', subscription: 's', event: { id: 1 } },
    })
    expect(parse('EOSE', 's')).toEqual({ ok: true, value: { type: 'eose', subscription: 's' } })
    expect(parse('CLOSED', 's', 'error: x')).toEqual({
      ok: true,
      value: { type: 'closed', subscription: 's', reason: 'error: x' },
    })
    expect(parse('OK', 'ab', true, '')).toEqual({
      ok: true,
      value: { type: 'ok', id: 'ab', accepted: true, reason: '' },
    })
    expect(parse('NOTICE', 'hi')).toEqual({ ok: true, value: { type: 'notice', text: 'hi' } })
    expect(parse('AUTH', 'c')).toEqual({ ok: true, value: { type: 'auth', challenge: 'c' } })
  })

  test('an EOSE with a third element is an EOSE, as some relays send it', () => {
    expect(parse('EOSE', 's', 'extra')).toEqual({ ok: true, value: { type: 'eose', subscription: 's' } })
  })

  test('a missing reason is an empty one', () => {
    expect(parse('OK', 'ab', false)).toMatchObject({ ok: true, value: { reason: '' } })
    expect(parse('CLOSED', 's')).toMatchObject({ ok: true, value: { reason: '' } })
  })

  test.each([
    [['EVENT', 's', []], 'event/shape'],
    [['EVENT', 's', 'x'], 'event/shape'],
    [['EVENT', 's'], 'event/shape'],
    [['EVENT', 7, {}], 'frame/shape'],
    [['EOSE'], 'frame/shape'],
    [['CLOSED', 's', 7], 'frame/shape'],
    [['OK', 'ab', 1, ''], 'frame/shape'],
    [['OK', 'ab', true, null], 'frame/shape'],
    [['OK', null, true, ''], 'frame/shape'],
    [['NOTICE', {}], 'frame/shape'],
    [['NOTICE'], 'frame/shape'],
    [['AUTH'], 'frame/shape'],
    [['AUTH', ''], 'frame/auth-challenge'],
    [[1, 2], 'frame/shape'],
    [[['EVENT']], 'frame/shape'],
    [['event', 's', {}], 'frame/unknown'],
    [['__proto__'], 'frame/unknown'],
  ])('%j is dropped as %s', (frame, code) => {
    expect(parse(...frame)).toEqual({ ok: false, error: code })
  })

  test.each(['{}', 'null', '7', '"EVENT"', '{"0":"EVENT","length":1}'])('%s is no frame', (text) => {
    expect(parseRelayFrame(text)).toEqual({ ok: false, error: 'frame/shape' })
  })

  test('a challenge may have as many characters as the limit, and not one more', () => {
    const longest = 'x'.repeat(limits.AUTH_CHALLENGE_CHARS)
    expect(parse('AUTH', longest)).toEqual({ ok: true, value: { type: 'auth', challenge: longest } })
    expect(parse('AUTH', `${longest}x`)).toEqual({ ok: false, error: 'frame/auth-challenge' })
  })

  test('a subscription id may have 64 characters, and not one more', () => {
    const longest = 's'.repeat(SUBSCRIPTION_ID_CHARS)
    expect(parse('EOSE', longest)).toMatchObject({ ok: true })
    expect(parse('EOSE', `${longest}s`)).toEqual({ ok: false, error: 'frame/shape' })
  })

  test('a long text of a relay is cut', () => {
    const longest = 'r'.repeat(limits.ERROR_CHARS)
    expect(parse('NOTICE', longest)).toMatchObject({ value: { text: longest } })
    expect(parse('NOTICE', `${longest}r`)).toMatchObject({ value: { text: longest } })
    expect(parse('OK', 'ab', false, `${longest}r`)).toMatchObject({ value: { reason: longest } })
    expect(parse('CLOSED', 's', `${longest}r`)).toMatchObject({ value: { reason: longest } })
  })

  test('a text of a relay cannot write over a terminal or turn a sentence around', () => {
    const sly = 'ok\u001b[2K\r\u202eyek\u0085\n'
    expect(parse('NOTICE', sly)).toMatchObject({ value: { text: 'ok [2K  yek  ' } })
    expect(parse('OK', 'ab', false, sly)).toMatchObject({ value: { reason: 'ok [2K  yek  ' } })
    expect(parse('CLOSED', 's', sly)).toMatchObject({ value: { reason: 'ok [2K  yek  ' } })
  })

  test('whatever text arrives, the answer is a frame or a code', () => {
    const json = fc.json().map((text) => text)
    const nearly = fc
      .tuple(
        fc.constantFrom('EVENT', 'EOSE', 'OK', 'CLOSED', 'NOTICE', 'AUTH', 'X'),
        fc.array(fc.jsonValue(), { maxLength: 4 }),
      )
      .map(([verb, rest]) => JSON.stringify([verb, ...rest]))
    fc.assert(
      fc.property(fc.oneof(fc.string(), json, nearly), (text) => {
        const parsed = parseRelayFrame(text)
        if (!parsed.ok) return /^(?:frame|event)\//.test(parsed.error)
        return ['event', 'eose', 'closed', 'ok', 'notice', 'auth'].includes(parsed.value.type)
      }),
      { numRuns: 3_000, seed: 46 },
    )
  })
})

describe('frames we send', () => {
  test('an event travels with the seven members of NIP-01 and no others', () => {
    const extra = { ...event(1), seen: true }
    const [verb, sent] = JSON.parse(signedFrame('EVENT', extra))
    expect(verb).toBe('EVENT')
    expect(sent).toEqual(event(1))
    expect(JSON.parse(signedFrame('AUTH', extra))).toEqual(['AUTH', event(1)])
  })

  test('REQ and CLOSE are one array each', () => {
    const filters = [{ kinds: [24133], '#p': ['ab'], limit: 0 }]
    expect(JSON.parse(requestFrame('s', filters))).toEqual(['REQ', 's', ...filters])
    expect(JSON.parse(closeFrame('s"'))).toEqual(['CLOSE', 's"'])
  })
})

test('only a machine-readable prefix counts as one', () => {
  expect(reasonPrefix('rate-limited: slow')).toBe('rate-limited')
  expect(reasonPrefix('blocked:')).toBe('blocked')
  expect(reasonPrefix('Sorry: no')).toBe('')
  expect(reasonPrefix('no prefix')).toBe('')
  expect(reasonPrefix('')).toBe('')
})
