/**
 * The two state machines of core: one sign_event request through each, without crypto.
 * Never lets a session grow from run to run: each run starts from the same state.
 */

import { clientProfile, type Pubkey, parseRelayUrl, type RelayUrl } from '@nip46/core'
import { fromSession, step as stepClient } from '@nip46/core/client'
import {
  type Arrival,
  addOffer,
  admit,
  EMPTY_ADMISSION,
  type SignerContext,
  type SignerSession,
  step as stepSigner,
} from '@nip46/core/remote-signer'
import type { Case } from '../measure.ts'
import { must } from '../must.ts'
import { check } from './fixture.ts'

const NOW = 1_767_225_600_000
const SECRET = '5f2c9d0a7be1438692ac0e4d6b81f357'
const ID = '0123456789abcdef'.repeat(2)
const CONTEXT: SignerContext = { preferredRelays: [], isClientPubkey: () => false }
const TEMPLATE = JSON.stringify({ kind: 1, content: 'n'.repeat(200), tags: [], created_at: NOW / 1_000 })
const RESULT = 'r'.repeat(550)

export interface Parties {
  readonly client: Pubkey
  readonly signer: Pubkey
  readonly user: Pubkey
}

export function machineCases(parties: Parties): readonly Case[] {
  const relay = must(parseRelayUrl('wss://relay.example'))
  return [signerCase(parties, relay), clientCase(parties, relay)].map((item) => ({
    ...item,
    group: 'machine',
    subject: 'core',
  }))
}

type BareCase = Pick<Case, 'scenario' | 'run'>

/** `message`, `complete`, `published`. */
function signerCase({ client, signer, user }: Parties, relay: RelayUrl): BareCase {
  const arrival = (text: string): Arrival => ({
    from: client,
    to: signer,
    eventId: '0'.repeat(64),
    createdAt: NOW / 1_000,
    scheme: 'nip44',
    relay,
    text,
  })
  const offer = {
    signerPubkey: signer,
    userPubkey: user,
    relays: [relay],
    granted: [{ method: 'sign_event', kind: 1 }],
    approval: 'secret',
    createdAt: NOW,
    expiresAt: NOW + 60_000,
  } as const
  const connect = JSON.stringify({ id: 'connect', method: 'connect', params: [signer, SECRET] })
  const admitted = admit(addOffer(EMPTY_ADMISSION, SECRET, offer), arrival(connect), NOW, CONTEXT)
  const open = admitted.session
  if (open?.phase !== 'open') throw new Error('core does not open the session: not timed')

  const asked = arrival(JSON.stringify({ id: ID, method: 'sign_event', params: [TEMPLATE] }))
  const run = (): SignerSession => {
    const heard = stepSigner(open, { type: 'message', arrival: asked }, NOW, CONTEXT)
    const outcome = { ok: true, value: RESULT } as const
    const signed = stepSigner(heard.session, { type: 'complete', id: ID, outcome }, NOW, CONTEXT)
    const sent = signed.outputs[0]
    if (sent?.type !== 'send') throw new Error('core does not answer')
    return stepSigner(signed.session, { type: 'published', id: ID }, NOW, CONTEXT).session
  }
  check(Object.keys(run().pending).length === 0, 'core', 'settle the request')
  return { scenario: 'remote-signer steps of one request', run }
}

/** `request`, `published`, `message`. */
function clientCase({ client, signer, user }: Parties, relay: RelayUrl): BareCase {
  const session = {
    v: 1,
    clientPubkey: client,
    remoteSigner: signer,
    userPubkey: user,
    relays: [relay],
    originRelays: [relay],
    profile: clientProfile('E'),
    lastSwitchAt: NOW,
  } as const
  const ready = stepClient(fromSession(session, ID, NOW), { type: 'live', relay }, NOW).state
  const text = JSON.stringify({ id: ID, result: RESULT })
  const run = (): boolean => {
    const request = { type: 'request', id: ID, method: 'sign_event', params: [TEMPLATE] } as const
    const asked = stepClient(ready, request, NOW)
    const outcome = { ok: true, value: { relay } } as const
    const published = stepClient(asked.state, { type: 'published', id: ID, outcome }, NOW)
    const answer = { type: 'message', from: signer, scheme: 'nip44', createdAt: NOW / 1_000, text } as const
    return stepClient(published.state, answer, NOW).outputs.some(({ type }) => type === 'settle')
  }
  check(run(), 'core', 'settle the request')
  return { scenario: 'client steps of one request', run }
}
