/**
 * A process of its own for what must not share one: asked in messages, answered in messages.
 * Never outlives this process, and never leaves a question without an answer: a child that dies rejects them all.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'

export interface Child {
  /** The answer of the child's handler of this name. */
  ask<T>(deed: string, argument?: unknown, timeoutMs?: number): Promise<T>
  /** Ends it; resolves when it is gone. */
  stop(): Promise<void>
}

export interface ChildOptions {
  /** Run on this core alone, where `taskset` is there and the machine has that many. */
  readonly core?: number
  /** Options of Node, besides those it needs to read our sources. */
  readonly nodeOptions?: readonly string[]
  /** Another Node than this one. */
  readonly node?: string
  /** A folder where Node keeps what it compiled, so that a child loads our sources as fast as the JavaScript that is published. */
  readonly compileCache?: string
}

/** Message of the parent, and of the child. */
export interface Question {
  readonly id: number
  readonly deed: string
  readonly argument: unknown
}
export interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

const ASK_MS = 120_000
const STDERR_CHARS = 2_000

/** `file` is a path relative to `src`, without its ending. */
export function startChild(file: string, options: ChildOptions = {}): Child {
  const { nodeOptions = [], node = process.execPath, compileCache } = options
  const program = [node, ...nodeOptions, ...sourceOptions(), sourcePath(file)]
  const [command = node, ...args] = [...pinning(options.core), ...program]
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    ...(compileCache !== undefined && { env: { ...process.env, NODE_COMPILE_CACHE: compileCache } }),
  })
  return converse(child, file)
}

/** All messages are JSON. */
function converse(child: ChildProcess, name: string): Child {
  let errors = ''
  child.stderr?.on('data', (chunk) => {
    errors = `${errors}${chunk}`.slice(-STDERR_CHARS)
  })
  const waiting = new Map<number, { resolve(value: unknown): void; reject(cause: Error): void }>()
  let next = 1
  let dead: Error | undefined
  const gone = new Promise<void>((resolve) => {
    const end = (why: string): void => {
      dead ??= new Error(`${name} ${why}${errors === '' ? '' : `: ${errors.trim()}`}`)
      for (const { reject } of waiting.values()) reject(dead)
      waiting.clear()
      resolve()
    }
    child.once('error', (cause) => end(cause.message))
    child.once('exit', (code, signal) => end(`ended with ${signal ?? code}`))
  })
  child.on('message', (message) => {
    const { id, value, error } = message as Answer
    const asked = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) asked?.resolve(value)
    else asked?.reject(new Error(error))
  })

  return {
    ask<T>(deed: string, argument: unknown = null, timeoutMs = ASK_MS): Promise<T> {
      if (dead !== undefined) return Promise.reject(dead)
      const id = next++
      return new Promise<T>((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(id)
          reject(new Error(`${name}: no answer to ${deed} within ${timeoutMs} ms`))
        }, timeoutMs)
        waiting.set(id, {
          resolve(value) {
            clearTimeout(timer)
            resolve(value as T)
          },
          reject(cause) {
            clearTimeout(timer)
            reject(cause)
          },
        })
        child.send({ id, deed, argument } satisfies Question)
      })
    },
    stop() {
      child.kill('SIGKILL')
      return gone
    },
  }
}

/** Beside this file as it runs: TypeScript in the sources, JavaScript once built. */
export function sourcePath(file: string): string {
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return fileURLToPath(new URL(`../${file}.${ending}`, import.meta.url))
}

/** Children read the workspace as this process does. */
function sourceOptions(): readonly string[] {
  return import.meta.url.endsWith('.ts') ? ['--conditions=@nip46/source'] : []
}

/** Two or more cores: the bunker gets one, who asks it another. */
function pinning(core: number | undefined): readonly string[] {
  if (core === undefined || !canPin()) return []
  return ['taskset', '-c', String(core)]
}

function canPin(): boolean {
  return (
    cpus().length >= 2 && (process.env['PATH'] ?? '').split(':').some((dir) => existsSync(`${dir}/taskset`))
  )
}
