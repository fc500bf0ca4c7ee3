/**
 * Finds the studies that lie beside the checkout (`../shared`): the corpus of inputs.
 * Never writes there.
 */

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Corpus, readCorpus } from '@nip46/testing/corpus'

const FOLDER = fileURLToPath(new URL('../../../../shared/spec/corpus', import.meta.url))

/** False if `../shared` is missing; says once which suite is left out. */
export function hasShared(suite: string): boolean {
  const found = existsSync(`${FOLDER}/corpus.jsonl`)
  if (!found) process.stdout.write(`left out: ${suite} (../shared is not beside this checkout)\n`)
  return found
}

export function sharedCorpus(): Corpus {
  return readCorpus(FOLDER)
}
