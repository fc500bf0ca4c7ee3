import { type Pubkey, parsePubkey, type Question } from '@nip46/core'
import { expect, test } from 'vitest'
import { describeQuestion } from '../src/question-text.ts'
import { applyRules, parseRules } from '../src/rules.ts'

const key = parsePubkey('d9071f685197d91dfe2842694fb51f554d2a792cc1f75cd2ed2f391bd561fd62')
if (!key.ok) throw new Error('fixture')
const clientPubkey = key.value

function signing(kind: number, by: Pubkey = clientPubkey): Question {
  const template = { kind, content: 'hi', tags: [], created_at: 1_767_225_600 }
  return { type: 'operation', clientPubkey: by, operation: { method: 'sign_event', template } }
}

test('the first rule that fits decides, and what no rule names is asked', () => {
  const rules = parseRules(
    '{"rules":[{"decision":"deny","perms":"sign_event:4"},{"decision":"allow","perms":"sign_event"}]}',
  )
  expect(applyRules(rules, signing(4))).toMatchObject({ allow: false })
  expect(applyRules(rules, signing(1))).toEqual({ allow: true })
  expect(applyRules(parseRules('{}'), signing(1))).toBe('ask')
})

test('an allow rule without a kind never covers a kind that carries authority', () => {
  const rules = parseRules('{"rules":[{"decision":"allow","perms":"sign_event"}]}')
  for (const kind of [0, 3, 5, 10_002, 22_242, 27_235]) expect(applyRules(rules, signing(kind))).toBe('ask')
})

test('a deny rule without a kind covers every kind', () => {
  const rules = parseRules('{"rules":[{"decision":"deny","perms":"sign_event"}]}')
  expect(applyRules(rules, signing(0))).toMatchObject({ allow: false })
})

test('a rule for some clients leaves the others alone', () => {
  const rules = parseRules(
    `{"rules":[{"decision":"allow","perms":"sign_event:1","clients":["${'0'.repeat(64)}"]}]}`,
  )
  expect(applyRules(rules, signing(1))).toBe('ask')
})

test('an allow rule names what it allows', () => {
  expect(() => parseRules('{"rules":[{"decision":"allow"}]}')).toThrow('rule 1: say what is allowed')
  expect(applyRules(parseRules('{"rules":[{"decision":"deny"}]}'), signing(1))).toMatchObject({
    allow: false,
  })
})

test('a typo is an error that names the place, never a wider rule', () => {
  expect(() => parseRules('{"rules":[{"decision":"allow","permz":"sign_event:1"}]}')).toThrow(
    'rule 1: unknown field "permz"',
  )
  expect(() => parseRules('{"grant":"sign_evnt:1"}')).toThrow('unknown entry "sign_evnt:1"')
  expect(() => parseRules('{"rules":[{"decision":"perhaps"}]}')).toThrow('"decision" must be')
  expect(() => parseRules('not json')).toThrow('not JSON')
})

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
