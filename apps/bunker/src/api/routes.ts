/**
 * The address of a request: what it is, which operation it names, and what the input is before it is validated.
 * Never looks anything up in an object by a name that came from outside.
 */

import { Fault } from './fault.ts'
import { API_ROOT, OPERATIONS, type OperationName } from './operations.ts'
import type { JsonSchema } from './schema.ts'

export type Route =
  | {
      readonly type: 'operation'
      readonly name: OperationName
      readonly inPath: Readonly<Record<string, string>>
    }
  /** There is such an address, for these methods. */
  | { readonly type: 'other-method'; readonly allowed: readonly string[] }
  | { readonly type: 'unknown' }

interface Pattern {
  readonly name: OperationName
  readonly method: string
  readonly parts: readonly string[]
}

const PATTERNS: readonly Pattern[] = (Object.keys(OPERATIONS) as OperationName[]).map((name) => ({
  name,
  method: OPERATIONS[name].method,
  parts: OPERATIONS[name].path.split('/').slice(1),
}))

/** The target of a request, as a URL without a host. Throws a `Fault`. */
export function parseTarget(target: string | undefined): URL {
  const url = target?.startsWith('/') ? URL.parse(`http://host${target}`) : null
  // What is read is what was sent: dots, backslashes and the like mean one thing to a proxy and another to us.
  if (url === null || url.pathname !== target?.split(/[?#]/, 1)[0])
    throw new Fault(400, 'input/target', 'this is no path')
  return url
}

/** `path` as it stands in the request, without query. */
export function findRoute(method: string, path: string): Route {
  if (!path.startsWith(`${API_ROOT}/`)) return { type: 'unknown' }
  const parts = path.slice(API_ROOT.length + 1).split('/')
  const fitting = PATTERNS.flatMap((pattern) => {
    const inPath = match(pattern.parts, parts)
    return inPath === undefined ? [] : { ...pattern, inPath }
  })
  const found = fitting.find((pattern) => pattern.method === method)
  if (found !== undefined) return { type: 'operation', name: found.name, inPath: found.inPath }
  return fitting.length === 0
    ? { type: 'unknown' }
    : { type: 'other-method', allowed: [...new Set(fitting.map((pattern) => pattern.method))] }
}

function match(pattern: readonly string[], parts: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== parts.length) return undefined
  const fields: Record<string, string> = {}
  for (const [index, wanted] of pattern.entries()) {
    const part = parts[index] ?? ''
    if (!wanted.startsWith('{')) {
      if (wanted !== part) return undefined
      continue
    }
    const decoded = decode(part)
    if (decoded === undefined || decoded === '') return undefined
    fields[wanted.slice(1, -1)] = decoded
  }
  return fields
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch (cause) {
    if (cause instanceof URIError) return undefined
    throw cause
  }
}

/** The query of a GET or DELETE as fields: numbers and flags as their schema has them, all else as text. */
export function readQuery(name: OperationName, query: URLSearchParams): Record<string, unknown> {
  const properties = new Map(
    Object.entries(OPERATIONS[name].input.json['properties'] as { readonly [field: string]: JsonSchema }),
  )
  const fields: [string, unknown][] = [...query].map(([field, value]) => {
    const type = properties.get(field)?.['type']
    if (type === 'integer' && /^\d{1,16}$/.test(value)) return [field, Number(value)]
    if (type === 'boolean' && (value === 'true' || value === 'false')) return [field, value === 'true']
    return [field, value]
  })
  return Object.fromEntries(fields)
}
