/**
 * The id of a Nostr event (NIP-01).
 * Never checks the event's shape; core's parser does.
 */

import { serializeEvent, type UnsignedEvent } from '@nip46/core'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'

const encoder = new TextEncoder()

/** sha256 of the NIP-01 serialisation, 64 lowercase hex characters. */
export function eventId(event: UnsignedEvent): string {
  return bytesToHex(sha256(encoder.encode(serializeEvent(event))))
}
