/**
 * Browsers that may decide on requests: invited once, then known by a cookie.
 * Never keeps a code or a cookie: only their hashes, and those in memory.
 */

import { createHash } from 'node:crypto'
import type { Clock, RandomBytes } from '@nip46/core'
import { BROWSER_MS, BROWSERS, FORM_TOKEN_MS, FORM_TOKENS, INVITE_MS, INVITES } from './limits.ts'

export interface Browsers {
  /** A code that signs one browser in, once. */
  invite(): { readonly code: string; readonly expiresAt: number }
  /** The cookie's value; undefined if the code is not good, or no longer. */
  enter(code: string): string | undefined
  /** A name for the browser with this cookie; undefined if it is not signed in. */
  check(cookie: string): string | undefined
  leave(cookie: string): void
  /** Every browser is signed out, and no code is good any more. */
  clear(): void
  /** A token for one form, good once, for this browser and purpose. */
  formToken(browser: string, purpose: string): string
  /** Uses the token up. */
  takeFormToken(token: string, browser: string, purpose: string): boolean
  readonly size: number
}

export function createBrowsers(random: RandomBytes, clock: Clock): Browsers {
  /** Hash of the code, when it ends. */
  const invites = new Map<string, number>()
  /** Hash of the cookie, the one unused longest first. */
  const browsers = new Map<string, { readonly name: string; readonly until: number }>()
  /** Hash of the token. */
  const forms = new Map<string, { readonly about: string; readonly until: number }>()

  const fresh = (): string => Buffer.from(random(32)).toString('base64url')
  const aboutOf = (browser: string, purpose: string): string => `${browser} ${purpose}`

  return {
    invite() {
      const code = fresh()
      const expiresAt = clock.now() + INVITE_MS
      keep(invites, hash(code), expiresAt, INVITES)
      return { code, expiresAt }
    },
    enter(code) {
      const name = hash(code)
      const until = invites.get(name)
      invites.delete(name)
      if (until === undefined || until <= clock.now()) return undefined
      const cookie = fresh()
      keep(
        browsers,
        hash(cookie),
        { name: `browser-${hash(cookie).slice(0, 8)}`, until: clock.now() + BROWSER_MS },
        BROWSERS,
      )
      return cookie
    },
    check(cookie) {
      const name = hash(cookie)
      const browser = browsers.get(name)
      if (browser === undefined) return undefined
      browsers.delete(name)
      if (browser.until <= clock.now()) return undefined
      browsers.set(name, browser)
      return browser.name
    },
    leave: (cookie) => void browsers.delete(hash(cookie)),
    clear() {
      invites.clear()
      browsers.clear()
      forms.clear()
    },
    formToken(browser, purpose) {
      const token = fresh()
      keep(
        forms,
        hash(token),
        { about: aboutOf(browser, purpose), until: clock.now() + FORM_TOKEN_MS },
        FORM_TOKENS,
      )
      return token
    },
    takeFormToken(token, browser, purpose) {
      const name = hash(token)
      const form = forms.get(name)
      if (form === undefined || form.about !== aboutOf(browser, purpose)) return false
      forms.delete(name)
      return form.until > clock.now()
    },
    get size() {
      return browsers.size
    },
  }
}

/** The oldest goes when there is no room. */
function keep<T>(map: Map<string, T>, name: string, value: T, most: number): void {
  const [oldest] = map.keys()
  if (map.size >= most && oldest !== undefined) map.delete(oldest)
  map.set(name, value)
}

/** Looked up by hash: how long that takes says nothing about the text. */
function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
