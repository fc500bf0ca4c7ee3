/**
 * JSON from outside: read without exceptions.
 * Never believes a shape; whoever asks checks it.
 */

export type Json = string | number | boolean | null | readonly Json[] | { readonly [member: string]: Json }

/** Undefined if the text is no JSON, or nested deeper than the engine reads. */
export function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

/** Whether a value is an object and no list. Its members may be inherited. */
export function isObject<T = unknown>(value: unknown): value is { readonly [member: string]: T } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
