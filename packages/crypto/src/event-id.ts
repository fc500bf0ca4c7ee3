/**
 * The id of a Nostr event (NIP-01).
 * Never checks the event's shape; core's parser does.
 */

import { serializeEvent, type UnsignedEvent } from '@nip46/core'
import type { Symmetric } from './symmetric.ts'

/** sha256 of the NIP-01 serialisation, 64 lowercase hex characters. */
export function eventId(symmetric: Symmetric, event: UnsignedEvent): string {
  return symmetric.hashText(serializeEvent(event))
}
