/**
 * Apps that are connected, and what each may do.
 * Never gives an app more than its policy says.
 */

import { GRANTS_CHARS, ORIGINS_PER_APP } from '../limits.ts'
import { counts, flag, list, object, optional, type Schema, text } from '../schema.ts'
import type { AppDetail, AppView, Nothing, PolicyChoice, PolicyView, TrimProposal } from '../shapes.ts'
import {
  amount,
  appFields,
  appView,
  duration,
  label,
  line,
  nothing,
  policyChoice,
  policyView,
  pubkey,
  words,
} from './fields.ts'
import type { OperationTable } from './operation.ts'

export interface AppOperations {
  'app.list': { input: Nothing; output: { apps: readonly AppView[] } }
  'app.show': { input: { clientPubkey: string }; output: AppDetail }
  'app.rename': { input: { clientPubkey: string; label: string }; output: AppView }
  /** In place of those it had. Such as `https://app.example`: a scheme and a host, without a path. */
  'app.origins': {
    input: { clientPubkey: string; origins: readonly string[] }
    output: { origins: readonly string[] }
  }
  'app.policy.get': { input: { clientPubkey: string }; output: PolicyView }
  'app.policy.set': { input: { clientPubkey: string; policy: PolicyChoice }; output: PolicyView }
  'app.suspend': { input: { clientPubkey: string; forMs?: number }; output: PolicyView }
  'app.resume': { input: { clientPubkey: string }; output: PolicyView }
  /** Once it is answered nothing is done for this app any more. */
  'app.revoke': { input: { clientPubkey: string }; output: { ended: number } }
  /** Grants that were never used. With `apply` they are taken away. */
  'app.trim': {
    input: { clientPubkey: string; apply?: boolean }
    output: { proposals: readonly TrimProposal[]; applied: boolean; policy: PolicyView }
  }
}

const appDetail: Schema<AppDetail> = object<AppDetail>({
  ...appFields,
  policy: policyView,
  requested: list(line),
  granted: list(line),
  origins: list(line),
  used: counts('uses by method and kind'),
})
const byClient = object<{ clientPubkey: string }>({ clientPubkey: pubkey })

export const APP_OPERATIONS: OperationTable<AppOperations> = {
  'app.list': {
    method: 'GET',
    path: '/apps',
    scope: 'read',
    words: 'Apps that are connected.',
    input: nothing,
    output: object<AppOperations['app.list']['output']>({ apps: list(appView, 100_000) }),
  },
  'app.show': {
    method: 'GET',
    path: '/apps/{clientPubkey}',
    scope: 'read',
    words: 'One app, with its policy and what it used.',
    input: byClient,
    output: appDetail,
  },
  'app.rename': {
    method: 'PUT',
    path: '/apps/{clientPubkey}/label',
    scope: 'manage',
    words: 'A name of your own for an app.',
    input: object<AppOperations['app.rename']['input']>({ clientPubkey: pubkey, label }),
    output: appView,
  },
  'app.origins': {
    method: 'PUT',
    path: '/apps/{clientPubkey}/origins',
    scope: 'manage',
    words: 'The web addresses of an app, for policies that name list:origins.',
    input: object<AppOperations['app.origins']['input']>({
      clientPubkey: pubkey,
      origins: list(text(256, 'an origin such as https://app.example'), ORIGINS_PER_APP),
    }),
    output: object<AppOperations['app.origins']['output']>({ origins: list(line) }),
  },
  'app.policy.get': {
    method: 'GET',
    path: '/apps/{clientPubkey}/policy',
    scope: 'read',
    words: 'What an app may do.',
    input: byClient,
    output: policyView,
  },
  'app.policy.set': {
    method: 'PUT',
    path: '/apps/{clientPubkey}/policy',
    scope: 'manage',
    words: 'Another policy for an app, from the next request on.',
    input: object<AppOperations['app.policy.set']['input']>({ clientPubkey: pubkey, policy: policyChoice }),
    output: policyView,
  },
  'app.suspend': {
    method: 'POST',
    path: '/apps/{clientPubkey}/suspend',
    scope: 'approve',
    words: 'Denies the app everything, for a while or until it is resumed.',
    input: object<AppOperations['app.suspend']['input']>({ clientPubkey: pubkey, forMs: optional(duration) }),
    output: policyView,
  },
  'app.resume': {
    method: 'POST',
    path: '/apps/{clientPubkey}/resume',
    scope: 'manage',
    words: 'Ends a suspension.',
    input: byClient,
    output: policyView,
  },
  'app.revoke': {
    method: 'DELETE',
    path: '/apps/{clientPubkey}',
    scope: 'approve',
    words: 'Ends the connection of an app.',
    input: byClient,
    output: object<AppOperations['app.revoke']['output']>({ ended: amount }),
  },
  'app.trim': {
    method: 'POST',
    path: '/apps/{clientPubkey}/trim',
    scope: 'manage',
    words: 'Proposes to take away what was never used.',
    input: object<AppOperations['app.trim']['input']>({
      clientPubkey: pubkey,
      apply: optional(flag('take the proposals away')),
    }),
    output: object<AppOperations['app.trim']['output']>({
      proposals: list(object<TrimProposal>({ grant: text(GRANTS_CHARS, 'a grant'), why: words })),
      applied: flag('whether they were taken away'),
      policy: policyView,
    }),
  },
}
