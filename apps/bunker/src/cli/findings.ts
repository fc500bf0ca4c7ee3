/**
 * What was looked at, and how well it is, as text.
 */

import type { Finding } from '../api/shapes.ts'
import { clean } from './text.ts'

const MARKS: Readonly<Record<Finding['level'], string>> = {
  ok: 'ok     ',
  warning: 'warning',
  error: 'error  ',
}

export function describeFindings(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'nothing to say against it'
  return findings
    .flatMap(({ level, what, words, fix }) => [
      `${MARKS[level]}  ${clean(what)}: ${clean(words, 2_000)}`,
      ...(fix === '' ? [] : [`         → ${clean(fix, 2_000)}`]),
    ])
    .join('\n')
}

/** Warnings are well enough. */
export function isWell(findings: readonly Finding[]): boolean {
  return findings.every(({ level }) => level !== 'error')
}
