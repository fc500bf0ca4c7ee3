/** The diagrams of ARCHITECTURE.md are what the machines do today. */

import { expect, test } from 'vitest'
import { DOCUMENT, renderDiagrams, withDiagrams } from './diagrams.ts'
import { readText } from './workspace.ts'

test('the diagrams are those of the machines; `pnpm diagrams` draws them anew', () => {
  const document = readText(DOCUMENT)
  expect(withDiagrams(document)).toBe(document)
})

test('every phase of both machines has an arrow that leads to it', () => {
  const text = renderDiagrams()
  const names = [...text.matchAll(/ as (\w+)$/gm)].map(([, name]) => name)
  expect(names).toHaveLength(14)
  for (const name of names) expect(text).toContain(`--> ${name}`)
})
