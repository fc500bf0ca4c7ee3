import { describe, expect, it } from 'vitest'
import { cleanText } from '../src/display-text.ts'
import { METADATA_CHARS, METADATA_URL_CHARS, NAME_CHARS } from '../src/limits.ts'
import { cleanMetadata, cleanName, cleanUrl, parseMetadata } from '../src/metadata.ts'
import { mutations } from './mutation.ts'
import { hasShared, pickRows } from './shared.ts'

describe('Client metadata', () => {
  it('is a JSON object of name, url and image', () => {
    const json =
      '{"name":"My Client","url":"https://client.example","image":"https://client.example/icon.png","x":1}'
    expect(parseMetadata(json)).toEqual({
      name: 'My Client',
      url: 'https://client.example',
      image: 'https://client.example/icon.png',
    })
  })

  it.each(['', '{nope', 'null', '[]', '"x"', '7', '{'.repeat(5_000)])(
    'is null when the text is %j',
    (text) => {
      expect(parseMetadata(text)).toBeNull()
    },
  )

  it('leaves out what has another type', () => {
    expect(parseMetadata('{"name":["x"],"url":5,"image":["https://a.example/i"],"icons":"x"}')).toEqual({})
  })

  it('looks only at members of its own', () => {
    expect(parseMetadata('{"__proto__":{"name":"x"}}')).toEqual({})
  })

  it('takes older names of the image', () => {
    expect(parseMetadata('{"icons":["https://a.example/i"]}')).toEqual({ image: 'https://a.example/i' })
    expect(parseMetadata('{"icon":"https://a.example/j","icons":["https://a.example/i"]}')).toEqual({
      image: 'https://a.example/j',
    })
  })

  it('ends at the limit of characters', () => {
    const json = (chars: number): string => `{"name":"a","x":"${'x'.repeat(chars - 19)}"}`
    expect(json(METADATA_CHARS)).toHaveLength(METADATA_CHARS)
    expect(parseMetadata(json(METADATA_CHARS))).toEqual({ name: 'a' })
    expect(parseMetadata(json(METADATA_CHARS + 1))).toBeNull()
  })

  it('survives 2,000 damaged texts', () => {
    const json =
      '{"name":"My \\u202eClient","url":"https://client.example/a?b","icons":["https://client.example/icon.png"]}'
    let read = 0
    for (const text of mutations([json], 2_000, 11)) {
      const metadata = parseMetadata(text)
      if (metadata === null) continue
      read++
      // Cleaning what is clean changes nothing.
      expect(parseMetadata(JSON.stringify(metadata))).toEqual(metadata)
    }
    expect(read).toBeGreaterThan(200)
  })
})

describe("A client's own metadata", () => {
  it('is cleaned member by member', () => {
    const image = 'https://client.example/i.png'
    expect(cleanMetadata({ name: ' My \u202eClient', url: 'https://client.example/', image })).toEqual({
      name: 'My Client',
      url: 'https://client.example',
      image,
    })
    const shown = JSON.stringify(cleanMetadata({ name: '\u200b', url: 'javascript:alert(1)' }))
    expect(shown).toBe('{}')
    expect(cleanMetadata({ name: null, url: undefined, image: 5 } as unknown as object)).toEqual({})
  })
})

describe('A name', () => {
  it.each([
    ['  My \t\n Client ', 'My Client'],
    ['Prim\u202elevil\u200b', 'Primlevil'],
    ['a\u2066b\u2069c\u200e\u061c\ufeffd', 'abc d'],
    ['\u0000a\u001b[31mb\u0085\u009fc', 'a[31mbc'],
    ['bell\u0007 del\u007f', 'bell del'],
    ['soft\u00adhy\u2060phen\u180e', 'softhyphen'],
    ['filler\u3164\u115f\uffa0', 'filler'],
    ['tag\u{e0041}\u{e0001}', 'tag'],
    ['lone\ud800\udc00\ud800', 'lone\u{10000}'],
    ['e\u0301', '\u00e9'],
    ['e\u200b\u0301', '\u00e9'],
    ['a \u200b b', 'a b'],
    ['<img src=x onerror=alert(1)>', '<img src=x onerror=alert(1)>'],
    ['日本語 😀', '日本語 😀'],
  ])('%j is shown as %j', (text, shown) => {
    expect(cleanName(text)).toBe(shown)
    expect(cleanName(shown)).toBe(shown)
  })

  it('is none if nothing can be seen of it', () => {
    expect(cleanName('')).toBeUndefined()
    expect(cleanName(' \u200b\u202e\u3164\n')).toBeUndefined()
  })

  it('ends at the limit of characters, counted as code points', () => {
    expect(cleanName('😀'.repeat(NAME_CHARS))).toBe('😀'.repeat(NAME_CHARS))
    expect(cleanName('😀'.repeat(NAME_CHARS + 1))).toBe('😀'.repeat(NAME_CHARS))
    expect(cleanText(`${'a'.repeat(3)} b`, 4)).toBe('aaa')
  })
})

describe('A metadata URL', () => {
  it.each([
    ['https://client.example', 'https://client.example'],
    [' https://Client.Example:443/ ', 'https://client.example'],
    ['https://client.example/#/login', 'https://client.example'],
    ['https://client.example/a b?c="d"', 'https://client.example/a%20b?c=%22d%22'],
    ['http://localhost:3000/', 'http://localhost:3000'],
    ['http://127.0.0.1:5173/app', 'http://127.0.0.1:5173/app'],
    ['http://[::1]/', 'http://[::1]'],
  ])('%j is shown as %s', (text, shown) => {
    expect(cleanUrl(text)).toBe(shown)
    expect(cleanUrl(shown)).toBe(shown)
  })

  it.each([
    'http://client.example',
    'http://localhost.evil.example',
    'javascript:alert(1)',
    'data:image/svg+xml,<svg onload=alert(1)>',
    'file:///etc/passwd',
    '//client.example',
    'client.example',
    'https://',
    'https:client.example',
    'https://user:pw@client.example',
    'https://good.example\\@evil.example',
    'https://client.example\u202e',
    'https://cli\u0000ent.example',
    'https://clіent.example',
    '',
  ])('is not %j', (text) => {
    expect(cleanUrl(text)).toBeUndefined()
  })

  it('ends at the limit of characters, before and after escapes', () => {
    const longest = 'https://client.example/'.padEnd(METADATA_URL_CHARS, 'p')
    expect(cleanUrl(longest)).toBe(longest)
    expect(cleanUrl(`${longest}p`)).toBeUndefined()
    expect(cleanUrl(`${longest.slice(0, -1)} `)).toBe(longest.slice(0, -1))
    expect(cleanUrl(`${longest.slice(0, -2)} p`)).toBeUndefined()
  })
})

const inCorpus = hasShared('core: connect metadata of the corpus')

describe.skipIf(!inCorpus)('Connect metadata of the corpus (../shared)', () => {
  it.each(inCorpus ? pickRows('G', ['G12', 'G13']).map((row) => [row.id, row.name, row] as const) : [])(
    '%s: %s',
    (_, __, row) => {
      const { params } = JSON.parse(row.text) as { params: readonly string[] }
      expect(parseMetadata(params[3] ?? '')).toEqual(row.expect.ok?.['metadata'])
    },
  )
})
