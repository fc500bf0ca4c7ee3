/**
 * The people and places of the tests of core's machines: keys on the curve, relays, a moment, and templates.
 * Never holds a secret key: machines need none.
 */

import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { isPubkey } from '../src/pubkey.ts'
import { parseRelayUrl } from '../src/relay-url.ts'
import type { Millis, Pubkey, RelayUrl, RequestId } from '../src/value.ts'

/** A public key for a name: the first of its hashes that is on the curve. */
export function pubkeyOf(name: string): Pubkey {
  for (let i = 0; ; i++) {
    const hex = bytesToHex(sha256(utf8ToBytes(`${name}/${i}`)))
    if (isPubkey(hex)) return hex
  }
}

export function relay(name: string): RelayUrl {
  const url = parseRelayUrl(`wss://${name}.example`)
  if (!url.ok) throw new Error(`no relay is called ${name}`)
  return url.value
}

/** 32 hex characters for a number. */
export function hexId(value: number): RequestId {
  return value.toString(16).padStart(32, '0')
}

/** What a machine names its own requests after. */
export const SEED: string = hexId(0xa0)

export const CLIENT: Pubkey = pubkeyOf('client')
export const SIGNER: Pubkey = pubkeyOf('remote signer')
export const USER: Pubkey = pubkeyOf('user')
export const STRANGER: Pubkey = pubkeyOf('stranger')
export const FRIEND: Pubkey = pubkeyOf('friend')

export const ONE: RelayUrl = relay('one')
export const TWO: RelayUrl = relay('two')
export const THREE: RelayUrl = relay('three')
export const FOUR: RelayUrl = relay('four')

export const START: Millis = 1_767_225_600_000
export const SECRET = '5f2c9d0a7be1438692ac0e4d6b81f357'

/** The one param of a sign_event request. */
export function templateText(kind = 1, content = 'hello', created_at: number = START / 1_000): string {
  return JSON.stringify({ kind, content, tags: [], created_at })
}
