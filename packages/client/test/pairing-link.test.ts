/** Pairing by a link: only after a yes, with the secret gone from the address, and never by accident. */

import { encodeBunkerUri } from '@nip46/core'
import { describe, expect, test, vi } from 'vitest'
import type { BunkerSession } from '../src/index.ts'
import { type PairingOptions, type PairingPage, pairFromLink } from '../src/provider.ts'
import { createWorld, newKey, ONE, SECRET } from './world.ts'

const REMOTE = newKey().pubkey
const URI = encodeBunkerUri({ remoteSigner: REMOTE, relays: [ONE], secret: SECRET })
const session = { userPubkey: 'x' } as unknown as BunkerSession

function pageAt(href: string): PairingPage & { readonly shown: () => string; readonly states: unknown[] } {
  let shown = href
  const states: unknown[] = []
  return {
    location: {
      get href() {
        return shown
      },
    },
    history: {
      state: { mine: 1 },
      replaceState(state, _, url) {
        states.push(state)
        shown = url
      },
    },
    shown: () => shown,
    states,
  }
}

const asked = (changes: Partial<PairingOptions> = {}) => ({
  confirm: vi.fn<PairingOptions['confirm']>(() => true),
  connect: vi.fn(async () => session),
  ...changes,
})

describe('a link', () => {
  test.each([
    [`https://app.example/#${URI}`, 'https://app.example/'],
    [`https://app.example/x?y=1#bunker=${URI}`, 'https://app.example/x?y=1'],
    [`https://app.example/#nostr-login=${URI}`, 'https://app.example/'],
    [`https://app.example/#bunker=${encodeURIComponent(URI)}`, 'https://app.example/'],
    [`https://app.example/#a=b&bunker=${encodeURIComponent(URI)}&c=d`, 'https://app.example/#a=b&c=d'],
    [`https://app.example/?bunker=${encodeURIComponent(URI)}&q=1#top`, 'https://app.example/?q=1#top'],
  ])('%s pairs after a yes, and loses its secret first', async (href, rest) => {
    const page = pageAt(href)
    const confirm = vi.fn<PairingOptions['confirm']>((question) => {
      expect(page.shown()).toBe(rest)
      expect(question).toEqual({ remoteSigner: REMOTE, relays: [ONE] })
      return true
    })
    const options = asked({ page, confirm })
    expect(await pairFromLink(options)).toBe(session)
    expect(options.connect).toHaveBeenCalledExactlyOnceWith(URI)
    expect(page.states).toEqual([{ mine: 1 }])
    expect(await pairFromLink(options)).toBe(undefined)
    expect(confirm).toHaveBeenCalledOnce()
  })

  test.each([false, undefined, null, 1, 'yes', {}, Promise.resolve(false)])(
    'does not pair after %j',
    async (answer) => {
      const page = pageAt(`https://app.example/#${URI}`)
      const options = asked({ page, confirm: () => answer as boolean })
      expect(await pairFromLink(options)).toBe(undefined)
      expect(options.connect).not.toHaveBeenCalled()
      expect(page.shown()).toBe('https://app.example/')
    },
  )

  test('whose question fails does not pair', async () => {
    const page = pageAt(`https://app.example/#${URI}`)
    const options = asked({ page, confirm: () => Promise.reject(new RangeError('closed')) })
    await expect(pairFromLink(options)).rejects.toThrow(RangeError)
    expect(options.connect).not.toHaveBeenCalled()
  })

  const one = encodeURIComponent(URI)
  test.each([
    `https://app.example/?bunker=${one}#bunker=${one}`,
    `https://app.example/?nostr-login=${one}#${URI}`,
    `https://app.example/?bunker=${one}&nostr-login=${one}&bunker=x`,
    `https://app.example/#bunker=x&bunker=${one}`,
  ])('leaves none of several in the address: %s', async (href) => {
    const page = pageAt(href)
    const options = asked({ page })
    expect(await pairFromLink(options)).toBe(session)
    expect(options.connect).toHaveBeenCalledExactlyOnceWith(URI)
    expect(page.shown()).not.toContain(SECRET)
    expect(page.shown()).not.toContain('bunker%3A')
  })

  test.each([
    'https://app.example/',
    'https://app.example/#top',
    'https://app.example/?bunker=',
    'https://app.example/?bunker=https://evil.example',
    'https://app.example/#bunker',
    'https://app.example/#other=bunker://x',
    `https://app.example/?other=${encodeURIComponent(URI)}`,
    `https://app.example/${URI}`,
  ])('%s asks nobody and stays', async (href) => {
    const page = pageAt(href)
    const options = asked({ page })
    expect(await pairFromLink(options)).toBe(undefined)
    expect(options.confirm).not.toHaveBeenCalled()
    expect(page.shown()).toBe(href)
  })

  test.each([
    ['bunker://x', 'uri/'],
    [`bunker://${REMOTE}`, 'uri/'],
    [`bunker://${REMOTE}?relay=javascript:alert(1)&secret=${SECRET}`, 'uri/'],
    [`bunker://${REMOTE}?relay=ws://plain.example&secret=${SECRET}`, 'uri/relay-insecure'],
  ])('with %s is refused without a question', async (uri, code) => {
    const page = pageAt(`https://app.example/#${uri}`)
    const options = asked({ page })
    const error: unknown = await pairFromLink(options).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ name: 'Nip46Error', code: expect.stringContaining(code) })
    expect(String(error)).not.toContain(SECRET)
    expect(options.confirm).not.toHaveBeenCalled()
    expect(page.shown()).toBe('https://app.example/')
  })

  test('with a plain relay is asked about where that is allowed', async () => {
    const page = pageAt(`https://app.example/#bunker://${REMOTE}?relay=ws://plain.example`)
    const options = asked({ page, allowInsecureRelays: true })
    expect(await pairFromLink(options)).toBe(session)
  })

  test('leads to a session that works', async () => {
    const world = createWorld()
    const page = pageAt(`https://app.example/#bunker=${world.uri}`)
    const found = await world.settled(pairFromLink(asked({ page, connect: () => world.connect() })))
    expect(await found?.getPublicKey()).toBe(world.signer.user.pubkey)
    found?.close()
  })
})
