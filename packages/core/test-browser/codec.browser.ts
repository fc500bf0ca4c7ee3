/** Messages and URIs are read and written the same in a browser as in Node. */

import { describe, expect, test } from 'vitest'
import {
  encodeBunkerUri,
  encodeNostrConnectUri,
  encodeRequest,
  encodeResponse,
  type Pubkey,
  parseBunkerUri,
  parseNostrConnectUri,
  parsePubkey,
  parseRelayUrl,
  parseRequest,
  parseResponse,
  type RelayUrl,
  type Result,
  templateId,
} from '../src/index.ts'

const KEY: Pubkey = must(parsePubkey('3b56624a96aa9ffae8801ae9c2e4a833f8f2b9d4e42e897ce4b73a619cf837aa'))
const RELAY: RelayUrl = must(parseRelayUrl('wss://relay.example'))
const SECRET = '5f2c9d0a7be1438692ac0e4d6b81f357'

describe('messages', () => {
  test('a request comes back as it was sent', () => {
    const request = { id: 'a1', method: 'nip44_encrypt', params: [KEY, 'grüße 🗝 "\\u2028'] }
    expect(parseRequest(encodeRequest(request))).toEqual({ ok: true, value: request })
  })

  test.each([
    { type: 'result', id: 'a1', result: 'ack' },
    { type: 'error', id: 'a1', error: 'denied: not today' },
    { type: 'auth-url', id: 'a1', url: 'https://signer.example/auth' },
  ] as const)('a response of type $type comes back as it was sent', (response) => {
    expect(parseResponse(encodeResponse(response))).toEqual({ ok: true, value: response })
  })

  test.each(['', 'null', '[]', '{', '{"id":{}}', '"\\ud800"'])(
    '%s is no request and throws nothing',
    (text) => {
      expect(parseRequest(text).ok).toBe(false)
    },
  )

  test('an event gets the id that NIP-01 gives it', () => {
    const template = { kind: 1, content: 'hello', tags: [['t', 'grüße']], created_at: 1_700_000_000 }
    expect(templateId(template, KEY)).toBe('fc6aa290e783688aa1ed15436331a65f593d22ce3364d463a132e7ee15ef5ba5')
  })
})

describe('URIs', () => {
  test('a bunker URI comes back as it was made', () => {
    const uri = encodeBunkerUri({ remoteSigner: KEY, relays: [RELAY], secret: SECRET })
    expect(must(parseBunkerUri(uri))).toMatchObject({ remoteSigner: KEY, relays: [RELAY], secret: SECRET })
  })

  test('a nostrconnect URI comes back as it was made', () => {
    const offer = { clientPubkey: KEY, relays: [RELAY], secret: SECRET, metadata: { name: 'Ünïted Co' } }
    const uri = encodeNostrConnectUri({ ...offer, perms: 'sign_event:1' })
    expect(must(parseNostrConnectUri(uri))).toMatchObject(offer)
  })

  test('a private address is refused as a relay', () => {
    expect(parseRelayUrl('ws://192.168.0.1').ok).toBe(false)
  })
})

function must<T>(result: Result<T, unknown>): T {
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.error)}`)
  return result.value
}
