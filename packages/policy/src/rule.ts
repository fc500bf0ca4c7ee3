/**
 * What a policy is made of: rules, their caveats, ceilings. Only types.
 * Never evaluated here; a rule's JSON is read by `parsePolicy`, its text by `parseGrants`.
 */

import type { CategoryName } from './category.ts'

/** What a rule does with a request: do it, have a person decide, or refuse it. */
export type Effect = 'allow' | 'ask' | 'deny'

/** A kind, a range of kinds with both ends, or `@category`. */
export type KindTerm = number | readonly [number, number] | `@${CategoryName}`

/** A pubkey as 64 hex characters, `self`, `follows`, or `list:ID`, a list that the host keeps. */
export type PeerTerm = string

/** At most `count` within any `seconds` seconds. */
export interface Quota {
  readonly count: number
  readonly seconds: number
}

/** `count` in `seconds` in the long run, and `burst` (default: `count`) at once. */
export interface Rate extends Quota {
  readonly burst?: number
}

/** Without `seconds`: for the whole life of the session. */
export interface Amount {
  readonly msat: number
  readonly seconds?: number
}

/** Exactly one of `is`, `has` and `max`. For `allow` every tag of that name must fit; for `ask` and `deny` one is enough. */
export interface TagCaveat {
  readonly name: string
  /** The first value is one of these; for `allow` there must be such a tag. */
  readonly is?: readonly string[]
  /** The first value contains this; for `allow` there must be such a tag. */
  readonly has?: string
  /** At most as many such tags (`allow`), or more than that (`ask`, `deny`). 0 is `notag`. */
  readonly max?: number
}

/** What the content of an event has to be or contain. */
export interface ContentCaveat {
  /** The content is one of these. */
  readonly is?: readonly string[]
  /** The content contains all of these (`allow`), or one of them (`ask`, `deny`). */
  readonly has?: readonly string[]
}

/** What narrows a rule. All of them must hold; none of them ever widens what the rule names. */
export interface Caveats {
  /** Until this time, in Unix seconds. */
  readonly until?: number
  /** For as many seconds after the policy was given to the session. */
  readonly for?: number
  /** Minutes after midnight, from and to (exclusive); over midnight if `from` is later. */
  readonly hours?: readonly [number, number]
  /** 0 is Sunday. */
  readonly days?: readonly number[]
  /** Minutes that `hours` and `days` are ahead of UTC. A fixed offset: no daylight saving. */
  readonly offset?: number
  /** Uses in the whole life of the session. */
  readonly maxUses?: number
  readonly max?: Quota
  /** Uses with each peer. */
  readonly each?: Quota
  readonly rate?: Rate
  /** Different peers. */
  readonly breadth?: Quota
  readonly tags?: readonly TagCaveat[]
  readonly content?: ContentCaveat
  /** Characters of the content, plaintext or ciphertext. */
  readonly length?: number
  /** Web addresses in the content. */
  readonly links?: number
  /** Seconds between `created_at` and now, either way. */
  readonly skew?: number
  /** Relays that a kind 22242 event may log in to (NIP-42): URLs or `list:ID`. */
  readonly relays?: readonly string[]
  /** Addresses that a kind 27235 event may be for (NIP-98): a URL, a URL that ends in `/*`, or `list:ID`. */
  readonly urls?: readonly string[]
  /** HTTP methods (27235) or Blossom verbs (24242), upper case. */
  readonly http?: readonly string[]
  /** Percent of a replaceable list that may get lost against its last state. */
  readonly shrink?: number
  /** Millisatoshis of zap requests (NIP-57). */
  readonly amount?: Amount
  /** Relays that the request may come over: URLs or `list:ID`. */
  readonly via?: readonly string[]
  /** Tell the owner of each use. */
  readonly notify?: true
}

/** One statement about a `category` or a `method`, with what it may name. */
export interface Rule extends Caveats {
  readonly effect: Effect
  readonly method?: string
  readonly category?: CategoryName
  /** With `sign_event`; without it: every kind but those that carry authority. */
  readonly kinds?: readonly KindTerm[]
  /** With encryption and decryption, `dm.read` and `dm.write`; without it: every peer. */
  readonly peers?: readonly PeerTerm[]
}

/** The most that something may be, whatever the rules grant: `ask` or `deny`, without caveats. */
export interface Ceiling {
  readonly effect: 'ask' | 'deny'
  readonly method?: string
  readonly category?: CategoryName
  readonly kinds?: readonly KindTerm[]
  readonly peers?: readonly PeerTerm[]
}

/** See `PRESETS`, and the table in the README. */
export type PresetName = 'paranoid' | 'standard' | 'bot' | 'full'

/** How fast a session may go in all; null for no limit. Left out: as the preset says. */
export interface Rates {
  readonly sign?: Rate | null
  /** Encryption and decryption together. */
  readonly crypt?: Rate | null
}

/** The canonical form: equal policies have equal JSON. Read it with `parsePolicy`. */
export interface Policy {
  readonly v: 1
  readonly name?: string
  /** What holds where no rule says anything. Without one, everything is asked about. */
  readonly preset?: PresetName
  /** Unix seconds after which nothing is allowed. */
  readonly expiresAt?: number
  readonly rules: readonly Rule[]
  readonly ceilings?: readonly Ceiling[]
  readonly rates?: Rates
}
