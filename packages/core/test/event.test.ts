import { describe, expect, it } from 'vitest'
import {
  encodeEvent,
  isHex64,
  isWellFormed,
  parseSignedEvent,
  type SignedEvent,
  serializeEvent,
} from '../src/event.ts'
import { CARRIER_TAGS, EVENT_CHARS_IN } from '../src/limits.ts'

const EVENT: SignedEvent = {
  id: 'a'.repeat(64),
  pubkey: 'b'.repeat(64),
  created_at: 1_767_225_600,
  kind: 24_133,
  tags: [['p', 'c'.repeat(64)], []],
  content: 'sealed',
  sig: 'd'.repeat(128),
}

describe('An event from a relay', () => {
  it('is copied, with its seven members and no others', () => {
    const parsed = parseSignedEvent(
      JSON.parse(`{"__proto__":{"x":1},"y":2,${JSON.stringify(EVENT).slice(1)}`),
    )
    expect(parsed).toEqual({ ok: true, value: EVENT })
    const value = parsed.ok ? parsed.value : EVENT
    expect(Object.keys(value).sort()).toEqual(Object.keys(EVENT).sort())
    expect(value.tags[0]).not.toBe(EVENT.tags[0])
  })

  it.each<[string, unknown]>([
    ['null', null],
    ['a list', [EVENT]],
    ['a text', JSON.stringify(EVENT)],
    ['no id', { ...EVENT, id: undefined }],
    ['an id in capitals', { ...EVENT, id: 'A'.repeat(64) }],
    ['a short pubkey', { ...EVENT, pubkey: 'b'.repeat(63) }],
    ['an id with a line feed', { ...EVENT, id: `${'a'.repeat(64)}\n` }],
    ['a short signature', { ...EVENT, sig: 'd'.repeat(127) }],
    ['a negative time', { ...EVENT, created_at: -1 }],
    ['a time in fractions', { ...EVENT, created_at: 1.5 }],
    ['a time as text', { ...EVENT, created_at: '1' }],
    ['a time beyond integers', { ...EVENT, created_at: 2 ** 53 }],
    ['kind 65536', { ...EVENT, kind: 65_536 }],
    ['kind -1', { ...EVENT, kind: -1 }],
    ['kind NaN', { ...EVENT, kind: Number.NaN }],
    ['content that is no text', { ...EVENT, content: {} }],
    ['no tags', { ...EVENT, tags: undefined }],
    ['a tag that is a text', { ...EVENT, tags: ['p'] }],
    ['a tag of numbers', { ...EVENT, tags: [[1]] }],
  ])('is not %s', (_, value) => {
    expect(parseSignedEvent(value)).toEqual({ ok: false, error: 'event/shape' })
  })

  it('ends at the limits of tags and characters', () => {
    const tagged = (count: number): SignedEvent => ({ ...EVENT, tags: Array<string[]>(count).fill(['t']) })
    expect(parseSignedEvent(tagged(CARRIER_TAGS)).ok).toBe(true)
    expect(parseSignedEvent(tagged(CARRIER_TAGS + 1))).toEqual({ ok: false, error: 'event/too-large' })

    const sized = (chars: number): SignedEvent => ({
      ...EVENT,
      tags: [['t', 'x'.repeat(100)]],
      content: 'x'.repeat(chars - 101),
    })
    expect(parseSignedEvent(sized(EVENT_CHARS_IN)).ok).toBe(true)
    expect(parseSignedEvent(sized(EVENT_CHARS_IN + 1))).toEqual({ ok: false, error: 'event/too-large' })
  })
})

describe('Writing an event', () => {
  it('gives its members in the order of NIP-01', () => {
    const event = { ...EVENT, extra: 1 }
    expect(Object.keys(JSON.parse(encodeEvent(event)) as object)).toEqual([
      ...['id', 'pubkey', 'created_at', 'kind', 'tags', 'content', 'sig'],
    ])
  })

  it('gives the text whose hash is the id', () => {
    expect(serializeEvent({ ...EVENT, content: '\n"\\\u0001é😀' })).toBe(
      `[0,"${EVENT.pubkey}",1767225600,24133,[["p","${'c'.repeat(64)}"],[]],"\\n\\"\\\\\\u0001é😀"]`,
    )
  })
})

describe('A text', () => {
  it('is well-formed when every surrogate has its other half', () => {
    for (const text of ['', 'a', '😀', '日本']) expect(isWellFormed(text)).toBe(true)
    for (const text of ['\ud800', 'a\udc00b', '\udc00\ud800', '😀\ud83d'])
      expect(isWellFormed(text)).toBe(false)
  })

  it('is 64 lowercase hex characters or not', () => {
    expect(isHex64('0123456789abcdef'.repeat(4))).toBe(true)
    for (const value of [
      '',
      'a'.repeat(63),
      'A'.repeat(64),
      'g'.repeat(64),
      `${'a'.repeat(64)}\n`,
      5,
      null,
    ]) {
      expect(isHex64(value)).toBe(false)
    }
  })
})
