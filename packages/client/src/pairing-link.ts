/**
 * Pairing by a link that leads to the page: `https://app.example/#bunker=bunker://…`.
 * Never pairs unless the user said yes: whoever can make somebody follow a link could otherwise log them in as somebody else.
 */

import { type BunkerPointer, parseBunkerUri } from '@nip46/core'
import type { BunkerSession } from './bunker-session.ts'
import { Nip46Error } from './error.ts'

/** What to show to the user before anything is connected. The token's secret is not in it. */
export type PairingQuestion = Pick<BunkerPointer, 'remoteSigner' | 'relays'>

/** What is used of a page. */
export interface PairingPage {
  readonly location: { readonly href: string }
  readonly history: {
    readonly state: unknown
    replaceState(state: unknown, unused: string, url: string): void
  }
}

/** Who is asked before a link of the page pairs, and how it connects then. */
export interface PairingOptions {
  /** Ask the user. Only `true` pairs. */
  readonly confirm: (question: PairingQuestion) => boolean | Promise<boolean>
  /** Such as `(uri) => connect(uri, options)`. */
  readonly connect: (bunkerUri: string) => Promise<BunkerSession>
  /** Default: the page. */
  readonly page?: PairingPage
  /** Take `ws://` relays, as the option of that name of `connect` does. Default false. */
  readonly allowInsecureRelays?: boolean
}

const NAMES = ['bunker', 'nostr-login']

/**
 * Pairs with the bunker:// URI in the page's address, if there is one and the user agrees; undefined otherwise. It is looked for in the
 * fragment (`#bunker=…`, `#nostr-login=…`, `#bunker://…`) and in the query (`?bunker=…`), and taken out of the address in any case,
 * since it holds a secret.
 *
 * Rejects with `Nip46Error` `uri/…` if it cannot be used, and as `connect` does.
 *
 * ```ts
 * const session = await pairFromLink({ confirm: askUser, connect: (uri) => connect(uri, options) })
 * ```
 */
export async function pairFromLink(options: PairingOptions): Promise<BunkerSession | undefined> {
  const page = options.page ?? (globalThis as unknown as PairingPage)
  const { uri, rest } = findPairingLink(page.location.href)
  if (uri === undefined) return undefined
  page.history.replaceState(page.history.state, '', rest)
  const pointer = parseBunkerUri(uri, { allowInsecure: options.allowInsecureRelays === true })
  if (!pointer.ok)
    throw new Nip46Error({ code: pointer.error, message: 'the bunker:// URI of this link cannot be used' })
  const { remoteSigner, relays } = pointer.value
  const isAgreed: unknown = await options.confirm({ remoteSigner, relays })
  return isAgreed === true ? options.connect(uri) : undefined
}

/** The first URI, and the address without any. */
function findPairingLink(href: string): { readonly uri?: string; readonly rest: string } {
  const url = new URL(href)
  const fragment = url.hash.slice(1)
  const found: string[] = []
  // Written as it is, it has no end but the fragment's: it holds `&` itself.
  const plain = /^(?:(?:bunker|nostr-login)=)?(bunker:\/\/.*)$/s.exec(fragment)?.[1]
  if (plain !== undefined) {
    url.hash = ''
    found.push(plain)
  } else {
    const [uris, others] = takeUris(fragment)
    if (uris.length > 0) url.hash = others
    found.push(...uris)
  }
  const [uris, others] = takeUris(url.search)
  if (uris.length > 0) url.search = others
  found.push(...uris)
  const [uri] = found
  return uri === undefined ? { rest: href } : { uri, rest: url.href }
}

/** The URIs among these parameters, and what is left of them. */
function takeUris(text: string): readonly [uris: readonly string[], others: string] {
  const isUri = ([name, value]: readonly [string, string]): boolean =>
    NAMES.includes(name) && value.startsWith('bunker://')
  const params = [...new URLSearchParams(text)]
  const uris = NAMES.flatMap((known) =>
    params.flatMap((param) => (param[0] === known && isUri(param) ? param[1] : [])),
  )
  return [uris, new URLSearchParams(params.filter((param) => !isUri(param))).toString()]
}
