/**
 * The operations that let apps in: links that are handed out, nostrconnect:// URIs that are answered.
 * Never shows the secret of a link but in the answer that made it.
 */

import { createHash } from 'node:crypto'
import {
  encodePermissions,
  limits,
  type NostrConnectOffer,
  type Pubkey,
  parseNostrConnectUri,
  type UriProblem,
} from '@nip46/core'
import { Fault } from '../../api/fault.ts'
import type { Handlers } from '../../api/operations.ts'
import type { LinkView, MadeLink, PolicyChoice } from '../../api/shapes.ts'
import type { Host } from '../host.ts'
import { LINK_LISTED } from '../limits.ts'
import { beginPolicy, viewPolicy } from '../session-policy.ts'
import { withLabel } from '../settings.ts'
import { viewApp } from './app-view.ts'
import { asFault, expectNoPanic } from './faults.ts'
import { chooseKey } from './keys.ts'

type Names = 'link.create' | 'link.list' | 'link.revoke' | 'connect.preview' | 'connect.accept'

export function linkHandlers(host: Host): Pick<Handlers, Names> {
  const { signer, settings, book, loaded } = host

  const preview = (uri: string, policy: PolicyChoice | undefined, user: Pubkey | null) => {
    const offer = readUri(host, uri)
    const own = book.begin(policy ?? {})
    const whose = { client: offer.clientPubkey, user: user ?? offer.clientPubkey, now: host.clock.now() }
    const requested = offer.permissions.map((permission) => ({
      permission: encodePermissions([permission]),
      ...book.preview(own, permission, whose),
    }))
    // When it begins is not chosen: whoever takes a while to say yes still says it to the same thing.
    const shown = JSON.stringify([offer, book.begin(policy ?? {}, 0)])
    return { offer, own, requested, hash: createHash('sha256').update(shown).digest('hex') }
  }

  const unlessStopped = async (undo: () => Promise<unknown>): Promise<void> => {
    try {
      await expectNoPanic(host)
    } catch (cause) {
      await asFault(undo())
      throw cause
    }
  }

  return {
    'link.create': async ({ key, policy = {}, forMs, count = 1, label = '', approval = 'secret' }) => {
      await expectNoPanic(host)
      const { pubkey } = chooseKey(host, key)
      const own = book.begin(policy)
      const links: MadeLink[] = []
      for (let made = 0; made < count; made++) {
        const expiresInMs = forMs ?? loaded.config.linkMinutes * 60_000
        const { uri, token, remoteSigner } = await asFault(
          signer.offer({ user: pubkey, policy: beginPolicy(own), approval, expiresInMs }),
        )
        if (label !== '')
          await settings.change((state) => ({ ...state, links: withLabel(state.links, token, label) }))
        const expiresAt = signer.offers().find((offer) => offer.token === token)?.expiresAt ?? 0
        links.push({ uri, id: token, signerPubkey: remoteSigner, label, expiresAt })
      }
      // Another daemon may have stopped everything meanwhile, and not have seen these.
      await unlessStopped(() => Promise.all(links.map(({ id }) => signer.withdraw(id))))
      return { links }
    },
    'link.list': () => ({ links: listLinks(host).slice(0, LINK_LISTED) }),
    'link.revoke': async ({ id }) => {
      // It may have been made on another daemon a moment ago.
      if (!signer.offers().some((offer) => offer.token === id)) await asFault(signer.refresh())
      await asFault(signer.withdraw(id))
      return { id }
    },
    'connect.preview': ({ uri, policy }) => {
      const { offer, requested, hash } = preview(uri, policy, null)
      const { clientPubkey, metadata, relays, rejectedPerms, wildcard } = offer
      return {
        clientPubkey,
        claims: { name: metadata.name ?? null, url: metadata.url ?? null },
        relays,
        requested,
        rejected: rejectedPerms,
        warnings: wildcard ? ['it asks to sign every kind of event'] : [],
        hash,
      }
    },
    'connect.accept': async ({ uri, hash, key, policy, label = '' }) => {
      await expectNoPanic(host)
      const { pubkey } = chooseKey(host, key)
      const shown = preview(uri, policy, null)
      if (shown.hash !== hash)
        throw new Fault(409, 'connect/changed', 'this is not what was previewed: look at it again')
      const session = await asFault(
        signer.accept(uri, { user: pubkey, policy: beginPolicy(shown.own), approved: true }),
      )
      await unlessStopped(() => signer.revoke(session.clientPubkey))
      if (label !== '')
        await settings.change((state) => ({
          ...state,
          apps: withLabel(state.apps, session.clientPubkey, label),
        }))
      return viewApp(host, session.clientPubkey)
    },
  }
}

function listLinks({ signer, settings, book, clock }: Host): readonly LinkView[] {
  const now = clock.now()
  return signer
    .offers()
    .map((offer): LinkView => {
      const { token, remoteSigner, user, createdAt, expiresAt, usedBy, approval, withdrawn, policy } = offer
      const state = withdrawn ? 'revoked' : usedBy !== null ? 'used' : expiresAt <= now ? 'expired' : 'open'
      return {
        id: token,
        label: settings.state.links[token] ?? '',
        signerPubkey: remoteSigner,
        userPubkey: user,
        createdAt,
        expiresAt,
        state,
        usedBy,
        approval,
        policy: viewPolicy(book, policy, now),
      }
    })
    .sort((a, b) => b.createdAt - a.createdAt)
}

const URI_PROBLEMS: { readonly [Problem in UriProblem]?: string } = {
  'uri/secret': 'its secret is missing, too long or not printable',
  'uri/pubkey': 'its key is no public key',
  'uri/self': 'its key is one of this bunker',
  'uri/no-relay': 'it names no relay',
  'uri/too-many-relays': `it names more than ${limits.URI_RELAYS} relays`,
  'uri/relay-insecure': 'its relay is ws:// and not on this machine',
}

function readUri({ signer, vault }: Host, uri: string): NostrConnectOffer {
  const ownPubkeys = [
    ...vault.list().map(({ pubkey }) => pubkey),
    ...signer.sessions().map(({ signerPubkey }) => signerPubkey),
  ]
  const parsed = parseNostrConnectUri(uri, { ownPubkeys })
  if (!parsed.ok)
    throw new Fault(
      400,
      parsed.error,
      `this nostrconnect:// URI cannot be answered: ${URI_PROBLEMS[parsed.error] ?? 'it is not whole: copy it again'}`,
    )
  return parsed.value
}
