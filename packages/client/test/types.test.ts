/** That a session fits where other libraries expect a signer: checked by the compiler, and once at run time. */

import { expect, test } from 'vitest'
import type { BunkerSession, NostrEvent } from '../src/index.ts'
import { createWorld } from './world.ts'

/** `window.nostr` as NIP-07 describes it, with `getRelays` as it was probed for until 2025. */
interface WindowNostr {
  getPublicKey(): Promise<string>
  signEvent(event: {
    created_at: number
    kind: number
    tags: string[][]
    content: string
  }): Promise<NostrEvent>
  getRelays?(): Promise<{ [url: string]: { read: boolean; write: boolean } }>
  nip04?: {
    encrypt(pubkey: string, plaintext: string): Promise<string>
    decrypt(pubkey: string, ciphertext: string): Promise<string>
  }
  nip44?: {
    encrypt(pubkey: string, plaintext: string): Promise<string>
    decrypt(pubkey: string, ciphertext: string): Promise<string>
  }
}

/** The shape of `Signer` in nostr-tools 2.25.2 (lib/types/signer.d.ts and core.d.ts), written out: no dependency. */
declare const verifiedSymbol: unique symbol
interface ToolsEvent {
  kind: number
  tags: string[][]
  content: string
  created_at: number
  pubkey: string
  id: string
  sig: string
  [verifiedSymbol]?: boolean
}
interface VerifiedEvent extends ToolsEvent {
  [verifiedSymbol]: true
}
interface ToolsSigner {
  getPublicKey(): Promise<string>
  signEvent(event: Pick<ToolsEvent, 'kind' | 'tags' | 'content' | 'created_at'>): Promise<VerifiedEvent>
}

/** The shape of `ISigner` in applesauce-signers 6.2.2, which nostrify's and snstr's share. */
interface ObjectSigner {
  getPublicKey: () => Promise<string>
  signEvent: (template: {
    kind: number
    tags: string[][]
    content: string
    created_at: number
  }) => Promise<ToolsEvent>
  nip04?: {
    encrypt: (pubkey: string, plaintext: string) => Promise<string>
    decrypt: (pubkey: string, ciphertext: string) => Promise<string>
  }
  nip44?: {
    encrypt: (pubkey: string, plaintext: string) => Promise<string>
    decrypt: (pubkey: string, ciphertext: string) => Promise<string>
  }
}

test('a session is a NIP-07 object, and a signer of other libraries, as it is', async () => {
  const session: BunkerSession = await createWorld().login()
  const windowNostr: WindowNostr = session
  const tools: ToolsSigner = session
  const objectSigner: ObjectSigner = session
  const template = { kind: 1, tags: [], content: 'x', created_at: 1 }
  for (const signer of [windowNostr, tools, objectSigner]) {
    const { getPublicKey, signEvent } = signer
    expect((await signEvent(template)).pubkey).toBe(await getPublicKey())
  }
})

test('an AbortSignal of the host is a signal, and a plain template needs no tags and no time', async () => {
  const session = await createWorld().login()
  const event = await session.signEvent(
    { kind: 1, content: 'x' },
    { signal: AbortSignal.timeout(60_000), timeout: 1_000 },
  )
  event.tags.push(['editable'])
  expect(event.tags).toEqual([['editable']])
})

test('a session cannot be tampered with by code that shares the page', async () => {
  const session = await createWorld().login()
  expect(Object.isFrozen(session) && Object.isFrozen(session.nip44) && Object.isFrozen(session.nip04)).toBe(
    true,
  )
  expect(() => {
    // @ts-expect-error what a session knows is not for writing
    session.userPubkey = 'x'
  }).toThrow(TypeError)
})
