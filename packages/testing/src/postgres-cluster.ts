/**
 * A PostgreSQL cluster for one test run: made in a folder of its own, on a free port of 127.0.0.1, gone with the process.
 * Never touches a cluster of the system, and never runs the server as root, which PostgreSQL refuses.
 */

import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { accessSync, chownSync, constants, existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { retakePort } from './retake-port.ts'

export interface PostgresPrograms {
  /** The folder of `postgres`, `initdb`, `psql` and `pg_dump`. */
  readonly folder: string
  /** Major version, such as 15. */
  readonly version: number
}

export interface PostgresClusterOptions {
  readonly programs?: PostgresPrograms
  /** Settings of the server, beside those it is made with, such as `{ synchronous_commit: 'off' }`. */
  readonly settings?: Readonly<Record<string, string | number>>
}

/** `smart` would wait for the clients: `fast` ends their connections, `immediate` is a crash. */
export type PostgresStop = 'fast' | 'immediate'

export interface PostgresCluster {
  readonly programs: PostgresPrograms
  readonly host: string
  readonly port: number
  /** The superuser. */
  readonly user: string
  readonly password: string
  /** Where the data is; tests may look for what must not be in there. */
  readonly dataFolder: string
  /** A connection string, with the password in it. */
  url(database?: string): string
  /** A new, empty database. Resolves with its name. */
  createDatabase(): Promise<string>
  /** Runs SQL as the superuser. Resolves with the rows, unaligned, fields with `|` between them. */
  sql(text: string, database?: string): Promise<string>
  /** All of a database, structure and data, as SQL. */
  dump(database: string): Promise<string>
  stop(how?: PostgresStop): Promise<void>
  /** After `stop`: the same data on the same port. */
  start(): Promise<void>
  /** Stops the server and removes everything. */
  dispose(): Promise<void>
}

/** The oldest that we support. */
const OLDEST = 15
const HOST = '127.0.0.1'
const USER = 'postgres'
/** How long the server may take to start or stop. A machine that runs tests may be slow. */
const PATIENCE_MS = 60_000
/** Another process may take the port that was found free. */
const PORT_TRIES = 5

/** The newest PostgreSQL on this machine that we support, or why there is none. */
export function findPostgres(): PostgresPrograms | { readonly missing: string } {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).filter((name) => /^\d+$/.test(name)) : []
  const folders = [
    ...versions.sort((a, b) => Number(b) - Number(a)).map((name) => join(debian, name, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== ''),
  ]
  for (const folder of folders) {
    if (!['postgres', 'initdb', 'psql', 'pg_dump'].every((name) => isProgram(join(folder, name)))) continue
    const said = execFileSync(join(folder, 'postgres'), ['--version'], { encoding: 'utf8' })
    const version = Number(/ (\d+)/.exec(said)?.[1])
    if (version >= OLDEST) return { folder, version }
  }
  return { missing: `no PostgreSQL ${OLDEST} or newer (postgres, initdb, psql, pg_dump) on this machine` }
}

/** Makes and starts a cluster, fsync on. Rejects if there is no PostgreSQL: ask {@link findPostgres} first. */
export async function startPostgresCluster(options: PostgresClusterOptions = {}): Promise<PostgresCluster> {
  const programs = options.programs ?? findPostgres()
  if ('missing' in programs) throw new Error(programs.missing)
  const identity = identityOf()
  const folder = mkdtempSync(join(tmpdir(), 'nip46-postgres-'))
  const dataFolder = join(folder, 'data')
  const password = randomBytes(16).toString('hex')
  const program = (name: string): string => join(programs.folder, name)
  const environment = { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' }
  let port = 0
  let server: Server | undefined
  let databases = 0

  if (identity !== undefined) chownSync(folder, identity.uid, identity.gid)
  try {
    const passwordFile = join(folder, 'password')
    await writeFile(passwordFile, password, { mode: 0o600 })
    if (identity !== undefined) chownSync(passwordFile, identity.uid, identity.gid)
    const args = ['-D', dataFolder, '-U', USER, '--auth=scram-sha-256', `--pwfile=${passwordFile}`]
    await run(program('initdb'), [...args, '--encoding=UTF8', '--no-locale', '--no-instructions'], {
      cwd: folder,
      env: environment,
      ...identity,
    })
    await rm(passwordFile)
    for (let attempt = 1; ; attempt++) {
      port = await freePort()
      try {
        await start()
        break
      } catch (error) {
        if (attempt === PORT_TRIES || (error as { code?: unknown }).code !== 'EADDRINUSE') throw error
      }
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }

  async function start(): Promise<void> {
    if (server !== undefined) throw new Error('this cluster is running')
    const settings = {
      listen_addresses: HOST,
      port,
      unix_socket_directories: '',
      max_connections: 200,
      shared_buffers: '64MB',
      fsync: 'on',
      logging_collector: 'off',
      ...options.settings,
    }
    const command = [program('postgres'), '-D', dataFolder]
    for (const [name, value] of Object.entries(settings)) command.push('-c', `${name}=${value}`)
    server = startServer(command, { folder, dataFolder, environment, identity })
    try {
      await server.ready()
    } catch (error) {
      server = undefined
      throw String(error).includes('could not bind')
        ? Object.assign(error as Error, { code: 'EADDRINUSE' })
        : error
    }
  }

  async function stop(how: PostgresStop = 'fast'): Promise<void> {
    const running = server
    server = undefined
    await running?.stop(how)
  }

  const client = async (name: string, args: readonly string[]): Promise<string> => {
    const env = { ...environment, PGHOST: HOST, PGPORT: String(port), PGUSER: USER, PGPASSWORD: password }
    const { stdout } = await run(program(name), [...args], { cwd: tmpdir(), env, maxBuffer: 1 << 30 })
    return stdout
  }
  const sql = async (text: string, database = 'postgres'): Promise<string> => {
    const args = ['--no-psqlrc', '--quiet', '--tuples-only', '--no-align', '--set=ON_ERROR_STOP=1']
    return (await client('psql', [...args, '--dbname', database, '--command', text])).trimEnd()
  }

  return {
    programs,
    host: HOST,
    port,
    user: USER,
    password,
    dataFolder,
    url: (database = 'postgres') => `postgres://${USER}:${password}@${HOST}:${port}/${database}`,
    async createDatabase() {
      const name = `test_${++databases}_${randomBytes(4).toString('hex')}`
      await sql(`CREATE DATABASE ${name}`)
      return name
    },
    sql,
    dump: (database) => client('pg_dump', ['--dbname', database]),
    stop,
    start: () => retakePort(start),
    async dispose() {
      await stop('immediate')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

// -- the server's process --------------------------------------------------------------------------

interface Server {
  ready(): Promise<void>
  stop(how: PostgresStop): Promise<void>
}

interface Identity {
  readonly uid: number
  readonly gid: number
}

interface Surroundings {
  readonly folder: string
  readonly dataFolder: string
  readonly environment: NodeJS.ProcessEnv
  readonly identity: Identity | undefined
}

/** Its input ends with this process, however that ends: then the server is killed and its folder removed. */
const KEEPER = `
exec 3<&0
folder=$1; shift
"$@" 3<&- </dev/null & server=$!
echo "$server"
( while read -r line; do :; done; trap '' TERM; kill -QUIT "$server"; sleep 1; rm -rf "$folder" ) <&3 >/dev/null 2>&1 & watch=$!
wait "$server"; code=$?
kill "$watch" 2>/dev/null
exit "$code"
`

function startServer(command: readonly string[], surroundings: Surroundings): Server {
  const { folder, dataFolder, environment, identity } = surroundings
  const keeper = spawn('/bin/sh', ['-c', KEEPER, 'keeper', folder, ...command], {
    cwd: folder,
    env: environment,
    ...identity,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let said = ''
  let pid: number | undefined
  keeper.stdout.setEncoding('utf8').on('data', (text: string) => {
    pid ??= Number.parseInt(text, 10)
  })
  keeper.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4_000)
  })
  const ended = endOf(keeper)

  return {
    async ready() {
      for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await sleep(20)) {
        if (keeper.exitCode !== null || keeper.signalCode !== null) break
        if (pid !== undefined && isReady(join(dataFolder, 'postmaster.pid'), pid)) {
          // Nothing of this keeps the process alive: the end of the process ends it.
          keeper.unref()
          for (const stream of keeper.stdio) (stream as { unref?(): void } | null)?.unref?.()
          return
        }
      }
      keeper.stdin.end()
      await ended
      throw new Error(`PostgreSQL did not start: ${said}`)
    },
    async stop(how) {
      if (pid === undefined) return
      keeper.ref()
      // Runs as another user; only root can signal it, and root started it.
      process.kill(pid, how === 'fast' ? 'SIGINT' : 'SIGQUIT')
      await ended
    },
  }
}

function endOf(process: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    process.once('exit', () => resolve())
    process.once('error', reject)
  })
}

/** The last line of the file says so, once the server takes connections. */
function isReady(path: string, pid: number): boolean {
  try {
    const lines = readFileSync(path, 'utf8').split('\n')
    return Number(lines[0]) === pid && lines[7]?.trim() === 'ready'
  } catch {
    return false
  }
}

const run = promisify(execFile)

/** Who the server runs as: whoever we are, unless that is root. */
function identityOf(): Identity | undefined {
  if (process.getuid?.() !== 0) return undefined
  const users = readFileSync('/etc/passwd', 'utf8').split('\n')
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = users.find((line) => line.startsWith(`${name}:`))?.split(':') ?? []
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new Error('PostgreSQL does not run as root, and there is no user postgres or nobody')
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, HOST, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
