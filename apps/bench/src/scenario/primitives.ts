/**
 * Each primitive by itself: event id, signature, verification, conversation key.
 * Never times an operation whose result another implementation does not confirm.
 */

import type { Case } from '../measure.ts'
import type { NativeLibrary } from '../subject/native-library.ts'
import type { Subject } from '../subject/subject.ts'
import { check, type Fixture } from './fixture.ts'

const PRIMITIVES = {
  id: 'event id',
  sign: 'sign a note',
  verify: 'verify',
  agree: 'conversation key',
} as const

export function primitiveCases(subject: Subject, { note, request, client }: Fixture): readonly Case[] {
  const { name } = subject
  const signed = subject.sign(note)
  check(client.verifies(signed), name, 'sign a note that verifies')
  check(subject.eventId(note) === signed.id, name, 'compute the id it signs')
  check(subject.verify(request), name, 'verify the request')
  check(!subject.verify({ ...request, sig: signed.sig }), name, 'refuse a foreign signature')
  const base = { group: 'primitive', subject: name } as const
  return [
    { ...base, scenario: PRIMITIVES.id, run: () => subject.eventId(note) },
    { ...base, scenario: PRIMITIVES.sign, run: () => subject.sign(note) },
    { ...base, scenario: PRIMITIVES.verify, run: () => subject.verify(request) },
    { ...base, scenario: PRIMITIVES.agree, run: () => subject.agree() },
  ]
}

/** The parts of the native bound that have a counterpart above. */
export function nativePrimitiveCases(library: NativeLibrary, { note, request }: Fixture): readonly Case[] {
  const noteBytes = note.length + 100
  const requestBytes = request.content.length + 170
  const base = { group: 'primitive', subject: 'native bound' } as const
  return [
    { ...base, scenario: PRIMITIVES.id, run: () => library.hash(noteBytes) },
    { ...base, scenario: PRIMITIVES.sign, run: () => library.signEvent(noteBytes) },
    { ...base, scenario: PRIMITIVES.verify, run: () => library.verifyEvent(requestBytes) },
    { ...base, scenario: PRIMITIVES.agree, run: () => library.agree() },
  ]
}
