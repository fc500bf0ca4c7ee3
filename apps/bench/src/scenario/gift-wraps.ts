/**
 * What a direct-message client asks of its signer: many gift wraps, two decryptions each, the outer one always with a key
 * that was never seen before.
 * Never lets a conversation with a wrap be cached from one run to the next.
 */

import type { Case } from '../measure.ts'
import type { Subject } from '../subject/subject.ts'
import { check, type Fixture } from './fixture.ts'

const WRAPS = 'decrypt 1,000 gift wraps'
/** Seconds each, on the slow subjects. */
const ROUNDS = 5

/** Told for 1,000 wraps, however many the fixture has. */
export function wrapCases(subject: Subject, { wraps }: Fixture): readonly Case[] {
  const { name } = subject
  const contents = subject.unwrap(wraps)
  check(
    contents.length === wraps.length && contents.every((content, i) => content === `wrap ${i}`),
    name,
    'read the gift wraps',
  )
  const counted = wraps.length === 1_000 ? {} : { note: `measured on ${wraps.length}` }
  return [
    {
      group: 'wraps',
      subject: name,
      scenario: WRAPS,
      run: () => subject.unwrap(wraps),
      share: wraps.length / 1_000,
      rounds: ROUNDS,
      ...counted,
    },
  ]
}
