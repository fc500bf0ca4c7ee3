/**
 * The template of a sign_event param: what may be asked to be signed.
 * Never signs, and never decides whether it should be.
 */

import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { type EventTemplate, isCount, isHex64, isWellFormed, serializeEvent } from './event.ts'
import { bytesToHex } from './hex.ts'
import { isObject, isTextList, parseJson } from './json.ts'
import { KIND_MAX, TEMPLATE_TAGS } from './limits.ts'
import { err, ok, type Pubkey, type Result } from './value.ts'

/** The first member that no event can have so; undefined if all can be signed. */
export function wrongMember({
  kind,
  created_at,
  content,
  tags,
}: { readonly [Member in keyof EventTemplate]?: unknown }): keyof EventTemplate | undefined {
  if (!isCount(kind) || kind > KIND_MAX) return 'kind'
  if (!isCount(created_at)) return 'created_at'
  if (typeof content !== 'string' || !isWellFormed(content)) return 'content'
  if (!Array.isArray(tags) || tags.length > TEMPLATE_TAGS) return 'tags'
  return tags.every((tag) => isNamed(tag) && tag.every(isWellFormed)) ? undefined : 'tags'
}

function isNamed(tag: unknown): tag is readonly string[] {
  return isTextList(tag) && tag.length > 0 && tag[0] !== ''
}

/**
 * The one canonical template of a sign_event param: what policy sees is what is shown, hashed and signed.
 * `id`, `sig` and unknown members do not travel on; a given `pubkey` must be the user's and a given `id` must fit.
 */
export function parseTemplate(text: string, userPubkey: Pubkey): Result<EventTemplate, string> {
  const read = readTemplate(text, userPubkey)
  if (!read.ok) return read
  const { template, id } = read.value
  if (id !== undefined && id !== '' && id !== null && id !== templateId(template, userPubkey)) {
    return err('invalid: id does not match the event')
  }
  return ok(template)
}

/** The same for who gives no `id`: hashes nothing, and leaves one that is there unread. */
export function readTemplate(
  text: string,
  userPubkey: Pubkey,
): Result<{ readonly template: EventTemplate; readonly id: unknown }, string> {
  const value = parseJson(text)
  if (value === undefined) return err('invalid: event is not JSON')
  if (!isObject(value)) return err('invalid: event must be an object')
  for (const member of ['kind', 'content', 'tags', 'created_at'] as const) {
    if (value[member] === undefined) return err(`invalid: ${member} is missing`)
  }
  const wrong = wrongMember(value)
  if (wrong !== undefined) return err(problemOf(wrong, value[wrong]))
  const { kind, content, tags, created_at } = value as unknown as EventTemplate
  const { pubkey, id } = value
  if (pubkey !== undefined && pubkey !== '' && pubkey !== null) {
    if (!isHex64(pubkey)) return err('invalid: pubkey must be 64 lower-case hex digits')
    if (pubkey !== userPubkey) return err('invalid: pubkey is not the user of this session')
  }
  return ok({ template: { kind, content, tags, created_at }, id })
}

/** The error text about a member that {@link wrongMember} named. */
function problemOf(member: keyof EventTemplate, value: unknown): string {
  if (member === 'kind') return `invalid: kind must be an integer from 0 to ${KIND_MAX}`
  if (member === 'created_at') return 'invalid: created_at must be an integer number of seconds'
  if (member === 'content') {
    return typeof value === 'string'
      ? 'invalid: content is not valid Unicode'
      : 'invalid: content must be a string'
  }
  if (!Array.isArray(value) || (value.length <= TEMPLATE_TAGS && !value.every(isNamed)))
    return 'invalid: tags must be arrays of strings, each with a name'
  if (value.length > TEMPLATE_TAGS) return `too-large: more than ${TEMPLATE_TAGS} tags`
  return 'invalid: tags are not valid Unicode'
}

/** The event id a template will have under a user's key, as 64 hex characters. */
export function templateId(template: EventTemplate, userPubkey: Pubkey): string {
  return bytesToHex(sha256(utf8ToBytes(serializeEvent({ ...template, pubkey: userPubkey }))))
}
