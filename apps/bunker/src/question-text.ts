/**
 * Questions as text for a person: what exactly would be signed, shown or allowed.
 * Never prints control characters or marks of writing direction that came from a stranger.
 */

import { cleanText, encodeNpub, encodePermissions, type Operation, type Question } from '@nip46/core'

/** Characters of a content that are shown. */
const SHOWN_CHARS = 400
/** Characters of it on one line, so that a usual terminal does not break it anywhere else. */
const LINE_CHARS = 60

/** The kinds that apps ask for most and those that carry authority, in words. */
const KIND_WORDS: Readonly<Record<number, string>> = {
  0: 'your profile, as a whole',
  1: 'a note',
  3: 'the list of those you follow, as a whole',
  4: 'a direct message of the old form',
  5: 'a deletion of events of yours',
  6: 'a repost',
  7: 'a reaction',
  62: 'a request to erase all you published',
  10002: 'the list of your relays, as a whole',
  22242: 'a login to a relay',
  24242: 'a login to a media server',
  27235: 'a login to a web server',
  30023: 'an article',
}

/** Several lines, without a final newline. */
export function describeQuestion(question: Question): string {
  // In hex, as `app list --json` and the log have it.
  const key = `  app key: ${question.clientPubkey}`
  if (question.type === 'operation') return `${describeOperation(question.operation)}\n${key}`
  const { metadata, requested, relays, legacyEncryption } = question
  const name =
    metadata?.name === undefined
      ? 'A client without a name'
      : `"${metadata.name.replaceAll('"', "'")}" (unverified name)`
  const lines = [`${name} wants to connect.`, key]
  if (metadata?.url !== undefined) lines.push(`  says it is from: ${metadata.url} (unverified)`)
  lines.push(
    `  asks for:        ${requested.length === 0 ? 'nothing in particular' : encodePermissions(requested)}`,
  )
  lines.push(`  relays:          ${relays.join(' ')}`)
  if (legacyEncryption) lines.push('  legacy encryption (NIP-04): anybody can alter its messages unnoticed')
  return lines.join('\n')
}

function describeOperation(operation: Operation): string {
  switch (operation.method) {
    case 'sign_event': {
      const { kind, content, tags, created_at } = operation.template
      const time = new Date(created_at * 1_000).toISOString()
      const words = KIND_WORDS[kind]
      return [
        `Sign an event of kind ${kind}${words === undefined ? '' : ` (${words})`}, dated ${time}`,
        `  content: ${shown(content)}`,
        `  tags:    ${tags.length === 0 ? 'none' : shown(JSON.stringify(tags))}`,
      ].join('\n')
    }
    case 'nip44_get_key':
      return [
        `Hand out the key of your conversation with ${encodeNpub(operation.peer)}`,
        '  This gives the app permanent power to read and forge messages between you two.',
      ].join('\n')
    case 'nip44_encrypt':
    case 'nip04_encrypt':
      return [
        `Encrypt a text of ${operation.plaintext.length} characters for ${encodeNpub(operation.peer)}`,
        `  text:    ${shown(operation.plaintext)}`,
      ].join('\n')
    case 'nip44_decrypt':
    case 'nip04_decrypt':
      return `Decrypt a message of ${encodeNpub(operation.peer)} and show it to the app`
  }
}

/**
 * A stranger's text, cut and cleaned: on a line of its own it stands behind a bar, and it draws no bars or boxes itself, so that
 * it cannot pass for a question of ours.
 */
function shown(text: string): string {
  const cleaned = cleanText(text, SHOWN_CHARS).replace(/[\u2500-\u25ff]/g, '·')
  const whole = text.length > SHOWN_CHARS ? `${cleaned}… (${text.length} characters)` : cleaned
  const points = [...whole]
  if (points.length <= LINE_CHARS) return whole
  const lines: string[] = []
  for (let at = 0; at < points.length; at += LINE_CHARS)
    lines.push(points.slice(at, at + LINE_CHARS).join(''))
  return lines.map((line) => `\n    > ${line}`).join('')
}
