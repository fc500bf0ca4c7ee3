/**
 * The version of this program, as its package.json has it.
 */

import { readFileSync } from 'node:fs'

export const VERSION: string = readVersion()

function readVersion(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { readonly version: string }).version
}
