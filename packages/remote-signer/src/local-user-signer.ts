/**
 * A user's key in this process, behind the `UserSigner` port.
 * Never changes what it signs, and never says why a ciphertext does not open.
 */

import {
  type Crypto,
  encodeEvent,
  err,
  type KeyHandle,
  type Operation,
  ok,
  type RandomBytes,
  type Result,
  type UserSigner,
} from '@nip46/core'
import { hostRandom } from './host.ts'

export interface LocalUserSignerOptions {
  readonly crypto: Crypto
  /** Default: the host's secure source. */
  readonly random?: RandomBytes
}

/** UTF-8 bytes of a text, past which it is not even tried: its ciphertext fits into no answer by far. */
const TEXT_BYTES = 65_535

const BAD_PEER = 'invalid: third-party pubkey is not a valid key'
/** One text and one path for every failure: no oracle. */
const BAD_CIPHERTEXT = 'invalid: cannot decrypt ciphertext'
const TOO_LARGE = 'too-large: the text is too long to encrypt'

/**
 * Signs with exactly the seven members of NIP-01 and `created_at` as it was asked; encrypts and decrypts in NIP-44 and NIP-04.
 * `nip44_get_key` gives the conversation key away: the engine must have asked.
 *
 * ```ts
 * const userSigner = localUserSigner(crypto.importKey(secret), { crypto })
 * ```
 */
export function localUserSigner(key: KeyHandle, options: LocalUserSignerOptions): UserSigner {
  const { crypto, random = hostRandom } = options
  return {
    userPubkey: key.pubkey,
    // An exception of the key (destroyed, faulty) is a rejection: the engine answers `internal:`.
    perform: async (operation) => perform(key, operation, crypto, random),
  }
}

function perform(
  key: KeyHandle,
  operation: Operation,
  crypto: Crypto,
  random: RandomBytes,
): Result<string, string> {
  if (operation.method === 'sign_event') {
    const { kind, content, tags, created_at } = operation.template
    const unsigned = { kind, content, tags, created_at, pubkey: key.pubkey }
    const id = crypto.eventId(unsigned)
    return ok(encodeEvent({ ...unsigned, id, sig: key.sign(id, random(32)) }))
  }
  const conversation = key.conversation(operation.peer)
  if (!conversation.ok) return err(BAD_PEER)
  switch (operation.method) {
    case 'nip44_encrypt':
      if (utf8Length(operation.plaintext) > TEXT_BYTES) return err(TOO_LARGE)
      return ok(conversation.value.nip44Encrypt(operation.plaintext, random(32)))
    case 'nip04_encrypt':
      if (utf8Length(operation.plaintext) > TEXT_BYTES) return err(TOO_LARGE)
      return ok(conversation.value.nip04Encrypt(operation.plaintext, random(16)))
    case 'nip44_decrypt':
      return plain(conversation.value.nip44Decrypt(operation.ciphertext))
    case 'nip04_decrypt':
      return plain(conversation.value.nip04Decrypt(operation.ciphertext))
    case 'nip44_get_key':
      return ok(conversation.value.dangerouslyExportKey())
  }
}

function plain(text: Result<string, unknown>): Result<string, string> {
  return text.ok ? text : err(BAD_CIPHERTEXT)
}

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length
}
