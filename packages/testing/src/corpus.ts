/**
 * The corpus of inputs, and what a remote signer has to make of those that reach it (areas D to G): the event each row stands
 * for, and whether what was seen of it is what the row says. The same for an engine in this process and a daemon elsewhere.
 * Imposes no test runner, and never finds the corpus by itself.
 */

import { readFileSync } from 'node:fs'
import {
  CARRIER_KIND,
  type Crypto,
  type JsonValue,
  type KeyHandle,
  type Pubkey,
  type RandomBytes,
  type Seconds,
  type SignedEvent,
  seal,
} from '@nip46/core'

/** What `expect` of a row may say of a remote signer. */
export interface RowExpectation {
  /** No reply, this counter up by one, and nothing stored. */
  readonly drop?: string
  /** A response with the request's id and exactly this error. */
  readonly reply_error?: string
  /** Accepted, with these properties. */
  readonly ok?: { readonly [member: string]: unknown }
  /** One of these. */
  readonly any?: readonly string[]
  /** What was before. */
  readonly given?: string
  readonly executed?: number
  readonly republish?: string
  readonly policy_sees?: number
  readonly signs?: number
  /** The request that carries the input, in area E. */
  readonly method?: string
  readonly policy?: string
}

export interface CorpusRow {
  readonly id: string
  /** One letter. */
  readonly area: string
  readonly name: string
  /** The input as text, expanded. */
  readonly text: string
  readonly expect: RowExpectation
}

export interface Corpus {
  /** The rows of these areas, such as `DEFG`. */
  rows(areas: string): readonly CorpusRow[]
  /** Throws if there is none, so that no suite shrinks unseen. */
  row(id: string): CorpusRow
  /** Secret and public key by name, 64 hex characters each. */
  readonly keys: { readonly [name: string]: { readonly sk: string; readonly pk: string } }
}

/** The corpus' virtual now, in seconds. */
export const CORPUS_NOW = 1_767_225_600 as Seconds

/** Rows that a later decision or another row overrules. */
export const OVERRULED_ROWS: { readonly [id: string]: { readonly drop: string; readonly why: string } } = {
  E01: {
    drop: 'payload/nip44',
    why: 'as a carrier it is D30: an empty content is dropped before any payload is read',
  },
}

/** Reads `corpus.jsonl` and `keys.json` of a folder. Throws what reading and parsing throw. */
export function readCorpus(folder: string): Corpus {
  const lines = readFileSync(`${folder}/corpus.jsonl`, 'utf8').split('\n')
  const { keys } = JSON.parse(readFileSync(`${folder}/keys.json`, 'utf8')) as Pick<Corpus, 'keys'>
  const parsed = lines
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Omit<CorpusRow, 'text'> & { readonly input: unknown })
  const made = (row: (typeof parsed)[number]): CorpusRow => {
    const { id, area, name, input, expect } = row
    return { id, area, name, text: expand(input, id), expect }
  }
  return {
    keys,
    rows: (areas) => parsed.filter(({ area }) => areas.includes(area)).map(made),
    row(id) {
      const found = parsed.find((row) => row.id === id)
      if (found === undefined) throw new Error(`the corpus has no row ${id}`)
      return made(found)
    },
  }
}

function expand(input: unknown, id: string): string {
  if (typeof input === 'string') return input
  const object = input as { readonly $repeat?: [string, number]; readonly $concat?: readonly unknown[] }
  if (object.$repeat !== undefined) return object.$repeat[0].repeat(object.$repeat[1])
  if (object.$concat !== undefined) return object.$concat.map((part) => expand(part, id)).join('')
  throw new Error(`row ${id} has an input that cannot be made here: ${JSON.stringify(input).slice(0, 80)}`)
}

export interface RowSender {
  readonly key: KeyHandle
  /** The remote signer. */
  readonly to: Pubkey
  /** Whose the ciphertexts of area E are. */
  readonly third: Pubkey
  /** Able to send the NIP-44 extension, for rows larger than what is sent by default. */
  readonly crypto: Crypto
  readonly random: RandomBytes
}

/** The event of a row, as the JSON text that a relay hands over. */
export function rowEventText({ id, area, text, expect }: CorpusRow, sender: RowSender): string {
  if (area === 'D') return text
  if (area === 'E' && expect.method === undefined) return JSON.stringify(carrier(sender, text))
  const request =
    area === 'E' ? JSON.stringify({ id, method: expect.method, params: [sender.third, text] }) : text
  return JSON.stringify(sealed(sender, request))
}

/** Characters from which on an envelope would not be sealed by default, and is made by hand. */
const LARGE_CHARS = 40_000

function sealed(sender: RowSender, text: string): SignedEvent {
  const { key, to, crypto, random } = sender
  if (text.length < LARGE_CHARS) {
    const made = seal({ text, to, key, scheme: 'nip44', createdAt: CORPUS_NOW }, { crypto, random })
    if (!made.ok) throw new Error(made.error)
    return made.value
  }
  const conversation = key.conversation(to)
  if (!conversation.ok) throw new Error(conversation.error)
  return carrier(sender, conversation.value.nip44Encrypt(text, random(32)))
}

function carrier({ key, to, crypto, random }: RowSender, content: string): SignedEvent {
  const unsigned = {
    kind: CARRIER_KIND,
    pubkey: key.pubkey,
    created_at: CORPUS_NOW,
    tags: [['p', to]],
    content,
  }
  const id = crypto.eventId(unsigned)
  return { ...unsigned, id, sig: key.sign(id, random(32)) }
}

/** What was seen of one row. */
export interface RowSeen {
  readonly answers: readonly { readonly id: string; readonly result: unknown; readonly error?: string }[]
  /** Counters that changed, and by how much. */
  readonly dropped: { readonly [code: string]: number }
  /** The session of the client, as it is afterwards. */
  readonly session?: {
    readonly metadata: JsonValue
    /** In NIP-46's terms. */
    readonly requested: readonly string[]
    /** Whether its rights are still exactly those it was given. */
    readonly keepsGrants: boolean
  }
  /** The kind that the policy and the records were told of. */
  readonly judgedKind?: number
}

/** What is not as the row says, in sentences; empty if all is. */
export function rowProblems(row: CorpusRow, seen: RowSeen, crypto: Crypto): readonly string[] {
  const problems: string[] = []
  const same = (what: string, found: unknown, wanted: unknown): void => {
    if (canonical(found) !== canonical(wanted))
      problems.push(`${what} is ${canonical(found).slice(0, 300)}, not ${canonical(wanted).slice(0, 300)}`)
  }
  const drop = OVERRULED_ROWS[row.id]?.drop ?? row.expect.drop
  if (drop !== undefined) {
    same('what was answered', seen.answers, [])
    same('what was dropped', seen.dropped, { [drop]: 1 })
    return problems
  }
  same('what was dropped', seen.dropped, {})
  same('the number of answers', seen.answers.length, 1)
  const [answer] = seen.answers
  if (answer === undefined) return problems
  if (row.area === 'F' || row.area === 'G') same('the id', answer.id, String(JSON.parse(row.text).id))
  if (row.expect.reply_error !== undefined) {
    same('the result', answer.result, '')
    same('the error', answer.error, row.expect.reply_error)
    return problems
  }
  same('the error', Object.hasOwn(answer, 'error') ? answer.error : 'none', 'none')
  same('the prototype of objects', ({} as { admin?: unknown }).admin, undefined)
  const text = String(answer.result)
  const event = text.startsWith('{"id"') ? (JSON.parse(text) as SignedEvent) : undefined
  if (event !== undefined) {
    same('the id of the event', event.id, crypto.eventId(event))
    same('its signature', crypto.verify(event), true)
  }
  const { session } = seen
  for (const [member, wanted] of Object.entries(row.expect.ok ?? {})) {
    if (member === 'result') same('the result', answer.result, wanted)
    else if (member === 'id' && row.area === 'G') same('the id of the event', event?.id, wanted)
    else if (member === 'id') same('the id', answer.id, wanted)
    else if (member === 'keys') same('the members of the event', Object.keys(event ?? {}), wanted)
    else if (member === 'metadata') same('the metadata', session?.metadata ?? null, wanted)
    else if (member === 'granted_at_most') {
      same('what was asked for', session?.requested, wanted)
      same('whether that changed what is granted', session?.keepsGrants, true)
    } else if (member !== 'polluted')
      problems.push(`the row expects something that is not known here: ${member}`)
  }
  if (row.expect.policy_sees !== undefined) same('the judged kind', seen.judgedKind, row.expect.policy_sees)
  if (row.expect.signs !== undefined) same('the signed kind', event?.kind, row.expect.signs)
  return problems
}

/** How counters changed, without those that did not. */
export function counterChanges(
  before: { readonly [code: string]: number },
  after: { readonly [code: string]: number },
): { readonly [code: string]: number } {
  const changed = Object.entries(after).flatMap(([code, count]) => {
    const more = count - (before[code] ?? 0)
    return more === 0 ? [] : [[code, more] as const]
  })
  return Object.fromEntries(changed)
}

/** JSON with the members of objects in order, so that equal values are equal texts. */
function canonical(value: unknown): string {
  const sorted = (_: string, part: unknown): unknown =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part
  return JSON.stringify(value, sorted) ?? 'undefined'
}
