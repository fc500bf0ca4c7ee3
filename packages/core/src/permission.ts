/**
 * The perms grammar of NIP-46 (`method[:kind],...`) and what a list of permissions covers.
 * Never decides who gets what: requested perms are suggestions, grants come from the host.
 */

import { cleanText } from './display-text.ts'
import { KIND_MAX, PERMS, PERMS_CHARS } from './limits.ts'
import { isMethod } from './method.ts'
import { err, ok, type Result, UsageError } from './value.ts'

/** One entry: a method, for `sign_event` perhaps with one kind. */
export interface Permission {
  readonly method: string
  readonly kind?: number
}

/** What a client asks for. */
export interface RequestedPermissions {
  /** In the order asked, without repeats. */
  readonly permissions: readonly Permission[]
  /** Entries that can never be granted (unknown methods, bad kinds, `*`), cleaned for display. */
  readonly rejected: readonly string[]
  /** Asks for `sign_event` with every kind. A person should see that before agreeing to anything. */
  readonly wildcard: boolean
}

/**
 * A perms list as in `connect` and nostrconnect:// URIs. Each bad entry is put aside by itself.
 * Error: more than {@link PERMS} entries or {@link PERMS_CHARS} characters.
 */
export function parsePermissions(text: string): Result<RequestedPermissions, 'too-many-perms'> {
  if (text.length > PERMS_CHARS) return err('too-many-perms')
  const entries = text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
  if (entries.length > PERMS) return err('too-many-perms')
  const accepted = new Map<string, Permission>()
  const rejected = new Set<string>()
  for (const entry of entries) {
    const permission = parsePermission(entry)
    if (permission === undefined) rejected.add(cleanText(entry, PERMS_CHARS))
    else accepted.set(entry, permission)
  }
  const permissions = [...accepted.values()]
  const wildcard = permissions.some(({ method, kind }) => method === 'sign_event' && kind === undefined)
  rejected.delete('')
  return ok({ permissions, rejected: [...rejected], wildcard })
}

/** One entry, such as `nip44_encrypt` or `sign_event:1`; undefined if the method is unknown or the kind is bad. */
export function parsePermission(entry: string): Permission | undefined {
  if (isMethod(entry)) return { method: entry }
  // NIP-46: "Optional parameter for sign_event is the kind number, parameters for other methods are to be defined later."
  const [, kind] = /^sign_event:(0|[1-9][0-9]{0,4})$/.exec(entry) ?? []
  return kind !== undefined && Number(kind) <= KIND_MAX
    ? { method: 'sign_event', kind: Number(kind) }
    : undefined
}

/**
 * As NIP-46 writes them, in the caller's order, without repeats. Give one entry per kind: `sign_event` without a kind asks for
 * everything, and several remote signers ignore it.
 * Throws `UsageError` on an entry that {@link parsePermission} would not read, and past {@link PERMS}: never more than {@link PERMS_CHARS}.
 */
export function encodePermissions(permissions: readonly Permission[]): string {
  return joinPermissions(
    permissions.map(({ method, kind }) => (kind === undefined ? method : `${method}:${kind}`)),
  )
}

/** {@link encodePermissions} for entries that are texts, such as `sign_event:1`. */
export function joinPermissions(entries: readonly string[]): string {
  const unknown = entries.find((entry) => parsePermission(entry) === undefined)
  if (unknown !== undefined)
    throw new UsageError(
      `a permission is a method of NIP-46, or sign_event with a kind: not ${JSON.stringify(unknown)}`,
    )
  const distinct = [...new Set(entries)]
  if (distinct.length > PERMS) throw new UsageError(`ask for at most ${PERMS} permissions`)
  return distinct.join(',')
}

/** Both lists without repeats, the first one first. */
export function mergePermissions(a: readonly Permission[], b: readonly Permission[]): readonly Permission[] {
  const merged = [...a]
  for (const { method, kind } of b) {
    if (merged.some((known) => known.method === method && known.kind === kind)) continue
    merged.push(kind === undefined ? { method } : { method, kind })
  }
  return merged
}

/** `exact`: this very method and kind. `bare`: only by a `sign_event` without a kind. */
export type Coverage = 'exact' | 'bare' | 'none'

/** How a list of grants covers a method, for `sign_event` with its kind. */
export function covers(granted: readonly Permission[], method: string, kind?: number): Coverage {
  let coverage: Coverage = 'none'
  for (const grant of granted) {
    if (grant.method !== method) continue
    if (grant.kind === kind) return 'exact'
    if (grant.kind === undefined) coverage = 'bare'
  }
  return coverage
}

/**
 * Kinds that carry authority: profile (0), follows (3), deletion (5), vanishing (62), relay list (10002), relay login
 * (22242), remote signing (24133), Blossom (24242) and HTTP login (27235). A grant without a kind never covers them.
 */
export const CRITICAL_KINDS: readonly number[] = [0, 3, 5, 62, 10_002, 22_242, 24_133, 24_242, 27_235]

/** Whether it is one of {@link CRITICAL_KINDS}. */
export function isCriticalKind(kind: number): boolean {
  return CRITICAL_KINDS.includes(kind)
}

/**
 * Kinds that no session gets signed with the user's key, whatever was granted: rumors must stay unsigned (14, 15), gift
 * wraps are signed by throwaway keys (1059), zap receipts by the receiver's wallet (9735), and 24133 would speak in the
 * place of a remote signer.
 */
export const NEVER_SIGNED_KINDS: readonly number[] = [14, 15, 1_059, 9_735, 24_133]

/** Why a kind is never signed, as an error text says it after `denied: `; undefined for every other kind. */
export function neverSignedReason(kind: number): string | undefined {
  if (!NEVER_SIGNED_KINDS.includes(kind)) return undefined
  const source = kind === 9_735 ? 'NIP-57' : kind === 24_133 ? 'NIP-46' : 'NIP-59'
  return `kind ${kind} is never signed (${source})`
}
