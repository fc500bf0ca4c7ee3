/**
 * The daemon's log: one line of JSON for each thing that happened, with fields of known names and types only.
 * Never writes a value that is not of its field's type, and never a secret: what looks like one is masked.
 */

import { cleanText, type JsonValue } from '@nip46/core'

export type Level = 'debug' | 'info' | 'warning' | 'error'

const LEVELS: readonly Level[] = ['debug', 'info', 'warning', 'error']
/** Characters of a text in the log. */
export const LOG_TEXT_CHARS = 300
/** Lines of a stack that are logged with a fault. */
const STACK_LINES = 8
/** Runs of characters that carry keys, tokens and ciphertexts in any usual encoding. */
const SECRET_LIKE =
  /(?:nsec1|ncryptsec1|nbt_|bunker:\/\/|nostrconnect:\/\/|postgres(?:ql)?:\/\/)\S*|[A-Za-z0-9+/_%=-]{24,}/g

type Reader = (value: unknown) => JsonValue | undefined

const pattern =
  (shape: RegExp): Reader =>
  (value) =>
    typeof value === 'string' && shape.test(value) ? value : undefined
const pubkey = pattern(/^[0-9a-f]{64}$/)
const code = pattern(/^[A-Za-z0-9][A-Za-z0-9 ./:_@-]{0,63}$/)
const count: Reader = (value) => (typeof value === 'number' && Number.isFinite(value) ? value : undefined)
const flag: Reader = (value) => (typeof value === 'boolean' ? value : undefined)
/** Masked before it is cut: the beginning of a secret at the end of a line would look like no secret. */
const words: Reader = (value) =>
  typeof value === 'string'
    ? cleanText(maskSecrets(cleanText(value, Number.POSITIVE_INFINITY)), LOG_TEXT_CHARS)
    : undefined
const relay: Reader = (value) => {
  const url = typeof value === 'string' ? URL.parse(value) : null
  return url === null || !/^wss?:$/.test(url.protocol)
    ? undefined
    : `${url.protocol}//${url.host}${maskSecrets(url.pathname)}`
}
const file: Reader = (value) =>
  typeof value === 'string' && value.startsWith('/') ? value.slice(0, 4_096) : undefined

export type LogField =
  | 'clientPubkey'
  | 'userPubkey'
  | 'signerPubkey'
  | 'relay'
  | 'method'
  | 'kind'
  | 'code'
  | 'rule'
  | 'reason'
  | 'key'
  | 'caller'
  | 'operation'
  | 'helper'
  | 'ailment'
  | 'count'
  | 'pid'
  | 'version'
  | 'url'
  | 'path'
  | 'final'
  | 'error'
  | 'stack'

/** Every field that can be in the log, and what it may be. */
const FIELDS: { readonly [Field in LogField]: Reader } = {
  clientPubkey: pubkey,
  userPubkey: pubkey,
  signerPubkey: pubkey,
  relay,
  method: code,
  kind: count,
  code,
  rule: words,
  reason: words,
  key: code,
  caller: code,
  operation: code,
  helper: code,
  ailment: code,
  count,
  pid: count,
  version: code,
  url: pattern(/^https?:\/\/[A-Za-z0-9.:[\]-]+$/),
  path: file,
  final: flag,
  error: words,
  stack: (value) =>
    Array.isArray(value) ? value.filter((line) => typeof line === 'string').map(maskSecrets) : undefined,
}

export type LogFields = { readonly [Field in LogField]?: unknown }

export interface Log {
  write(level: Level, event: string, fields?: LogFields): void
  /** An exception that is nobody's input: its name, code, masked words and where it came from. */
  fault(event: string, cause: unknown, fields?: LogFields): void
}

export interface LogOptions {
  readonly level: Level
  readonly now: () => number
  /** Takes one line, without its end. */
  readonly print: (line: string) => void
  /** Takes what was printed, as data. */
  readonly onEntry?: (entry: JsonValue) => void
}

export function createLog({ level, now, print, onEntry }: LogOptions): Log {
  const from = LEVELS.indexOf(level)
  const write: Log['write'] = (at, event, fields = {}) => {
    if (LEVELS.indexOf(at) < from) return
    const entry: Record<string, JsonValue> = { at: new Date(now()).toISOString(), level: at, event }
    for (const [name, value] of Object.entries(fields)) {
      const read: Reader | undefined = Object.hasOwn(FIELDS, name)
        ? FIELDS[name as keyof typeof FIELDS]
        : undefined
      if (read === undefined || value === undefined || value === null) continue
      entry[name] = read(value) ?? '[not shown]'
    }
    print(JSON.stringify(entry))
    onEntry?.(entry)
  }
  return {
    write,
    fault(event, cause, fields = {}) {
      const error = cause instanceof Error ? cause : new Error('what was thrown is no Error')
      const stack = (error.stack ?? '')
        .split('\n')
        .filter((line) => line.startsWith('    at '))
        .slice(0, STACK_LINES)
        .map((line) => line.trim())
      const thrownCode = (error as NodeJS.ErrnoException).code
      write('error', event, {
        ...fields,
        error: `${error.name}: ${error.message}`,
        ...(typeof thrownCode === 'string' && { code: thrownCode }),
        stack,
      })
    },
  }
}

/** A text for people, without what may be a secret. */
export function maskSecrets(text: string): string {
  return text.replace(SECRET_LIKE, (found) => (isPlainPath(found) ? found : '[…]'))
}

/** File names of stacks are long runs too: letters, slashes and dashes without the digits of a key. */
function isPlainPath(text: string): boolean {
  return text.includes('/') && !text.includes('//') && text.split(/[/-]/).every((part) => part.length < 24)
}
