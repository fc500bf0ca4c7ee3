/** The links that lead to a remote signer: which templates are taken, what comes of them, and that none runs a script. */

import { encodeNostrConnectUri, limits, type Pubkey, type RelayUrl, UsageError } from '@nip46/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { androidLink, connectLink, readConnectTemplate, withCallback } from '../src/discovery.ts'
import { TEMPLATE_CHARS } from '../src/limits.ts'

const URI = encodeNostrConnectUri({
  clientPubkey: '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798' as Pubkey,
  relays: ['wss://relay.example/' as RelayUrl],
  secret: 'a'.repeat(32),
  perms: 'sign_event:1',
  metadata: { name: "Bob's app; #1 & more", url: 'https://my.app' },
})

test.each([
  ['https://signer.example/<nostrconnect>', `https://signer.example/${URI}`],
  ['https://signer.example:8443/a/<nostrconnect>/b', `https://signer.example:8443/a/${URI}/b`],
  ['https://signer.example/?uri=<nostrconnect>', `https://signer.example/?uri=${encodeURIComponent(URI)}`],
  [
    'https://signer.example/c?uri=<nostrconnect>&v=1',
    `https://signer.example/c?uri=${encodeURIComponent(URI)}&v=1`,
  ],
  ['https://signer.example#<nostrconnect>', `https://signer.example#${encodeURIComponent(URI)}`],
  [
    'com.example.signer://connect?uri=<nostrconnect>',
    `com.example.signer://connect?uri=${encodeURIComponent(URI)}`,
  ],
  ['nostrsigner:<nostrconnect>', `nostrsigner:${URI}`],
])('the template %s is filled in', (template, link) => {
  expect(readConnectTemplate(template)).toBe(template)
  expect(connectLink(template, URI)).toBe(link)
})

describe('no usable template is', () => {
  test.each([
    '',
    '<nostrconnect>',
    'https://signer.example/',
    'https://signer.example/<nostrconnect>/<nostrconnect>',
    'https://<nostrconnect>',
    'https://<nostrconnect>.signer.example/',
    'https://signer.example<nostrconnect>',
    'https://signer.example:<nostrconnect>',
    'https://user:pass@signer.example/<nostrconnect>',
    'https://signer.example@evil.example/<nostrconnect>',
    'https://signer.example\\@evil.example/<nostrconnect>',
    'http://signer.example/<nostrconnect>',
    'https://localhost/<nostrconnect>',
    'https://127.0.0.1/<nostrconnect>',
    'https://l%6Fcalhost/<nostrconnect>',
    'https://signer.loc%61lhost:8080/<nostrconnect>',
    'https://192.168.1.1/<nostrconnect>',
    'https://0x7f.1/<nostrconnect>',
    'https://[::1]/<nostrconnect>',
    'https:signer.example/<nostrconnect>',
    ' https://signer.example/<nostrconnect>',
    'https://signer.example/\n<nostrconnect>',
    'https://signer.example/\u202e<nostrconnect>',
    'https://signer.example/"<nostrconnect>',
    'javascript:alert("<nostrconnect>")',
    'javascript://x/%0aalert(1)?<nostrconnect>',
    'JaVaScRiPt:<nostrconnect>',
    'java\tscript:<nostrconnect>',
    'data:text/html,<nostrconnect>',
    'vbscript:<nostrconnect>',
    'file:///<nostrconnect>',
    'blob:https://signer.example/<nostrconnect>',
    'intent:<nostrconnect>#Intent;end',
    'ms-msdt:<nostrconnect>',
    'search-ms:<nostrconnect>',
    'primal:<nostrconnect>',
  ])('%j', (template) => {
    expect(readConnectTemplate(template)).toBe(undefined)
    expect(() => connectLink(template, URI)).toThrow(UsageError)
  })

  test.each([undefined, null, 7, {}, ['https://signer.example/<nostrconnect>']])('%j', (value) => {
    expect(readConnectTemplate(value)).toBe(undefined)
  })

  test('one character over the limit', () => {
    const template = (chars: number): string =>
      `https://signer.example/${'x'.repeat(chars - 37)}<nostrconnect>`
    expect(template(TEMPLATE_CHARS)).toHaveLength(TEMPLATE_CHARS)
    expect(readConnectTemplate(template(TEMPLATE_CHARS))).toBeDefined()
    expect(readConnectTemplate(template(TEMPLATE_CHARS + 1))).toBe(undefined)
  })

  test('a script, whatever surrounds the placeholder', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constantFrom(
        'javascript:',
        'data:',
        'https://',
        'https://a.example/',
        '//',
        '\u0000',
        '%0a',
        '@',
        '?',
        '#',
      ),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 4 }), fc.array(piece, { maxLength: 3 }), (before, after) => {
        const template = `${before.join('')}<nostrconnect>${after.join('')}`
        if (readConnectTemplate(template) === undefined) return
        const { protocol, username, hostname } = new URL(connectLink(template, URI))
        expect(protocol).toMatch(/^https:$|\.|nostr/)
        expect(username).toBe('')
        if (protocol === 'https:')
          expect(hostname).toBe(new URL(template.replace('<nostrconnect>', '')).hostname)
      }),
      { numRuns: 3_000 },
    )
  })
})

test('an app that the host names may be opened, a script never', () => {
  const appSchemes = ['primal', 'javascript', 'http']
  expect(connectLink('primal:<nostrconnect>', URI, { appSchemes })).toBe(`primal:${URI}`)
  expect(readConnectTemplate('javascript:<nostrconnect>', { appSchemes })).toBe(undefined)
  expect(readConnectTemplate('http://signer.example/<nostrconnect>', { appSchemes })).toBe(undefined)
})

test('a link for Android names scheme, app and a way out', () => {
  const rest = URI.slice('nostrconnect:'.length)
  expect(androidLink(URI)).toBe(`intent:${rest}#Intent;scheme=nostrconnect;end`)
  expect(androidLink(URI, { package: 'com.example.signer', fallback: 'https://signer.example/get' })).toBe(
    `intent:${rest}#Intent;scheme=nostrconnect;package=com.example.signer;S.browser_fallback_url=https%3A%2F%2Fsigner.example%2Fget;end`,
  )
  for (const options of [
    { package: 'x;end' },
    { fallback: 'http://localhost/' },
    { fallback: 'javascript:alert(1)' },
  ])
    expect(() => androidLink(URI, options)).toThrow(UsageError)
})

test('a way back is added to the offer', () => {
  const back = withCallback(URI, 'https://my.app/done?x=1')
  expect(new URL(back).searchParams.get('callback')).toBe('https://my.app/done?x=1')
  expect(back.startsWith(URI)).toBe(true)
  expect(new URL(withCallback(URI, 'com.my.app:/done')).searchParams.get('callback')).toBe('com.my.app:/done')
  for (const callback of ['javascript:alert(1)', 'http://evil.example/', 'my.app', '', 'data:text/html,x'])
    expect(() => withCallback(URI, callback)).toThrow(UsageError)
  const long = `com.my.app:/${'x'.repeat(limits.URI_CHARS)}`
  expect(() => withCallback(URI, long)).toThrow(UsageError)
})

test.each(['', 'javascript:alert(1)', `bunker${URI.slice(12)}`, `${URI}#x`, `${URI} `, `${URI}"onclick="x`])(
  'what is no offer gets no link: %j',
  (uri) => {
    expect(() => connectLink('https://signer.example/<nostrconnect>', uri)).toThrow(UsageError)
    expect(() => androidLink(uri)).toThrow(UsageError)
    expect(() => withCallback(uri, 'https://my.app')).toThrow(UsageError)
  },
)
