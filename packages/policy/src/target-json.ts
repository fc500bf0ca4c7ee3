/**
 * What a rule is about, from JSON: a method or a category, kinds, peers.
 * Never widens what was written: a kind that carries authority is in no range.
 */

import { limits as core, isHex64, isMethod, isOperationMethod, parsePubkey } from '@nip46/core'
import { type CategoryName, carriesAuthority, isCategory } from './category.ts'
import { asList, type Fields, sortedSet } from './json-shape.ts'
import { NAME_CHARS, TERMS } from './limits.ts'
import { fail } from './problem.ts'
import type { KindTerm, PeerTerm, Rule } from './rule.ts'

/** What rules and ceilings have in common. */
export const TARGET_FIELDS: readonly string[] = ['effect', 'method', 'category', 'kinds', 'peers']
/** Categories that are about a conversation with somebody. */
export const PEER_CATEGORIES: readonly CategoryName[] = ['dm.read', 'dm.write']

export type Target = Pick<Rule, 'method' | 'category' | 'kinds' | 'peers'>

export function readTarget(fields: Fields, path: string): Target {
  const { method, category, kinds, peers } = fields
  if (category !== undefined) {
    if (method !== undefined || kinds !== undefined)
      fail('policy/category', `${path}.category`, 'a category stands alone: no method and no kinds')
    const name = readCategoryName(category, `${path}.category`)
    if (peers === undefined) return { category: name }
    if (!PEER_CATEGORIES.includes(name))
      fail('policy/peer', `${path}.peers`, 'of the categories only dm.read and dm.write take peers')
    return { category: name, peers: readPeers(peers, `${path}.peers`) }
  }
  if (typeof method !== 'string' || !isMethod(method))
    return fail(
      'policy/method',
      `${path}.method`,
      `${typeof method === 'string' && /^[\w*]{1,40}$/.test(method) ? method : 'this'} is no method of NIP-46, such as sign_event or nip44_decrypt`,
    )
  if (kinds !== undefined && method !== 'sign_event')
    fail('policy/kind', `${path}.kinds`, 'kinds go with sign_event only')
  if (peers !== undefined && (!isOperationMethod(method) || method === 'sign_event'))
    fail('policy/peer', `${path}.peers`, 'peers go with encryption and decryption only')
  return {
    method,
    ...(kinds !== undefined && { kinds: readKinds(kinds, `${path}.kinds`) }),
    ...(peers !== undefined && { peers: readPeers(peers, `${path}.peers`) }),
  }
}

function readKinds(value: unknown, path: string): readonly KindTerm[] {
  const singles = new Set<number>()
  const ranges: [number, number][] = []
  const names = new Set<`@${CategoryName}`>()
  const list = asList(value, path, TERMS)
  if (list.length === 0) fail('policy/kind', path, 'name at least one kind, or leave kinds out')
  list.forEach((term, i) => {
    const at = `${path}[${i}]`
    if (typeof term === 'string' && term.startsWith('@')) {
      names.add(`@${readCategoryName(term.slice(1), at)}`)
    } else if (Array.isArray(term) && term.length === 2) {
      const [first, last] = [readKind(term[0], at), readKind(term[1], at)]
      if (first > last) fail('policy/kind', at, 'a range goes from the lower kind to the higher')
      if (first === last) singles.add(first)
      else ranges.push([first, last])
    } else singles.add(readKind(term, at))
  })
  const merged = mergeRanges(ranges)
  const within = (kind: number): boolean => merged.some(([first, last]) => first <= kind && kind <= last)
  // A range does not cover a kind that carries authority, so naming one beside it says something.
  const kept = [...singles].filter((kind) => carriesAuthority(kind) || !within(kind)).sort((a, b) => a - b)
  return [...kept, ...merged, ...[...names].sort()]
}

function mergeRanges(ranges: readonly [number, number][]): readonly [number, number][] {
  const merged: [number, number][] = []
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const previous = merged.at(-1)
    if (previous !== undefined && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last)
    else merged.push([first, last])
  }
  return merged
}

function readKind(value: unknown, path: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > core.KIND_MAX)
    return fail('policy/kind', path, `a kind is an integer from 0 to ${core.KIND_MAX}`)
  return value
}

function readPeers(value: unknown, path: string): readonly PeerTerm[] {
  const list = asList(value, path, TERMS)
  if (list.length === 0) fail('policy/peer', path, 'name at least one peer, or leave peers out')
  return sortedSet(list.map((term, i) => readPeer(term, `${path}[${i}]`)))
}

function readPeer(value: unknown, path: string): PeerTerm {
  if (value === 'self' || value === 'follows') return value
  if (typeof value === 'string' && value.startsWith('list:')) return readListName(value, path)
  if (typeof value === 'string' && (value.startsWith('npub1') || isHex64(value))) {
    const pubkey = parsePubkey(value)
    if (pubkey.ok) return pubkey.value
  }
  return fail('policy/peer', path, 'a peer is a pubkey, self, follows or list:ID')
}

export function readListName(value: string, path: string): string {
  const id = value.slice(5)
  if (!/^[A-Za-z0-9_.-]+$/.test(id) || id.length > NAME_CHARS)
    fail('policy/peer', path, `the id of a list has 1 to ${NAME_CHARS} letters, digits, dots, _ or -`)
  return value
}

function readCategoryName(value: unknown, path: string): CategoryName {
  if (typeof value === 'string' && isCategory(value)) return value
  return fail('policy/category', path, 'no such category')
}
