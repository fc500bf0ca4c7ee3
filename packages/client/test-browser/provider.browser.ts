/** window.nostr of ours in a real page, with what extensions do: scripts in the page's world, early, late, and in other ways. */

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { connect } from '../src/index.ts'
import { type Nip07Provider, type Provision, pairFromLink, provideNostr } from '../src/provider.ts'
import { type Party, startParty } from './party.ts'

/** Libraries declare `window.nostr`, each in its own way. */
const page: { nostr?: unknown } = window

// Machines that run checks are shared and slow at times: a time-out here means a hang.

let party: Party
let given: Provision | undefined

beforeAll(async () => {
  party = await startParty()
})
afterAll(() => party.close())
afterEach(() => {
  given?.dispose()
  given = undefined
  Reflect.deleteProperty(window, 'nostr')
})

/** Runs at once in the page, as the script that an extension puts there. */
function inject(code: string): void {
  const script = document.createElement('script')
  script.textContent = code
  document.head.append(script)
  script.remove()
}

const EXTENSION = `{ getPublicKey: async () => 'extension', signEvent: async () => 'extension' }`
const nostr = (): Nip07Provider => page.nostr as Nip07Provider
const never = () => Promise.reject(new Error('nobody should log in'))

test('a page without an extension logs in when it asks, and signs', async () => {
  let logins = 0
  given = provideNostr({
    async login() {
      logins += 1
      return party.login()
    },
  })
  // Read in the page's own way, and by the name alone.
  inject(`window.asked = nostr.getPublicKey()`)
  expect(await (window as unknown as { asked: Promise<string> }).asked).toBe(party.userPubkey)
  const template = { kind: 1, content: 'from a page', tags: [], created_at: 1_700_000_000 }
  expect(await nostr().signEvent(template)).toMatchObject({ ...template, pubkey: party.userPubkey })
  expect(logins).toBe(1)
  given.dispose()
  expect('nostr' in window).toBe(false)
})

test('an extension that came first is left alone', async () => {
  inject(`window.nostr = ${EXTENSION}`)
  const theirs = page.nostr
  given = provideNostr({ login: never })
  expect(given.state).toBe('yielded')
  expect(page.nostr).toBe(theirs)
  expect(await given.provider.getPublicKey()).toBe('extension')
  given.dispose()
  expect(page.nostr).toBe(theirs)
})

test.each([
  ['assigns', `window.nostr = ${EXTENSION}`],
  ['assigns to the bare name', `nostr = ${EXTENSION}`],
  ['assigns in strict mode', `'use strict'; window.nostr = ${EXTENSION}`],
  [
    'defines',
    `Object.defineProperty(window, 'nostr', { value: ${EXTENSION}, writable: false, configurable: true })`,
  ],
  [
    'defines a getter',
    `const e = ${EXTENSION}; Object.defineProperty(window, 'nostr', { get: () => e, configurable: true })`,
  ],
])('an extension that comes later and %s takes over, even from a login that is open', async (_, code) => {
  let yielded = 0
  const open = (signal: AbortSignal): Promise<undefined> =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined)))
  given = provideNostr({
    login: open,
    onYield: () => {
      yielded += 1
    },
  })
  const kept = nostr()
  const asking = kept.getPublicKey()
  inject(`{ ${code} }`)
  expect(page.nostr).not.toBe(kept)
  expect(given.state).toBe('yielded')
  expect(await asking).toBe('extension')
  expect(await nostr().getPublicKey()).toBe('extension')
  expect(yielded).toBe(1)
  const theirs = page.nostr
  given.dispose()
  expect(page.nostr).toBe(theirs)
})

test('a link pairs after a yes, and its secret leaves the address bar before the question', async () => {
  const before = location.href
  const uri = await party.offer()
  history.replaceState(history.state, '', `#bunker=${encodeURIComponent(uri)}`)
  const secret = new URL(uri).searchParams.get('secret') ?? 'no secret'
  expect(location.href).toContain(secret)
  const answers = [false, true]
  const options = {
    confirm: () => {
      expect(location.href).not.toContain(secret)
      return answers.shift() === true
    },
    connect: (link: string) => connect(link, party.options),
  }
  expect(await pairFromLink(options)).toBeUndefined()
  history.replaceState(history.state, '', `#bunker=${encodeURIComponent(uri)}`)
  const session = await pairFromLink(options)
  expect(session?.userPubkey).toBe(party.userPubkey)
  given = provideNostr({ login: never, ...(session !== undefined && { session }) })
  expect(await nostr().getPublicKey()).toBe(party.userPubkey)
  session?.close()
  history.replaceState(history.state, '', before)
})
