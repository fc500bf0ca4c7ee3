/**
 * smoke-session.mjs in a page, with the session kept in IndexedDB, and `<nip46-login>` beside it: the URI comes after the `#`, the
 * outcome goes into the title.
 */

import { indexedDbSessionStore } from '@nip46/client/store-indexeddb'
import '@nip46/login/define'
import { runSession } from './smoke-session.mjs'

const SHOW_MS = 30_000

async function run(bunkerUri) {
  const loadCrypto = async () => (await import('@nip46/crypto/ox')).oxCrypto()
  const line = await runSession(bunkerUri, loadCrypto, indexedDbSessionStore())
  await showLogin(new URL(bunkerUri).searchParams.getAll('relay'))
  return `${line}, kept in IndexedDB, login shown`
}

/** Resolves once it shows an offer, as a QR code and as a link. */
async function showLogin(relays) {
  const login = document.createElement('nip46-login')
  Object.assign(login, { relays, metadata: { name: 'Smoke' }, perms: ['sign_event:1'] })
  document.body.append(login)
  const part = (name) => login.shadowRoot.querySelector(`[part="${name}"]`)
  const late = Date.now() + SHOW_MS
  while (!part('open')?.href.startsWith('nostrconnect://') || part('qr').querySelector('path') === null) {
    if (Date.now() > late) throw new Error(`the login shows no offer: ${login.progress.stage}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  if (!part('qr').checkVisibility() || part('status').textContent === '')
    throw new Error('the login shows no QR code')
}

run(decodeURIComponent(location.hash.slice(1))).then(
  (line) => {
    document.title = line
  },
  (error) => {
    document.title = `failed: ${error}`
  },
)
