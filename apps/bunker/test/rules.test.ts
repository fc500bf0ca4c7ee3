import { type Deliberation, parsePubkey, type Question } from '@nip46/core'
import { expect, test } from 'vitest'
import { applyRules, parseRules } from '../src/rules.ts'
import { createTerminalApprover, WAITING_QUESTIONS } from '../src/terminal-approver.ts'

const key = parsePubkey('d9071f685197d91dfe2842694fb51f554d2a792cc1f75cd2ed2f391bd561fd62')
if (!key.ok) throw new Error('fixture')
const clientPubkey = key.value

const deliberation: Deliberation = {
  challenge: () => undefined,
  signal: new AbortController().signal,
}

function signing(kind: number): Question {
  const template = { kind, content: 'hi', tags: [], created_at: 1_767_225_600 }
  return { type: 'operation', clientPubkey, operation: { method: 'sign_event', template } }
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

test('a typo is an error that names the place, never a wider rule', () => {
  expect(() => parseRules('{"rules":[{"decision":"allow","permz":"sign_event:1"}]}')).toThrow(
    'rule 1: unknown field "permz"',
  )
  expect(() => parseRules('{"grant":"sign_evnt:1"}')).toThrow('unknown entry "sign_evnt:1"')
  expect(() => parseRules('{"rules":[{"decision":"perhaps"}]}')).toThrow('"decision" must be')
  expect(() => parseRules('not json')).toThrow('not JSON')
})

test('with nobody at the terminal, what no rule allows is denied', async () => {
  const approver = createTerminalApprover(parseRules('{}'), null)
  expect(await approver.decide(signing(1), deliberation)).toEqual({
    allow: false,
    reason: 'nobody is there to decide',
  })
})

test('one question more than may wait is denied at once, the others are asked in turn', async () => {
  const asked: number[] = []
  let release: () => void = () => undefined
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  const approver = createTerminalApprover(parseRules('{}'), async (question) => {
    await gate
    if (question.type === 'operation' && question.operation.method === 'sign_event') {
      asked.push(question.operation.template.kind)
    }
    return { allow: true }
  })
  const all = Array.from({ length: WAITING_QUESTIONS }, (_, kind) =>
    approver.decide(signing(kind), deliberation),
  )
  expect(await approver.decide(signing(99), deliberation)).toMatchObject({
    allow: false,
    reason: 'too many questions are waiting',
  })
  release()
  expect((await Promise.all(all)).every(({ allow }) => allow)).toBe(true)
  expect(asked).toEqual(Array.from({ length: WAITING_QUESTIONS }, (_, kind) => kind))
})
