/**
 * The operations on apps: those that are connected, by their client pubkey.
 * Never changes a policy but through the engine, so that nothing is judged by the old one afterwards.
 */

import type { JsonValue, Pubkey } from '@nip46/core'
import { Fault } from '../../api/fault.ts'
import type { Handlers } from '../../api/operations.ts'
import type { PolicyView } from '../../api/shapes.ts'
import type { Host } from '../host.ts'
import {
  readSessionPolicy,
  type SessionPolicy,
  suspend,
  unsuspend,
  writeSessionPolicy,
} from '../session-policy.ts'
import { withLabel, withOrigins } from '../settings.ts'
import { entriesOf, policyOf, sessionsOf, showApp, viewApp } from './app-view.ts'
import { asFault, expectNoPanic } from './faults.ts'

type Names =
  | 'app.list'
  | 'app.show'
  | 'app.rename'
  | 'app.origins'
  | 'app.policy.get'
  | 'app.policy.set'
  | 'app.suspend'
  | 'app.resume'
  | 'app.revoke'
  | 'app.trim'

export function appHandlers(host: Host): Pick<Handlers, Names> {
  const { signer, settings, book, clock } = host
  return {
    'app.list': () => {
      const clients = new Set(signer.sessions().map(({ clientPubkey }) => clientPubkey))
      return { apps: [...clients].map((client) => viewApp(host, client)) }
    },
    'app.show': async ({ clientPubkey: client }) => {
      await expectApp(host, client)
      return showApp(host, client as Pubkey)
    },
    'app.rename': async ({ clientPubkey: client, label }) => {
      await expectApp(host, client)
      await settings.change((state) => ({ ...state, apps: withLabel(state.apps, client, label) }))
      return viewApp(host, client as Pubkey)
    },
    'app.origins': async ({ clientPubkey: client, origins }) => {
      await expectApp(host, client)
      const own = [...new Set(origins.map(readOrigin))]
      await settings.change((state) => ({ ...state, origins: withOrigins(state.origins, client, own) }))
      return { origins: own }
    },
    'app.policy.get': async ({ clientPubkey: client }) => {
      await expectApp(host, client)
      return policyOf(host, client as Pubkey)
    },
    'app.policy.set': async ({ clientPubkey: client, policy }) => {
      await expectApp(host, client)
      // What is wrong with it is told before anything changes.
      book.begin(policy)
      return changePolicy(host, client as Pubkey, (session) => ({
        ...session,
        own: book.change(session.own, policy),
      }))
    },
    'app.suspend': async ({ clientPubkey: client, forMs }) => {
      const until = forMs === undefined ? null : clock.now() + forMs
      return changePolicy(host, client as Pubkey, (policy) => suspend(policy, { until, by: 'owner' }))
    },
    'app.resume': async ({ clientPubkey: client }) => {
      await expectNoPanic(host)
      return changePolicy(host, client as Pubkey, (policy) => unsuspend(unsuspend(policy, 'owner'), 'panic'))
    },
    'app.revoke': async ({ clientPubkey: client }) => {
      await expectApp(host, client)
      return { ended: await asFault(signer.revoke(client as Pubkey)) }
    },
    'app.trim': async ({ clientPubkey: client, apply = false }) => {
      await expectApp(host, client)
      const [session] = sessionsOf(host, client)
      const policy = readSessionPolicy(session.policy)
      if (policy === null) return { proposals: [], applied: false, policy: policyOf(host, client as Pubkey) }
      const proposals = book.trim(await entriesOf(host, client as Pubkey), policy.own)
      const isApplied = apply && proposals.length > 0
      const after = isApplied
        ? await changePolicy(host, client as Pubkey, (current) => ({
            ...current,
            own: book.without(current.own, proposals),
          }))
        : policyOf(host, client as Pubkey)
      const told = proposals.map(({ grant, instead, why }) => ({
        grant,
        why: instead === null ? why : `${why}: hold ${instead} instead`,
      }))
      return { proposals: told, applied: isApplied, policy: after }
    },
  }
}

function readOrigin(text: string): string {
  const url = URL.parse(text)
  const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:'
  if (url !== null && isWeb && `${url.origin}/` === url.href && url.username === '') return url.origin
  throw new Fault(400, 'app/origin', 'an origin is a scheme and a host, without a path: https://app.example')
}

/** Rejects with 404 if there is none, also not on another daemon since a moment ago. */
async function expectApp(host: Host, client: string): Promise<void> {
  const isKnown = host.signer.sessions().some(({ clientPubkey }) => clientPubkey === client)
  if (!isKnown) await asFault(host.signer.refresh())
  sessionsOf(host, client)
}

/** For all sessions of a client. Once it resolved nothing is judged by the old policy. */
async function changePolicy(
  host: Host,
  client: Pubkey,
  change: (policy: SessionPolicy) => SessionPolicy,
): Promise<PolicyView> {
  await expectApp(host, client)
  const make = (json: JsonValue | null): JsonValue | null =>
    writeSessionPolicy(change(readSessionPolicy(json) ?? { suspensions: [], own: host.book.begin({}) }))
  await asFault(host.signer.setPolicy(client, make))
  return policyOf(host, client)
}
