/**
 * What holds where no rule says anything, for each category: four levels of trust, as data.
 * Never grants what `guards` refuse, and never more than a ceiling.
 */

import type { CategoryName } from './category.ts'
import type { Caveats, Effect, PresetName, Rate } from './rule.ts'

/** What a preset does with one category. */
export interface PresetEntry {
  readonly effect: Effect
  /** With `allow`: what must hold for it. */
  readonly caveats?: Caveats
  /** With caveats: what happens when one does not hold. A rate that is used up is answered, not asked about. */
  readonly otherwise?: 'ask' | 'deny'
  /** With `ask`: what a plain yes covers from then on. */
  readonly yes?: Consent
}

/** How far and how long a decision reaches. */
export interface Consent {
  readonly scope: 'exact' | 'kind' | 'peer' | 'category'
  /** Seconds; null for as long as the session lives. */
  readonly seconds: number | null
  readonly caveats?: Caveats
}

/** What happens to each category where no rule says anything, and how fast a session may go. */
export interface Preset {
  readonly name: PresetName
  /** In plain words, for people. */
  readonly title: string
  readonly entries: { readonly [name in CategoryName]: PresetEntry }
  readonly sign: Rate
  readonly crypt: Rate
}

const ALLOW: PresetEntry = { effect: 'allow' }
const ASK: PresetEntry = { effect: 'ask' }
const DENY: PresetEntry = { effect: 'deny' }

const SIGN: Rate = { count: 5, seconds: 1, burst: 50 }
/** In a bucket of its own: a backlog of messages must not keep the user from posting. */
const CRYPT: Rate = { count: 50, seconds: 1, burst: 500 }

/** The relays the user has declared, as the host keeps them under `list:relays`. */
const OWN_RELAYS: readonly string[] = ['list:relays']
/** The addresses that belong to the app, as the host keeps them under `list:origins`. */
const OWN_ORIGINS: readonly string[] = ['list:origins']
const DAY = 86_400

/** What each preset says of each category, and how much a session may do in a second. */
export const PRESETS: { readonly [name in PresetName]: Preset } = {
  paranoid: {
    name: 'paranoid',
    title: 'asks about everything',
    sign: SIGN,
    crypt: CRYPT,
    entries: entriesOf(ASK, {}),
  },
  standard: {
    name: 'standard',
    title: 'posts freely, asks before anything that is hard to undo',
    sign: SIGN,
    crypt: CRYPT,
    entries: entriesOf(ASK, {
      social: { effect: 'allow', caveats: { rate: { count: 30, seconds: 60 } } },
      graph: { effect: 'allow', caveats: { shrink: 5 }, otherwise: 'ask' },
      'auth.relay': {
        effect: 'allow',
        caveats: { relays: OWN_RELAYS },
        otherwise: 'ask',
        yes: { scope: 'exact', seconds: 600 },
      },
      'auth.http': { effect: 'ask', yes: { scope: 'exact', seconds: 300 } },
      'auth.blob': { effect: 'allow', caveats: { http: ['GET', 'UPLOAD'] }, otherwise: 'ask' },
      'dm.write': { effect: 'ask', yes: { scope: 'peer', seconds: null } },
      'dm.read': {
        effect: 'ask',
        yes: { scope: 'category', seconds: null, caveats: { max: { count: 200, seconds: DAY } } },
      },
      self: ALLOW,
    }),
  },
  bot: {
    name: 'bot',
    title: 'does what its grants say and nothing else; nobody is asked',
    sign: SIGN,
    crypt: CRYPT,
    entries: entriesOf(DENY, {}),
  },
  full: {
    name: 'full',
    title: 'trusted with nearly everything',
    sign: SIGN,
    crypt: CRYPT,
    entries: entriesOf(ASK, {
      social: ALLOW,
      profile: { effect: 'allow', caveats: { shrink: 25, notify: true }, otherwise: 'ask' },
      graph: { effect: 'allow', caveats: { shrink: 25 }, otherwise: 'ask' },
      'auth.relay': ALLOW,
      'auth.http': { effect: 'allow', caveats: { urls: OWN_ORIGINS }, otherwise: 'ask' },
      'auth.blob': ALLOW,
      'dm.write': ALLOW,
      'dm.read': {
        effect: 'allow',
        caveats: { max: { count: 2_000, seconds: DAY }, notify: true },
        otherwise: 'ask',
      },
      self: ALLOW,
    }),
  },
}

/** One entry for each category: the base, but for those named; `admin` and `keys` are never more than this. */
function entriesOf(
  base: PresetEntry,
  named: { readonly [name in CategoryName]?: PresetEntry },
): { readonly [name in CategoryName]: PresetEntry } {
  return {
    social: base,
    profile: base,
    graph: base,
    destructive: base,
    'auth.relay': base,
    'auth.http': base,
    'auth.blob': base,
    'dm.write': base,
    'dm.read': base,
    self: base,
    money: base,
    unknown: base,
    ...named,
    admin: DENY,
    keys: base.effect === 'deny' ? DENY : ASK,
  }
}
