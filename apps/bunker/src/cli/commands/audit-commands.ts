/**
 * `audit …`: what was done with the keys. Never loses an entry between two pages.
 */

import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { ApiClient } from '../../api/client.ts'
import { Fault } from '../../api/fault.ts'
import { AUDIT_PAGE } from '../../api/limits.ts'
import type { AuditEntry } from '../../api/shapes.ts'
import { chooseApp } from '../choose.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { readDuration, readNumber } from '../options.ts'
import { clean, jsonText, plural, short, when } from '../text.ts'

export const AUDIT_COMMANDS: readonly Command[] = [
  {
    name: 'audit tail',
    words: 'The newest entries, and with --follow those that come.',
    operands: [],
    options: {
      count: { type: 'text', value: 'NUMBER', words: 'how many; 20 unless said otherwise' },
      app: { type: 'text', value: 'APP', words: 'only those about this app' },
      follow: { type: 'flag', words: 'go on until Ctrl-C' },
    },
    example: 'audit tail --follow',
    notes: ['With --json one entry on each line.'],
    operations: ['app.list', 'audit.list'],
    async run(context, call) {
      const { io } = context
      const limit = readNumber('--count', call.text('count') ?? '20', 1, AUDIT_PAGE)
      const api = await context.api()
      const app = call.text('app')
      const clientPubkey = app === undefined ? undefined : (await chooseApp(api, app)).clientPubkey
      const print = (entry: AuditEntry): void =>
        io.print(call.json ? jsonText(entry, 0) : describeEntry(entry))
      // The stream first, so that nothing falls between it and the page.
      const stream = call.flag('follow') ? await api.follow(['audit'], io.signal) : undefined
      let next = stream?.next()
      next?.catch(() => undefined)
      const page = await api.call('audit.list', {
        limit,
        newest: true,
        ...(clientPubkey !== undefined && { clientPubkey }),
      })
      const shown = [...page.entries].sort((a, b) => a.position - b.position)
      for (const entry of shown) print(entry)
      let last = shown.at(-1)?.position ?? 0
      while (stream !== undefined && next !== undefined) {
        const { done, value } = await next
        if (done === true) {
          if (io.signal.aborted) break
          throw new Fault(0, 'daemon/not-running', 'the daemon ended, or closed the stream')
        }
        next = stream.next()
        if (value.topic !== 'audit' || value.entry.position <= last) continue
        last = value.entry.position
        if (clientPubkey === undefined || value.entry.clientPubkey === clientPubkey) print(value.entry)
      }
      if (!call.json && shown.length === 0 && stream === undefined) return { text: 'the log is empty' }
      return {}
    },
  },
  {
    name: 'audit verify',
    words: 'Whether the hash chain of the log is whole.',
    operands: [],
    options: {},
    example: 'audit verify',
    operations: ['audit.verify'],
    async run(context) {
      const result = await (await context.api()).call('audit.verify')
      const text = [
        `${plural(result.records, 'record')}: ${result.ok ? 'the chain is whole' : 'the chain is broken'}`,
        ...result.problems.map((problem) => `  ${clean(problem, 2_000)}`),
      ].join('\n')
      return { json: result, text, exit: result.ok ? EXIT.done : EXIT.notWell }
    },
  },
  {
    name: 'audit export',
    words: 'The log as JSON, one entry on each line.',
    operands: [],
    options: {
      out: { type: 'text', value: 'FILE', words: 'a new file for it, instead of the terminal' },
      app: { type: 'text', value: 'APP', words: 'only those about this app' },
      last: { type: 'text', value: 'TIME', words: 'only those of this time, such as 30d' },
    },
    example: 'audit export --last 30d --out audit.jsonl',
    operations: ['app.list', 'audit.list'],
    async run(context, call) {
      const last = call.text('last')
      const sinceMs =
        last === undefined ? undefined : Math.max(0, context.io.now() - readDuration('--last', last))
      const api = await context.api()
      const app = call.text('app')
      const clientPubkey = app === undefined ? undefined : (await chooseApp(api, app)).clientPubkey
      const filter = {
        ...(clientPubkey !== undefined && { clientPubkey }),
        ...(sinceMs !== undefined && { sinceMs }),
      }
      const out = call.text('out')
      if (out === undefined) {
        for await (const entry of pages(api, filter)) context.io.print(jsonText(entry, 0))
        return {}
      }
      const path = resolve(out)
      const file = await open(path, 'wx', 0o600)
      let entries = 0
      try {
        for await (const entry of pages(api, filter)) {
          await file.write(`${JSON.stringify(entry)}\n`)
          entries++
        }
        await file.sync()
      } finally {
        await file.close()
      }
      return {
        json: { file: path, entries },
        text: `${plural(entries, 'entry', 'entries')} written to ${path}`,
      }
    },
  },
]

async function* pages(
  api: ApiClient,
  filter: { readonly clientPubkey?: string; readonly sinceMs?: number },
): AsyncGenerator<AuditEntry> {
  let after: number | null = null
  do {
    const page: { readonly entries: readonly AuditEntry[]; readonly next: number | null } = await api.call(
      'audit.list',
      {
        ...filter,
        limit: AUDIT_PAGE,
        ...(after !== null && { after }),
      },
    )
    yield* page.entries
    after = page.next
  } while (after !== null)
}

function describeEntry(entry: AuditEntry): string {
  const about = entry.clientPubkey === null ? '' : `  app ${short(entry.clientPubkey)}`
  return `${String(entry.position).padStart(6)}  ${when(entry.at)}  ${clean(entry.type)}${entry.notice ? '  notice' : ''}${isWithheld(entry) ? '  not delivered' : ''}${about}  ${clean(jsonText(moreOf(entry.record), 0), 400)}`
}

const IN_LINE = ['at', 'type', 'clientPubkey', 'userPubkey', 'signerPubkey']

/** What of a record is not in its line already, nor the same for all apps of a key. */
function moreOf(record: AuditEntry['record']): unknown {
  if (typeof record !== 'object' || record === null) return record
  return Object.fromEntries(Object.entries(record).filter(([name]) => !IN_LINE.includes(name)))
}

/** The key was used, and nobody got what it made: the session ended meanwhile, or the time was over. */
function isWithheld({ type, record }: AuditEntry): boolean {
  return type === 'performed' && (record as { readonly delivered?: unknown }).delivered === false
}
