/** Every sentence of the component: complete in each language, and one for each thing that can go wrong. */

import { type ErrorCode, Nip46Error } from '@nip46/client'
import { describe, expect, test } from 'vitest'
import { describeError } from '../src/error-text.ts'
import { german } from '../src/german.ts'
import { WORDS_CHARS } from '../src/limits.ts'
import { completeMessages, english, fill, type Messages } from '../src/messages.ts'

describe('German', () => {
  const sentences = (messages: Messages): [string, string][] => {
    const { errors, ...rest } = messages
    return [...Object.entries(rest), ...Object.entries(errors)]
  }

  test('says all that English says, with the same places to fill', () => {
    const placesOf = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map(String).sort()
    const translated = new Map(sentences(german))
    for (const [name, text] of sentences(english)) {
      expect(placesOf(translated.get(name) ?? ''), name).toEqual(placesOf(text))
    }
    expect(translated.size).toBe(sentences(english).length)
  })

  test('leaves no sentence in English', () => {
    const translated = new Map(sentences(german))
    expect(sentences(english).filter(([name, text]) => translated.get(name) === text)).toEqual([])
  })
})

test('what a translation lacks is said in English', () => {
  const messages = completeMessages({ heading: 'Hallo', errors: { uri: 'Kaputt.' } })
  expect(messages).toMatchObject({ heading: 'Hallo', copy: english.copy })
  expect(messages.errors).toMatchObject({ uri: 'Kaputt.', noRelay: english.errors.noRelay })
})

test('a value that looks like a place is not filled again', () => {
  expect(fill('{a} and {b}', { a: '{b}', b: 'two' })).toBe('{b} and two')
  expect(fill('{toString}', {})).toBe('{toString}')
})

describe('an error', () => {
  const say = (code: ErrorCode, more: object = {}, pasted?: string): string =>
    describeError(new Nip46Error({ code, message: 'words of somebody', ...more }), english, pasted)
  const { errors } = english

  test.each<[ErrorCode, string]>([
    ['uri/empty', errors.empty],
    ['uri/scheme', errors.scheme],
    ['uri/relay-insecure', errors.insecure],
    ['uri/pubkey', errors.uri],
    ['uri/no-relay', errors.uri],
    ['transport/no-relay', errors.noRelay],
    ['timeout/not-sent', errors.notSent],
    ['timeout/no-answer', errors.noAnswer],
    ['timeout/auth', errors.authTimeout],
    ['timeout/connect', errors.notTaken],
    ['connect/secret', errors.secret],
    ['session/unpaired', errors.unpaired],
    ['session/identity-changed', errors.otherUser],
    ['response/pubkey', errors.unbelievable],
    ['response/shape', errors.unbelievable],
    ['request/busy', 'The login did not work (words of somebody). Try again.'],
  ])('%s says what to do', (code, text) => {
    expect(say(code)).toBe(text)
  })

  test.each([
    ['rejected', errors.rejected],
    ['bad-secret', errors.secret],
    ['session-invalid', errors.unpaired],
    ['rate-limited', errors.busy],
    ['timeout', errors.noAnswer],
    ['other', 'Your signer says: words of somebody'],
    ['unsupported', 'Your signer says: words of somebody'],
  ])('of a remote signer that means %s says what to do', (reason, text) => {
    expect(say('remote/error', { reason })).toBe(text)
  })

  test('of a link for the other side says which one is needed', () => {
    expect(say('uri/scheme', {}, ' NostrConnect://abc')).toBe(errors.nostrconnect)
  })

  test('of relays that refuse says the first reason', () => {
    const relays = [{ relay: 'wss://a.example', reason: 'blocked: pay first' }]
    expect(say('publish/rejected', { relays })).toMatch(/\(blocked: pay first\)/)
  })

  test('shows the words of others cleaned, and no more than fits', () => {
    const over = say('remote/error', { message: `\u202e${'x'.repeat(WORDS_CHARS + 1)}` })
    expect(over).toBe(`Your signer says: ${'x'.repeat(WORDS_CHARS)}`)
    const at = say('remote/error', { message: 'x'.repeat(WORDS_CHARS) })
    expect(at).toBe(over)
  })

  test('of the page itself is shown as one that did not work', () => {
    expect(describeError(new TypeError('relays'), english)).toBe(
      'The login did not work (TypeError: relays). Try again.',
    )
  })
})
