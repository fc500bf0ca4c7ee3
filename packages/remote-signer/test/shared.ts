/**
 * Finds the studies that lie beside the checkout (`../shared`): the corpus of inputs, its keys, the worked examples.
 * Never writes there.
 */

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FOLDER = fileURLToPath(new URL('../../../../shared/', import.meta.url))

/** False if `../shared` is missing; says once which suite is left out. */
export function hasShared(suite: string): boolean {
  const found = existsSync(`${FOLDER}spec/corpus/corpus.jsonl`)
  if (!found) process.stdout.write(`left out: ${suite} (../shared is not beside this checkout)\n`)
  return found
}

export function readShared(path: string): string {
  return readFileSync(`${FOLDER}${path}`, 'utf8')
}

export interface CorpusRow {
  readonly id: string
  readonly area: string
  readonly name: string
  /** Expanded. */
  readonly text: string
  readonly expect: {
    readonly drop?: string
    readonly reply_error?: string
    readonly ok?: { readonly [member: string]: unknown }
    readonly any?: readonly string[]
    readonly given?: string
    readonly executed?: number
    readonly republish?: string
    readonly policy_sees?: number
    readonly signs?: number
    readonly method?: string
    readonly policy?: string
  }
}

/** Every row of these areas. */
export function corpusRows(areas: string): readonly CorpusRow[] {
  const rows: CorpusRow[] = []
  for (const line of readShared('spec/corpus/corpus.jsonl').split('\n')) {
    if (line === '') continue
    const row = JSON.parse(line) as Omit<CorpusRow, 'text'> & { readonly input: unknown }
    if (areas.includes(row.area))
      rows.push({
        id: row.id,
        area: row.area,
        name: row.name,
        text: expand(row.input, row.id),
        expect: row.expect,
      })
  }
  return rows
}

export function corpusKeys(): { readonly [name: string]: { readonly sk: string; readonly pk: string } } {
  return (JSON.parse(readShared('spec/corpus/keys.json')) as { keys: ReturnType<typeof corpusKeys> }).keys
}

function expand(input: unknown, id: string): string {
  if (typeof input === 'string') return input
  const object = input as { readonly $repeat?: [string, number]; readonly $concat?: readonly unknown[] }
  if (object.$repeat !== undefined) return object.$repeat[0].repeat(object.$repeat[1])
  if (object.$concat !== undefined) return object.$concat.map((part) => expand(part, id)).join('')
  throw new Error(`row ${id} has an input that this suite cannot make: ${JSON.stringify(input).slice(0, 80)}`)
}
