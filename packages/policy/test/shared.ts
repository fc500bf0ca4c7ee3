/**
 * Finds the studies that lie beside the checkout (`../shared`), and the corpus of inputs in them.
 * Never writes there.
 */

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type CorpusRow, readCorpus } from '@nip46/testing/corpus'

const FOLDER = fileURLToPath(new URL('../../../../shared/spec/corpus', import.meta.url))

/** What `expect` of a row about a policy may say. */
interface PolicyExpectation {
  /** The code of the problem. */
  readonly throw?: string
}

export interface PolicyRow extends CorpusRow {
  readonly expect: CorpusRow['expect'] & PolicyExpectation
}

/** False if `../shared` is missing; says once which suite is left out. */
export function hasShared(suite: string): boolean {
  const found = existsSync(`${FOLDER}/corpus.jsonl`)
  if (!found) process.stdout.write(`left out: ${suite} (../shared is not beside this checkout)\n`)
  return found
}

/** The rows with these ids, in this order; throws if one is gone, so that no suite shrinks unseen. */
export function pickRows(...ids: readonly string[]): readonly PolicyRow[] {
  const corpus = readCorpus(FOLDER)
  return ids.map((id) => corpus.row(id))
}
