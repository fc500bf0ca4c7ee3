/**
 * A client in a process of its own, so that it may crash, hang or stay: both ends of the talk.
 * Never outlives its parent, and never leaves a call without an end: a process that dies rejects them all.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { writeSync } from 'node:fs'
import {
  CLIENT_DEEDS,
  type ClientDeed,
  type ClientUnderTest,
  type Drained,
  describeRejection,
  type HostedClient,
  RejectedElsewhere,
} from './client-under-test.ts'

/** The first message of the process: it can be asked now. */
const CLIENT_ENTRY = 'client ready'
/** Characters of the process' last words that are kept. */
const LAST_WORDS_CHARS = 4_000
const START_MS = 60_000
/** When it is looked at what still holds the event loop. */
const HELD_AFTER_MS = 250
/** Before each line that the process prints about its end. */
const DRAIN_MARK = 'drain '

interface Call {
  readonly id: number
  readonly deed: ClientDeed | 'drain'
  readonly args: readonly unknown[]
}

/** `rejected` is already in words: what a library rejects with may not fit into a message. */
interface Reply {
  readonly id: number
  readonly value?: unknown
  readonly rejected?: string
}

// -- in the process ------------------------------------------------------------------------------

/**
 * Answers the calls of the parent with this client. Call it once, at the end of the program.
 *
 * `drain` lets go of the parent as soon as the client is closed, and then says how long the event loop stayed: only what
 * the library holds counts.
 */
export function serveClient(client: ClientUnderTest): void {
  process.on('message', (message) => void answer(client, message as Call))
  process.once('disconnect', exitNow)
  process.send?.(CLIENT_ENTRY)
}

async function answer(client: ClientUnderTest, { id, deed, args }: Call): Promise<void> {
  const reply = (message: Reply): void => void process.send?.(message)
  if (deed === 'drain') {
    await drain(client)
    return
  }
  try {
    const method = client[deed] as (...values: readonly unknown[]) => Promise<unknown>
    reply({ id, value: (await method(...args)) ?? null })
  } catch (cause) {
    reply({ id, rejected: describeRejection(cause) })
  }
}

async function drain(client: ClientUnderTest): Promise<void> {
  const tell = (part: Partial<Drained>): void => void writeSync(1, `${DRAIN_MARK}${JSON.stringify(part)}\n`)
  process.off('disconnect', exitNow)
  const began = performance.now()
  try {
    await client.close()
  } catch (cause) {
    tell({ rejected: describeRejection(cause) })
  }
  const closed = performance.now()
  process.once('beforeExit', () => tell({ emptyMs: performance.now() - closed }))
  process.disconnect?.()
  tell({ closedMs: closed - began })
  // It only runs if something else keeps the process. The pipes to the parent do not.
  setTimeout(() => {
    tell({ heldBy: process.getActiveResourcesInfo().filter((name) => !name.startsWith('Pipe')) })
  }, HELD_AFTER_MS).unref()
}

function exitNow(): never {
  process.exit(0)
}

// -- beside it -----------------------------------------------------------------------------------

export interface ClientProcessOptions {
  /** The program, and its arguments. */
  readonly args: readonly string[]
  /** Which Node. Default: this one. */
  readonly node?: string
  readonly cwd?: string
}

/** Starts a program that calls {@link serveClient}. Rejects with its last words if it ends before, or within 60 s does not. */
export async function startClientProcess(options: ClientProcessOptions): Promise<HostedClient> {
  const { node = process.execPath, args, cwd } = options
  const child = spawn(node, [...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    ...(cwd !== undefined && { cwd }),
  })
  const waiting = new Map<number, { resolve(value: unknown): void; reject(cause: unknown): void }>()
  let next = 1
  let output = ''
  let errors = ''
  let ended: string | undefined
  child.stdout?.on('data', (chunk) => {
    output = `${output}${chunk}`.slice(-LAST_WORDS_CHARS)
  })
  child.stderr?.on('data', (chunk) => {
    errors = `${errors}${chunk}`.slice(-LAST_WORDS_CHARS)
  })
  const gone = new Promise<void>((resolve) => {
    const end = (why: string): void => {
      if (ended !== undefined) return
      ended = `${why}${lastWords(errors)}`
      for (const { reject } of waiting.values()) reject(new RejectedElsewhere(`the process died: ${ended}`))
      waiting.clear()
      resolve()
    }
    child.once('error', (cause) => end(cause.message))
    child.once('close', (code, signal) => end(`exit ${signal ?? code}`))
  })

  const call = <T>(deed: ClientDeed, ...values: readonly unknown[]): Promise<T> => {
    if (ended !== undefined) return Promise.reject(new RejectedElsewhere(`the process died: ${ended}`))
    const id = next++
    return new Promise<T>((resolve, reject) => {
      waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
      child.send({ id, deed, args: values } satisfies Call, (cause) => {
        if (cause !== null && waiting.delete(id))
          reject(new RejectedElsewhere(`the process died: ${ended ?? cause.message}`))
      })
    })
  }

  await ready(child, gone, () => ended)
  child.on('message', (message) => {
    const { id, value, rejected } = message as Reply
    const asked = waiting.get(id)
    waiting.delete(id)
    if (rejected === undefined) asked?.resolve(value)
    else asked?.reject(new RejectedElsewhere(rejected))
  })

  const deeds = Object.fromEntries(
    CLIENT_DEEDS.map((deed) => [deed, (...values: readonly unknown[]) => call(deed, ...values)]),
  ) as unknown as ClientUnderTest

  return {
    ...deeds,
    ended: () => ended,
    async drain(limitMs) {
      child.send({ id: next++, deed: 'drain', args: [] } satisfies Call)
      await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, limitMs).unref())])
      return readDrained(output)
    },
    async stop() {
      child.kill('SIGKILL')
      await gone
    },
  }
}

function readDrained(output: string): Drained {
  const parts = output
    .split('\n')
    .filter((line) => line.startsWith(DRAIN_MARK))
    .map((line) => JSON.parse(line.slice(DRAIN_MARK.length)) as Partial<Drained>)
  return {
    closedMs: undefined,
    emptyMs: undefined,
    heldBy: [],
    rejected: undefined,
    ...Object.assign({}, ...parts),
  }
}

async function ready(
  child: ChildProcess,
  gone: Promise<void>,
  ended: () => string | undefined,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const started = new Promise<boolean>((resolve) => {
    child.once('message', () => resolve(true))
    timer = setTimeout(() => resolve(false), START_MS)
  })
  const is = await Promise.race([started, gone.then(() => false)])
  clearTimeout(timer)
  if (is) return
  child.kill('SIGKILL')
  throw new Error(`the client's process did not start: ${ended() ?? `no word within ${START_MS} ms`}`)
}

/** The line of a crash report that names the error. */
function lastWords(errors: string): string {
  const line = /^(?:Uncaught )?(\w*Error\b.*)$/m.exec(errors)?.[1] ?? errors.trim().split('\n').at(-1) ?? ''
  return line === '' ? '' : `, ${line.slice(0, 200)}`
}
