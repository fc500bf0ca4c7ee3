/**
 * The native bound: what libsecp256k1 and OpenSSL's libcrypto of this system take for the operations of a request,
 * called through koffi with everything prepared that can be: keys parsed, contexts made, buffers reused.
 * Never a subject to choose: it formats nothing, checks nothing and wipes nothing.
 */

import { reasonOf } from '../must.ts'

export interface NativeLibrary {
  /** What was loaded. */
  readonly remark: string
  /** sha256 of `bytes` bytes, then BIP-340 with a cached keypair. True. */
  signEvent(bytes: number): boolean
  /** sha256 of `bytes` bytes, then BIP-340 of one valid signature with a parsed key. True. */
  verifyEvent(bytes: number): boolean
  hash(bytes: number): void
  /** Parse the peer, ECDH, HKDF-extract. */
  agree(): void
  /** HKDF-expand, ChaCha20 and HMAC over a padded plaintext; encryption and decryption cost the same. */
  crypt(bytes: number): void
  /** AES-256-CBC. */
  cryptLegacy(bytes: number): void
}

const SECP_NAMES = ['libsecp256k1.so.1', 'libsecp256k1.so.2', 'libsecp256k1.so.6', 'libsecp256k1.so']
const CRYPTO_NAMES = ['libcrypto.so.3', 'libcrypto.so']
const SIGN_AND_VERIFY = 0x301
const SIZE_MAX = 131_072

/** The libraries, or why there is no bound on this machine. */
export async function loadNativeLibrary(): Promise<NativeLibrary | { readonly reason: string }> {
  try {
    const { default: koffi } = await import('koffi')
    return bind(koffi)
  } catch (cause) {
    return { reason: reasonOf(cause) }
  }
}

type Koffi = Pick<typeof import('koffi'), 'load' | 'version'>
type Library = ReturnType<Koffi['load']>

function bind(koffi: Koffi): NativeLibrary {
  const secp = loadFirst(koffi, SECP_NAMES)
  const crypto = loadFirst(koffi, CRYPTO_NAMES)
  const call = (library: Library, declaration: string): ((...args: readonly unknown[]) => number) =>
    library.func(declaration) as unknown as (...args: readonly unknown[]) => number

  const createContext = call(secp.library, 'void *secp256k1_context_create(unsigned int flags)')
  const randomize = call(secp.library, 'int secp256k1_context_randomize(void *ctx, const uint8_t *seed)')
  const keypairCreate = call(
    secp.library,
    'int secp256k1_keypair_create(void *ctx, uint8_t *keypair, const uint8_t *secret)',
  )
  const keypairPublic = call(
    secp.library,
    'int secp256k1_keypair_xonly_pub(void *ctx, uint8_t *pubkey, void *parity, const uint8_t *keypair)',
  )
  const serialize = call(
    secp.library,
    'int secp256k1_xonly_pubkey_serialize(void *ctx, uint8_t *out, const uint8_t *pubkey)',
  )
  const sign32 = call(
    secp.library,
    'int secp256k1_schnorrsig_sign32(void *ctx, uint8_t *sig, const uint8_t *msg, const uint8_t *keypair, const uint8_t *aux)',
  )
  const verify = call(
    secp.library,
    'int secp256k1_schnorrsig_verify(void *ctx, const uint8_t *sig, const uint8_t *msg, size_t length, const uint8_t *pubkey)',
  )
  const parse = call(
    secp.library,
    'int secp256k1_ec_pubkey_parse(void *ctx, uint8_t *pubkey, const uint8_t *input, size_t length)',
  )
  const ecdh = call(
    secp.library,
    'int secp256k1_ecdh(void *ctx, uint8_t *out, const uint8_t *pubkey, const uint8_t *secret, void *hash, void *data)',
  )

  const sha256 = call(crypto.library, 'void *SHA256(const uint8_t *data, size_t length, uint8_t *out)')
  const evpSha256 = call(crypto.library, 'void *EVP_sha256()')()
  const hmac = call(
    crypto.library,
    'void *HMAC(void *md, const uint8_t *key, int keyLength, const uint8_t *data, size_t length, uint8_t *out, void *outLength)',
  )
  const chacha20 = call(crypto.library, 'void *EVP_chacha20()')()
  const aes = call(crypto.library, 'void *EVP_aes_256_cbc()')()
  const createCipher = call(crypto.library, 'void *EVP_CIPHER_CTX_new()')
  const startCipher = call(
    crypto.library,
    'int EVP_EncryptInit_ex(void *ctx, void *cipher, void *engine, const uint8_t *key, const uint8_t *iv)',
  )
  const updateCipher = call(
    crypto.library,
    'int EVP_EncryptUpdate(void *ctx, uint8_t *out, void *outLength, const uint8_t *input, int length)',
  )
  const endCipher = call(crypto.library, 'int EVP_EncryptFinal_ex(void *ctx, uint8_t *out, void *outLength)')

  const secret = new Uint8Array(32).fill(7)
  const data = new Uint8Array(SIZE_MAX).fill(0x61)
  const out = new Uint8Array(SIZE_MAX + 64)
  const digest = new Uint8Array(32)
  const signature = new Uint8Array(64)
  const keypair = new Uint8Array(96)
  const pubkey = new Uint8Array(64)
  const peer = new Uint8Array(64)
  const shared = new Uint8Array(32)
  const iv = new Uint8Array(16)
  const length = new Int32Array(1)
  const aux = new Uint8Array(32).fill(9)

  const context = createContext(SIGN_AND_VERIFY)
  const compressed = new Uint8Array(33).fill(2, 0, 1)
  const ready = [
    randomize(context, aux),
    keypairCreate(context, keypair, secret),
    keypairPublic(context, pubkey, length, keypair),
    serialize(context, compressed.subarray(1), pubkey),
    parse(context, peer, compressed, 33),
  ]
  if (ready.includes(0)) throw new Error(`${secp.name} refused the fixed test key`)

  const chacha = createCipher()
  const cbc = createCipher()
  startCipher(chacha, chacha20, null, secret, iv)
  startCipher(cbc, aes, null, secret, iv)

  const checkSize = (bytes: number): void => {
    if (bytes > SIZE_MAX) throw new Error(`the native bound has room for ${SIZE_MAX} bytes`)
  }
  const hash = (bytes: number): void => {
    checkSize(bytes)
    sha256(data, bytes, digest)
  }
  const sign = (): boolean => sign32(context, signature, digest, keypair, aux) === 1
  const verifies = (): boolean => verify(context, signed, digestSigned, 32, pubkey) === 1
  hash(200)
  if (!sign()) throw new Error(`${secp.name} does not sign`)
  const signed = signature.slice()
  const digestSigned = digest.slice()
  if (!verifies()) throw new Error(`${secp.name} does not verify what it signed`)

  return {
    remark: `native bound: ${secp.name} and ${crypto.name} through koffi ${koffi.version}`,
    signEvent(bytes) {
      hash(bytes)
      return sign()
    },
    verifyEvent(bytes) {
      hash(bytes)
      return verifies()
    },
    hash,
    agree() {
      parse(context, peer, compressed, 33)
      ecdh(context, shared, peer, secret, null, null)
      hmac(evpSha256, secret, 8, shared, 32, digest, length)
    },
    crypt(bytes) {
      checkSize(bytes)
      // HKDF-expand to 76 bytes is three rounds of HMAC.
      hmac(evpSha256, secret, 32, data, 33, out, length)
      hmac(evpSha256, secret, 32, data, 65, out, length)
      hmac(evpSha256, secret, 32, data, 65, out, length)
      startCipher(chacha, null, null, secret, iv)
      updateCipher(chacha, out, length, data, bytes)
      hmac(evpSha256, secret, 32, out, bytes + 32, digest, length)
    },
    cryptLegacy(bytes) {
      checkSize(bytes)
      startCipher(cbc, null, null, secret, iv)
      updateCipher(cbc, out, length, data, bytes)
      endCipher(cbc, out, length)
    },
  }
}

function loadFirst(
  koffi: Koffi,
  names: readonly string[],
): { readonly name: string; readonly library: Library } {
  const reasons: string[] = []
  for (const name of names) {
    try {
      // Deep: Node exports an OpenSSL of its own, and this one must not call into that.
      return { name, library: koffi.load(name, { deep: true }) }
    } catch (cause) {
      reasons.push(reasonOf(cause))
    }
  }
  throw new Error(`none of ${names.join(', ')} is here (${reasons[0]})`)
}
