/**
 * The page: log in, or go on with the last session; write a note, have it signed elsewhere, post it.
 * Never sees the user's key, and sets no markup: what others say becomes text.
 */

import { type AuthUrl, type BunkerSession, Nip46Error, resumeStored, type SessionEvent } from '@nip46/client'
import { discoverSigners } from '@nip46/client/discovery'
import { indexedDbSessionStore } from '@nip46/client/store-indexeddb'
import { encodeNpub } from '@nip46/core'
import { smallCrypto } from '@nip46/crypto/small'
import { defineLogin, type SignerChoice } from '@nip46/login'
import { createRelayPool } from '@nip46/transport-websocket'
import { relaysOf } from './relays.ts'
import { failureOf, NOT_KEPT, progressOf } from './words.ts'

const relays = relaysOf(location.search)
const crypto = smallCrypto()
const transport = createRelayPool()
/** Keeps the session from one visit to the next; it is saved and cleared by the session itself. */
const store = indexedDbSessionStore()
let session: BunkerSession | undefined

const options = { crypto, transport, store, onEvent: follow, onAuthUrl: showPage }

// Before the element wakes up, so that its first offer has it all.
const login = find('login', 'nip46-login')
Object.assign(login, {
  crypto,
  transport,
  relays,
  metadata: { name: 'Post a note', url: location.origin },
  perms: ['sign_event:1'],
  options: { store, onEvent: follow },
  discover,
})
defineLogin()

login.addEventListener('nip46-session', ({ detail }) => begin(detail))
find('logout', 'button').addEventListener('click', () => void logOut())
find('composer', 'form').addEventListener('submit', (event) => {
  event.preventDefault()
  void post()
})
// A phone puts pages to sleep while its user is in the signer: go on at once.
document.addEventListener(
  'visibilitychange',
  () => document.visibilityState === 'visible' && transport.wake(),
)
addEventListener('online', () => transport.wake())

try {
  const resumed = await resumeStored(options)
  if (resumed === undefined) show('logged-out')
  else begin(resumed)
} catch (cause) {
  // What was kept cannot be used any more, or nothing can be kept here.
  if (cause instanceof Nip46Error && cause.code === 'store/unavailable') say('notice', NOT_KEPT)
  else await forget()
  show('logged-out')
}

/** Signers that announce themselves on the page's relays, confirmed by their domains. Their pictures would tell their hosts who visits. */
async function discover(): Promise<readonly SignerChoice[]> {
  const found = await discoverSigners({ crypto, transport, fetch, relays })
  return found.map(({ picture: _, ...signer }) => signer)
}

function begin(started: BunkerSession): void {
  session = started
  const npub = encodeNpub(started.userPubkey)
  find('user', 'strong').textContent = `${npub.slice(0, 12)}…${npub.slice(-6)}`
  show('logged-in')
}

async function logOut(): Promise<void> {
  const ending = session
  session = undefined
  find('posted', 'ol').replaceChildren()
  find('posted-heading', 'h2').hidden = true
  show('logged-out')
  login.start()
  // At once: the signer may take seconds to answer, or be away. The key in memory is wiped either way.
  await forget()
  await ending?.logout()
}

async function forget(): Promise<void> {
  try {
    await store.clear()
  } catch {
    say('notice', NOT_KEPT)
  }
}

async function post(): Promise<void> {
  const note = find('note', 'textarea')
  const button = find('composer', 'form').querySelector('button')
  if (session === undefined || button === null || note.value.trim() === '') return
  button.disabled = true
  try {
    const event = await session.signEvent({ kind: 1, content: note.value })
    say('progress', 'Signed. Posting it…')
    const published = await transport.publish(relays, event)
    if (published.ok) {
      list(event.content, event.id, published.value.relay)
      note.value = ''
      say('progress', 'Posted.')
    } else {
      const [refusal] = published.error
      say('progress', `Signed, but no relay took it (${refusal?.reason ?? 'none is reached'}). Try again.`)
    }
  } catch (cause) {
    say('progress', failureOf(cause))
  } finally {
    button.disabled = false
    find('page', 'p').hidden = true
  }
}

/** What every session of this page tells, from its login on. */
function follow(event: SessionEvent): void {
  const progress = progressOf(event)
  if (progress !== undefined) say('progress', progress)
  if (event.type === 'relay') say('connection', event.live ? 'Connected' : 'Reconnecting…')
  if (event.type === 'alert' && event.code === 'store/failed') say('notice', NOT_KEPT)
  if (event.type === 'ready') say('notice', '')
  if (event.type === 'unpaired') {
    say('notice', 'Your signer no longer knows this page. Log in again.')
    void logOut()
  }
}

/** The signer's page, as a link the user opens. The login shows its own. */
function showPage({ url, origin }: AuthUrl): void {
  if (session === undefined) return
  const link = document.createElement('a')
  Object.assign(link, { href: url, target: '_blank', rel: 'noopener noreferrer' })
  link.textContent = `Continue at ${origin}`
  const page = find('page', 'p')
  page.replaceChildren(link)
  page.hidden = false
}

function list(content: string, id: string, relay: string): void {
  const text = document.createElement('p')
  text.textContent = content
  const where = document.createElement('small')
  where.textContent = `${id.slice(0, 12)}… on ${relay}`
  const item = document.createElement('li')
  item.append(text, where)
  find('posted', 'ol').prepend(item)
  find('posted-heading', 'h2').hidden = false
}

function show(part: 'logged-in' | 'logged-out'): void {
  for (const name of ['logged-in', 'logged-out']) find(name, 'section').hidden = name !== part
  say('progress', '')
}

function say(id: 'notice' | 'progress' | 'connection', text: string): void {
  const line = find(id, 'p')
  line.textContent = text
  if (id === 'notice') line.hidden = text === ''
}

function find<K extends keyof HTMLElementTagNameMap>(id: string, tag: K): HTMLElementTagNameMap[K] {
  const found = document.querySelector<HTMLElementTagNameMap[K]>(`${tag}#${id}`)
  if (found === null) throw new Error(`index.html has no ${tag} #${id}`)
  return found
}
