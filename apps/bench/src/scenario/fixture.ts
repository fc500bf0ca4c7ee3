/**
 * What all cases of one run work on: keys, a request, a client that knows the right answers, and sizes.
 * Never reused by another run: keys are fresh.
 */

import type { RandomBytes, SignedEvent } from '@nip46/core'
import type { Backend } from '../subject/backends.ts'
import { type ClientEnd, clientEnd } from '../subject/client-end.ts'
import type { Keys, Wrap } from '../subject/subject.ts'

export interface Fixture {
  readonly keys: Keys
  readonly client: ClientEnd
  /** Content of the note that is asked for: 200 bytes. */
  readonly note: string
  readonly request: SignedEvent
  readonly wraps: readonly Wrap[]
}

export async function createFixture(
  backend: Backend,
  random: RandomBytes,
  wrapCount: number,
): Promise<Fixture> {
  const keys: Keys = { client: random(32), signer: random(32), user: random(32) }
  const client = clientEnd(await backend.create(), keys, random)
  const note = 'n'.repeat(200)
  return { keys, client, note, request: client.request(note), wraps: client.wraps(wrapCount) }
}

/** A result is checked before it is timed. */
export function check(fine: boolean, subject: string, deed: string): void {
  if (!fine) throw new Error(`${subject} does not ${deed}: not timed`)
}
