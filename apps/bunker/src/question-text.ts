/**
 * Questions as text for a person: what exactly would be signed, shown or allowed.
 * Never prints control characters or marks of writing direction that came from a stranger.
 */

import { cleanText, encodeNpub, encodePermissions, type Operation, type Question } from '@nip46/core'

/** Characters of a content that are shown. */
const SHOWN_CHARS = 400

/** Several lines, without a final newline. */
export function describeQuestion(question: Question): string {
  const key = `  app key: ${encodeNpub(question.clientPubkey)}`
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

export function describeOperation(operation: Operation): string {
  switch (operation.method) {
    case 'sign_event': {
      const { kind, content, tags, created_at } = operation.template
      const time = new Date(created_at * 1_000).toISOString()
      return [
        `Sign an event of kind ${kind}, dated ${time}`,
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
      return `Encrypt a text of ${operation.plaintext.length} characters for ${encodeNpub(operation.peer)}`
    case 'nip44_decrypt':
    case 'nip04_decrypt':
      return `Decrypt a message of ${encodeNpub(operation.peer)} and show it to the app`
  }
}

function shown(text: string): string {
  const cleaned = cleanText(text, SHOWN_CHARS)
  return text.length > SHOWN_CHARS ? `${cleaned}… (${text.length} characters)` : cleaned
}
