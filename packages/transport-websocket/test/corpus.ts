/** The rows of the bad-input corpus, area C. The corpus lies beside the checkout, in `../shared/spec/corpus`. */

import { existsSync, readFileSync } from 'node:fs'

export interface CorpusRow {
  readonly id: string
  readonly name: string
  readonly input: string
  readonly expect: Readonly<Record<string, unknown>>
}

const FILE = new URL('../../../../shared/spec/corpus/corpus.jsonl', import.meta.url)

export const corpusIsThere: boolean = existsSync(FILE)

export function corpusRows(area: string): readonly CorpusRow[] {
  if (!corpusIsThere) return []
  return readFileSync(FILE, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .filter((row) => row.area === area)
    .map((row) => ({ ...row, input: expand(row.input) }))
}

function expand(input: unknown): string {
  if (typeof input === 'string') return input
  const { $repeat, $concat } = input as { $repeat?: [string, number]; $concat?: unknown[] }
  if ($repeat !== undefined) return $repeat[0].repeat($repeat[1])
  if ($concat !== undefined) return $concat.map(expand).join('')
  throw new Error(`unknown form of input: ${JSON.stringify(input)}`)
}
