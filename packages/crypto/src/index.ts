/**
 * @nip46/crypto: keys as handles, BIP-340, NIP-44, NIP-04 and event ids over a curve backend of your choice.
 * This entry loads no backend; those are `@nip46/crypto/tiny`, `/noble`, `/ox` and `/native`, and `/auto` chooses one.
 */

export type { CurveBackend, CurveCaps, KeySlot, PeerSlot } from './backend.ts'
export { type CryptoOptions, createCrypto } from './crypto.ts'
export {
  bytesToHex,
  decodeNprofile,
  decodeNpub,
  decodeNsec,
  encodeNprofile,
  encodeNpub,
  encodeNsec,
  generateSecretKey,
  hexToBytes,
} from './key-text.ts'
export {
  CONVERSATIONS_MAX,
  CONVERSATIONS_PER_KEY,
  PARSED_PEERS,
  PLAINTEXT_BYTES,
  PLAINTEXT_BYTES_MAX,
} from './limits.ts'
export { pooledRandom } from './random-pool.ts'
