/**
 * A vitest reporter: names every suite that was left out and ends the run with `N passed, N failed`.
 * With TEST_SUMMARY_FILE set it also writes `passed failed skipped` there, for `.ci/run` to add up.
 * Never changes the outcome of a run.
 */

import { writeFileSync } from 'node:fs'
import type { Reporter, TestCase, TestModule, TestSuite } from 'vitest/node'

interface Tally {
  passed: number
  failed: number
  skipped: number
  readonly leftOut: string[]
}

export function closingLine(): Reporter {
  return {
    onTestRunEnd(modules, unhandledErrors, reason) {
      const tally: Tally = { passed: 0, failed: unhandledErrors.length, skipped: 0, leftOut: [] }
      for (const module of modules) countModule(tally, module)
      // An interrupted run proves nothing, and neither does one that found no test.
      if (reason === 'interrupted' || tally.passed + tally.failed === 0) tally.failed += 1
      if (tally.leftOut.length > 0) {
        console.log('Left out:')
        for (const line of tally.leftOut) console.log(`  ${line}`)
      }
      console.log(formatTally(tally))
      const file = process.env['TEST_SUMMARY_FILE']
      if (file) writeFileSync(file, `${tally.passed} ${tally.failed} ${tally.skipped}\n`)
    },
  }
}

export function formatTally(tally: Pick<Tally, 'passed' | 'failed' | 'skipped'>): string {
  const line = `${tally.passed} passed, ${tally.failed} failed`
  return tally.skipped > 0 ? `${line}, ${tally.skipped} skipped` : line
}

function countModule(tally: Tally, module: TestModule): void {
  if (module.errors().length > 0) tally.failed += 1
  countChildren(tally, module, false)
}

function countChildren(tally: Tally, parent: TestModule | TestSuite, named: boolean): void {
  for (const child of parent.children) {
    if (child.type === 'test') {
      countTest(tally, child, named)
      continue
    }
    if (child.errors().length > 0) tally.failed += 1
    const skipped = child.options.mode === 'skip' || child.options.mode === 'todo'
    if (skipped && !named) tally.leftOut.push(`${projectOf(child)} ${child.fullName}`)
    // A suite whose tests come from data that is not there still counts as something left out.
    if (skipped && child.children.size === 0) tally.skipped += 1
    countChildren(tally, child, named || skipped)
  }
}

/** `named` is true inside a suite that was itself named as left out. */
function countTest(tally: Tally, test: TestCase, named: boolean): void {
  const result = test.result()
  if (result.state === 'passed') tally.passed += 1
  else if (result.state === 'failed') tally.failed += 1
  else if (result.state === 'skipped') {
    tally.skipped += 1
    const note = result.note === undefined ? '' : ` (${result.note})`
    if (!named) tally.leftOut.push(`${projectOf(test)} ${test.fullName}${note}`)
  }
  // A test that is still pending at the end never settled.
  else tally.failed += 1
}

function projectOf(entry: TestCase | TestSuite): string {
  return `[${entry.project.name}]`
}
