/** One-shot calls on a backend, in hex. */

import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import type { CurveBackend } from '../src/backend.ts'
import { hostRandom } from '../src/host-random.ts'

/** The shared x, or undefined if the public key is refused. */
export function sharedXOf(
  backend: CurveBackend,
  secret: string,
  pubkey: string,
  blinding: Uint8Array = hostRandom(32),
): string | undefined {
  const peer = backend.importPeer(hexToBytes(pubkey))
  if (peer === undefined) return undefined
  const key = backend.importKey(hexToBytes(secret))
  if (key === undefined) throw new Error('not a secret key')
  const out = new Uint8Array(32)
  if (!backend.ecdhX(key, peer, blinding, out)) throw new Error('this blinding does not fit this key')
  backend.destroyKey(key)
  backend.destroyPeer(peer)
  return bytesToHex(out)
}
