/** Listed signers: what is shown of a list, and the link that carries an offer. */

import { describe, expect, test } from 'vitest'
import { NAME_CHARS, SIGNER_URL_CHARS, SIGNERS } from '../src/limits.ts'
import { readSigners, signerLink } from '../src/signer-choice.ts'

const good = { name: 'A signer', nostrconnectUrl: 'https://signer.example/<nostrconnect>' }

describe('a list of signers', () => {
  test('keeps what can be shown', () => {
    const full = { ...good, domain: 'signer.example', picture: 'https://signer.example/icon.png' }
    expect(readSigners([full])).toEqual([full])
    const inline = { ...good, picture: 'data:image/png;base64,AA==' }
    expect(readSigners([inline])).toEqual([inline])
    const here = { ...good, nostrconnectUrl: 'http://localhost:3000/?uri=<nostrconnect>' }
    expect(readSigners([here])).toEqual([here])
  })

  test.each<[string, unknown]>([
    ['no object', 'https://signer.example/<nostrconnect>'],
    ['null', null],
    ['no name', { ...good, name: ' \u200b ' }],
    ['a script', { ...good, nostrconnectUrl: 'javascript:alert(1)//<nostrconnect>' }],
    ['a data address', { ...good, nostrconnectUrl: 'data:text/html,<nostrconnect>' }],
    ['no encryption', { ...good, nostrconnectUrl: 'http://signer.example/<nostrconnect>' }],
    ['no place for the offer', { ...good, nostrconnectUrl: 'https://signer.example/' }],
    ['no address', { ...good, nostrconnectUrl: '<nostrconnect>' }],
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

  test(`takes addresses of ${SIGNER_URL_CHARS} characters and no longer ones`, () => {
    const fitting = good.nostrconnectUrl.padEnd(SIGNER_URL_CHARS, 'x')
    expect(readSigners([{ ...good, nostrconnectUrl: fitting }])).toHaveLength(1)
    expect(readSigners([{ ...good, nostrconnectUrl: `${fitting}x` }])).toHaveLength(0)
  })

  test(`ends after ${SIGNERS} different ones`, () => {
    const many = Array.from({ length: SIGNERS + 1 }, (_, index) => ({
      ...good,
      nostrconnectUrl: `https://s${index}.example/<nostrconnect>`,
    }))
    expect(readSigners(many.slice(0, SIGNERS))).toHaveLength(SIGNERS)
    expect(readSigners(many)).toHaveLength(SIGNERS)
    expect(readSigners([good, good])).toEqual([good])
  })
})

describe('an offer in the address of a signer', () => {
  const offer = 'nostrconnect://ab?relay=wss%3A%2F%2Fr.example&secret=s&name=$%26'

  test('stands as it is in a path', () => {
    expect(signerLink('https://signer.example/<nostrconnect>', offer)).toBe(`https://signer.example/${offer}`)
  })

  test('is escaped in a query', () => {
    const link = signerLink('https://signer.example/connect/?uri=<nostrconnect>&x=1', offer)
    expect(new URL(link).searchParams.get('uri')).toBe(offer)
    expect(new URL(link).searchParams.get('x')).toBe('1')
  })
})
