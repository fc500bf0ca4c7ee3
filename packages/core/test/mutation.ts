/**
 * Seeded damage for texts: cuts, repeats, swaps, insertions of what parsers trip over.
 * Never random from run to run.
 */

const NASTY = [
  ...[
    '%',
    '%zz',
    '%ff',
    '%00',
    '%2525',
    '&',
    '&&',
    '=',
    '?',
    '#',
    '/',
    '//',
    ':',
    '@',
    '+',
    ',',
    ' ',
    '\t',
    '\n',
    '\u0000',
  ],
  ...[
    '\u200b',
    '\u202e',
    '\ufeff',
    '\ud800',
    '\udfff',
    '😀',
    'é',
    '"',
    '\\',
    '\\u',
    '\\ud800',
    '{',
    '}',
    '[',
    ']',
    '[[[[[[[[',
  ],
  ...[
    'null',
    'true',
    '1e999',
    '-0',
    '9007199254740993',
    '__proto__',
    '"__proto__":',
    'constructor',
    'NaN',
    '0x',
    '::',
    '127.1',
  ],
  ...[
    'relay=',
    'relays=,',
    'secret=',
    'perms=sign_event:',
    'metadata={',
    'npub1',
    'nprofile1',
    'wss://',
    'bunker://',
    'A'.repeat(300),
  ],
]

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** `count` damaged copies of the texts given. */
export function* mutations(texts: readonly string[], count: number, seed: number): Generator<string> {
  const roll = dice(seed)
  const below = (limit: number): number => Math.floor(roll() * limit)
  const pick = (): string => texts[below(texts.length)] ?? ''
  for (let i = 0; i < count; i++) {
    let text = pick()
    for (let times = 1 + below(3); times > 0; times--) {
      const at = below(text.length + 1)
      const to = at + below(12)
      const nasty = NASTY[below(NASTY.length)] ?? ''
      const cases = [
        () => text.slice(0, at) + nasty + text.slice(at),
        () => text.slice(0, at) + nasty + text.slice(to),
        () => text.slice(0, at) + text.slice(to),
        () => text.slice(0, to) + text.slice(at),
        () => text.slice(0, at) + pick().slice(at),
        () => text.slice(0, at) + String.fromCharCode(below(65_536)) + text.slice(at + 1),
      ]
      text = cases[below(cases.length)]?.() ?? text
    }
    yield text
  }
}
