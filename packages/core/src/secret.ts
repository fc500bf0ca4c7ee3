/**
 * Connection secrets: how they are compared and remembered.
 * Never stores one in the clear on the remote signer's side, and never prints one.
 */

import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { bytesToHex } from './hex.ts'

/** sha256 of a secret, 64 hex characters: what a remote signer keeps of a token. */
export function hashSecret(secret: string): string {
  return bytesToHex(sha256(utf8ToBytes(`nip46 secret\0${secret}`)))
}

/** Compares two texts in a time that depends on their lengths only. */
export function sameSecret(a: string, b: string): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return difference === 0
}

/** Tells a repeated request from another one under the same id. 64 hex characters. */
export function digestRequest(method: string, params: readonly string[]): string {
  return bytesToHex(sha256(utf8ToBytes(`${method}\0${JSON.stringify(params)}`)))
}
