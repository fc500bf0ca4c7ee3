import { describe, expect, it } from 'vitest'
import { type Answer, EMPTY_LEDGER, findAnswer, type Ledger, recordAnswer } from '../src/ledger.ts'
import { ANSWER_MEMORY_MS, SESSION_ANSWER_CHARS, SESSION_ANSWERED } from '../src/limits.ts'
import { ONE, START } from './cast.ts'

const answer = (text: string | null, at = START): Answer => ({
  digest: 'd',
  text,
  at,
  relays: [ONE],
  resends: 0,
})

function fill(count: number, text: string, at: (i: number) => number = () => START): Ledger {
  let ledger = EMPTY_LEDGER
  for (let i = 0; i < count; i++) ledger = recordAnswer(ledger, `r${i}`, answer(text, at(i)), at(i))
  return ledger
}

const entries = (ledger: Ledger) => ledger.chunks.flatMap((chunk) => Object.entries(chunk))

/** What the ledger says of itself must be what it holds. */
const charsIn = (ledger: Ledger) =>
  entries(ledger).reduce((sum, [, { text }]) => sum + (text?.length ?? 0), 0)

describe('The memory of answered requests', () => {
  it('gives back what it was told, and nothing else', () => {
    const ledger = recordAnswer(EMPTY_LEDGER, 'a', answer('one'), START)
    expect(findAnswer(ledger, 'a', START)).toEqual(answer('one'))
    expect(findAnswer(ledger, 'b', START)).toBeUndefined()
    expect(findAnswer(ledger, '__proto__', START)).toBeUndefined()
    expect(findAnswer(ledger, 'constructor', START)).toBeUndefined()
  })

  it('replaces the answer under an id', () => {
    let ledger = fill(200, 'x')
    ledger = recordAnswer(ledger, 'r5', answer('longer', START + 1), START + 1)
    expect(findAnswer(ledger, 'r5', START + 1)).toEqual(answer('longer', START + 1))
    expect(entries(ledger)).toHaveLength(200)
    expect(ledger.chars).toBe(charsIn(ledger))
  })

  it('forgets after 10 minutes', () => {
    const ledger = fill(1, 'x')
    expect(findAnswer(ledger, 'r0', START + ANSWER_MEMORY_MS)).toBeDefined()
    expect(findAnswer(ledger, 'r0', START + ANSWER_MEMORY_MS + 1)).toBeUndefined()
  })

  it('drops what is old as it goes', () => {
    const ledger = fill(2_000, 'x', (i) => START + i * 60_000)
    expect(entries(ledger).length).toBeLessThan(200)
    expect(ledger.chars).toBe(charsIn(ledger))
  })

  it(`holds ${SESSION_ANSWERED} answers, and makes room in steps for one more`, () => {
    expect(entries(fill(SESSION_ANSWERED, 'x'))).toHaveLength(SESSION_ANSWERED)
    const ledger = fill(SESSION_ANSWERED + 1, 'x')
    expect(entries(ledger).length).toBeLessThanOrEqual(SESSION_ANSWERED)
    expect(entries(ledger).length).toBeGreaterThan(SESSION_ANSWERED - 65)
    expect(findAnswer(ledger, 'r0', START)).toBeUndefined()
    expect(findAnswer(ledger, `r${SESSION_ANSWERED}`, START)).toBeDefined()
    expect(ledger.chars).toBe(charsIn(ledger))
  })

  it(`keeps ${SESSION_ANSWER_CHARS} characters; past that the oldest lose their text first, not their place`, () => {
    const text = 'x'.repeat(32_768)
    const full = fill(SESSION_ANSWER_CHARS / text.length, text)
    expect(full.chars).toBe(SESSION_ANSWER_CHARS)
    expect(findAnswer(full, 'r0', START)?.text).toBe(text)
    const over = recordAnswer(full, 'more', answer('y'), START)
    expect(findAnswer(over, 'r0', START)?.text).toBeNull()
    expect(findAnswer(over, 'r1', START)?.text).toBe(text)
    expect(findAnswer(over, 'more', START)?.text).toBe('y')
    expect(over.chars).toBe(charsIn(over))
    expect(over.chars).toBeLessThanOrEqual(SESSION_ANSWER_CHARS)
  })

  it('frees more than it needs, so that a chunk is not copied with every answer of a full memory', () => {
    const text = 'x'.repeat(512)
    let ledger = fill(SESSION_ANSWER_CHARS / text.length, text)
    expect(entries(ledger).every(([, { text }]) => text !== null)).toBe(true)
    let copied = 0
    for (let i = 0; i < 256; i++) {
      const before = new Set(ledger.chunks.slice(0, -9))
      ledger = recordAnswer(ledger, `more${i}`, answer(text), START)
      if (ledger.chunks.slice(0, before.size).some((chunk) => !before.has(chunk))) copied += 1
      expect(ledger.chars).toBe(charsIn(ledger))
      expect(ledger.chars).toBeLessThanOrEqual(SESSION_ANSWER_CHARS)
      expect(ledger.chars).toBeGreaterThan(0.98 * SESSION_ANSWER_CHARS)
    }
    expect(copied).toBeGreaterThan(0)
    expect(copied).toBeLessThanOrEqual(256 / 32 + 1)
  })

  it('keeps the newest text even under an id that is old', () => {
    const text = 'x'.repeat(32_768)
    let ledger = fill(SESSION_ANSWER_CHARS / text.length, text)
    ledger = recordAnswer(ledger, 'r0', answer(`${text}y`), START)
    expect(findAnswer(ledger, 'r0', START)?.text).toBe(`${text}y`)
    expect(findAnswer(ledger, 'r1', START)?.text).toBeNull()
  })

  it('is JSON, under every id a peer may choose', () => {
    let ledger = EMPTY_LEDGER
    const ids = ['__proto__', 'constructor', 'toString', '', '0', '4294967295', '\ud83d\ude00', 'a\u0000b']
    for (const id of ids) ledger = recordAnswer(ledger, id, answer(`to ${id}`), START)
    const again = JSON.parse(JSON.stringify(ledger)) as Ledger
    expect(again).toEqual(ledger)
    for (const id of ids) expect(findAnswer(again, id, START)?.text).toBe(`to ${id}`)
  })

  it('changes no ledger it was given', () => {
    const ledger = fill(100, 'x')
    const before = JSON.stringify(ledger)
    recordAnswer(ledger, 'r5', answer('y'), START)
    recordAnswer(ledger, 'new', answer('y'), START + ANSWER_MEMORY_MS * 2)
    expect(JSON.stringify(ledger)).toBe(before)
  })
})
