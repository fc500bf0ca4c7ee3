/**
 * Finds the studies that lie beside the checkout (`../shared`) and reads the corpus of inputs from them.
 * Never writes there.
 */

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FOLDER = fileURLToPath(new URL('../../../../shared/', import.meta.url))

/** What `expect` of a corpus row may say, as far as core's codecs are concerned. */
export interface Expectation {
  readonly throw?: string
  readonly drop?: string
  readonly reply_error?: string
  readonly client_throws?: string
  readonly ok?: { readonly [member: string]: unknown }
  readonly any?: readonly string[]
  readonly policy_sees?: number
  readonly given?: string
}

export interface CorpusRow {
  readonly id: string
  readonly area: string
  readonly name: string
  /** The input as text, expanded. */
  readonly text: string
  readonly expect: Expectation
}

/** False if `../shared` is missing; says once which suite is left out. */
export function hasShared(suite: string): boolean {
  const found = existsSync(`${FOLDER}spec/corpus/corpus.jsonl`)
  if (!found) process.stdout.write(`left out: ${suite} (../shared is not beside this checkout)\n`)
  return found
}

export function readShared(path: string): string {
  return readFileSync(`${FOLDER}${path}`, 'utf8')
}

/** The rows of one area, such as `A`, without those whose input only a relay or a signer can make. */
export function corpusRows(area: string): readonly CorpusRow[] {
  const rows: CorpusRow[] = []
  for (const line of readShared('spec/corpus/corpus.jsonl').split('\n')) {
    if (line === '') continue
    const row = JSON.parse(line) as Omit<CorpusRow, 'text'> & { readonly input: unknown }
    if (row.area !== area) continue
    rows.push({ id: row.id, area, name: row.name, text: expand(row.input), expect: row.expect })
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

export interface CorpusKeys {
  readonly [name: string]: { readonly sk: string; readonly pk: string }
}

export function corpusKeys(): CorpusKeys {
  return (JSON.parse(readShared('spec/corpus/keys.json')) as { keys: CorpusKeys }).keys
}

/** `<user>` and the like in expectations stand for the public keys of keys.json. */
export function fillKeys<T>(value: T, keys: CorpusKeys): T {
  const text = JSON.stringify(value).replace(
    /<([a-z0-9]+)>/g,
    (whole, name: string) => keys[name]?.pk ?? whole,
  )
  return JSON.parse(text) as T
}

function expand(input: unknown): string {
  if (typeof input === 'string') return input
  if (typeof input === 'object' && input !== null) {
    if ('$repeat' in input) {
      const [text, times] = input.$repeat as [string, number]
      return text.repeat(times)
    }
    if ('$concat' in input) return (input.$concat as unknown[]).map(expand).join('')
  }
  throw new Error(`a corpus input of a kind unknown here: ${JSON.stringify(input).slice(0, 100)}`)
}
