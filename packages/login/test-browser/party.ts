/**
 * The other side of a login in a page: real remote signers and pools over the relay beside the tests, and the element as a
 * user meets it.
 * Never reaches anything but that relay.
 */

import { type Approver, type Permission, parseRelayUrl, type RelayUrl, type Transport } from '@nip46/core'
import { generateSecretKey } from '@nip46/crypto'
import { nobleCrypto } from '@nip46/crypto/noble'
import {
  createRemoteSigner,
  dangerouslyAllowAll,
  localUserSigner,
  type RemoteSigner,
} from '@nip46/remote-signer'
import { createRelayPool, type RelayPool } from '@nip46/transport-websocket'
import { inject } from 'vitest'
import type { LoginEventMap, Nip46Login } from '../src/index.ts'
import '../src/define.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    readonly relayUrl: string
  }
}

export const crypto = nobleCrypto()
export const GRANTED: readonly Permission[] = [{ method: 'sign_event', kind: 1 }]
const closers: (() => unknown)[] = []

/** Ends all that a test started, the last first. */
export async function clear(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close()
}

export function relayUrl(): RelayUrl {
  const url = parseRelayUrl(inject('relayUrl'))
  if (!url.ok) throw new Error(`the relay's URL is refused: ${url.error}`)
  return url.value
}

export function pool(): RelayPool {
  const created = createRelayPool()
  closers.push(() => created.close())
  return created
}

export async function startSigner(
  approver: Approver = dangerouslyAllowAll,
  transport: Transport = pool(),
): Promise<{ readonly signer: RemoteSigner; readonly userPubkey: string }> {
  const key = crypto.importKey(
    generateSecretKey((length) => globalThis.crypto.getRandomValues(new Uint8Array(length))),
  )
  const signer = createRemoteSigner({
    crypto,
    transport,
    userSigner: localUserSigner(key, { crypto }),
    approver,
    relays: [relayUrl()],
  })
  closers.push(() => signer.close())
  await signer.start()
  return { signer, userPubkey: key.pubkey }
}

/** Puts the element in the page; by default with the relay, a name and one permission. */
export function place(settings: Partial<Nip46Login> = {}): Nip46Login {
  const element = document.createElement('nip46-login')
  const usual = { relays: [relayUrl()], metadata: { name: 'Test page' }, perms: ['sign_event:1'] }
  Object.assign(element, usual, settings)
  document.body.append(element)
  closers.push(() => element.remove())
  return element
}

/** A part of the component, whether or not it is shown. */
export function part<E extends HTMLElement = HTMLElement>(element: Nip46Login, name: string): E {
  const found = element.shadowRoot?.querySelector<E>(`[part="${name}"]`)
  if (found == null) throw new Error(`the component has no part ${name}`)
  return found
}

export function isShown(element: Nip46Login, name: string): boolean {
  return part(element, name).checkVisibility()
}

/** What the user reads in a part. */
export function textOf(element: Nip46Login, name: string): string {
  return part(element, name).textContent ?? ''
}

export function paste(element: Nip46Login, link: string): void {
  part<HTMLInputElement>(element, 'paste-input').value = link
  part(element, 'connect').click()
}

export function next<K extends keyof LoginEventMap>(element: Nip46Login, type: K): Promise<LoginEventMap[K]> {
  return new Promise((resolve) =>
    element.addEventListener(type, (event) => resolve(event as unknown as LoginEventMap[K]), { once: true }),
  )
}

/** The offer that is shown. */
export async function offered(element: Nip46Login): Promise<string> {
  const link = part<HTMLAnchorElement>(element, 'open')
  while (!link.hasAttribute('href')) await new Promise((resolve) => setTimeout(resolve, 10))
  return link.href
}
