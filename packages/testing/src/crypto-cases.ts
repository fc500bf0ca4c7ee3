/**
 * The suite that every `Crypto` passes, whatever backend is under it: keys, signatures, conversations, payloads, and
 * what becomes of bad input. Never tests speed, and never needs a test runner.
 */

import {
  type Conversation,
  type Crypto,
  type KeyHandle,
  type PayloadError,
  type Result,
  UsageError,
} from '@nip46/core'

/** One case: `run` throws if the crypto under test does not do what `name` says. */
export interface CryptoCase {
  readonly name: string
  /** `create` makes a new `Crypto` with default limits. */
  run(create: () => Crypto): void
}

// The worked examples of this project: keys are sha256("nip46 worked example: <role>"), random bytes are fixed.
const CLIENT = {
  secret: '6215852ac07a6f8ab3ea8fdf4745c5efef9854f6b2151d8da48ff97f7e925efa',
  pubkey: '5ad68fa09f1b83ec22274938e07f15f6e9482844ea6943d8e795000b2bf3a71f',
}
const SIGNER = {
  secret: '75ad3d412cc10fd16019c244763ff1beaaa716b525309f281aeb4cd4d60c9334',
  pubkey: '3b56624a96aa9ffae8801ae9c2e4a833f8f2b9d4e42e897ce4b73a619cf837aa',
}
const CONVERSATION_KEY = '579d7a358961abd829aba1b7c8ac965117d6720a0a12389cc9661ed1a09aad5c'
const NIP44 = {
  nonce: 'e889d30b85421e8cc830d15f3b5008c1896600e9a9129e09bd301483cefe8981',
  plaintext: '{"id":"00000000000000a1","result":"ack"}',
  payload:
    'AuiJ0wuFQh6MyDDRXztQCMGJZgDpqRKeCb0wFIPO/omBXip15V72QJGZDN3rXMassg9sZoeX4p2ShB/Xp7D7D3z8cheQmVXx4HSZWZnzEZrTUpyv+hBn84RHikB0E7G3E/hfJyYvNWCJ9Eq1fqGu48lKPVU36zs1riCmAJSBLmdnyC8=',
}
const NIP04 = {
  iv: '976377af0da449441a5d8c2c46ca6431',
  plaintext:
    '{"id":"b7x2k1","method":"connect","params":["5ad68fa09f1b83ec22274938e07f15f6e9482844ea6943d8e795000b2bf3a71f","5f2c9d0a7be1438692ac0e4d6b81f357"]}',
  payload:
    '9NZDotp4SfSKtSeYUb+n58mOG45TiETZRsme59fJFIZIi1GzAnnXoisVlmPMnGHCLJaN7wlv2ejj0TSKQlWEpcEQ+SVSgBiQati60JRJzT3UiS5aaXhR2oibqN/+JD6iKkyP43OYVP0kTk64YsFAp3P7+XxNMAFfZBZBDUZpzhF8U0NQ7lIf9Mah4LMLmprjrkv9sYeT+8aKjl3PZsThCQ==?iv=l2N3rw2kSUQaXYwsRspkMQ==',
}
const UNSIGNED = {
  pubkey: SIGNER.pubkey,
  created_at: 1714078901,
  kind: 24133,
  tags: [['p', CLIENT.pubkey]],
  content: NIP44.payload,
}
const EVENT = {
  pubkey: SIGNER.pubkey,
  id: '5aa757dea64cd7960ad78cdd9876cec7f18790a5ad67e0e2fdccb5dd0510ba77',
  sig: 'cb29705f119014f91c4068603b9875a036ca516642a1029fbf98d9ad46124355e35ee1accbc9d8eaf0024b448ba1f2e044c5167eddcefad52bb47a2df624fb8b',
}

const ZERO = '00'.repeat(32)
const GROUP_ORDER = 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141'
const GROUP_ORDER_LESS_1 = 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140'
const FIELD_SIZE = 'fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f'
const GENERATOR_X = '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'
/** Zero (order 3 on the twist), a twist point of order 13, the field size, and beyond. */
const OFF_CURVE = [
  ZERO,
  'eb1f7200aecaa86682376fb1c13cd12b732221e774f553b0a0857f88fa20f86d',
  FIELD_SIZE,
  'ff'.repeat(32),
]

const TEXTS = [
  'a',
  '\ufeffabc',
  '\ufeff',
  '\u0000',
  'x'.repeat(31),
  'x'.repeat(32),
  'x'.repeat(33),
  '\u{1f984}'.repeat(100),
  '\u00e9\u0301\u2028\u2029',
  'line\r\nline\ttab',
]

const CORPUS_SIGNER_SECRET = '3769bad98ebf14567f9daa40b7af9963ec66ceef5773106f3824b7c093d587f0'
const CORPUS_CLIENT_PUBKEY = 'd9071f685197d91dfe2842694fb51f554d2a792cc1f75cd2ed2f391bd561fd62'
const NONZERO_PADDING =
  'Ansh3wvoPw6X8pxg45Qp2WzEgH3mnenu1zl+Ef/2J5QiQdUUmOHMUdwdBf8TzqmK9eVYB32gLZEGWzlgDCzxRAqkFZdt9Am/BMoiGHSldT/K3uB9wMZD3NMUF8MC6qQvzTET1e/JuPjofDxAEuuVAA641zIQR6JyCwQ5mKZmsm9nfJE='

const BAD_NIP04 = [
  'Hh1mzRup6FgwzN+uo0K0HQ==',
  'Hh1mzRup6FgwzN+uo0K0HQ==?iv=AAAAAAAAAAAAAAAAAAAA',
  'Hh1mzRup6FgwzN+uo0K0HQ==?iv=!!!!',
  'Hh1mzRup6FgwzN+uo0K0HQ==?iv=f6UUUYM2O/iHZspvEmH8fg==?iv=AAAAAAAAAAAAAAAAAAAAAA==',
  '?iv=AAAAAAAAAAAAAAAAAAAAAA==',
  'nseh0cQPEFID5C0CxYdcPwp091NhRQ==?iv=8PHy8/T19vf4+fr7/P3+/w==',
  'b+KQ3k9lVybQc1wfc30Zsw==?iv=fkFIfm3WjkTJVKA8l1oQ9w==',
]

interface BadPayload {
  /** Its row in the corpus. */
  readonly id: string
  readonly name: string
  readonly payload: string
  readonly error: PayloadError
}

const BAD_NIP44: readonly BadPayload[] = [
  { id: 'E01', name: 'nothing in it', payload: '', error: 'nip44/unknown-version' },
  {
    id: 'E02',
    name: 'a flag of an encoding to come',
    payload:
      '#Aqn1FWa9ZwX36mrVS7netEn3lVgtZSmg4iIHuJgSM+xYrlh276xmHhZZNSREs7KiJDp7kpAadFyCtOyfaK4CPlZzaF0IfdcJNUVYuTHT4eln9lfwpDmlVdhWMJ5hH3ITigDsXq0zIod/O2e/1JhLfMIHorqdHVyoiRWMHSqluagzB40=',
    error: 'nip44/unknown-version',
  },
  {
    id: 'E06',
    name: 'version 3',
    payload:
      'A6n1FWa9ZwX36mrVS7netEn3lVgtZSmg4iIHuJgSM+xYrlh276xmHhZZNSREs7KiJDp7kpAadFyCtOyfaK4CPlZzaF0IfdcJNUVYuTHT4eln9lfwpDmlVdhWMJ5hH3ITigDsXq0zIod/O2e/1JhLfMIHorqdHVyoiRWMHSqluagzB40=',
    error: 'nip44/unknown-version',
  },
  {
    id: 'E08',
    name: 'the URL alphabet',
    payload:
      'Aqn1FWa9ZwX36mrVS7netEn3lVgtZSmg4iIHuJgSM-xYrlh276xmHhZZNSREs7KiJDp7kpAadFyCtOyfaK4CPlZzaF0IfdcJNUVYuTHT4eln9lfwpDmlVdhWMJ5hH3ITigDsXq0zIod_O2e_1JhLfMIHorqdHVyoiRWMHSqluagzB40=',
    error: 'nip44/base64',
  },
  {
    id: 'E09',
    name: 'base64 without its padding',
    payload:
      'AiMbL443V9M/EYZDxWH5wyL4VtusaGM00d2luDw4DWLjAKoQt2sanqdsWn0BngPyCPfx46KejVYMfKIJ6+FTW2Mrz3ZQvELygYIOP8ZDbdwvRqEWOFviwrizLBZybowKAg4cSm5zSm0gvM51KAoB5uqp5r9HornTTQMXfQXjWPOx9HA',
    error: 'nip44/base64',
  },
  {
    id: 'E10',
    name: 'base64 with bits left over',
    payload:
      'AiMbL443V9M/EYZDxWH5wyL4VtusaGM00d2luDw4DWLjAKoQt2sanqdsWn0BngPyCPfx46KejVYMfKIJ6+FTW2Mrz3ZQvELygYIOP8ZDbdwvRqEWOFviwrizLBZybowKAg4cSm5zSm0gvM51KAoB5uqp5r9HornTTQMXfQXjWPOx9HB=',
    error: 'nip44/base64',
  },
  {
    id: 'E11',
    name: 'a line break in the base64',
    payload:
      'Aqn1FWa9ZwX36mrVS7netEn3lVgtZSmg4iIHuJgSM+xYrlh276xmHhZZNSREs7Ki\nJDp7kpAadFyCtOyfaK4CPlZzaF0IfdcJNUVYuTHT4eln9lfwpDmlVdhWMJ5hH3ITigDsXq0zIod/O2e/1JhLfMIHorqdHVyoiRWMHSqluagzB40=',
    error: 'nip44/base64',
  },
  {
    id: 'E14',
    name: 'one bit of the nonce changed',
    payload:
      'Aqj1FWa9ZwX36mrVS7netEn3lVgtZSmg4iIHuJgSM+xYrlh276xmHhZZNSREs7KiJDp7kpAadFyCtOyfaK4CPlZzaF0IfdcJNUVYuTHT4eln9lfwpDmlVdhWMJ5hH3ITigDsXq0zIod/O2e/1JhLfMIHorqdHVyoiRWMHSqluagzB40=',
    error: 'nip44/mac',
  },
  {
    id: 'E18',
    name: 'a payload for another key',
    payload:
      'AujbDHwpgjhMLfpWfLBSe1mwGzJ/NvC8nY7c4fso2sFt7K7PJYhhCk7JxRqmbbUFHhF5b9EtJLdassTMZUnkLFVx5gBoO2Z677s/y92HPUF42DchGaMI/0Ohn59A7GECWVhwFllRYiu78UDQL9uKpl2aq7pWkezTFr/8Go3UzpDY6Mk=',
    error: 'nip44/mac',
  },
  {
    id: 'E19',
    name: 'padding that is too long',
    payload:
      'Aju5in17UicodZzpOf+iX52ExxOjXE/g0dyucmkej16Cnwe2PP7IuOe8KERfBp1ic0NoVJ4nsdMVXBWUP1LitLoi1ZprYbgIGO8bmrwVNl7Pm1SZTtKhSVMwCJZ/4fy6xlLbgedX4W78Z85suCH9t0Nn19a4a0omlmZvYlO6HEydYwk7UuCkBoKzkTiNHNcFOSlHGljVik4paI8VluXui1gBJQ==',
    error: 'nip44/padding',
  },
  {
    id: 'E21',
    name: 'the long prefix on a short text',
    payload:
      'AjJsI1nL6TQzRUcED5gnqHzWLo3NEx4ojU7OLyxWVBZSeSrP/WdaObHMkzPiKDeVHEEckOwJ5qQqLxpilSj4eDE+8OCtaEnE0gaoBdVH636qcKi5FW/5uEWcpIyF5nyph75/Mw3d2A==',
    error: 'nip44/padding',
  },
  {
    id: 'E22',
    name: 'a declared length of 4 GB',
    payload:
      'Asy7CmNluNth8KVFcaGU1IpGArWZ8NkCFk44/7qr8uNIriTGW8HK6vY2uiaIqzf9rVVh0OUUseuFPxjfi5E6W0KFn60uU0oNQ/igosOM+gb2mkd/HJseMi3JgTCPdcevZrt5jbAsJg==',
    error: 'nip44/padding',
  },
  {
    id: 'E23',
    name: 'a declared length of 0',
    payload:
      'Aq3aVde8XbjyqBok/DaOHcJ0G0UQV1PprKoqJ2EGYH1Ip0WfNWzEyb2RJzqaasl7EcnoGpr/vNg6Qg5sUfPzV4xakWNR37jge0DoLofKkX1IwHjC3tz9bhSnT62v/5BF8oYy',
    error: 'nip44/padding',
  },
  {
    id: 'E25',
    name: 'bytes that are not UTF-8',
    payload:
      'AlGxe0Kf3lzetG+vR8GxhOxoKuCLnduNvISW4PPLiW6WXGObCgNWB9XbBqUDs6wHKkQowdazyhJRDGyqAtpsIi6jdS1KNfmxPXC/wcMXvNPfdK3c0dlLfIY+yeWSwRyuf/e7',
    error: 'nip44/utf8',
  },
  {
    id: 'E26',
    name: 'a surrogate written as UTF-8',
    payload:
      'AnbhrdN6/w3KFYI4eCGCTAYozebGSlaqumijtinc8mi8mQGH4ERn7R/xhxaksx2yFZoFQHcAHYr6d/0A+ryLu1lc+gtK9pF3N3qRD7EkSrjaY33ZaqmrD7J0Rxf8LhY8rlFR',
    error: 'nip44/utf8',
  },
]

/**
 * ```ts
 * for (const { name, run } of cryptoCases) test(name, () => run(() => nobleCrypto()))
 * ```
 */
export const cryptoCases: readonly CryptoCase[] = [
  {
    name: 'a key has the public key of its secret',
    run(create) {
      const crypto = create()
      expectEqual(crypto.importKey(hex(CLIENT.secret)).pubkey, CLIENT.pubkey)
      expectEqual(crypto.importKey(hex(SIGNER.secret)).pubkey, SIGNER.pubkey)
    },
  },
  {
    name: 'a key is a copy: wiping the bytes it came from changes nothing',
    run(create) {
      const secret = hex(SIGNER.secret)
      const key = create().importKey(secret)
      secret.fill(0)
      expectEqual(key.sign(EVENT.id, new Uint8Array(32)), EVENT.sig)
    },
  },
  {
    name: 'a key shows its public key and nothing else of itself',
    run(create) {
      const key = create().importKey(hex(SIGNER.secret))
      const conversation = converse(key, CLIENT.pubkey)
      const shown = JSON.stringify([key, conversation, Object.entries(key), Object.entries(conversation)])
      expectEqual(shown.includes(SIGNER.secret), false)
      expectEqual(shown.includes(CONVERSATION_KEY), false)
    },
  },
  {
    name: 'a secret that is zero, not below the group order, or not 32 bytes is refused',
    run(create) {
      const crypto = create()
      for (const secret of [ZERO, GROUP_ORDER, FIELD_SIZE, 'ff'.repeat(32)])
        expectUsageError(() => crypto.importKey(hex(secret)))
      for (const size of [0, 31, 33, 64])
        expectUsageError(() => crypto.importKey(new Uint8Array(size).fill(1)))
      expectUsageError(() => crypto.importKey(CLIENT.secret as unknown as Uint8Array))
      expectEqual(crypto.importKey(hex(GROUP_ORDER_LESS_1)).pubkey, GENERATOR_X)
    },
  },
  {
    name: 'a signature is the one BIP-340 gives for these random bytes',
    run(create) {
      const key = create().importKey(hex(SIGNER.secret))
      expectEqual(key.sign(EVENT.id, new Uint8Array(32)), EVENT.sig)
      expectEqual(key.sign(EVENT.id, new Uint8Array(32).fill(1)) === EVENT.sig, false)
    },
  },
  {
    name: 'a batch of signatures is the same as one by one',
    run(create) {
      const crypto = create()
      const key = crypto.importKey(hex(SIGNER.secret))
      const ids = [EVENT.id, ZERO, 'ff'.repeat(32)]
      const aux = Uint8Array.from({ length: 96 }, (_, i) => i)
      const signatures = key.signBatch(ids, aux)
      expectEqual(
        [...signatures],
        ids.map((id, i) => key.sign(id, aux.subarray(32 * i, 32 * i + 32))),
      )
      const claims = ids.map((id, i) => ({ pubkey: key.pubkey, id, sig: signatures[i] ?? '' }))
      expectEqual([...crypto.verifyBatch(claims)], [true, true, true])
      expectEqual([...key.signBatch([], new Uint8Array(0))], [])
      expectEqual([...crypto.verifyBatch([])], [])
    },
  },
  {
    name: 'only 32-byte ids in lowercase hex are signed, with 32 random bytes each',
    run(create) {
      const key = create().importKey(hex(SIGNER.secret))
      const aux = new Uint8Array(32)
      for (const id of ['', '00', EVENT.id.toUpperCase(), `${EVENT.id}00`, 'zz'.repeat(32)]) {
        expectUsageError(() => key.sign(id, aux))
        expectUsageError(() => key.signBatch([id], aux))
      }
      for (const size of [0, 31, 33]) expectUsageError(() => key.sign(EVENT.id, new Uint8Array(size)))
      expectUsageError(() => key.signBatch([EVENT.id, EVENT.id], aux))
    },
  },
  {
    name: 'a signature verifies, and any change to key, id or signature is noticed',
    run(create) {
      const crypto = create()
      expectEqual(crypto.verify(EVENT), true)
      expectEqual(crypto.verify({ ...EVENT, pubkey: CLIENT.pubkey }), false)
      for (const field of ['id', 'sig'] as const)
        for (const at of [0, EVENT[field].length - 1])
          expectEqual(crypto.verify({ ...EVENT, [field]: flipHex(EVENT[field], at) }), false)
    },
  },
  {
    name: 'verifying answers false to anything malformed, and throws at nothing',
    run(create) {
      const crypto = create()
      const claims = [
        { ...EVENT, pubkey: EVENT.pubkey.toUpperCase() },
        { ...EVENT, pubkey: '' },
        ...OFF_CURVE.map((pubkey) => ({ ...EVENT, pubkey })),
        { ...EVENT, id: EVENT.id.slice(2) },
        { ...EVENT, id: `${EVENT.id}00` },
        { ...EVENT, sig: '' },
        { ...EVENT, sig: EVENT.sig.toUpperCase() },
        { ...EVENT, sig: `${EVENT.sig}00` },
        { ...EVENT, sig: '00'.repeat(64) },
        { ...EVENT, sig: 'ff'.repeat(64) },
        { ...EVENT, sig: EVENT.sig.slice(0, 64) + GROUP_ORDER },
        { ...EVENT, sig: FIELD_SIZE + EVENT.sig.slice(64) },
      ]
      for (const claim of claims) expectEqual(crypto.verify(claim), false)
      expectEqual(
        [...crypto.verifyBatch([EVENT, ...claims, EVENT])],
        [true, ...claims.map(() => false), true],
      )
    },
  },
  {
    name: 'a public key is the x coordinate of a curve point in lowercase hex',
    run(create) {
      const crypto = create()
      for (const pubkey of [CLIENT.pubkey, SIGNER.pubkey, GENERATOR_X])
        expectEqual(crypto.isPubkey(pubkey), true)
      for (const pubkey of [...OFF_CURVE, '', CLIENT.pubkey.toUpperCase(), `02${CLIENT.pubkey}`])
        expectEqual(crypto.isPubkey(pubkey), false)
    },
  },
  {
    name: 'both sides share one conversation, which is the known one',
    run(create) {
      const crypto = create()
      const mine = converse(crypto.importKey(hex(CLIENT.secret)), SIGNER.pubkey)
      const theirs = converse(crypto.importKey(hex(SIGNER.secret)), CLIENT.pubkey)
      expectEqual(mine.dangerouslyExportKey(), CONVERSATION_KEY)
      expectEqual(theirs.dangerouslyExportKey(), CONVERSATION_KEY)
      expectEqual([mine.peer, theirs.peer], [SIGNER.pubkey, CLIENT.pubkey])
    },
  },
  {
    name: 'a peer key that is no curve point is refused',
    run(create) {
      const key = create().importKey(hex(CLIENT.secret))
      for (const peer of [...OFF_CURVE, '', 'npub1', SIGNER.pubkey.toUpperCase(), `${SIGNER.pubkey}00`])
        expectEqual(key.conversation(peer), { ok: false, error: 'bad-pubkey' })
    },
  },
  {
    name: 'a NIP-44 payload is the known one, and opens on both sides',
    run(create) {
      const crypto = create()
      const theirs = converse(crypto.importKey(hex(SIGNER.secret)), CLIENT.pubkey)
      const mine = converse(crypto.importKey(hex(CLIENT.secret)), SIGNER.pubkey)
      expectEqual(theirs.nip44Encrypt(NIP44.plaintext, hex(NIP44.nonce)), NIP44.payload)
      expectEqual(mine.nip44Decrypt(NIP44.payload), { ok: true, value: NIP44.plaintext })
      expectEqual(theirs.nip44Decrypt(NIP44.payload), { ok: true, value: NIP44.plaintext })
    },
  },
  {
    name: 'a NIP-04 payload is the known one, and opens on both sides',
    run(create) {
      const crypto = create()
      const theirs = converse(crypto.importKey(hex(SIGNER.secret)), CLIENT.pubkey)
      const mine = converse(crypto.importKey(hex(CLIENT.secret)), SIGNER.pubkey)
      expectEqual(mine.nip04Encrypt(NIP04.plaintext, hex(NIP04.iv)), NIP04.payload)
      expectEqual(mine.nip04Decrypt(NIP04.payload), { ok: true, value: NIP04.plaintext })
      expectEqual(theirs.nip04Decrypt(NIP04.payload), { ok: true, value: NIP04.plaintext })
    },
  },
  {
    name: 'every text comes back as it was, in both schemes, byte order mark and all',
    run(create) {
      const conversation = converse(create().importKey(hex(CLIENT.secret)), SIGNER.pubkey)
      for (const text of TEXTS) {
        const nip44 = conversation.nip44Encrypt(text, new Uint8Array(32).fill(7))
        expectEqual(conversation.nip44Decrypt(nip44), { ok: true, value: text })
        const nip04 = conversation.nip04Encrypt(text, new Uint8Array(16).fill(7))
        expectEqual(conversation.nip04Decrypt(nip04), { ok: true, value: text })
      }
      const empty = conversation.nip04Encrypt('', new Uint8Array(16))
      expectEqual(conversation.nip04Decrypt(empty), { ok: true, value: '' })
    },
  },
  ...BAD_NIP44.map(
    ({ id, name, payload, error }): CryptoCase => ({
      name: `a NIP-44 payload with ${name} is refused as ${error} (corpus ${id})`,
      run(create) {
        const key = create().importKey(hex(CORPUS_SIGNER_SECRET))
        expectEqual(converse(key, CORPUS_CLIENT_PUBKEY).nip44Decrypt(payload), { ok: false, error })
      },
    }),
  ),
  {
    name: 'padding bytes of a NIP-44 payload may hold anything (corpus E24)',
    run(create) {
      const key = create().importKey(hex(CORPUS_SIGNER_SECRET))
      expectEqual(converse(key, CORPUS_CLIENT_PUBKEY).nip44Decrypt(NONZERO_PADDING).ok, true)
    },
  },
  {
    name: 'every prefix of a NIP-44 payload is refused cleanly',
    run(create) {
      const conversation = converse(create().importKey(hex(CLIENT.secret)), SIGNER.pubkey)
      const allowed: readonly PayloadError[] = ['nip44/unknown-version', 'nip44/base64', 'nip44/mac']
      for (let length = 0; length < NIP44.payload.length; length++) {
        const opened = conversation.nip44Decrypt(NIP44.payload.slice(0, length))
        expectEqual(opened.ok === false && allowed.includes(opened.error), true)
      }
    },
  },
  {
    name: 'a NIP-44 payload far over the limit is refused before it is decoded',
    run(create) {
      const conversation = converse(create().importKey(hex(CLIENT.secret)), SIGNER.pubkey)
      expectEqual(conversation.nip44Decrypt('A'.repeat(1_000_000)), { ok: false, error: 'nip44/too-large' })
    },
  },
  {
    name: 'a NIP-04 payload that does not open has one error, whatever is wrong with it',
    run(create) {
      const conversation = converse(create().importKey(hex(CLIENT.secret)), SIGNER.pubkey)
      const payloads = [
        ...BAD_NIP04,
        '?iv=',
        NIP04.payload.replace('?iv=', '?IV='),
        `${NIP04.payload}=`,
        `${NIP04.payload}\n`,
        ` ${NIP04.payload}`,
        NIP04.payload.slice(24),
        'A'.repeat(1_000_000),
      ]
      for (let length = 0; length < NIP04.payload.length; length++)
        payloads.push(NIP04.payload.slice(0, length))
      for (const payload of payloads)
        expectEqual(conversation.nip04Decrypt(payload), { ok: false, error: 'nip04/payload' })
    },
  },
  {
    name: 'what cannot be encrypted is our own mistake: empty for NIP-44, lone surrogates, wrong nonces',
    run(create) {
      const conversation = converse(create().importKey(hex(CLIENT.secret)), SIGNER.pubkey)
      const nonce = new Uint8Array(32)
      const iv = new Uint8Array(16)
      expectUsageError(() => conversation.nip44Encrypt('', nonce))
      for (const text of ['\ud800', 'a\udfff', '\udc00\ud800']) {
        expectUsageError(() => conversation.nip44Encrypt(text, nonce))
        expectUsageError(() => conversation.nip04Encrypt(text, iv))
      }
      for (const size of [0, 12, 31, 33])
        expectUsageError(() => conversation.nip44Encrypt('a', new Uint8Array(size)))
      for (const size of [0, 15, 17, 32])
        expectUsageError(() => conversation.nip04Encrypt('a', new Uint8Array(size)))
      expectUsageError(() => conversation.nip44Encrypt('a'.repeat(65_536), nonce))
    },
  },
  {
    name: 'a destroyed key does nothing any more, nor do its conversations',
    run(create) {
      const crypto = create()
      const key = crypto.importKey(hex(CLIENT.secret))
      const other = crypto.importKey(hex(CLIENT.secret))
      const conversation = converse(key, SIGNER.pubkey)
      key.destroy()
      key.destroy()
      expectUsageError(() => key.sign(EVENT.id, new Uint8Array(32)))
      expectUsageError(() => key.signBatch([EVENT.id], new Uint8Array(32)))
      expectUsageError(() => key.conversation(SIGNER.pubkey))
      expectUsageError(() => conversation.nip44Encrypt('a', new Uint8Array(32)))
      expectUsageError(() => conversation.nip44Decrypt(NIP44.payload))
      expectUsageError(() => conversation.nip04Encrypt('a', new Uint8Array(16)))
      expectUsageError(() => conversation.nip04Decrypt(NIP04.payload))
      expectUsageError(() => conversation.dangerouslyExportKey())
      expectEqual(converse(other, SIGNER.pubkey).dangerouslyExportKey(), CONVERSATION_KEY)
    },
  },
  {
    name: 'an event id is the hash of its NIP-01 form',
    run(create) {
      expectEqual(create().eventId(UNSIGNED), EVENT.id)
      expectEqual(create().eventId({ ...UNSIGNED, content: '' }) === EVENT.id, false)
    },
  },
]

function converse(key: KeyHandle, peer: string): Conversation {
  const conversation: Result<Conversation, 'bad-pubkey'> = key.conversation(peer)
  if (!conversation.ok) throw new Error(`no conversation with ${peer}: ${conversation.error}`)
  return conversation.value
}

function expectEqual(actual: unknown, expected: unknown): void {
  const [got, wanted] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (got !== wanted) throw new Error(`expected ${wanted}, got ${got}`)
}

function expectUsageError(action: () => unknown): void {
  let result: unknown
  try {
    result = action()
  } catch (error) {
    if (error instanceof UsageError) return
    throw new Error('expected a UsageError, got another error', { cause: error })
  }
  throw new Error(`expected a UsageError, got ${JSON.stringify(result)}`)
}

function flipHex(text: string, at: number): string {
  const digit = (Number.parseInt(text.charAt(at), 16) ^ 1).toString(16)
  return text.slice(0, at) + digit + text.slice(at + 1)
}

function hex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, i) =>
    Number.parseInt(text.slice(2 * i, 2 * i + 2), 16),
  )
}
