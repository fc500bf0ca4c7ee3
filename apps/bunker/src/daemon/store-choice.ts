/**
 * Where sessions are kept, as the settings name it: read from a text, and shown.
 * Never shows a user or a password.
 */

import type { Read } from './setting.ts'

export type StoreChoice =
  | { readonly kind: 'sqlite'; readonly path: string | null }
  | { readonly kind: 'postgres'; readonly url: string }
  | { readonly kind: 'memory' }

/** `sqlite`, `sqlite:/path/to/file`, `memory`, or `postgres://…`. */
export function readStore(text: string): Read<StoreChoice> {
  if (text === 'memory') return { value: { kind: 'memory' } }
  if (text === 'sqlite') return { value: { kind: 'sqlite', path: null } }
  if (text.startsWith('sqlite:/')) return { value: { kind: 'sqlite', path: text.slice('sqlite:'.length) } }
  if (/^postgres(ql)?:\/\//.test(text) && URL.canParse(text)) {
    if (!isDecodable(text))
      return {
        problem:
          'has a % that begins no percent-encoded UTF-8: write %25 for a % that is part of a name or a password',
      }
    // A password that is not encoded ends the host at the wrong place: a part of it would be shown as port and database.
    if (isUnencoded(new URL(text)))
      return { problem: 'must have its password percent-encoded: %2F for /, %3F for ?, %23 for #, %40 for @' }
    return { value: { kind: 'postgres', url: text } }
  }
  return { problem: 'must be sqlite, sqlite:/path/to/file, memory, or a postgres:// URL' }
}

/** The place of a store without user and password. */
export function showStore(store: StoreChoice): string {
  if (store.kind === 'memory') return 'memory'
  if (store.kind === 'sqlite') return store.path === null ? 'sqlite' : `sqlite:${store.path}`
  const { host, pathname, searchParams } = new URL(store.url)
  const socket = searchParams.get('host')
  return `postgres://${host}${pathname}${socket === null ? '' : `?host=${socket}`}`
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch (cause) {
    if (!(cause instanceof URIError)) throw cause
    return false
  }
}

function isUnencoded({ pathname, searchParams, hash }: URL): boolean {
  return hash !== '' || pathname.includes('@') || [...searchParams.keys()].some((name) => name.includes('@'))
}
