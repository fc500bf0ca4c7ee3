/**
 * Finds the studies that lie beside the checkout (`../shared`) and reads the corpus of inputs from them.
 * Never writes there.
 */

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FOLDER = fileURLToPath(new URL('../../../../shared/', import.meta.url))

/** What `expect` of a corpus row may say about policies. */
export interface Expectation {
  readonly throw?: string
  readonly reply_error?: string
  readonly ok?: { readonly [member: string]: unknown }
  readonly given?: string
}

export interface CorpusRow {
  readonly id: string
  readonly area: string
  readonly name: string
  /** The input as text. */
  readonly text: string
  readonly expect: Expectation
}

/** False if `../shared` is missing; says once which suite is left out. */
export function hasShared(suite: string): boolean {
  const found = existsSync(`${FOLDER}spec/corpus/corpus.jsonl`)
  if (!found) process.stdout.write(`left out: ${suite} (../shared is not beside this checkout)\n`)
  return found
}

/** The rows of one area, such as `I`. */
function corpusRows(area: string): readonly CorpusRow[] {
  const rows: CorpusRow[] = []
  for (const line of readFileSync(`${FOLDER}spec/corpus/corpus.jsonl`, 'utf8').split('\n')) {
    if (line === '') continue
    const row = JSON.parse(line) as Omit<CorpusRow, 'text'> & { readonly input: string }
    if (row.area !== area) continue
    rows.push({ id: row.id, area, name: row.name, text: row.input, expect: row.expect })
  }
  return rows
}

/** The rows with these ids, in this order; throws if one is gone, so that no suite shrinks unseen. */
export function pickRows(area: string, ids: readonly string[]): readonly CorpusRow[] {
  const rows = new Map(corpusRows(area).map((row) => [row.id, row]))
  return ids.map((id) => {
    const row = rows.get(id)
    if (row === undefined) throw new Error(`the corpus has no row ${id}`)
    return row
  })
}
