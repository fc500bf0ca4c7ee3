/** Reads the vectors and the corpus kept beside the checkout, and says so where they are missing. */

import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe } from 'vitest'

const root = new URL('../../../../shared/', import.meta.url)
const present = existsSync(fileURLToPath(root))

/** A suite over files under `../shared`; without them it is skipped, by name. */
export function describeShared(title: string, suite: () => void): void {
  if (present) {
    describe(title, suite)
    return
  }
  console.log(`left out, since ../shared is missing: ${title}`)
  describe.skip(`${title} (left out: ../shared is missing)`, () => {})
}

export function readShared(path: string): string {
  return readFileSync(new URL(path, root), 'utf8')
}

export function readSharedJson<T>(path: string): T {
  return JSON.parse(readShared(path)) as T
}

export function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

export interface CorpusRow {
  readonly id: string
  readonly area: string
  readonly name: string
  readonly input: string
  readonly expect: Readonly<Record<string, unknown>>
}

export function readCorpus(area: string): readonly CorpusRow[] {
  return readShared('spec/corpus/corpus.jsonl')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as CorpusRow)
    .filter((row) => row.area === area)
}
