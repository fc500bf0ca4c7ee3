/** Listed signers: what is shown of a list. The links are of `@nip46/client/discovery`. */

import { describe, expect, test } from 'vitest'
import { NAME_CHARS, SIGNERS } from '../src/limits.ts'
import { readSigners } from '../src/signer-choice.ts'

const good = { name: 'A signer', connectTemplate: 'https://signer.example/<nostrconnect>' }

describe('a list of signers', () => {
  test('keeps what can be shown', () => {
    const full = { ...good, domain: 'signer.example', picture: 'https://signer.example/icon.png' }
    expect(readSigners([full])).toEqual([full])
    const inline = { ...good, picture: 'data:image/png;base64,AA==' }
    expect(readSigners([inline])).toEqual([inline])
    const app = { ...good, connectTemplate: 'com.example.signer://connect/<nostrconnect>' }
    expect(readSigners([app])).toEqual([app])
  })

  test('takes what discovery finds, and leaves out what has no link', () => {
    const found = {
      pubkey: 'a'.repeat(64),
      relays: ['wss://relay.example/'],
      name: 'Found',
      domain: 'x.example',
    }
    expect(readSigners([found, { ...found, ...good, about: 'Text' }])).toEqual([
      { ...good, domain: 'x.example' },
    ])
  })

  test.each<[string, unknown]>([
    ['no object', 'https://signer.example/<nostrconnect>'],
    ['null', null],
    ['no name', { ...good, name: ' \u200b ' }],
    ['a script', { ...good, connectTemplate: 'javascript:alert(1)//<nostrconnect>' }],
    ['a data address', { ...good, connectTemplate: 'data:text/html,<nostrconnect>' }],
    ['no encryption', { ...good, connectTemplate: 'http://signer.example/<nostrconnect>' }],
    ['no place for the offer', { ...good, connectTemplate: 'https://signer.example/' }],
    ['no address', { ...good, connectTemplate: '<nostrconnect>' }],
  ])('leaves out an entry with %s', (_title, entry) => {
    expect(readSigners([entry, good])).toEqual([good])
  })

  test.each([undefined, null, 'text', 7, { 0: good }])('is empty for %j', (list) => {
    expect(readSigners(list)).toEqual([])
  })

  test('leaves out a picture that is none, and cuts words', () => {
    const [choice] = readSigners([{ ...good, name: 'n'.repeat(NAME_CHARS + 1), picture: 'javascript:1' }])
    expect(choice).toEqual({ ...good, name: 'n'.repeat(NAME_CHARS) })
  })

  test(`ends after ${SIGNERS} different ones`, () => {
    const many = Array.from({ length: SIGNERS + 1 }, (_, index) => ({
      ...good,
      connectTemplate: `https://s${index}.example/<nostrconnect>`,
    }))
    expect(readSigners(many.slice(0, SIGNERS))).toHaveLength(SIGNERS)
    expect(readSigners(many)).toHaveLength(SIGNERS)
    expect(readSigners([good, good])).toEqual([good])
  })
})
