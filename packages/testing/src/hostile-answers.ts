/**
 * Answers no remote signer should give to a request, each by name, for a hostile peer to send.
 * Never says what an error is called: only whether the one who asked may heed the answer at all.
 */

import type { Heard, HostilePeer, Move } from './hostile-peer.ts'

export interface HostileAnswer {
  readonly name: string
  /**
   * False: it is not this signer's answer to this request, and changes nothing; an honest answer that follows must
   * still be taken. True: the signer said it, and the request may settle with an error, with a value if the method
   * has room for it, or at its deadline.
   */
  readonly authentic: boolean
  moves(
    heard: Pick<Heard, 'id' | 'from' | 'scheme'>,
    peer: Pick<HostilePeer, 'pubkey' | 'stranger'>,
  ): readonly Move[]
}

const says = (id: unknown, members: object): string => JSON.stringify({ id, ...members })
const flip = (hex: string): string => (hex.startsWith('0') ? '1' : '0') + hex.slice(1)

function foreign(name: string, moves: HostileAnswer['moves']): HostileAnswer {
  return { name, authentic: false, moves }
}

function own(name: string, moves: HostileAnswer['moves']): HostileAnswer {
  return { name, authentic: true, moves }
}

/** One message sealed as it should be. */
function text(write: (id: string) => string): HostileAnswer['moves'] {
  return ({ id }) => [{ text: write(id) }]
}

const WEEK = 604_800

export const hostileAnswers: readonly HostileAnswer[] = [
  // -- carriers that are not what they say ---------------------------------------------------------
  foreign('a stranger answers with its own key', ({ id }, { stranger }) => [
    { text: says(id, { result: 'evil' }), by: stranger },
  ]),
  foreign('a stranger claims to be the signer', ({ id }, { stranger, pubkey }) => [
    { text: says(id, { result: 'evil' }), by: stranger, author: pubkey },
  ]),
  foreign('the signature is wrong', ({ id }) => [
    { text: says(id, { result: 'evil' }), spoilEvent: (event) => ({ ...event, sig: flip(event.sig) }) },
  ]),
  foreign('the event id is invented', ({ id }) => [
    { text: says(id, { result: 'evil' }), spoilEvent: (event) => ({ ...event, id: flip(event.id) }) },
  ]),
  foreign('the content was changed after signing', ({ id }) => [
    {
      text: says(id, { result: 'evil' }),
      spoilEvent: (event) => ({ ...event, content: `${event.content} ` }),
    },
  ]),
  foreign('the other encryption scheme', ({ id, scheme }) => [
    { text: says(id, { result: 'evil' }), scheme: scheme === 'nip44' ? 'nip04' : 'nip44' },
  ]),
  foreign('content that is no payload', () => [{ text: '{}', spoilContent: () => 'junk' }]),
  foreign('content that is empty', () => [{ text: '{}', spoilContent: () => '' }]),
  foreign('a payload cut short', ({ id }) => [
    { text: says(id, { result: 'evil' }), spoilContent: (content) => content.slice(0, 100) },
  ]),
  foreign('a payload of another version', ({ id }) => [
    {
      text: says(id, { result: 'evil' }),
      scheme: 'nip44',
      spoilContent: (content) => `B${content.slice(1)}`,
    },
  ]),
  foreign('a week old', ({ id }) => [{ text: says(id, { result: 'evil' }), shiftSeconds: -WEEK }]),
  foreign('a week early', ({ id }) => [{ text: says(id, { result: 'evil' }), shiftSeconds: WEEK }]),
  foreign('addressed to two', ({ id, from }, { stranger }) => [
    {
      text: says(id, { result: 'evil' }),
      tags: [
        ['p', from],
        ['p', stranger.pubkey],
      ],
    },
  ]),

  // -- messages that answer nothing ----------------------------------------------------------------
  foreign(
    'no JSON',
    text(() => 'pong'),
  ),
  foreign(
    'JSON that is cut short',
    text((id) => says(id, { result: 'evil' }).slice(0, -1)),
  ),
  foreign(
    'null',
    text(() => 'null'),
  ),
  foreign(
    'a list',
    text((id) => JSON.stringify([id, 'evil'])),
  ),
  foreign(
    'an empty object',
    text(() => '{}'),
  ),
  foreign(
    '30,000 nested lists',
    text(() => '['.repeat(30_000)),
  ),
  foreign(
    'another id',
    text((id) => says(`${id}0`, { result: 'evil' })),
  ),
  foreign(
    'an id that is a list of the id',
    text((id) => says([id], { result: 'evil' })),
  ),
  foreign(
    'an id that is an object',
    text((id) => says({ toString: id }, { result: 'evil' })),
  ),
  foreign(
    'an id of null',
    text(() => says(null, { result: 'evil' })),
  ),
  foreign(
    'no id',
    text(() => '{"result":"evil"}'),
  ),
  foreign(
    'the id __proto__',
    text(() => says('__proto__', { result: 'evil' })),
  ),
  foreign(
    'the id constructor',
    text(() => says('constructor', { result: 'evil' })),
  ),
  foreign(
    'an id of 30,000 characters',
    text(() => says('x'.repeat(30_000), { result: 'evil' })),
  ),
  foreign('300 ids nobody used', () =>
    Array.from({ length: 300 }, (_, i) => ({ text: says(`nobody-${i}`, { result: 'evil' }) })),
  ),
  foreign(
    'a request instead',
    text((id) => says(id, { method: 'get_public_key', params: [] })),
  ),

  // -- what the signer itself says, and should not --------------------------------------------------
  own(
    'a null result',
    text((id) => says(id, { result: null })),
  ),
  own(
    'an empty result',
    text((id) => says(id, { result: '' })),
  ),
  own(
    'a result that is a number',
    text((id) => says(id, { result: 5 })),
  ),
  own(
    'a result that is a list',
    text((id) => says(id, { result: [[[]]] })),
  ),
  own(
    'a result that is an object',
    text((id) => `{"id":${JSON.stringify(id)},"result":{"toString":1,"then":1,"toJSON":1}}`),
  ),
  own(
    'a result that is junk',
    text((id) => says(id, { result: '\u0000\u202e<script>' })),
  ),
  own(
    'a result of 40,000 characters',
    text((id) => says(id, { result: 'x'.repeat(40_000) })),
  ),
  own(
    'a signed event of somebody else',
    text((id) => says(id, { result: JSON.stringify(SOMEBODY_ELSES_EVENT) })),
  ),
  own(
    'neither result nor error',
    text((id) => says(id, {})),
  ),
  own(
    'a result and an error',
    text((id) => says(id, { result: 'ack', error: 'denied: no' })),
  ),
  own(
    'an error that is an object',
    text((id) => says(id, { error: { code: 1, message: 'no' } })),
  ),
  own(
    'an error of 5,000 control characters',
    text((id) => says(id, { result: '', error: '\u0007'.repeat(5_000) })),
  ),
  own(
    'members that reach for the prototype',
    text(
      (id) =>
        `{"__proto__":{"id":"${id}","result":"evil"},"id":"${id}","result":"","error":"denied: no","constructor":{"prototype":{"evil":1}}}`,
    ),
  ),
  own(
    'the same member twice',
    text((id) => `{"id":"other","id":${JSON.stringify(id)},"result":"x","result":"","error":"denied: no"}`),
  ),
  own('two answers that differ', ({ id }) => [
    { text: says(id, { result: '', error: 'denied: no' }) },
    { text: says(id, { result: 'evil' }), afterMs: 1 },
  ]),
  own('one answer 50 times', ({ id }) => [
    { text: says(id, { result: '', error: 'denied: no' }), copies: 50 },
  ]),

  // -- auth_url --------------------------------------------------------------------------------------
  ...[
    'javascript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'file:///etc/passwd',
    'http://127.0.0.1/admin',
    'https://user:password@example.com/',
    'https://example.com/\u202e\u0000',
    `https://example.com/${'x'.repeat(3_000)}`,
    'not a URL',
    '',
  ].map((url) =>
    own(
      `an auth_url of ${JSON.stringify(url.slice(0, 40))}`,
      text((id) => says(id, { result: 'auth_url', error: url })),
    ),
  ),
  own(
    'an auth_url that is no string',
    text((id) => says(id, { result: 'auth_url', error: ['https://example.com/'] })),
  ),
  own(
    'auth_url without a URL',
    text((id) => says(id, { result: 'auth_url' })),
  ),
  own('20 auth_urls', ({ id }) =>
    Array.from({ length: 20 }, (_, i) => ({
      text: says(id, { result: 'auth_url', error: `https://example.com/${i}` }),
      afterMs: i,
    })),
  ),
]

/** Signed by nobody: right in shape, wrong in everything else. */
const SOMEBODY_ELSES_EVENT = {
  id: '1'.repeat(64),
  pubkey: '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798',
  created_at: 1_700_000_000,
  kind: 1,
  tags: [],
  content: 'I agree to everything',
  sig: '2'.repeat(128),
} as const
