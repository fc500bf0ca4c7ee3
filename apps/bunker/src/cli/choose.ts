/**
 * The one thing that a word on the command line names. Never chooses where more than one fits.
 */

import type { ApiClient } from '../api/client.ts'
import type { AppView, LinkView, QuestionView, TokenView } from '../api/shapes.ts'
import { EXIT } from './exit-code.ts'
import { CommandProblem } from './problem.ts'
import { clean, quote, short } from './text.ts'

/** Characters of a beginning that are enough to name something. */
const PREFIX_CHARS = 4

export async function chooseApp(api: ApiClient, word: string): Promise<AppView> {
  const { apps } = await api.call('app.list')
  const pubkey = word.startsWith('npub1') ? (await import('@nip46/crypto')).decodeNpub(word) : word
  return chooseOne('app', word, apps, [
    ({ clientPubkey }) => clientPubkey === pubkey,
    ({ label }) => label === word,
    ({ claims }) => claims.name === word,
    ({ clientPubkey }) => isBeginning(clientPubkey, word),
  ])
}

export async function chooseLink(api: ApiClient, word: string): Promise<LinkView> {
  const { links } = await api.call('link.list')
  return chooseOne('link', word, links, [
    ({ id }) => id === word,
    ({ label, state }) => label === word && state === 'open',
    ({ id }) => isBeginning(id, word),
  ])
}

export async function chooseQuestion(api: ApiClient, word: string): Promise<QuestionView> {
  const { requests } = await api.call('request.list')
  return chooseOne('request', word, requests, [({ id }) => id === word, ({ id }) => isBeginning(id, word)])
}

export async function chooseToken(api: ApiClient, word: string): Promise<TokenView> {
  const { tokens } = await api.call('token.list')
  return chooseOne('token', word, tokens, [
    ({ id }) => id === word,
    ({ label }) => label === word,
    ({ id }) => isBeginning(id, word),
  ])
}

/** By the first way that fits anything at all. */
function chooseOne<T>(
  what: string,
  word: string,
  all: readonly T[],
  ways: readonly ((item: T) => boolean)[],
): T {
  for (const fits of ways) {
    const found = all.filter(fits)
    if (found.length > 1)
      throw new CommandProblem(
        `${what}/ambiguous`,
        `"${quote(word, 64)}" fits ${found.length} of them: name one by more of its id, as "${LISTS[what]}" shows it`,
      )
    if (found[0] !== undefined) return found[0]
  }
  throw new CommandProblem(
    `${what}/unknown`,
    `there is no ${what} "${quote(word, 64)}": "${LISTS[what]}" shows those there are`,
    EXIT.absent,
  )
}

const LISTS: Readonly<Record<string, string>> = {
  app: 'app list',
  link: 'link list',
  request: 'req list',
  token: 'token list',
}

function isBeginning(whole: string, word: string): boolean {
  return word.length >= PREFIX_CHARS && whole.startsWith(word)
}

/** How an app is called in text: the owner's name for it, or what it says, marked as such. */
export function nameOfApp({
  label,
  claims,
  clientPubkey,
}: Pick<AppView, 'label' | 'claims' | 'clientPubkey'>): string {
  if (label !== '') return clean(label, 64)
  return claims.name === null
    ? short(clientPubkey)
    : `"${clean(claims.name, 64).replaceAll('"', "'")}" (unverified)`
}
