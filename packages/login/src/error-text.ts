/**
 * What an error of the login means for the person in front of it: one sentence that says what to do.
 * Never shows a code, and somebody else's words only cleaned and cut.
 */

import { Nip46Error } from '@nip46/client'
import { cleanText } from '@nip46/core'
import { WORDS_CHARS } from './limits.ts'
import { type ErrorMessages, fill, type Messages } from './messages.ts'

export function describeError(error: unknown, { errors }: Messages, pasted = ''): string {
  if (!(error instanceof Nip46Error)) return fill(errors.other, { words: String(error) })
  const words = cleanText(error.relays?.[0]?.reason ?? error.message, WORDS_CHARS)
  return fill(errors[messageFor(error, pasted)], { words })
}

/** The link is at fault: with the same one it cannot work. */
export function needsOtherLink(error: unknown): boolean {
  return error instanceof Nip46Error && LINK_MESSAGES.includes(messageFor(error, ''))
}

function messageFor({ code, reason }: Nip46Error, pasted: string): keyof ErrorMessages {
  if (code === 'remote/error') return reason === undefined ? 'remote' : (REASONS[reason] ?? 'remote')
  if (code === 'uri/scheme' && /^\W*nostrconnect:/i.test(pasted)) return 'nostrconnect'
  const [known] = Object.entries(CODES).find(([prefix]) => code.startsWith(prefix)) ?? []
  return CODES[known ?? ''] ?? 'other'
}

const LINK_MESSAGES: readonly (keyof ErrorMessages)[] = [
  'empty',
  'scheme',
  'uri',
  'insecure',
  'secret',
  'unpaired',
]

const REASONS: Readonly<Record<string, keyof ErrorMessages>> = {
  rejected: 'rejected',
  'bad-secret': 'secret',
  'session-invalid': 'unpaired',
  'rate-limited': 'busy',
  timeout: 'noAnswer',
}

/** By the beginning of the code; the first that fits decides. */
const CODES: Readonly<Record<string, keyof ErrorMessages>> = {
  'uri/empty': 'empty',
  'uri/scheme': 'scheme',
  'uri/relay-insecure': 'insecure',
  'uri/': 'uri',
  'transport/no-relay': 'noRelay',
  'publish/rejected': 'refused',
  'timeout/not-sent': 'notSent',
  'timeout/no-answer': 'noAnswer',
  'timeout/auth': 'authTimeout',
  'timeout/connect': 'notTaken',
  'connect/secret': 'secret',
  'session/unpaired': 'unpaired',
  'session/identity-changed': 'otherUser',
  'response/': 'unbelievable',
}
