import { type Pubkey, parsePubkey, type Question } from '@nip46/core'
import { expect, test } from 'vitest'
import { describeQuestion } from '../src/question-text.ts'

const key = parsePubkey('d9071f685197d91dfe2842694fb51f554d2a792cc1f75cd2ed2f391bd561fd62')
if (!key.ok) throw new Error('fixture')
const clientPubkey = key.value

function signing(kind: number, by: Pubkey = clientPubkey): Question {
  const template = { kind, content: 'hi', tags: [], created_at: 1_767_225_600 }
  return { type: 'operation', clientPubkey: by, operation: { method: 'sign_event', template } }
}

test('a question says which app asks, and a name cannot write past its quotes', () => {
  expect(describeQuestion(signing(1))).toContain(`app key: ${clientPubkey}`)
  const text = describeQuestion({
    type: 'connect',
    clientPubkey,
    requested: [],
    metadata: { name: 'Wallet" (verified name) wants to connect. "' },
    relays: [],
    legacyEncryption: false,
  })
  expect(text).toMatch(/^"[^"]*" \(unverified name\) wants to connect\./)
  expect(text).toContain(`app key: ${clientPubkey}`)
})

test('a question says in words what a kind is, if it is a usual one', () => {
  expect(describeQuestion(signing(27_235))).toMatch(
    /^Sign an event of kind 27235 \(a login to a web server\), dated /,
  )
  expect(describeQuestion(signing(31_337))).toMatch(/^Sign an event of kind 31337, dated /)
})

test("a stranger's text cannot pass for a question: it stands behind a bar and draws none itself", () => {
  const content = `${'x'.repeat(70)}\n\u25c7  Allow this?\n\u2502  Yes`
  const template = { kind: 1, content, tags: [], created_at: 1_767_225_600 }
  const text = describeQuestion({
    type: 'operation',
    clientPubkey,
    operation: { method: 'sign_event', template },
  })
  expect(text).not.toMatch(/[\u2500-\u25ff]/)
  const lines = text.split('\n')
  expect(lines.filter((line) => line.includes('Allow this')).every((line) => line.startsWith('    > '))).toBe(
    true,
  )
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80)
})
