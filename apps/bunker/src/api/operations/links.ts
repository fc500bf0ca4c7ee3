/**
 * How apps come in: links of ours and offers of theirs.
 * Never lists the secret of a link that is out.
 */

import { LINKS_PER_CALL } from '../limits.ts'
import { choice, integer, list, nullable, object, optional, type Schema, text } from '../schema.ts'
import type { AppView, ConnectPreview, LinkView, MadeLink, Nothing, PolicyChoice } from '../shapes.ts'
import {
  appView,
  claims,
  duration,
  effect,
  hash,
  keyName,
  label,
  line,
  nothing,
  policyChoice,
  policyView,
  pubkey,
  time,
  words,
} from './fields.ts'
import type { OperationTable } from './operation.ts'

export interface LinkOperations {
  /** `count` links of the same kind, each good for one app. `key` can be left out if there is one only. */
  'link.create': {
    input: {
      key?: string
      policy?: PolicyChoice
      forMs?: number
      count?: number
      label?: string
      /** `ask`: the owner decides on each connection. Default `secret`: who has the link is connected. */
      approval?: 'secret' | 'ask'
    }
    output: { links: readonly MadeLink[] }
  }
  'link.list': { input: Nothing; output: { links: readonly LinkView[] } }
  'link.revoke': { input: { id: string }; output: { id: string } }
  'connect.preview': { input: { uri: string; policy?: PolicyChoice }; output: ConnectPreview }
  /** `hash` of the preview: 409 if the URI or the policy is another one now. */
  'connect.accept': {
    input: { uri: string; hash: string; key?: string; policy?: PolicyChoice; label?: string }
    output: AppView
  }
}

const linkId = text(128, 'the id of a link', /^[A-Za-z0-9:_-]{1,128}$/)
const linkView: Schema<LinkView> = object<LinkView>({
  id: linkId,
  label,
  signerPubkey: pubkey,
  userPubkey: pubkey,
  createdAt: time,
  expiresAt: time,
  state: choice(['open', 'used', 'expired', 'revoked'], 'whether it can be used'),
  usedBy: nullable(pubkey),
  approval: choice(['secret', 'ask'], 'who lets an app in'),
  policy: policyView,
})
const madeLink: Schema<MadeLink> = object<MadeLink>({
  uri: text(8_192, 'a bunker:// URI: a secret'),
  id: linkId,
  signerPubkey: pubkey,
  label,
  expiresAt: time,
})
const connectPreview: Schema<ConnectPreview> = object<ConnectPreview>({
  clientPubkey: pubkey,
  claims,
  relays: list(line),
  requested: list(object<ConnectPreview['requested'][number]>({ permission: line, effect, rule: line })),
  rejected: list(text(4_096, 'an entry')),
  warnings: list(words),
  hash,
})

export const LINK_OPERATIONS: OperationTable<LinkOperations> = {
  'link.create': {
    method: 'POST',
    path: '/links',
    scope: 'manage',
    words: 'Makes bunker:// links. Each is shown once.',
    input: object<LinkOperations['link.create']['input']>({
      key: optional(keyName),
      policy: optional(policyChoice),
      forMs: optional(duration),
      count: optional(integer(1, LINKS_PER_CALL, 'how many links')),
      label: optional(label),
      approval: optional(choice(['secret', 'ask'], 'who lets an app in')),
    }),
    output: object<LinkOperations['link.create']['output']>({ links: list(madeLink) }),
  },
  'link.list': {
    method: 'GET',
    path: '/links',
    scope: 'read',
    words: 'Links that are out, without their secrets.',
    input: nothing,
    output: object<LinkOperations['link.list']['output']>({ links: list(linkView) }),
  },
  'link.revoke': {
    method: 'DELETE',
    path: '/links/{id}',
    scope: 'manage',
    words: 'Nobody can use the link any more; an app that used it goes on.',
    input: object<LinkOperations['link.revoke']['input']>({ id: linkId }),
    output: object<LinkOperations['link.revoke']['output']>({ id: linkId }),
  },
  'connect.preview': {
    method: 'POST',
    path: '/connect/preview',
    scope: 'manage',
    words: 'Reads a nostrconnect:// URI and says what the app would get.',
    input: object<LinkOperations['connect.preview']['input']>({
      uri: text(8_192, 'a nostrconnect:// URI'),
      policy: optional(policyChoice),
    }),
    output: connectPreview,
  },
  'connect.accept': {
    method: 'POST',
    path: '/connect',
    scope: 'manage',
    words: 'Answers a nostrconnect:// URI as it was previewed.',
    input: object<LinkOperations['connect.accept']['input']>({
      uri: text(8_192, 'a nostrconnect:// URI'),
      hash,
      key: optional(keyName),
      policy: optional(policyChoice),
      label: optional(label),
    }),
    output: appView,
  },
}
