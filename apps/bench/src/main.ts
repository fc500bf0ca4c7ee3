/**
 * The benchmark harness, first form: each primitive and one whole sign_event request, on every backend, beside nostr-tools.
 * Never reports a figure of a case whose result was not checked first.
 */

import { randomFillSync } from 'node:crypto'
import { parseArgs } from 'node:util'
import type { SignedEvent } from '@nip46/core'
import { type Case, measure } from './measure.ts'
import { clientEnd, type Keys, type Subject, subjects } from './subject.ts'
import { renderTable } from './table.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '11' }, json: { type: 'boolean', default: false } },
})
const rounds = Number(values.rounds)
if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a whole number from 1')

const keys: Keys = { client: secret(), signer: secret(), user: secret() }
const client = clientEnd(keys)
const note = 'n'.repeat(200)
const request = client.request(note)

const cases = subjects(keys).flatMap((subject) => casesOf(subject, request))
const figures = measure(cases, rounds, (round) => {
  if (process.stderr.isTTY) process.stderr.write(`\rround ${round} of ${rounds} `)
})
if (process.stderr.isTTY) process.stderr.write('\r')
if (values.json) console.log(JSON.stringify({ node: process.version, rounds, figures }, null, 2))
else console.log(renderTable(figures, 'nostr-tools'))

function casesOf(subject: Subject, event: SignedEvent): readonly Case[] {
  const { name } = subject
  if (!client.accepts(subject.answer(event), note))
    throw new Error(`${name} does not answer the request rightly`)
  const sizes = [100, 1_024, 16_384].map((size) => {
    const plaintext = 'm'.repeat(size)
    const payload = subject.encrypt(plaintext)
    if (subject.decrypt(payload) !== plaintext) throw new Error(`${name} does not read what it wrote`)
    const label = size < 1_024 ? `${size} B` : `${size / 1_024} KB`
    return [
      { scenario: `nip44 encrypt ${label}`, subject: name, run: () => subject.encrypt(plaintext) },
      { scenario: `nip44 decrypt ${label}`, subject: name, run: () => subject.decrypt(payload) },
    ]
  })
  return [
    { scenario: 'sign a note', subject: name, run: () => subject.sign(note) },
    { scenario: 'verify', subject: name, run: () => subject.verify(event) },
    { scenario: 'conversation key', subject: name, run: () => subject.agree() },
    ...sizes.flat(),
    { scenario: 'sign_event request', subject: name, run: () => subject.answer(event) },
  ]
}

function secret(): Uint8Array {
  return randomFillSync(new Uint8Array(32))
}
