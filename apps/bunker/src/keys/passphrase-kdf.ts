/**
 * From a passphrase to a key: scrypt on Node's own code, off the event loop.
 * Never runs a cost outside what its caller has checked, and wipes what it made on the way.
 */

import { scrypt } from 'node:crypto'
import { copySecret, isAscii } from './bytes.ts'

/** 32 bytes that the caller wipes. r is 8 and p is 1 (NIP-49); takes 2^(logN + 10) bytes of memory. */
export async function deriveKey(passphrase: Uint8Array, salt: Uint8Array, logN: number): Promise<Uint8Array> {
  const cost = 2 ** logN
  const normal = normalizePassphrase(passphrase)
  try {
    return await new Promise((resolve, reject) => {
      scrypt(normal, salt, 32, { N: cost, r: 8, p: 1, maxmem: 128 * 8 * (cost + 2) * 2 }, (error, key) => {
        if (error === null) resolve(key)
        else reject(error)
      })
    })
  } finally {
    normal.fill(0)
  }
}

/**
 * The passphrase as NIP-49 wants it: text in Unicode's form NFKC, so that it can be typed the same on other machines. Bytes that
 * are no UTF-8, such as those of a key file, stay as they are. What is not ASCII passes through a string, which cannot be wiped.
 */
function normalizePassphrase(passphrase: Uint8Array): Uint8Array {
  if (isAscii(passphrase)) return copySecret(passphrase)
  const text = decodeText(passphrase)
  return text === undefined
    ? copySecret(passphrase)
    : copySecret(new TextEncoder().encode(text.normalize('NFKC')))
}

function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    if (cause instanceof TypeError) return undefined
    throw cause
  }
}
