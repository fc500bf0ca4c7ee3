import { type Deliberation, type Pubkey, parsePubkey, type Question } from '@nip46/core'
import { expect, test } from 'vitest'
import { describeQuestion } from '../src/question-text.ts'
import { applyRules, parseRules } from '../src/rules.ts'
import { createTerminalApprover, WAITING_OF_ONE_APP, WAITING_QUESTIONS } from '../src/terminal-approver.ts'

const key = parsePubkey('d9071f685197d91dfe2842694fb51f554d2a792cc1f75cd2ed2f391bd561fd62')
if (!key.ok) throw new Error('fixture')
const clientPubkey = key.value

const deliberation: Deliberation = {
  challenge: () => undefined,
  signal: new AbortController().signal,
}

/** Any key will do where nothing is encrypted. */
function appKey(n: number): Pubkey {
  return n.toString(16).padStart(64, '0') as Pubkey
}

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
    approver.decide(signing(kind, appKey(kind)), deliberation),
  )
  expect(await approver.decide(signing(99), deliberation)).toMatchObject({
    allow: false,
    reason: 'too many questions are waiting',
  })
  release()
  expect((await Promise.all(all)).every(({ allow }) => allow)).toBe(true)
  expect(asked).toEqual(Array.from({ length: WAITING_QUESTIONS }, (_, kind) => kind))
})

test('one app cannot fill the queue: its next question is denied, another app is still asked about', async () => {
  const asked: Pubkey[] = []
  const approver = createTerminalApprover(parseRules('{}'), async (question) => {
    asked.push(question.clientPubkey)
    return new Promise(() => undefined)
  })
  const abort = new AbortController()
  const held = Array.from({ length: WAITING_OF_ONE_APP }, () =>
    approver.decide(signing(1), { ...deliberation, signal: abort.signal }),
  )
  expect(await approver.decide(signing(1), deliberation)).toMatchObject({ allow: false })
  void approver.decide(signing(1, appKey(2)), deliberation)
  abort.abort()
  expect(await Promise.all(held)).toEqual(held.map(() => ({ allow: false })))
  expect(asked).toEqual([clientPubkey])
})

test('a question that is no longer open is taken away, and the next one is asked', async () => {
  const asked: number[] = []
  const approver = createTerminalApprover(parseRules('{}'), (question, _rules, signal) => {
    if (question.type === 'operation' && question.operation.method === 'sign_event')
      asked.push(question.operation.template.kind)
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve({ allow: false })))
  })
  const [first, second, third] = [new AbortController(), new AbortController(), new AbortController()]
  const decide = (kind: number, { signal }: AbortController) =>
    approver.decide(signing(kind), { ...deliberation, signal })
  const answers = [decide(1, first), decide(2, second), decide(3, third)]
  second.abort()
  expect(await answers[1]).toEqual({ allow: false })
  expect(asked).toEqual([1])
  first.abort()
  expect(await answers[0]).toEqual({ allow: false })
  await expect.poll(() => asked).toEqual([1, 3])
  third.abort()
  expect(await answers[2]).toEqual({ allow: false })
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
