/**
 * The envelope, and one whole sign_event request at the remote signer: verify, open, sign, seal.
 * Never times an answer that the client would not accept.
 */

import type { Case } from '../measure.ts'
import type { NativeLibrary } from '../subject/native-library.ts'
import type { Subject } from '../subject/subject.ts'
import { check, type Fixture } from './fixture.ts'

export const REQUEST = 'sign_event request'
const SEAL = 'seal a 600 B answer'
export const OPEN = 'open a request'

export function requestCases(subject: Subject, { client, note, request }: Fixture): readonly Case[] {
  const { name } = subject
  const text = JSON.stringify({ id: '0'.repeat(32), result: 'r'.repeat(550) })
  check(client.read(subject.seal(text)) === text, name, 'seal an answer that the client reads')
  check(subject.open(request) === client.requestText(note), name, 'open the request')
  check(client.accepts(subject.answer(request), note), name, 'answer the request')
  return [
    { group: 'envelope', subject: name, scenario: OPEN, run: () => subject.open(request) },
    { group: 'envelope', subject: name, scenario: SEAL, run: () => subject.seal(text) },
    { group: 'request', subject: name, scenario: REQUEST, run: () => subject.answer(request) },
  ]
}

/**
 * The sum of the native operations of one request, timed as they follow each other: hash and verify the carrier, decrypt,
 * hash and sign the note, encrypt, hash and sign the carrier; and the JSON that no implementation in JavaScript avoids.
 */
export function nativeRequestCases(
  library: NativeLibrary,
  { client, note, request }: Fixture,
): readonly Case[] {
  const text = client.requestText(note)
  const id = '0'.repeat(64)
  const sig = '0'.repeat(128)
  const requestBytes = request.content.length + 170
  return [
    {
      group: 'request',
      subject: 'native bound',
      scenario: REQUEST,
      run: () => {
        library.verifyEvent(requestBytes)
        library.crypt(text.length)
        const asked = JSON.parse(text)
        const template = JSON.parse(asked.params[0])
        library.signEvent(note.length + 100)
        const answer = JSON.stringify({ id, result: JSON.stringify({ ...template, pubkey: id, id, sig }) })
        library.crypt(answer.length)
        library.signEvent(Math.ceil((answer.length * 4) / 3) + 170)
      },
    },
  ]
}
