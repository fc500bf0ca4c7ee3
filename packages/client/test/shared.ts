/**
 * Finds the studies that lie beside the checkout (`../shared`) and reads the corpus of inputs from them.
 * Never writes there.
 */

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FOLDER = fileURLToPath(new URL('../../../../shared/spec/corpus/', import.meta.url))

export interface CorpusRow {
  readonly id: string
  readonly area: string
  readonly name: string
  readonly input: unknown
  readonly expect: {
    readonly drop?: string
    readonly client_throws?: string
    readonly alert?: string
    readonly event?: string
    readonly still_pending?: boolean
    readonly effect?: string
    readonly ok?: { readonly value: string }
  }
}

/** False if `../shared` is missing; says then which suite is left out. */
export function hasShared(suite: string): boolean {
  const found = existsSync(`${FOLDER}corpus.jsonl`)
  if (!found) process.stdout.write(`left out: ${suite} (../shared is not beside this checkout)\n`)
  return found
}

export function corpusRows(area: string): readonly CorpusRow[] {
  const lines = readFileSync(`${FOLDER}corpus.jsonl`, 'utf8').split('\n')
  const rows = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as CorpusRow)
  return rows.filter((row) => row.area === area)
}

/** The secret keys of the corpus by name, as hex. */
export function corpusKey(name: string): string {
  const { keys } = JSON.parse(readFileSync(`${FOLDER}keys.json`, 'utf8')) as {
    readonly keys: { readonly [name: string]: { readonly sk: string } }
  }
  const key = keys[name]
  if (key === undefined) throw new Error(`the corpus has no key ${name}`)
  return key.sk
}

/** The text that an input stands for, as the corpus' README says. */
export function expandText(input: unknown): string {
  if (typeof input === 'string') return input
  const { $repeat, $concat } = input as {
    readonly $repeat?: readonly [string, number]
    readonly $concat?: unknown[]
  }
  if ($repeat !== undefined) return $repeat[0].repeat($repeat[1])
  if ($concat !== undefined) return $concat.map(expandText).join('')
  throw new Error(`an input of this form is not expanded here: ${JSON.stringify(input).slice(0, 80)}`)
}
