/**
 * The operations on policies as such, and on the log of what was done.
 * Never counts a use and never changes a session.
 */

import type { Pubkey } from '@nip46/core'
import type { AuditEntry as StoredEntry } from '@nip46/core/remote-signer'
import { wantsNotice } from '@nip46/policy'
import { Fault } from '../../api/fault.ts'
import type { Handlers } from '../../api/operations.ts'
import type { AuditEntry, PolicyChoice } from '../../api/shapes.ts'
import type { Host } from '../host.ts'
import { NOBODY } from '../own-policy-book.ts'
import type { OwnPolicy, Whose } from '../policy-book.ts'
import { readSessionPolicy } from '../session-policy.ts'
import { entriesOf, sessionsOf } from './app-view.ts'

type Names =
  | 'policy.presets'
  | 'policy.lint'
  | 'policy.test'
  | 'policy.explain'
  | 'policy.replay'
  | 'audit.list'
  | 'audit.verify'

export function policyHandlers(host: Host): Pick<Handlers, Names> {
  const { book, store, clock, loaded } = host
  const explain: Handlers['policy.test'] = ({ request, clientPubkey, policy }) => {
    const [own, whose] = subjectOf(host, clientPubkey, policy)
    return book.explain(own, request, whose)
  }
  return {
    'policy.presets': () => ({
      presets: book.presets().map((preset) => ({ ...preset, default: preset.name === loaded.config.preset })),
    }),
    'policy.lint': ({ policy }) => ({
      findings: book.lint(policy),
      policy: { ...book.view(book.begin(policy)), suspended: false, suspendedUntil: null },
    }),
    'policy.test': explain,
    'policy.explain': explain,
    'policy.replay': async ({ policy, clientPubkey, sinceMs }) =>
      book.replay(await entriesOf(host, clientPubkey as Pubkey | undefined, sinceMs), book.begin(policy)),
    'audit.list': async ({ after, limit = 100, clientPubkey, newest = false, sinceMs, untilMs }) => {
      const page = await store.audit.readAudit({
        order: newest ? 'newest' : 'oldest',
        limit,
        ...(after !== undefined && { after }),
        filter: {
          ...(clientPubkey !== undefined && { clientPubkey: clientPubkey as Pubkey }),
          ...(sinceMs !== undefined && { since: sinceMs }),
          ...(untilMs !== undefined && { until: untilMs }),
        },
      })
      return { entries: page.entries.map(viewEntry), next: page.next }
    },
    'audit.verify': async () => {
      const { ok, entries, chains } = await store.audit.verifyAudit()
      const problems = chains.flatMap(({ chain, fault }) =>
        fault === null ? [] : `chain ${chain}, entry ${fault.seq}: ${FAULTS[fault.code]}`,
      )
      if (store.kind === 'memory') problems.push('the memory store keeps no chain: nothing was verified')
      return { ok: ok && store.kind !== 'memory', records: entries, problems }
    },
  }

  function subjectOf(
    of: Host,
    client: string | undefined,
    choice: PolicyChoice | undefined,
  ): readonly [OwnPolicy, Whose] {
    const now = clock.now()
    if (client === undefined) {
      const user = of.vault.list()[0]?.pubkey ?? NOBODY
      return [book.begin(choice ?? {}), { client: NOBODY, user, now }]
    }
    const [session] = sessionsOf(of, client)
    const { clientPubkey, userPubkey, granted } = session
    const whose = { client: clientPubkey, user: userPubkey, granted, now }
    if (choice !== undefined) return [book.begin(choice), whose]
    const policy = readSessionPolicy(session.policy)
    if (policy === null)
      throw new Fault(409, 'policy/none', 'this app has no policy: everything it asks for is denied')
    return [policy.own, whose]
  }
}

const FAULTS = {
  missing: 'it is missing',
  hash: 'it is not what was written',
  link: 'it does not follow the entry before it',
  anchor: 'the chain is not the one that was written here',
} as const

export function viewEntry({ position, chain, hash, record }: StoredEntry): AuditEntry {
  const { at, type, clientPubkey, userPubkey } = record
  return {
    position,
    at,
    type,
    clientPubkey,
    userPubkey,
    record: { ...record } as never,
    notice: record.type === 'performed' && wantsNotice(record.rule ?? ''),
    chain,
    hash,
  }
}
