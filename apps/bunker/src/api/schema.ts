/**
 * Shapes of JSON as values: each reads what came from outside, and describes itself as JSON Schema (2020-12) for OpenAPI.
 * Never lets an unknown field, a missing one or a longer text through, and never throws on what was sent.
 */

import { err, isWellFormed, type JsonValue, ok, type Result } from '@nip46/core'

/** A JSON Schema document, or a part of one. */
export type JsonSchema = { readonly [keyword: string]: JsonValue }

export interface Schema<T> {
  readonly json: JsonSchema
  /** The value with exactly the known fields, or one sentence that names the place and what it must be. */
  read(value: unknown, place: string): Result<T, string>
}

/** A field that may be missing. */
export interface OptionalSchema<T> {
  readonly optional: Schema<T>
}

export type Fields<T> = {
  readonly [Name in keyof T]-?: object extends Pick<T, Name>
    ? OptionalSchema<Exclude<T[Name], undefined>>
    : Schema<T[Name]>
}

/** Elements of a list, unless the list says otherwise. */
export const LIST_ITEMS = 1_000
/** Levels of free JSON. */
export const JSON_LEVELS = 16
/** Characters of free JSON, as text. */
export const JSON_CHARS = 262_144

export function optional<T>(schema: Schema<T>): OptionalSchema<T> {
  return { optional: schema }
}

/** Well-formed Unicode of at most `max` UTF-16 units; `pattern` is anchored by its author. */
export function text(max: number, about: string, pattern?: RegExp, min = 0): Schema<string> {
  const json = {
    type: 'string',
    maxLength: max,
    description: about,
    ...(min > 0 && { minLength: min }),
    ...(pattern !== undefined && { pattern: pattern.source }),
  }
  return {
    json,
    read: (value, place) =>
      typeof value === 'string' &&
      value.length <= max &&
      value.length >= min &&
      isWellFormed(value) &&
      (pattern === undefined || pattern.test(value))
        ? ok(value)
        : err(`${place} must be ${about}, a text of ${min > 0 ? `${min} to` : 'at most'} ${max} characters`),
  }
}

export function integer(min: number, max: number, about: string): Schema<number> {
  return {
    json: { type: 'integer', minimum: min, maximum: max, description: about },
    read: (value, place) =>
      Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
        ? ok(value as number)
        : err(`${place} must be ${about}, a whole number from ${min} to ${max}`),
  }
}

export function number(about: string): Schema<number> {
  return {
    json: { type: 'number', description: about },
    read: (value, place) =>
      typeof value === 'number' && Number.isFinite(value)
        ? ok(value)
        : err(`${place} must be ${about}, a number`),
  }
}

export function flag(about: string): Schema<boolean> {
  return {
    json: { type: 'boolean', description: about },
    read: (value, place) =>
      typeof value === 'boolean' ? ok(value) : err(`${place} must be true or false: ${about}`),
  }
}

export function choice<const T extends string>(values: readonly T[], about: string): Schema<T> {
  const known: ReadonlySet<string> = new Set(values)
  return {
    json: { type: 'string', enum: values, description: about },
    read: (value, place) =>
      typeof value === 'string' && known.has(value)
        ? ok(value as T)
        : err(`${place} must be one of ${values.join(', ')}: ${about}`),
  }
}

export function nullable<T>(schema: Schema<T>): Schema<T | null> {
  return {
    json: { anyOf: [schema.json, { type: 'null' }] },
    read: (value, place) => (value === null ? ok(null) : schema.read(value, place)),
  }
}

export function list<T>(item: Schema<T>, max: number = LIST_ITEMS): Schema<readonly T[]> {
  return {
    json: { type: 'array', items: item.json, maxItems: max },
    read: (value, place) => {
      if (!Array.isArray(value) || value.length > max)
        return err(`${place} must be a list of at most ${max} items`)
      const items: T[] = []
      for (const [index, element] of value.entries()) {
        const read = item.read(element, `${place}[${index}]`)
        if (!read.ok) return read
        items.push(read.value)
      }
      return ok(items)
    },
  }
}

/** Named counts, such as those of events dropped by code. */
export function counts(about: string): Schema<Readonly<Record<string, number>>> {
  return {
    json: { type: 'object', additionalProperties: { type: 'number' }, description: about },
    read: (value, place) => {
      if (!isRecord(value) || !Object.values(value).every((count) => typeof count === 'number'))
        return err(`${place} must be an object of numbers: ${about}`)
      return ok(value as Record<string, number>)
    },
  }
}

/** An object of exactly these fields. */
export function object<T>(fields: Fields<T>): Schema<T> {
  const entries = Object.entries(fields) as [string, Schema<unknown> | OptionalSchema<unknown>][]
  const known = new Set(entries.map(([name]) => name))
  const json: JsonSchema = {
    type: 'object',
    properties: Object.fromEntries(
      entries.map(([name, field]) => [name, 'optional' in field ? field.optional.json : field.json]),
    ),
    required: entries.filter(([, field]) => !('optional' in field)).map(([name]) => name),
    additionalProperties: false,
  }
  return {
    json,
    read: (value, place) => {
      if (!isRecord(value)) return err(`${place} must be an object`)
      const unknown = Object.keys(value).find((name) => !known.has(name))
      if (unknown !== undefined)
        return err(
          known.size === 0
            ? `${place} takes no fields, and has "${unknown.slice(0, 64)}"`
            : `${place} has an unknown field "${unknown.slice(0, 64)}"; known are ${[...known].join(', ')}`,
        )
      const out: Record<string, unknown> = {}
      for (const [name, field] of entries) {
        const given = Object.hasOwn(value, name) ? value[name] : undefined
        if ('optional' in field) {
          if (given === undefined) continue
          const read = field.optional.read(given, `${place}.${name}`)
          if (!read.ok) return read
          out[name] = read.value
        } else {
          if (given === undefined) return err(`${place}.${name} is missing`)
          const read = field.read(given, `${place}.${name}`)
          if (!read.ok) return read
          out[name] = read.value
        }
      }
      return ok(out as T)
    },
  }
}

/** Any JSON of bounded size: whoever uses it reads it further, strictly. */
export function anyJson(about: string): Schema<JsonValue> {
  return {
    json: { description: about },
    read: (value, place) => {
      if (!isJson(value, JSON_LEVELS)) return err(`${place} must be JSON of at most ${JSON_LEVELS} levels`)
      return JSON.stringify(value).length <= JSON_CHARS
        ? ok(value)
        : err(`${place} must be JSON of at most ${JSON_CHARS} characters`)
    },
  }
}

function isJson(value: unknown, levels: number): value is JsonValue {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isFinite(value)
  if (levels === 0 || typeof value !== 'object') return false
  return Object.values(value).every((member) => isJson(member, levels - 1))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
