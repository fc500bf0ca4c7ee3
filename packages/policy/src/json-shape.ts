/**
 * Pieces of JSON, read strictly: objects without unknown fields, lists and numbers within bounds, texts, sets in order.
 * Never knows what a policy is.
 */

import { cleanText, isWellFormed } from '@nip46/core'
import { NAME_CHARS, SECONDS_MAX, TIME_MAX, VALUE_CHARS, VALUES } from './limits.ts'
import { fail, type PolicyProblemCode } from './problem.ts'

export type Fields = { readonly [field: string]: unknown }

/** The own members of an object, all of them known. */
export function asFields(value: unknown, path: string, known: readonly string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return fail('policy/shape', path, 'must be an object')
  const unknown = Object.keys(value).find((field) => !known.includes(field))
  if (unknown !== undefined) {
    const name = cleanText(unknown, NAME_CHARS)
    fail('policy/unknown-field', `${path}.${name}`, `no such field; known are ${known.join(', ')}`)
  }
  // Only own members: what a prototype holds was not written here.
  return Object.assign(Object.create(null) as Record<string, unknown>, value)
}

export function asList(
  value: unknown,
  path: string,
  most: number,
  code: PolicyProblemCode = 'policy/limit',
): readonly unknown[] {
  if (!Array.isArray(value)) return fail('policy/shape', path, 'must be a list')
  if (value.length > most) fail(code, path, `at most ${most} entries`)
  return value
}

export function readInteger(value: unknown, path: string, least: number, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most)
    return fail('policy/limit', path, `must be a whole number from ${least} to ${most}`)
  return value
}

export function readSeconds(value: unknown, path: string, least = 1): number {
  return readInteger(value, path, least, SECONDS_MAX)
}

export function readTime(value: unknown, path: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > TIME_MAX)
    return fail('policy/expiry', path, 'a time is a whole number of Unix seconds')
  return value
}

/** A text that may be empty: a content can be. */
export function readText(value: unknown, path: string): string {
  if (typeof value !== 'string' || !isWellFormed(value)) return fail('policy/shape', path, 'must be a text')
  if (value.length > VALUE_CHARS) fail('policy/limit', path, `at most ${VALUE_CHARS} characters`)
  return value
}

export function readValue(value: unknown, path: string): string {
  const text = readText(value, path)
  if (text === '') fail('policy/shape', path, 'must not be empty')
  return text
}

export function readSet(
  value: unknown,
  path: string,
  readItem: (item: unknown, path: string) => string,
): readonly string[] {
  const list = asList(value, path, VALUES)
  if (list.length === 0) fail('policy/limit', path, 'must not be empty')
  return sortedSet(list.map((item, i) => readItem(item, `${path}[${i}]`)))
}

export function sortedSet(items: readonly string[]): readonly string[] {
  return [...new Set(items)].sort()
}

/** What is left of a list when what stands in it twice stands there once. */
export function distinct<T>(items: readonly T[]): readonly T[] {
  const seen = new Set<string>()
  return items.filter((item) => {
    const text = JSON.stringify(item)
    if (seen.has(text)) return false
    seen.add(text)
    return true
  })
}
