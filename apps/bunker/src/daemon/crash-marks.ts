/**
 * Requests that were in work when a daemon crashed: marked in the store, and refused after the second crash, so that no request ends
 * every daemon that is started after it.
 * Never costs a commit in a daemon whose last one ended in order, and never keeps what a request was about: only a salted hash of it.
 */

import { createHash } from 'node:crypto'
import { type Clock, err, type JsonValue, type Operation, type Pubkey, type UserSigner } from '@nip46/core'
import type { HostRecordChange, HostRecords } from '@nip46/core/remote-signer'
import {
  CAREFUL_MS,
  CAREFUL_OPERATIONS,
  CRASH_MARK_FOR_MS,
  CRASH_MARKS,
  CRASH_MARKS_AT_ONCE,
  CRASHES,
  SETTINGS_RACES,
} from './limits.ts'

export interface CrashMarks {
  /** Performs, unless that was in work in `CRASHES` crashes: then it is an `internal:` error. */
  guard(user: Pubkey, perform: UserSigner['perform']): UserSigner['perform']
  /** Marks what is in work, and lets no outcome of it out any more. Resolves with how many were marked. */
  crashed(): Promise<number>
  /** Reads what other daemons marked. */
  refresh(): Promise<void>
  /** This daemon ends in order: the next one need not be careful. */
  endInOrder(): Promise<void>
  /** Requests that were refused. */
  readonly refused: number
}

export interface CrashMarksHost {
  readonly records: HostRecords
  /** What other daemons on the store know this one by; empty where there are none. */
  readonly instance: string
  /** Hashes are of this store only. */
  readonly salt: string
  /** Of the program: what one crashed at, the next one may be able to do. */
  readonly version: string
  readonly clock: Clock
  /** One was refused. */
  readonly onRefused: (user: Pubkey, operation: Operation) => void
  readonly onFault: (cause: unknown) => void
}

interface Mark {
  readonly revision: number
  /** How many crashes it was in, of this version; 0 if of others. */
  readonly crashes: number
  readonly at: number
}

interface InWork {
  readonly user: Pubkey
  readonly operation: Operation
}

/** What is tried by a careful daemon: stored before it begins. */
interface Attempt {
  count: number
  readonly stored: Promise<void>
}

const CRASH = 'crash '
const REFUSAL = 'internal: this request was in work each time the signer crashed: it is not tried again'
const UNMARKED = 'unavailable: storage cannot be written'

/**
 * Reads the marks, and says in the store that this daemon runs. If the last one under this name did not end in order, what it tried
 * counts as crashed, and this one is careful: it stores what it begins, for `CAREFUL_MS` or `CAREFUL_OPERATIONS`.
 */
export async function openCrashMarks(host: CrashMarksHost): Promise<CrashMarks> {
  const { records, instance, salt, version, clock } = host
  const running = `running ${instance}`
  const trying = `trying ${instance} `
  const work = new Set<InWork>()
  const attempts = new Map<string, Attempt>()
  let marks = new Map<string, Mark>()
  let runningRevision = 0
  let carefulLeft = 0
  let carefulUntil = 0
  let isOver = false
  let refused = 0

  const nameOf = ({ user, operation }: InWork): string =>
    createHash('sha256')
      .update(`${salt}\n${user}\n${JSON.stringify(operation)}`)
      .digest('hex')

  const read = async () => {
    const all = await records.readHostRecords()
    marks = new Map(
      all.flatMap(({ revision, value: { name, value } }): (readonly [string, Mark])[] =>
        name.startsWith(CRASH) ? [[name.slice(CRASH.length), readMark(value, revision, version)]] : [],
      ),
    )
    return all
  }

  /** One crash more for each of these, and the oldest marks go. */
  const counted = (names: readonly string[]): readonly HostRecordChange[] => {
    const at = clock.now()
    const others = [...marks].filter(([name]) => !names.includes(name)).sort(([, a], [, b]) => b.at - a.at)
    const old = others.filter(
      ([, mark], i) => i + names.length >= CRASH_MARKS || at - mark.at > CRASH_MARK_FOR_MS,
    )
    return [
      ...old.map(([name, { revision }]) => ({ name: CRASH + name, revision, after: null })),
      ...names.map((name) => {
        const { revision = 0, crashes = 0 } = marks.get(name) ?? {}
        return { name: CRASH + name, revision, after: { crashes: crashes + 1, at, version } }
      }),
    ]
  }

  /** Again if another daemon was faster. */
  const write = async (
    make: (all: Awaited<ReturnType<typeof read>>) => readonly HostRecordChange[],
  ): Promise<void> => {
    for (let races = 0; races < SETTINGS_RACES; races++) {
      const changes = make(await read())
      if (changes.length === 0 || (await records.writeHostRecords(changes)) === 'done') return
    }
    throw new Error('other daemons change the marks all the time')
  }

  const begin = (name: string): Attempt => {
    const known = attempts.get(name)
    if (known !== undefined) {
      known.count += 1
      return known
    }
    const put = { name: trying + name, revision: 0, after: clock.now() }
    // Stale if it is there already, since it could not be taken away: that is a mark as well.
    const stored = records.writeHostRecords([put]).then(() => undefined)
    const attempt = { count: 1, stored }
    attempts.set(name, attempt)
    return attempt
  }

  const finish = async (name: string, attempt: Attempt): Promise<void> => {
    attempt.count -= 1
    if (attempt.count > 0 || isOver) return
    attempts.delete(name)
    await records.writeHostRecords([{ name: trying + name, revision: 1, after: null }])
  }

  await write((all) => {
    const known = all.find(({ value }) => value.name === running)
    const tried = all.filter(({ value }) => value.name.startsWith(trying))
    if (known !== undefined) {
      carefulLeft = CAREFUL_OPERATIONS
      carefulUntil = clock.now() + CAREFUL_MS
    }
    runningRevision = (known?.revision ?? 0) + 1
    return [
      ...counted(tried.map(({ value }) => value.name.slice(trying.length)).slice(0, CRASH_MARKS_AT_ONCE)),
      ...tried.map(({ revision, value: { name } }) => ({ name, revision, after: null })),
      { name: running, revision: runningRevision - 1, after: clock.now() },
    ]
  })
  await read()

  return {
    guard(user, perform) {
      return async (operation) => {
        if (isOver) return never()
        const entry = { user, operation }
        const isCareful = carefulLeft > 0 && clock.now() < carefulUntil
        if (!isCareful && marks.size === 0) return run(entry)
        const name = nameOf(entry)
        if ((marks.get(name)?.crashes ?? 0) >= CRASHES) {
          refused += 1
          host.onRefused(user, operation)
          return err(REFUSAL)
        }
        if (!isCareful) return run(entry)
        carefulLeft -= 1
        const attempt = begin(name)
        try {
          await attempt.stored
        } catch (cause) {
          host.onFault(cause)
          finish(name, attempt).catch(host.onFault)
          return err(UNMARKED)
        }
        const outcome = await run(entry)
        // It was done: a mark that stays costs one crash of two, at most.
        await finish(name, attempt).catch(host.onFault)
        return outcome
      }

      async function run(entry: InWork) {
        work.add(entry)
        try {
          const outcome = await perform(entry.operation)
          return isOver ? await never() : outcome
        } finally {
          work.delete(entry)
        }
      }
    },
    async crashed() {
      isOver = true
      const names = [...new Set([...work].slice(0, CRASH_MARKS_AT_ONCE).map(nameOf))]
      if (names.length === 0) return 0
      await write((all) => [
        ...counted(names),
        ...all
          .filter(({ value }) => value.name.startsWith(trying))
          .map(({ revision, value: { name } }) => ({ name, revision, after: null })),
      ])
      return names.length
    },
    async refresh() {
      await read()
    },
    async endInOrder() {
      // Stale if another daemon took this one's place under its name: then it is that one's.
      if (!isOver) await records.writeHostRecords([{ name: running, revision: runningRevision, after: null }])
    },
    get refused() {
      return refused
    },
  }
}

/** What is in work when everything ends leaves no more. */
function never(): Promise<never> {
  return new Promise(() => undefined)
}

/** What cannot be understood marks nothing: it refuses requests, and is no more than that. */
function readMark(value: JsonValue, revision: number, current: string): Mark {
  const none = { revision, crashes: 0, at: 0 }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return none
  const { crashes, at, version } = value as { readonly [name: string]: JsonValue }
  if (typeof crashes !== 'number' || typeof at !== 'number') return none
  return { revision, crashes: version === current ? crashes : 0, at }
}
