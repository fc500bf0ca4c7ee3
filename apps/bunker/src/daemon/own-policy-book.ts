/**
 * The book of policies: those of `@nip46/policy`, with the daemon's preset for whoever names none.
 * Never decides by itself, and never shows what a policy counted but in its JSON.
 */

import {
  isOperationMethod,
  type JsonValue,
  type JudgedRequest,
  type Operation,
  type Permission,
  type Pubkey,
  parsePubkey,
  parseRelayUrl,
  type Question,
  type RelayUrl,
} from '@nip46/core'
import {
  createJudge,
  formatRule,
  lint,
  type Policy,
  type PolicyProblem,
  PRESETS,
  type PresetName,
  parseGrants,
  parsePolicy,
  readSessionPolicy,
  replacePolicy,
  sessionPolicy,
  trim,
  viewSessionPolicy,
} from '@nip46/policy'
import { Fault } from '../api/fault.ts'
import type { Finding, PolicyChoice, Remember, RememberChoices, RequestDraft } from '../api/shapes.ts'
import type { OwnPolicy, PolicyBook, Whose } from './policy-book.ts'
import type { UserLists } from './user-lists.ts'

export interface PolicyBookOptions {
  readonly now: () => number
  /** For links and sessions that name none. */
  readonly preset: PresetName
  /** See `JudgeOptions.salt` of the policy package. */
  readonly salt: string
  /** Relays of this daemon's owner: `list:relays`, with those of the user's relay list. */
  readonly relays: () => readonly RelayUrl[]
  /** What is known of the users' follow lists, profiles and relay lists. Default nothing. */
  readonly lists?: Pick<UserLists, 'list' | 'latest'>
  /** The web addresses of an app, as the owner says: `list:origins`. */
  readonly origins?: (client: Pubkey) => readonly string[] | undefined
}

/** A pubkey for drafts that are about no app: that of the secret 1, which everybody has. */
export const NOBODY: Pubkey = '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798' as Pubkey

const NOTHING: RememberChoices = { for: [], scopes: [] }

export function createPolicyBook({
  now,
  preset,
  salt,
  relays,
  lists,
  origins,
}: PolicyBookOptions): PolicyBook {
  const judge = createJudge({
    salt,
    list(id, { userPubkey, clientPubkey }) {
      if (id === 'relays') return [...relays(), ...(lists?.list(userPubkey, 'relays') ?? [])]
      if (id === 'origins') return origins?.(clientPubkey)
      return id === 'follows' ? lists?.list(userPubkey, 'follows') : undefined
    },
    ...(lists !== undefined && { latest: lists.latest }),
  })

  const policyOf = ({ preset: named, grants = '', json }: PolicyChoice): Policy => {
    if (json !== undefined) {
      if (named !== undefined || grants !== '')
        throw new Fault(400, 'policy/shape', 'a policy is JSON, or a preset and grants: not both')
      return expectPolicy(parsePolicy(json))
    }
    if (named !== undefined && !Object.hasOwn(PRESETS, named))
      throw new Fault(400, 'policy/preset', `presets are ${Object.keys(PRESETS).join(', ')}`)
    return expectPolicy(parsePolicy({ preset: named ?? preset, rules: expectPolicy(parseGrants(grants)) }))
  }

  const requestOf = (
    policy: OwnPolicy,
    operation: Operation,
    { client, user, granted = [], now: at }: Whose,
  ): JudgedRequest => ({
    clientPubkey: client,
    userPubkey: user,
    operation,
    granted,
    policy,
    relay: ANY_RELAY,
    now: at,
  })

  const rulesOf = (policy: OwnPolicy): Policy['rules'] => {
    const session = readSessionPolicy(policy)
    return session.ok ? (session.value.policy?.rules ?? []) : []
  }

  return {
    judge: judge.judge,
    approve: judge.approve,
    facts: judge.facts,
    begin: (choice, at = now()) => sessionPolicy(policyOf(choice), at),
    change: (policy, choice) => replacePolicy(policy, policyOf(choice), now(), { keepDecisions: true }),
    view(policy) {
      const view = viewSessionPolicy(policy, now())
      if (!view.ok) return { preset: null, grants: [], json: policy }
      return {
        preset: view.value.preset,
        grants: [...view.value.grants, ...view.value.remembered],
        json: policy,
      }
    },
    choices(question: Question) {
      if (question.type === 'connect') return { allow: NOTHING, deny: NOTHING }
      const { clientPubkey, operation } = question
      const about = { operation, clientPubkey, userPubkey: clientPubkey, relay: ANY_RELAY }
      const offered = (effect: 'allow' | 'deny'): RememberChoices => {
        const { for: times, scopes } = judge.choices(about, effect)
        const lasting = times.filter((time) => time !== 'once')
        return lasting.length === 0 || scopes.length === 0 ? NOTHING : { for: lasting, scopes }
      }
      return { allow: offered('allow'), deny: offered('deny') }
    },
    remembered: (_question, remember, allow) => rememberedAs(remember, allow, now()),
    settled(policy, question, remember, allow, whose) {
      if (question.type === 'connect') return () => false
      const request = requestOf(policy, question.operation, whose)
      const after = judge.approve(request, rememberedAs(remember, allow, whose.now))
      return (other) => {
        if (other.type === 'connect' || after === null) return false
        const effectIn = (own: OwnPolicy): string =>
          judge.judge(requestOf(own, other.operation, whose)).effect
        return effectIn(policy) === 'ask' && effectIn(after) === (allow ? 'allow' : 'deny')
      }
    },
    presets: () => Object.values(PRESETS).map(({ name, title }) => ({ name, words: title })),
    lint: (choice) => asFindings(lint(policyOf(choice), now())),
    explain(policy, draft, whose) {
      const { effect, rule, words, stage, limits, changes, retryAt } = judge.explain(
        requestOf(policy, operationOf(draft, whose), whose),
      )
      const detail = {
        stage,
        limits: limits.map((each) => ({ ...each })),
        changes: changes.map((each) => ({ ...each })),
        retryAt,
      }
      return { effect, rule, words, detail }
    },
    preview(policy, permission, whose) {
      const operation = operationFor(permission, whose)
      if (operation === undefined) return { effect: 'allow', rule: 'answered without the key' }
      const judged = judge.judge(requestOf(policy, operation, whose))
      // Without a kind it is about all of them: nothing is promised for each.
      const isBare = permission.method === 'sign_event' && permission.kind === undefined
      return isBare
        ? { effect: 'ask', rule: 'each kind by its own rule' }
        : { effect: judged.effect, rule: judged.rule }
    },
    replay(entries, policy) {
      const { judged, skipped, undecided, flips } = judge.replay(
        entries.map(({ record }) => record),
        policy,
      )
      return { judged, skipped: skipped + undecided, flips }
    },
    trim: (entries, policy) =>
      trim(
        entries.map(({ record }) => record),
        rulesOf(policy),
      ),
    without(policy, proposals) {
      const session = readSessionPolicy(policy)
      if (!session.ok || session.value.policy === null) return policy
      const own = session.value.policy
      const rules = own.rules.flatMap((rule) => {
        const proposal = proposals.find(({ grant }) => grant === formatRule(rule))
        if (proposal === undefined) return rule
        return proposal.instead === null ? [] : expectPolicy(parseGrants(proposal.instead))
      })
      return replacePolicy(policy, { ...own, rules }, now(), { keepDecisions: true })
    },
  }
}

function expectPolicy<T>(
  read: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: PolicyProblem },
): T {
  if (read.ok) return read.value
  const { code, path, message } = read.error
  throw new Fault(400, code, `${path}: ${message}`)
}

function rememberedAs({ for: how, scope }: Remember, allow: boolean, at: number): JsonValue {
  // The owner's day is this machine's.
  return { effect: allow ? 'allow' : 'deny', for: how, scope, offset: -new Date(at).getTimezoneOffset() }
}

function asFindings(found: ReturnType<typeof lint>): readonly Finding[] {
  if (found.length === 0) return [{ level: 'ok', what: 'policy', words: 'nothing to remark', fix: '' }]
  return found.map(({ level, where, words, fix }) => ({ level, what: where, words, fix }))
}

function operationOf({ method, event, peer, text = '' }: RequestDraft, { now }: Whose): Operation {
  if (method === 'sign_event') {
    if (event === undefined) throw new Fault(400, 'input/shape', 'sign_event needs an event: { "kind": 1 }')
    const { kind, content = '', tags = [], created_at = Math.floor(now / 1_000) } = event
    return { method, template: { kind, content, tags, created_at } }
  }
  const parsed = parsePubkey(peer ?? '')
  if (!parsed.ok) throw new Fault(400, 'input/shape', `${method} needs a peer: a pubkey of 64 hex characters`)
  if (method === 'nip44_get_key') return { method, peer: parsed.value }
  return method === 'nip44_encrypt' || method === 'nip04_encrypt'
    ? { method, peer: parsed.value, plaintext: text }
    : { method, peer: parsed.value, ciphertext: text }
}

/** A request that this permission would be for; undefined for what the remote signer answers itself. */
function operationFor({ method, kind }: Permission, whose: Whose): Operation | undefined {
  if (!isOperationMethod(method)) return undefined
  return operationOf({ method, event: { kind: kind ?? 1 }, peer: SOMEBODY }, whose)
}

/** A peer that is neither the user nor the app: the pubkey of the secret 2, which everybody has. */
const SOMEBODY = 'c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5' as Pubkey
const ANY_RELAY = relayOf('wss://relay.invalid')

function relayOf(url: string): RelayUrl {
  const parsed = parseRelayUrl(url)
  if (!parsed.ok) throw new Error(parsed.error)
  return parsed.value
}
