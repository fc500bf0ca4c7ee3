/**
 * Known answers for a curve backend, asked once before it is trusted with keys on this machine.
 * Never says more than which operation was wrong, and never throws.
 */

import { bytesToHex, hexToBytes } from '@nip46/core'
import type { CurveBackend } from './backend.ts'

/** BIP-340's vector 1; the second secret is the negative of the first, whose point has an odd y. */
const SECRETS = [
  'b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef',
  '481eae9d7512d595408ea77f630b0c3757c7c6d77693c5e5184d85887ea57152',
]
const PUBLIC = 'dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659'
const MESSAGE = hexToBytes('243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89')
const AUX = new Uint8Array(32).fill(1, 31)
const SIGNATURE =
  '6896bd60eeae296db48a229ff71dfe071bde413e6d43f917dc8dcf8c78de33418906d11ac976abccb20b091292bff4ea897efcb639ea871cfa95f6de339e4b0a'
/** The key of the secret 3, and the x coordinate that it shares with the key above. */
const PEER = 'f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9'
const SHARED = 'f549c8c8f9b44c4aab3e352998dd736d1247a3dcac80f5b0360f54f7dafd2bd5'
/** BIP-340's vector 5: not on the curve. */
const OFF_CURVE = 'eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34'
/** Anything that can blind both secrets. */
const BLINDING = MESSAGE

/** What went wrong first, or undefined. Some twenty operations: 2 ms on WebAssembly, 60 ms on noble before it is warm. */
export function selfTest(backend: CurveBackend): string | undefined {
  try {
    return SECRETS.map((secret) => tryKey(backend, secret)).find((fault) => fault !== undefined)
  } catch (cause) {
    return cause instanceof Error ? cause.message : 'it threw something that is no error'
  }
}

function tryKey(backend: CurveBackend, secret: string): string | undefined {
  const key = backend.importKey(hexToBytes(secret))
  const own = backend.importPeer(hexToBytes(PUBLIC))
  const peer = backend.importPeer(hexToBytes(PEER))
  if (key === undefined || own === undefined || peer === undefined) return 'it refused a valid key'
  if (backend.importPeer(hexToBytes(OFF_CURVE)) !== undefined) return 'it took a key that is not on the curve'
  const [out32, out64] = [new Uint8Array(32), new Uint8Array(64)]
  backend.publicKey(key, out32)
  if (bytesToHex(out32) !== PUBLIC) return 'it derived a wrong public key'
  backend.sign(key, MESSAGE, AUX, out64)
  if (bytesToHex(out64) !== SIGNATURE) return 'it made a wrong signature'
  if (!backend.verify(own, MESSAGE, out64)) return 'it refused a valid signature'
  for (const at of [0, 32]) {
    const forged = out64.slice()
    forged[at] = (forged[at] as number) ^ 1
    if (backend.verify(own, MESSAGE, forged)) return 'it took a forged signature'
  }
  if (backend.verify(peer, MESSAGE, out64)) return "it took another key's signature"
  if (!backend.ecdhX(key, peer, BLINDING, out32) || bytesToHex(out32) !== SHARED)
    return 'it computed a wrong shared point'
  backend.destroyKey(key)
  backend.destroyPeer(own)
  backend.destroyPeer(peer)
  return undefined
}
