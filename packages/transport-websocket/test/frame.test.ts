import { limits } from '@nip46/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { closeFrame, parseRelayFrame, plainText, requestFrame, signedFrame } from '../src/frame.ts'
import { event } from './fixture.ts'

const parse = (...frame: readonly unknown[]): unknown => parseRelayFrame(JSON.stringify(frame))

describe('frames a relay may send', () => {
  test('each verb of NIP-01 and NIP-42 is read', () => {
    expect(parse('EVENT', 's', { id: 1 })).toMatchObject({ verb: 'EVENT', subject: 's', body: { id: 1 } })
    expect(parse('EOSE', 's')).toMatchObject({ verb: 'EOSE', subject: 's' })
    expect(parse('CLOSED', 's', 'error: x')).toMatchObject({
      verb: 'CLOSED',
      subject: 's',
      reason: 'error: x',
    })
    expect(parse('OK', 'ab', true, '')).toEqual({ verb: 'OK', subject: 'ab', body: true, reason: '' })
    expect(parse('OK', 'ab', false, 'x')).toEqual({ verb: 'OK', subject: 'ab', body: false, reason: 'x' })
    expect(parse('NOTICE', 'hi')).toMatchObject({ verb: 'NOTICE', subject: 'hi' })
    expect(parse('AUTH', 'c')).toMatchObject({ verb: 'AUTH', subject: 'c' })
  })

  test('an EOSE with a third element is an EOSE, as some relays send it', () => {
    expect(parse('EOSE', 's', 'extra')).toMatchObject({ verb: 'EOSE', subject: 's', reason: '' })
  })

  test('a missing reason is an empty one', () => {
    expect(parse('OK', 'ab', false)).toMatchObject({ reason: '' })
    expect(parse('CLOSED', 's')).toMatchObject({ reason: '' })
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
    expect(parse(...frame)).toBe(code)
  })

  test.each(['{}', 'null', '7', '"EVENT"', '{"0":"EVENT","length":1}'])('%s is no frame', (text) => {
    expect(parseRelayFrame(text)).toBe('frame/shape')
  })

  test('a challenge may have as many characters as the limit, and not one more', () => {
    const longest = 'x'.repeat(limits.AUTH_CHALLENGE_CHARS)
    expect(parse('AUTH', longest)).toMatchObject({ verb: 'AUTH', subject: longest })
    expect(parse('AUTH', `${longest}x`)).toBe('frame/auth-challenge')
  })

  test('a long reason of a relay is cut', () => {
    const longest = 'r'.repeat(limits.ERROR_CHARS)
    expect(parse('OK', 'ab', false, longest)).toMatchObject({ reason: longest })
    expect(parse('OK', 'ab', false, `${longest}r`)).toMatchObject({ reason: longest })
    expect(parse('CLOSED', 's', `${longest}r`)).toMatchObject({ reason: longest })
  })

  test('a text of a relay cannot write over a terminal or turn a sentence around', () => {
    const sly = 'ok\u001b[2K\r\u202eyek\u0085\n'
    expect(plainText(sly)).toBe('ok[2K yek')
    expect(parse('OK', 'ab', false, sly)).toMatchObject({ reason: 'ok[2K yek' })
    expect(parse('CLOSED', 's', sly)).toMatchObject({ reason: 'ok[2K yek' })
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
        if (typeof parsed === 'string') return /^(?:frame|event)\//.test(parsed)
        return typeof parsed.subject === 'string' && typeof parsed.reason === 'string'
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
