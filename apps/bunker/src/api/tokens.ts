/**
 * Tokens that let programs and browsers use the API: 256 random bits each, with scopes.
 * Never keeps a token: only its hash, and that in a file of the owner.
 */

import { createHash, timingSafeEqual } from 'node:crypto'
import { type Millis, type RandomBytes, UsageError } from '@nip46/core'
import { readPrivateFile, replacePrivateFile } from '../daemon/private-file.ts'
import { Fault } from './fault.ts'
import type { Scope, TokenView } from './shapes.ts'

/** Tokens that are out at a time. */
export const TOKENS = 100
/** What a token looks like: its id, and its secret. */
const TOKEN = /^nbt_([0-9a-f]{16})_([0-9a-f]{64})$/

export interface Tokens {
  list(): readonly TokenView[]
  /** The token's text, this once. Rejects with a `Fault` past {@link TOKENS}, and with `UsageError` if it cannot be kept. */
  create(
    label: string,
    scopes: readonly Scope[],
    forMs: number | undefined,
  ): Promise<{ token: string; info: TokenView }>
  /** False if there is none of this id. */
  revoke(id: string): Promise<boolean>
  /** What a text allows; undefined if it is no token, or no longer good. */
  check(text: string): TokenView | undefined
}

interface StoredToken extends TokenView {
  /** Hex sha256 of the whole text. */
  readonly hash: string
}

/** Reads the file, which may not exist yet. `path` null keeps tokens in memory only. */
export async function openTokens(
  path: string | null,
  random: RandomBytes,
  now: () => Millis,
): Promise<Tokens> {
  let stored: readonly StoredToken[] = path === null ? [] : readTokens(path, await readPrivateFile(path))
  let writing: Promise<void> = Promise.resolve()

  const write = (next: readonly StoredToken[]): Promise<void> => {
    stored = next
    const text = JSON.stringify({ v: 1, tokens: next.map(({ lastUsedAt: _, ...rest }) => rest) }, null, 2)
    const written = writing.then(() => (path === null ? undefined : replacePrivateFile(path, `${text}\n`)))
    writing = written.catch(() => undefined)
    return written
  }
  const isAlive = ({ expiresAt }: StoredToken): boolean => expiresAt === null || expiresAt > now()

  return {
    list: () => stored.filter(isAlive).map(view),
    async create(label, scopes, forMs) {
      const alive = stored.filter(isAlive)
      if (alive.length >= TOKENS)
        throw new Fault(409, 'token/full', `${TOKENS} tokens are out: revoke one first`)
      const id = hex(random(8))
      const token = `nbt_${id}_${hex(random(32))}`
      const createdAt = now()
      const entry: StoredToken = {
        id,
        label,
        scopes: [...new Set(scopes)],
        createdAt,
        expiresAt: forMs === undefined ? null : createdAt + forMs,
        lastUsedAt: null,
        hash: sha256(token).toString('hex'),
      }
      await write([...alive, entry])
      return { token, info: view(entry) }
    },
    async revoke(id) {
      const rest = stored.filter((token) => token.id !== id)
      if (rest.length === stored.length) return false
      await write(rest)
      return true
    },
    check(text) {
      const [, id] = TOKEN.exec(text) ?? []
      const entry = stored.find((token) => token.id === id)
      if (id === undefined || entry === undefined || !isAlive(entry)) return undefined
      if (!timingSafeEqual(sha256(text), Buffer.from(entry.hash, 'hex'))) return undefined
      const used = { ...entry, lastUsedAt: now() }
      stored = stored.map((token) => (token === entry ? used : token))
      return view(used)
    },
  }
}

function readTokens(path: string, text: string | undefined): readonly StoredToken[] {
  if (text === undefined) return []
  try {
    const file = JSON.parse(text) as { readonly v: unknown; readonly tokens: readonly StoredToken[] }
    if (file.v === 1 && Array.isArray(file.tokens) && file.tokens.every(isStored))
      return file.tokens.map((token) => ({ ...token, lastUsedAt: null }))
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
  }
  throw new UsageError(`${path} is damaged: delete it, and make new tokens`)
}

function isStored(token: StoredToken): boolean {
  return (
    typeof token.id === 'string' &&
    typeof token.label === 'string' &&
    Array.isArray(token.scopes) &&
    /^[0-9a-f]{64}$/.test(token.hash)
  )
}

function view({ id, label, scopes, createdAt, expiresAt, lastUsedAt }: StoredToken): TokenView {
  return { id, label, scopes, createdAt, expiresAt, lastUsedAt }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}
