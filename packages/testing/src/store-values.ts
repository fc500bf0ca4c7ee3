/**
 * What the suites for stores store: made anew for each use, and the same each time.
 * Never holds a secret of anybody.
 */

import { bytesToHex, type Pubkey, parsePubkey, type RelayUrl } from '@nip46/core'
import type {
  AuditRecord,
  Claim,
  Offer,
  OutboxEntry,
  SessionChange,
  SignerSession,
} from '@nip46/core/remote-signer'
import { type SeededRandom, seededRandom } from './seeded-random.ts'

export const NOW = 1_767_225_600_000
export const DONE: { readonly type: 'done' } = { type: 'done' }
const RELAY = 'wss://relay.example/' as RelayUrl
const [signer, otherSigner, alice, bob, user] = pubkeys('people', 5) as [
  Pubkey,
  Pubkey,
  Pubkey,
  Pubkey,
  Pubkey,
]
export const SIGNER: Pubkey = signer
export const OTHER_SIGNER: Pubkey = otherSigner
export const ALICE: Pubkey = alice
export const BOB: Pubkey = bob
export const USER: Pubkey = user

type Ledger = SignerSession['ledger']
type Answer = Ledger['chunks'][number][string]

export function pubkeys(seed: string, count: number): readonly Pubkey[] {
  const random = seededRandom(`store ${seed}`)
  const found: Pubkey[] = []
  while (found.length < count) {
    const pubkey = parsePubkey(bytesToHex(random.bytes(32)))
    if (pubkey.ok) found.push(pubkey.value)
  }
  return found
}

export function claim(name: string, facts: Partial<Claim> = {}): Claim {
  const eventId = bytesToHex(seededRandom(`event ${name}`).bytes(32))
  return { eventId, signerPubkey: SIGNER, clientPubkey: ALICE, requestId: 'r', at: NOW, ...facts }
}

export function answer(id: string, at: number = NOW): OutboxEntry {
  const text = `{"id":"${id}","result":"\u{1f984}"}`
  return { id, signerPubkey: SIGNER, to: ALICE, relays: [RELAY], scheme: 'nip44', text, at }
}

export function offer(): Offer {
  return {
    signerPubkey: SIGNER,
    userPubkey: USER,
    relays: [RELAY],
    granted: [{ method: 'sign_event', kind: 1 }],
    approval: 'secret',
    createdAt: NOW,
    expiresAt: NOW + 900_000,
    usedBy: null,
    revoked: false,
  } as Offer
}

export function session(
  signerPubkey: Pubkey,
  clientPubkey: Pubkey,
  memory: Ledger = { chunks: [], chars: 0 },
): SignerSession {
  return {
    v: 1,
    signerPubkey,
    clientPubkey,
    userPubkey: USER,
    phase: 'open',
    scheme: 'nip44',
    token: 'a'.repeat(64),
    granted: [{ method: 'sign_event', kind: 1 }],
    requested: [{ method: 'nip44_decrypt' }],
    metadata: { name: 'an app', url: 'https://app.example/', image: null },
    relays: [RELAY],
    previousRelays: [],
    previousUntil: null,
    pairedAt: NOW,
    decideBy: null,
    pairingChallengedAt: null,
    expiresAt: null,
    endsAt: null,
    endingId: null,
    announcement: null,
    pending: {},
    held: [],
    ledger: memory,
    expiryAnsweredAt: null,
  } as unknown as SignerSession
}

export function born(signerPubkey: Pubkey, clientPubkey: Pubkey, memory?: Ledger): SessionChange {
  const after = session(signerPubkey, clientPubkey, memory)
  return { signerPubkey, clientPubkey, revision: 0, before: null, after }
}

export function changed(
  signerPubkey: Pubkey,
  clientPubkey: Pubkey,
  revision: number,
  before: SignerSession,
  change: Partial<SignerSession>,
): SessionChange {
  return { signerPubkey, clientPubkey, revision, before, after: { ...before, ...change } }
}

export function gone(
  signerPubkey: Pubkey,
  clientPubkey: Pubkey,
  revision: number,
  before: SignerSession,
): SessionChange {
  return { signerPubkey, clientPubkey, revision, before, after: null }
}

export function withdrawn(at: number): AuditRecord {
  return { type: 'offer-withdrawn', at, signerPubkey: SIGNER, userPubkey: USER, clientPubkey: null }
}

export function performed(at: number, clientPubkey: Pubkey = ALICE): AuditRecord {
  const subject = { method: 'sign_event', kind: 1, eventId: 'ab'.repeat(32) }
  const facts = { at, signerPubkey: SIGNER, userPubkey: USER, clientPubkey }
  return { type: 'performed', ...facts, subject, error: null, delivered: true }
}

// -- ledgers ---------------------------------------------------------------------------------------

const CHUNK = 64

export function entry(at: number, text: string | null = `{"id":"x","result":"${at}"}`): Answer {
  return { digest: 'd'.repeat(64), text, at: NOW + at, relays: [RELAY], resends: 0 }
}

export function ledger(count: number, text?: string): Ledger {
  const chunks: Record<string, Answer>[] = []
  for (let i = 0; i < count; i++) {
    const id = bytesToHex(seededRandom(i).bytes(16))
    const last = chunks.at(-1)
    if (last !== undefined && Object.keys(last).length < CHUNK) last[id] = entry(i, text)
    else chunks.push({ [id]: entry(i, text) })
  }
  return withChars(chunks)
}

/** Names that an object treats in its own way. */
const ODD_IDS = ['__proto__', 'constructor', 'toString', '0', '7', '10', '-1', 'a b', '\u{1f984}', '']

/** What core does to a ledger, and some things it does not: everything that is not touched stays the same object. */
export function grown({ chunks }: Ledger, random: SeededRandom, step: number): Ledger {
  const next = [...chunks]
  const move = random.below(10)
  const at = random.below(Math.max(1, next.length))
  const chunk = next[at]
  if (move === 0 && next.length > 1) next.shift()
  else if (move === 1 && next.length > 4) next.splice(-3, 3, joined(next.slice(-3)))
  else if (move === 2 && chunk !== undefined)
    next[at] = withEntry(chunk, pick(chunk, random), entry(step, null))
  else if (move === 3 && chunk !== undefined && next.length > 1) {
    const { [pick(chunk, random)]: _dropped, ...rest } = chunk
    if (Object.keys(rest).length > 0) next[at] = rest
  } else {
    const odd = ODD_IDS[random.below(ODD_IDS.length)] ?? ''
    const id = random.below(4) === 0 ? odd : bytesToHex(random.bytes(16))
    const holder = next.findIndex((one) => Object.hasOwn(one, id))
    const last = next.at(-1)
    if (holder >= 0) next[holder] = withEntry(next[holder] ?? {}, id, entry(step))
    else if (last !== undefined && Object.keys(last).length < 8)
      next[next.length - 1] = withEntry(last, id, entry(step))
    else next.push(withEntry({}, id, entry(step)))
  }
  return withChars(next)
}

function pick(chunk: Ledger['chunks'][number], random: SeededRandom): string {
  const ids = Object.keys(chunk)
  return ids[random.below(ids.length)] ?? ''
}

function joined(chunks: Ledger['chunks']): Ledger['chunks'][number] {
  let all: Ledger['chunks'][number] = {}
  for (const chunk of chunks) for (const [id, value] of Object.entries(chunk)) all = withEntry(all, id, value)
  return all
}

function withEntry(chunk: Ledger['chunks'][number], id: string, value: Answer): Ledger['chunks'][number] {
  const copy = { ...chunk }
  Object.defineProperty(copy, id, { value, enumerable: true, configurable: true, writable: true })
  return copy
}

function withChars(chunks: Ledger['chunks']): Ledger {
  let chars = 0
  for (const chunk of chunks) for (const { text } of Object.values(chunk)) chars += text?.length ?? 0
  return { chunks, chars }
}
