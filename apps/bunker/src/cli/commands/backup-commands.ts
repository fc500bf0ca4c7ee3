/**
 * `backup …`: everything that is needed to go on elsewhere.
 */

import { copyFile, mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { Fault } from '../../api/fault.ts'
import type { BackupView } from '../../api/shapes.ts'
import type { Command, Context } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { CommandProblem } from '../problem.ts'
import { clean, facts, plural, when } from '../text.ts'

function show({ directory, createdAt, files }: BackupView): string {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  return facts([
    ['backup', directory],
    ['made', when(createdAt)],
    ['holds', `${plural(files.length, 'file')}, ${bytes} bytes`],
  ])
}

export const BACKUP_COMMANDS: readonly Command[] = [
  {
    name: 'backup create',
    words: 'Writes a backup while the daemon runs: store, keys (encrypted), tokens (hashes), lists.',
    operands: ['DIRECTORY'],
    options: {},
    notes: ['The directory must not exist yet. The settings file is not in it.'],
    example: 'backup create ./backup-monday',
    operations: ['backup.create'],
    async run(context, call) {
      const directory = context.remote ? call.need(0) : resolve(call.need(0))
      const backup = await (await context.api()).call('backup.create', { directory })
      return { json: backup, text: show(backup) }
    },
  },
  {
    name: 'backup verify',
    words: 'Whether a backup is whole, file by file.',
    operands: ['DIRECTORY'],
    options: {},
    example: 'backup verify ./backup-monday',
    operations: ['backup.verify'],
    async run(context, call) {
      const directory = context.remote ? call.need(0) : resolve(call.need(0))
      const result = await (await context.api()).call('backup.verify', { directory })
      const lines = [
        ...(result.backup === null ? [] : [show(result.backup)]),
        result.ok ? 'it is whole' : 'it is not whole:',
        ...result.problems.map((problem) => `  ${clean(problem, 2_000)}`),
      ]
      return { json: result, text: lines.join('\n'), exit: result.ok ? EXIT.done : EXIT.notWell }
    },
  },
  {
    name: 'backup restore',
    words: 'Puts a whole backup in place of nothing: there must be no data yet, and no daemon.',
    operands: ['DIRECTORY'],
    options: {},
    example: 'backup restore ./backup-monday',
    notes: [
      'It is verified first. Then start the daemon, and only one: two with the same keys answer twice.',
    ],
    operations: [],
    async run(context, call) {
      if (context.remote)
        throw new CommandProblem('usage', 'a backup is restored on the machine itself: leave out --url')
      const { verifyBackup } = await import('../../daemon/handlers/backups.ts')
      const directory = resolve(call.need(0))
      const { ok, problems, backup } = await verifyBackup(directory)
      if (!ok || backup === null)
        throw new CommandProblem(
          'backup/damaged',
          `the backup is not whole: ${problems.join('; ')}`,
          EXIT.notWell,
        )
      await expectNoDaemon(context)
      const { data } = await context.places()
      await restore(backup, data)
      return {
        json: { data, backup },
        text: `${show(backup)}\nrestored to ${data}; next: nip46-bunker up`,
      }
    },
  },
]

async function expectNoDaemon(context: Context): Promise<void> {
  try {
    await (await context.api()).call('health.get')
  } catch (cause) {
    if (cause instanceof Fault && cause.code === 'daemon/not-running') return
    throw cause
  }
  throw new CommandProblem('daemon/running', 'a daemon runs: stop it first', EXIT.failed)
}

/** Beside it first, then in place at once: after a crash there is all or nothing. */
async function restore({ directory, files }: BackupView, data: string): Promise<void> {
  const there = await readdir(data).catch((cause: unknown) => {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw cause
  })
  if (there !== undefined && there.length > 0)
    throw new CommandProblem(
      'backup/exists',
      `there is data in ${data}: move it away first, or give another --data`,
      EXIT.failed,
    )
  await mkdir(dirname(data), { recursive: true, mode: 0o700 })
  const beside = `${data}.${process.pid}.new`
  try {
    await mkdir(beside, { mode: 0o700 })
    for (const { name } of files) {
      const to = join(beside, name)
      // A name from a manifest leads nowhere else.
      if (!to.startsWith(`${beside}/`))
        throw new CommandProblem('backup/damaged', 'the manifest names a file outside', EXIT.notWell)
      await mkdir(dirname(to), { recursive: true, mode: 0o700 })
      await copyFile(join(directory, name), to)
      const file = await open(to, 'r+')
      try {
        await file.chmod(0o600)
        await file.sync()
      } finally {
        await file.close()
      }
    }
    // An empty vault has no key file, and its folder is in no manifest.
    await mkdir(join(beside, 'vault', 'keys'), { recursive: true, mode: 0o700 })
    if (there !== undefined) await rmdir(data)
    await rename(beside, data)
  } catch (cause) {
    await rm(beside, { recursive: true, force: true })
    throw cause
  }
}
