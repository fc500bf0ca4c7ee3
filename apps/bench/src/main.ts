#!/usr/bin/env node
/**
 * The benchmark harness as a program: runs a plan, prints the table, writes what was asked for.
 * Never reports a figure of a case whose result was not checked first.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { UsageError } from '@nip46/core'
import { HELP, type Options, parseOptions } from './options.ts'
import { createProgress } from './progress.ts'
import { compareReports, parseReport, renderComparison } from './report/compare.ts'
import type { Report } from './report/data.ts'
import { renderHtml } from './report/html.ts'
import { renderMarkdown } from './report/markdown.ts'
import { renderTable } from './report/table.ts'
import { runAll } from './run.ts'

try {
  await main(parseOptions(process.argv.slice(2), process.env['INIT_CWD']))
} catch (cause) {
  if (!(cause instanceof UsageError)) throw cause
  console.error(cause.message)
  process.exitCode = 2
}

async function main(options: Options): Promise<void> {
  if (options.help) {
    console.log(HELP)
    return
  }
  // Before the run: a wrong file is not found out after minutes.
  const before = options.compare === undefined ? undefined : readReport(options.compare)
  const report = options.from === undefined ? await run(options) : readReport(options.from)
  const comparison = before === undefined ? undefined : compareReports(before, report)
  console.log(renderTable(report))
  if (comparison !== undefined) console.log(`\n${renderComparison(comparison)}`)
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
  if (options.html !== undefined) writeFileSync(options.html, renderHtml(report, comparison))
  if (options.markdown !== undefined) writeFileSync(options.markdown, renderMarkdown(report))
}

async function run({ plan, nodes }: Options): Promise<Report> {
  const progress = createProgress(process.stderr, () => performance.now())
  try {
    return await runAll({
      plan,
      onProgress: progress.tell,
      ...(nodes !== undefined && { nodes }),
    })
  } finally {
    progress.clear()
  }
}

function readReport(file: string): Report {
  try {
    return parseReport(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new UsageError(`${file}: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}
