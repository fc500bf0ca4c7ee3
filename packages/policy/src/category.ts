/**
 * Names for groups of kinds and methods, so that a rule can say `@social`, with the NIP that defines each kind.
 * Data only. A kind may be in two categories: an `allow` then goes by the first of this table, which is the stricter one, and
 * `ask`, `deny` and presets by both.
 */

import type { OperationMethod } from '@nip46/core'

/** As grants write it, behind an `@`. */
export type CategoryName =
  | 'social'
  | 'profile'
  | 'graph'
  | 'destructive'
  | 'auth.relay'
  | 'auth.http'
  | 'auth.blob'
  | 'dm.write'
  | 'dm.read'
  | 'self'
  | 'money'
  | 'admin'
  | 'keys'
  | 'unknown'

/** Kinds and methods that mean much the same for who owns the key. */
export interface Category {
  readonly name: CategoryName
  /** In plain words, for people. */
  readonly title: string
  /** `[kind, NIP]`, or `[first kind, last kind, NIP]`. */
  readonly kinds: readonly (readonly [number, string] | readonly [number, number, string])[]
  readonly methods: readonly OperationMethod[]
  /** Whether the methods count with the user's own key as the peer, or with all others. */
  readonly peers: 'self' | 'others' | 'any'
  /** Its kinds carry authority: `sign_event` without a kind, or with a range, never covers them. */
  readonly authority: boolean
}

const ENCRYPT: readonly OperationMethod[] = ['nip04_encrypt', 'nip44_encrypt']
const DECRYPT: readonly OperationMethod[] = ['nip04_decrypt', 'nip44_decrypt']

/** Every category with its kinds and methods. A kind that is in none is `unknown`. */
export const CATEGORIES: readonly Category[] = [
  {
    name: 'social',
    title: 'notes, reactions, reposts, articles, media',
    kinds: [
      [1, '10'],
      [6, '18'],
      [7, '25'],
      [16, '18'],
      [20, '68'],
      [21, 22, '71'],
      [1_018, '88'],
      [1_063, '94'],
      [1_068, '88'],
      [1_111, '22'],
      [1_311, '53'],
      [9_802, '84'],
      [30_023, 30_024, '23'],
      [30_311, '53'],
      [30_315, '38'],
    ],
    methods: [],
    peers: 'any',
    authority: false,
  },
  {
    name: 'profile',
    title: 'the profile, and where the user is found',
    kinds: [
      [0, '01'],
      [10_002, '65'],
      [10_050, '17'],
      [10_063, 'B7'],
      [31_990, '89'],
    ],
    methods: [],
    peers: 'any',
    authority: true,
  },
  {
    name: 'graph',
    title: 'follows, mutes, bookmarks and other lists',
    kinds: [
      [3, '02'],
      [10_000, 10_009, '51'],
      [10_015, '51'],
      [10_030, '51'],
      [30_000, 30_007, '51'],
    ],
    methods: [],
    peers: 'any',
    authority: false,
  },
  {
    name: 'destructive',
    title: 'deletions, vanishing, reports, moderation',
    kinds: [
      [5, '09'],
      [62, '62'],
      [1_984, '56'],
      [9_000, 9_030, '29'],
    ],
    methods: [],
    peers: 'any',
    authority: true,
  },
  {
    name: 'auth.relay',
    title: 'logging in to relays',
    kinds: [[22_242, '42']],
    methods: [],
    peers: 'any',
    authority: true,
  },
  {
    name: 'auth.http',
    title: 'logging in to web services',
    kinds: [[27_235, '98']],
    methods: [],
    peers: 'any',
    authority: true,
  },
  {
    name: 'auth.blob',
    title: 'uploading and deleting files',
    kinds: [[24_242, 'B7']],
    methods: [],
    peers: 'any',
    authority: true,
  },
  {
    name: 'dm.write',
    title: 'encrypting and sending private messages',
    kinds: [
      [4, '04'],
      [13, '59'],
    ],
    methods: ENCRYPT,
    peers: 'others',
    authority: false,
  },
  {
    name: 'dm.read',
    title: 'reading private messages',
    kinds: [],
    methods: DECRYPT,
    peers: 'others',
    authority: false,
  },
  {
    name: 'self',
    title: 'notes, drafts and settings of the user for themselves',
    kinds: [
      [10_003, '51'],
      [10_013, '37'],
      [30_078, '78'],
      [31_234, '37'],
    ],
    methods: [...ENCRYPT, ...DECRYPT],
    peers: 'self',
    authority: false,
  },
  {
    name: 'money',
    title: 'zaps, wallets, offers to pay',
    kinds: [
      [7_374, 7_376, '60'],
      [9_041, '75'],
      [9_321, '61'],
      [9_734, '57'],
      [10_019, '61'],
      [13_194, '47'],
      [17_375, '60'],
      [23_194, 23_195, '47'],
      [38_383, '69'],
    ],
    methods: [],
    peers: 'any',
    authority: true,
  },
  {
    name: 'admin',
    title: 'what the user’s key never signs',
    kinds: [
      [14, 15, '17'],
      [1_059, '59'],
      [9_735, '57'],
      [24_133, '46'],
    ],
    methods: [],
    peers: 'any',
    authority: true,
  },
  {
    name: 'keys',
    title: 'handing out the key of a conversation',
    kinds: [],
    methods: ['nip44_get_key'],
    peers: 'any',
    authority: true,
  },
  { name: 'unknown', title: 'every other kind', kinds: [], methods: [], peers: 'any', authority: false },
]

const UNKNOWN: readonly CategoryName[] = ['unknown']
const BY_NAME: ReadonlyMap<string, Category> = new Map(CATEGORIES.map((entry) => [entry.name, entry]))
const BY_KIND: ReadonlyMap<number, readonly CategoryName[]> = indexKinds()
const AUTHORITY: ReadonlySet<number> = new Set(
  CATEGORIES.filter((entry) => entry.authority).flatMap((entry) => entry.kinds.flatMap(expandKinds)),
)

export function isCategory(name: string): name is CategoryName {
  return BY_NAME.has(name)
}

export function readCategory(name: CategoryName): Category {
  const found = BY_NAME.get(name)
  if (found === undefined) throw new TypeError(`no category is called ${name}`)
  return found
}

/** The categories of a kind, the strictest first; `['unknown']` if no other has it. */
export function categoriesOfKind(kind: number): readonly CategoryName[] {
  return BY_KIND.get(kind) ?? UNKNOWN
}

/** The categories of encrypting or decrypting with a peer. */
export function categoriesOfMethod(
  method: Exclude<OperationMethod, 'sign_event'>,
  self: boolean,
): readonly CategoryName[] {
  if (method === 'nip44_get_key') return KEYS
  if (self) return SELF
  return DECRYPT.includes(method) ? READ : WRITE
}

const KEYS: readonly CategoryName[] = ['keys']
const SELF: readonly CategoryName[] = ['self']
const READ: readonly CategoryName[] = ['dm.read']
const WRITE: readonly CategoryName[] = ['dm.write']

/**
 * Kinds that carry authority: the critical kinds of NIP-46's core (3 and 5 among them) and everything about the profile, deletion, logins
 * and money. Only a rule that names such a kind, or its category, covers it.
 */
export function carriesAuthority(kind: number): boolean {
  return kind === 3 || AUTHORITY.has(kind)
}

function indexKinds(): ReadonlyMap<number, readonly CategoryName[]> {
  const index = new Map<number, CategoryName[]>()
  for (const { name, kinds } of CATEGORIES) {
    for (const kind of kinds.flatMap(expandKinds)) index.set(kind, [...(index.get(kind) ?? []), name])
  }
  return index
}

function expandKinds(
  entry: readonly [number, string] | readonly [number, number, string],
): readonly number[] {
  const [first, last] = entry
  if (typeof last === 'string') return [first]
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}
