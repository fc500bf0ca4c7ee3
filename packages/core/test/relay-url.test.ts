import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isForbiddenAddress } from '../src/host.ts'
import { RELAY_URL_CHARS } from '../src/limits.ts'
import { parseRelayUrl, relayHost } from '../src/relay-url.ts'

function normalized(text: string): string {
  const url = parseRelayUrl(text, { allowInsecure: true })
  return url.ok ? url.value : url.error
}

describe('A relay URL', () => {
  it.each([
    ['wss://relay.example.com', 'wss://relay.example.com/'],
    ['  WSS://RELAY.example.com:443/\n', 'wss://relay.example.com/'],
    ['wss://relay.example.com/#top', 'wss://relay.example.com/'],
    ['wss://relay.example.com:8443/Path?Q=1', 'wss://relay.example.com:8443/Path?Q=1'],
    ['ws://relay.example.com:80', 'ws://relay.example.com/'],
    ['ws://relay.example.com:443', 'ws://relay.example.com:443/'],
    ['wss://0x7f.1', 'wss://127.0.0.1/'],
    ['wss://[2001:DB8::0:1]:443/', 'wss://[2001:db8::1]/'],
    ['wss://a/b/../c/./d/%2E%2e/e', 'wss://a/c/e'],
  ])('has one spelling: %j is %s', (text, spelling) => {
    expect(normalized(text)).toBe(spelling)
  })

  it.each([
    ['', 'relay-scheme'],
    ['relay.example.com', 'relay-scheme'],
    ['https://relay.example.com', 'relay-scheme'],
    ['javascript:alert(1)', 'relay-scheme'],
    ['constructor://x', 'relay-scheme'],
    ['wss:relay.example.com', 'relay-invalid'],
    ['wss://', 'relay-invalid'],
    ['wss:///path', 'relay-invalid'],
    ['wss://u:p@relay.example.com', 'relay-credentials'],
    ['wss://@relay.example.com', 'relay-credentials'],
    ['wss://relay.example.com\\@evil.example', 'relay-invalid'],
    ['wss://relay.exa\u0000mple.com', 'relay-invalid'],
    ['wss://relay.exa\nmple.com', 'relay-invalid'],
    ['wss://relay.example.com:0', 'relay-invalid'],
    ['wss://relay.example.com:65536', 'relay-invalid'],
    ['wss://relay.example.com:80:80', 'relay-invalid'],
    ['wss://relay.example.com:8o', 'relay-invalid'],
    ['wss://re lay.example.com', 'relay-invalid'],
    ['wss://r\u00e9lay.example.com', 'relay-invalid'],
    ['wss://%65xample.com', 'relay-invalid'],
    ['wss://a..b', 'relay-invalid'],
    ['wss://256.1.1.1', 'relay-invalid'],
    ['wss://1.2.3.4.5', 'relay-invalid'],
    ['wss://[::1', 'relay-invalid'],
    ['wss://[::1]x', 'relay-invalid'],
    ['wss://[1::2::3]', 'relay-invalid'],
    ['wss://[::1.2.3]', 'relay-invalid'],
    ['wss://[1.2.3.4::]', 'relay-invalid'],
    ['wss://[fe80::1%25eth0]', 'relay-invalid'],
    ['wss://a/\ud800', 'relay-invalid'],
  ])('is not %j: %s', (text, problem) => {
    expect(parseRelayUrl(text)).toEqual({ ok: false, error: problem })
  })

  it('goes in plain text only to this machine and to onion services, unless it is allowed', () => {
    for (const host of [
      'localhost',
      'bunker.localhost',
      '127.0.0.1',
      '127.9',
      '[::1]',
      '[::ffff:127.0.0.1]',
      'abc.onion',
    ]) {
      expect([host, parseRelayUrl(`ws://${host}:7777`).ok]).toEqual([host, true])
    }
    for (const host of [
      'relay.example.com',
      '10.0.0.1',
      'localhost.example.com',
      'onion',
      '128.0.0.1',
      '[::2]',
    ]) {
      expect(parseRelayUrl(`ws://${host}`)).toEqual({ ok: false, error: 'relay-insecure' })
      expect(parseRelayUrl(`ws://${host}`, { allowInsecure: true }).ok).toBe(true)
    }
  })

  it('ends at the limit of characters, before and after escapes', () => {
    const start = 'wss://relay.example.com/'
    const longest = start.padEnd(RELAY_URL_CHARS, 'p')
    expect(normalized(longest)).toBe(longest)
    expect(normalized(`${longest}p`)).toBe('relay-invalid')
    expect(normalized(`${longest.slice(0, -1)}"`)).toBe('relay-invalid')
  })

  it('is what the WHATWG standard makes of it, and stays that when read again', () => {
    const hostPiece = fc.constantFrom(
      'a',
      'B-c',
      '.',
      '1',
      '0x',
      '255',
      '256',
      '08',
      'localhost',
      '_',
      '[',
      ':',
      '@',
      '%2e',
      'é',
    )
    const pathPiece = fc.constantFrom(
      ...[
        'a',
        'B',
        '.',
        '..',
        '/',
        '//',
        '?',
        '&',
        '=',
        ':',
        '%2e',
        '%zz',
        '[',
        ']',
        '@',
        '-',
        '_',
        ',',
        ';',
        '+',
        '~',
        '|',
        '{',
      ],
      ...['}', '"', "'", '<', '>', '`', '!', '$', '(', '*', ' ', 'é', '😀', '\\'],
    )
    const text = fc
      .tuple(
        fc.array(hostPiece, { minLength: 1, maxLength: 4 }),
        fc.constantFrom('', '', '', ':443', ':80', ':0443', ':65535', ':65536', ':'),
        fc.constantFrom('', '/', '?'),
        fc.array(pathPiece, { maxLength: 8 }),
      )
      .map(
        ([host, port, start, path]) =>
          `wss://${host.join('')}${port}${start}${start === '' ? '' : path.join('')}`,
      )
    let accepted = 0
    fc.assert(
      fc.property(text, (url) => {
        const ours = parseRelayUrl(url)
        if (!ours.ok) return
        accepted++
        expect(ours.value).toBe(new URL(url).href)
        expect(parseRelayUrl(ours.value)).toEqual(ours)
      }),
      { seed: 46, numRuns: 4_000 },
    )
    expect(accepted).toBeGreaterThan(500)
  })

  it('reads every IPv6 address as the WHATWG standard does', () => {
    const word = fc.constantFrom('', '', '0', '0', '1', 'ffff', 'abcd', '00001', '1.2.3.4', '1.2.3')
    const text = fc.array(word, { minLength: 2, maxLength: 9 }).map((words) => `wss://[${words.join(':')}]/`)
    let accepted = 0
    fc.assert(
      fc.property(text, (url) => {
        const ours = parseRelayUrl(url)
        expect([url, ours.ok]).toEqual([url, URL.canParse(url)])
        if (ours.ok) expect(ours.value).toBe(new URL(url).href)
        if (ours.ok) accepted++
      }),
      { seed: 46, numRuns: 4_000 },
    )
    expect(accepted).toBeGreaterThan(100)
  })

  it('names its host', () => {
    for (const [text, host] of [
      ['wss://relay.example.com:8443/a', 'relay.example.com'],
      ['wss://127.1/', '127.0.0.1'],
      ['wss://[::1]:8443', '::1'],
    ] as const) {
      const url = parseRelayUrl(text)
      expect(url.ok && relayHost(url.value)).toBe(host)
    }
  })
})

describe('A dialer', () => {
  it.each([
    ...[
      '0.0.0.0',
      '10.0.0.1',
      '100.64.0.1',
      '100.127.255.255',
      '169.254.169.254',
      '172.16.0.1',
      '172.31.255.255',
    ],
    ...[
      '192.168.1.1',
      '192.0.0.1',
      '198.18.0.1',
      '198.19.255.255',
      '224.0.0.1',
      '255.255.255.255',
      '192.0.2.1',
    ],
    ...[
      '0',
      '0xa.1',
      '012.1',
      '167772161',
      '10.1.',
      '[::]',
      '::',
      'fd00::1',
      'fc00::',
      'fe80::1',
      'fe80::1%eth0',
      'ff02::1',
    ],
    ...[
      '::ffff:10.0.0.1',
      '::ffff:a00:1',
      '::10.0.0.1',
      '64:ff9b::10.0.0.1',
      '64:ff9b:1::1',
      '2002:a00:1::',
      '2001:db8::1',
    ],
    ...['2001:0:1::', '100::1', '', '1.2.3.4.5', '[junk', 'a:b'],
  ])('refuses %j', (host) => {
    expect(isForbiddenAddress(host)).toBe(true)
    expect(isForbiddenAddress(host, { allowLoopback: true })).toBe(true)
  })

  it.each([
    '127.0.0.1',
    '127.255.255.255',
    '2130706433',
    'localhost',
    'LOCALHOST.',
    'a.localhost',
    '::1',
    '[::1]',
    '::ffff:127.0.0.1',
  ])('refuses %s unless loopback is allowed', (host) => {
    expect(isForbiddenAddress(host)).toBe(true)
    expect(isForbiddenAddress(host, { allowLoopback: true })).toBe(false)
  })

  it.each([
    ...[
      'relay.example.com',
      '8.8.8.8',
      '9.255.255.255',
      '11.0.0.0',
      '100.63.255.255',
      '100.128.0.0',
      '172.15.255.255',
    ],
    ...[
      '172.32.0.0',
      '192.167.255.255',
      '223.255.255.255',
      '2606:4700::1111',
      '[2a00::1]',
      '::ffff:8.8.8.8',
      '64:ff9b::8.8.8.8',
    ],
    ...['2002:808:808::', '10.example.com', 'notlocalhost'],
  ])('may dial %s', (host) => {
    expect(isForbiddenAddress(host)).toBe(false)
  })
})
