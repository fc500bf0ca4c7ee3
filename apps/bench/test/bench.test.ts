import { randomFillSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { measure } from '../src/measure.ts'
import { clientEnd, subjects } from '../src/subject.ts'
import { renderTable } from '../src/table.ts'

const keys = {
  client: randomFillSync(new Uint8Array(32)),
  signer: randomFillSync(new Uint8Array(32)),
  user: randomFillSync(new Uint8Array(32)),
}

test('every subject answers a sign_event request with the event that was asked for', () => {
  const client = clientEnd(keys)
  const request = client.request('hello')
  for (const subject of subjects(keys)) {
    expect(client.accepts(subject.answer(request), 'hello'), subject.name).toBe(true)
    expect(client.accepts(subject.answer(request), 'other'), subject.name).toBe(false)
  }
})

test('subjects read what the others encrypted', () => {
  const all = subjects(keys)
  for (const writer of all) for (const reader of all) expect(reader.decrypt(writer.encrypt('hi'))).toBe('hi')
})

test('the table names every case and its ratio', () => {
  const figures = measure(
    [
      { scenario: 'sum', subject: 'nostr-tools', run: () => 1 + 1 },
      { scenario: 'sum', subject: 'other', run: () => 2 + 2 },
    ],
    1,
  )
  const table = renderTable(figures, 'nostr-tools')
  expect(table).toMatch(/sum +\d.*\(1\.0x\)/)
  expect(renderTable(figures.slice(1), 'nostr-tools')).toMatch(/sum +\d/)
})
