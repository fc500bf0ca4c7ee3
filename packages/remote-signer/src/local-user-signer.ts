/**
 * A user's key in this process, behind the `UserSigner` port.
 * Never changes what it signs, and never says why a ciphertext does not open.
 */

import {
  type Crypto,
  type EventTemplate,
  encodeEvent,
  err,
  type KeyHandle,
  type Operation,
  ok,
  type RandomBytes,
  type Result,
  type UnsignedEvent,
  type UserSigner,
} from '@nip46/core'
import { hostRandom } from './host.ts'
import { SIGN_BATCH } from './limits.ts'

/** What a key in memory is used with. */
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
 * What is asked for in one turn of the event loop is signed in batches of at most `limits.SIGN_BATCH`.
 * `nip44_get_key` gives the conversation key away: the engine must have asked.
 *
 * ```ts
 * const userSigner = localUserSigner(crypto.importKey(secret), { crypto })
 * ```
 */
export function localUserSigner(key: KeyHandle, options: LocalUserSignerOptions): UserSigner {
  const { crypto, random = hostRandom } = options
  const sign = createBatchSigner(key, crypto, random)
  return {
    userPubkey: key.pubkey,
    // An exception of the key (destroyed, faulty) is a rejection: the engine answers `internal:`.
    perform: async (operation) =>
      operation.method === 'sign_event' ? sign(operation.template) : perform(key, operation, random),
  }
}

interface Unsigned {
  readonly event: UnsignedEvent
  readonly id: string
  readonly resolve: (outcome: Result<string, string>) => void
  readonly reject: (cause: unknown) => void
}

/** Everything that is asked for before the microtasks of this turn run goes into one call of the key. */
function createBatchSigner(
  key: KeyHandle,
  crypto: Crypto,
  random: RandomBytes,
): (template: EventTemplate) => Promise<Result<string, string>> {
  let waiting: Unsigned[] = []

  const flush = (): void => {
    const asked = waiting
    waiting = []
    for (let at = 0; at < asked.length; at += SIGN_BATCH) signAll(asked.slice(at, at + SIGN_BATCH))
  }

  const signAll = (batch: readonly Unsigned[]): void => {
    try {
      const ids = batch.map(({ id }) => id)
      const signatures = key.signBatch(ids, random(32 * ids.length))
      batch.forEach(({ event, id, resolve, reject }, i) => {
        const sig = signatures[i]
        if (sig === undefined) reject(new Error('the key left out a signature'))
        else resolve(ok(encodeEvent({ ...event, id, sig })))
      })
    } catch (cause) {
      for (const { reject } of batch) reject(cause)
    }
  }

  return ({ kind, content, tags, created_at }) =>
    new Promise((resolve, reject) => {
      const event = { kind, content, tags, created_at, pubkey: key.pubkey }
      if (waiting.length === 0) queueMicrotask(flush)
      waiting.push({ event, id: crypto.eventId(event), resolve, reject })
    })
}

function perform(
  key: KeyHandle,
  operation: Exclude<Operation, { method: 'sign_event' }>,
  random: RandomBytes,
): Result<string, string> {
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
