/**
 * Every operation of the API in one table: where it is, who may call it, what it takes and gives.
 * The server validates by it, the client types by it, the OpenAPI document is made of it. Never does anything itself.
 */

import { ORIGINS_PER_APP } from './limits.ts'
import {
  anyJson,
  choice,
  counts,
  flag,
  integer,
  list,
  nullable,
  object,
  optional,
  type Schema,
  text,
} from './schema.ts'
import type {
  AppDetail,
  AppView,
  AuditEntry,
  BackupView,
  Check,
  ConnectPreview,
  Decided,
  Explanation,
  Finding,
  KeyView,
  LinkView,
  MadeLink,
  Nothing,
  PolicyChoice,
  PolicyView,
  QuestionDetail,
  QuestionView,
  RelayView,
  Remember,
  RememberChoices,
  Replay,
  RequestDraft,
  Scope,
  Status,
  TokenView,
  TrimProposal,
} from './shapes.ts'

/** Where the operations begin. */
export const API_ROOT = '/api/v1'

/** The server-sent events: `GET {API_ROOT}/events?topics=requests,notices,audit,log`, scope `read`; each is a `StreamMessage`. */
export const EVENTS_PATH: string = `${API_ROOT}/events`

/** Every operation, with its input and output. Path parameters are fields of the input. */
export interface Operations {
  'status.get': { input: Nothing; output: Status }
  'health.get': { input: Nothing; output: { ready: boolean; checks: readonly Check[] } }
  'doctor.get': { input: Nothing; output: { findings: readonly Finding[] } }

  'key.list': { input: Nothing; output: { keys: readonly KeyView[] } }
  'key.show': { input: { name: string }; output: KeyView }
  'key.create': { input: { name: string; passphrase: string }; output: KeyView }
  /** `secret`: nsec1…, 64 hex characters, ncryptsec1… (with `secretPassphrase`) or seed words (NIP-06). */
  'key.import': {
    input: {
      name: string
      passphrase: string
      secret: string
      secretPassphrase?: string
      account?: number
    }
    output: KeyView
  }
  'key.export': {
    input: { name: string; passphrase: string; exportPassphrase?: string; logN?: number }
    output: { ncryptsec: string }
  }
  'key.unlock': { input: { name: string; passphrase: string; forMs?: number }; output: KeyView }
  'key.lock': { input: { name: string }; output: KeyView }
  'key.rename': { input: { name: string; newName: string }; output: KeyView }
  'key.passwd': { input: { name: string; passphrase: string; newPassphrase: string }; output: KeyView }
  /** The passphrase again: this cannot be taken back. Refused while apps use the key, unless `force`. */
  'key.delete': { input: { name: string; passphrase: string; force?: boolean }; output: { name: string } }

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
  'link.revoke': { input: { token: string }; output: { token: string } }

  'connect.preview': { input: { uri: string; policy?: PolicyChoice }; output: ConnectPreview }
  /** `hash` of the preview: 409 if the URI or the policy is another one now. */
  'connect.accept': {
    input: { uri: string; hash: string; key?: string; policy?: PolicyChoice; label?: string }
    output: AppView
  }

  'app.list': { input: Nothing; output: { apps: readonly AppView[] } }
  'app.show': { input: { client: string }; output: AppDetail }
  'app.rename': { input: { client: string; label: string }; output: AppView }
  /** In place of those it had. Such as `https://app.example`: a scheme and a host, without a path. */
  'app.origins': {
    input: { client: string; origins: readonly string[] }
    output: { origins: readonly string[] }
  }
  'app.policy.get': { input: { client: string }; output: PolicyView }
  'app.policy.set': { input: { client: string; policy: PolicyChoice }; output: PolicyView }
  'app.suspend': { input: { client: string; forMs?: number }; output: PolicyView }
  'app.resume': { input: { client: string }; output: PolicyView }
  /** Once it is answered nothing is done for this app any more. */
  'app.revoke': { input: { client: string }; output: { ended: number } }
  /** Grants that were never used. With `apply` they are taken away. */
  'app.trim': {
    input: { client: string; apply?: boolean }
    output: { proposals: readonly TrimProposal[]; applied: boolean; policy: PolicyView }
  }

  'request.list': { input: Nothing; output: { requests: readonly QuestionView[] } }
  'request.show': { input: { id: string }; output: QuestionDetail }
  /**
   * `hash` of what was shown. 409 `request/changed` if something else waits under this id, 409 `request/decided` if it was
   * decided before (`error.decision` says how), 410 `request/gone` if its time is over: nothing is signed.
   */
  'request.approve': { input: { id: string; hash: string; remember?: Remember }; output: Decided }
  'request.deny': { input: { id: string; hash: string; remember?: Remember }; output: Decided }

  'policy.presets': {
    input: Nothing
    output: { presets: readonly { name: string; words: string; default: boolean }[] }
  }
  'policy.lint': {
    input: { policy: PolicyChoice }
    output: { findings: readonly Finding[]; policy: PolicyView }
  }
  /** What a policy, or that of an app, would do with a request. Counts nothing. */
  'policy.test': {
    input: { request: RequestDraft; client?: string; policy?: PolicyChoice }
    output: Explanation
  }
  'policy.explain': {
    input: { request: RequestDraft; client?: string; policy?: PolicyChoice }
    output: Explanation
  }
  'policy.replay': {
    input: { policy: PolicyChoice; client?: string; sinceMs?: number }
    output: Replay
  }

  /** Oldest first, unless `newest` is set. `next` is the `after` of the next page, or null. */
  'audit.list': {
    input: {
      after?: number
      limit?: number
      client?: string
      newest?: boolean
      sinceMs?: number
      untilMs?: number
    }
    output: { entries: readonly AuditEntry[]; next: number | null }
  }
  'audit.verify': {
    input: Nothing
    output: { ok: boolean; records: number; problems: readonly string[] }
  }

  'relay.list': { input: Nothing; output: { relays: readonly RelayView[] } }
  'relay.add': { input: { url: string }; output: { relays: readonly RelayView[] } }
  'relay.remove': { input: { url: string }; output: { relays: readonly RelayView[] } }

  /** A new directory at this absolute path, for the owner only: store, keys (encrypted), settings, a manifest. */
  'backup.create': { input: { directory: string }; output: BackupView }
  'backup.verify': {
    input: { directory: string }
    output: { ok: boolean; problems: readonly string[]; backup: BackupView | null }
  }

  /** Locks every key, withdraws every link, suspends every app, denies what waits. Stays until `host.resume`, over restarts. */
  'host.panic': { input: Nothing; output: { keys: number; links: number; apps: number; requests: number } }
  'host.lock-all': { input: Nothing; output: { keys: number } }
  /** Ends a panic: apps that were suspended by it go on. Keys stay locked until they are unlocked. */
  'host.resume': { input: Nothing; output: { apps: number } }

  /** A token for the API, shown once. */
  'token.create': {
    input: { label: string; scopes: readonly Scope[]; forMs?: number }
    output: { token: string; info: TokenView }
  }
  'token.list': { input: Nothing; output: { tokens: readonly TokenView[] } }
  'token.revoke': { input: { id: string }; output: { id: string } }
  /** A page, good once and for five minutes, that signs a browser in for approvals. Null if no page is served. */
  'browser.invite': { input: Nothing; output: { url: string | null; expiresAt: number } }
}

export type OperationName = keyof Operations
export type InputOf<Name extends OperationName> = Operations[Name]['input']
export type OutputOf<Name extends OperationName> = Operations[Name]['output']

export interface OperationSpec<Name extends OperationName> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Under {@link API_ROOT}; `{field}` is that field of the input. The rest is the query of a GET, or the JSON body. */
  readonly path: string
  readonly scope: Scope
  readonly words: string
  readonly input: Schema<InputOf<Name>>
  readonly output: Schema<OutputOf<Name>>
}

// -- bounds ------------------------------------------------------------------------------------

/** Characters of a label. */
export const LABEL_CHARS = 64
/** Characters of a passphrase. */
export const PASSPHRASE_CHARS = 1_024
/** Links made by one call. */
export const LINKS_PER_CALL = 20
/** Entries of one page of the audit log. */
export const AUDIT_PAGE = 1_000
/** The longest time that can be asked for, in milliseconds: ten years. */
export const LONGEST_MS = 315_360_000_000
/** Characters of a policy in the grammar. */
export const GRANTS_CHARS = 16_384
/** Characters of a content or a text in a draft of a request. */
export const DRAFT_CHARS = 131_072

// -- shapes ------------------------------------------------------------------------------------

const time = integer(0, Number.MAX_SAFE_INTEGER, 'a Unix time in milliseconds')
const duration = integer(1, LONGEST_MS, 'a duration in milliseconds')
const amount = integer(0, Number.MAX_SAFE_INTEGER, 'a count')
const pubkey = text(64, 'a pubkey of 64 lowercase hex characters', /^[0-9a-f]{64}$/)
const hash = text(64, 'a sha256 of 64 lowercase hex characters', /^[0-9a-f]{64}$/)
const line = text(1_024, 'a line of text')
const words = text(16_384, 'text')
const label = text(LABEL_CHARS, 'a name for people')
const keyName = text(
  64,
  'the name of a key: letters, digits, dots, dashes',
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
)
const passphrase = text(PASSPHRASE_CHARS, 'a passphrase', undefined, 1)
const tokenName = text(128, 'the name of a link', /^[A-Za-z0-9:_-]{1,128}$/)
const questionId = text(32, 'the id of a request', /^[0-9a-f]{1,32}$/)
const nothing: Schema<Nothing> = object<Nothing>({})
const path = text(4_096, 'an absolute path', /^\//)
const effect = choice(['allow', 'ask', 'deny'], 'what happens')

const claims = object<{ readonly name: string | null; readonly url: string | null }>({
  name: nullable(line),
  url: nullable(line),
})

const policyChoice: Schema<PolicyChoice> = object<PolicyChoice>({
  preset: optional(text(32, 'the name of a preset')),
  grants: optional(text(GRANTS_CHARS, 'grants in the grammar of the policy package')),
  json: optional(anyJson('instead of both, a policy in its canonical form')),
})

const policyView: Schema<PolicyView> = object<PolicyView>({
  preset: nullable(line),
  grants: list(text(GRANTS_CHARS, 'a grant')),
  suspended: flag('nothing is done for this app at the moment'),
  suspendedUntil: nullable(time),
  json: anyJson('the canonical policy, with its counters'),
})

const event = object<NonNullable<RequestDraft['event']>>({
  kind: integer(0, 65_535, 'the kind of an event'),
  content: optional(text(DRAFT_CHARS, 'the content of an event')),
  tags: optional(list(list(text(DRAFT_CHARS, 'an item of a tag'), 1_000), 10_000)),
  created_at: optional(integer(0, Number.MAX_SAFE_INTEGER, 'a Unix time in seconds')),
})

const requestDraft: Schema<RequestDraft> = object<RequestDraft>({
  method: choice(
    ['sign_event', 'nip44_encrypt', 'nip44_decrypt', 'nip04_encrypt', 'nip04_decrypt', 'nip44_get_key'],
    'what an app would ask for',
  ),
  event: optional(event),
  peer: optional(pubkey),
  text: optional(text(DRAFT_CHARS, 'a text')),
})

const explanation: Schema<Explanation> = object<Explanation>({
  effect,
  rule: line,
  words: list(words),
  detail: anyJson('the same as data'),
})

const finding: Schema<Finding> = object<Finding>({
  level: choice(['ok', 'warning', 'error'], 'how bad it is'),
  what: line,
  words,
  fix: words,
})

const judgeInput = object<InputOf<'policy.test'>>({
  request: requestDraft,
  client: optional(pubkey),
  policy: optional(policyChoice),
})

const keyView: Schema<KeyView> = object<KeyView>({
  name: keyName,
  pubkey,
  npub: line,
  state: choice(['locked', 'unlocked'], 'whether it can be used'),
  createdAt: time,
  locksAt: nullable(time),
  apps: amount,
})

const linkView: Schema<LinkView> = object<LinkView>({
  token: tokenName,
  label,
  signer: pubkey,
  user: pubkey,
  createdAt: time,
  expiresAt: time,
  state: choice(['open', 'used', 'expired', 'revoked'], 'whether it can be used'),
  usedBy: nullable(pubkey),
  approval: choice(['secret', 'ask'], 'who lets an app in'),
  policy: policyView,
})

const madeLink: Schema<MadeLink> = object<MadeLink>({
  uri: text(8_192, 'a bunker:// URI: a secret'),
  token: tokenName,
  signer: pubkey,
  label,
  expiresAt: time,
})

const appFields = {
  client: pubkey,
  label,
  claims,
  user: pubkey,
  signer: pubkey,
  phase: line,
  legacyEncryption: flag('encrypted with NIP-04'),
  relays: list(line),
  pairedAt: time,
  expiresAt: nullable(time),
  pending: amount,
  suspended: flag('nothing is done for it at the moment'),
} as const
const appView: Schema<AppView> = object<AppView>(appFields)
const appDetail: Schema<AppDetail> = object<AppDetail>({
  ...appFields,
  policy: policyView,
  requested: list(line),
  granted: list(line),
  origins: list(line),
  used: counts('uses by method and kind'),
})

const connectPreview: Schema<ConnectPreview> = object<ConnectPreview>({
  client: pubkey,
  claims,
  relays: list(line),
  requested: list(object<ConnectPreview['requested'][number]>({ permission: line, effect, rule: line })),
  rejected: list(text(4_096, 'an entry')),
  warnings: list(words),
  hash,
})

const rememberFor = choice(['5m', '1h', 'today', 'session', 'always'], 'how long a decision holds')
const rememberScope = choice(['exact', 'kind', 'peer', 'method', 'category'], 'what else it holds for')
const rememberChoices = object<RememberChoices>({ for: list(rememberFor), scopes: list(rememberScope) })
const remember: Schema<Remember> = object<Remember>({ for: rememberFor, scope: rememberScope })

const questionFields = {
  id: questionId,
  hash,
  group: hash,
  type: choice(['connect', 'operation'], 'what is asked about'),
  client: pubkey,
  label,
  claims,
  user: nullable(pubkey),
  method: line,
  kind: nullable(amount),
  peer: nullable(pubkey),
  title: words,
  lines: list(words),
  times: amount,
  askedAt: time,
  expiresAt: nullable(time),
  choices: object<QuestionView['choices']>({ allow: rememberChoices, deny: rememberChoices }),
} as const
const questionView: Schema<QuestionView> = object<QuestionView>(questionFields)
const questionDetail: Schema<QuestionDetail> = object<QuestionDetail>({
  ...questionFields,
  event: nullable(
    object<NonNullable<QuestionDetail['event']>>({
      kind: amount,
      content: text(Number.MAX_SAFE_INTEGER, 'the content'),
      tags: list(list(text(Number.MAX_SAFE_INTEGER, 'an item'), 100_000), 100_000),
      created_at: amount,
    }),
  ),
  text: nullable(text(Number.MAX_SAFE_INTEGER, 'the text to encrypt')),
})
const decisionInput = object<InputOf<'request.approve'>>({
  id: questionId,
  hash,
  remember: optional(remember),
})
const decided: Schema<Decided> = object<Decided>({
  id: questionId,
  decision: choice(['allow', 'deny'], 'what was decided'),
  also: list(questionId),
})

const auditEntry: Schema<AuditEntry> = object<AuditEntry>({
  position: amount,
  at: time,
  type: line,
  client: nullable(pubkey),
  user: nullable(pubkey),
  record: anyJson('the record'),
  notice: flag('its rule says to tell the owner'),
  chain: line,
  hash,
})

const relayView: Schema<RelayView> = object<RelayView>({
  url: line,
  state: choice(['live', 'connecting', 'down'], 'whether it delivers'),
  own: flag('named in new links'),
  served: flag('run by this daemon'),
  reason: nullable(line),
})
const relays = object<OutputOf<'relay.list'>>({ relays: list(relayView) })
const relayInput = object<InputOf<'relay.add'>>({ url: text(1_024, 'a relay URL') })

const check: Schema<Check> = object<Check>({
  name: choice(['store', 'relays', 'keys', 'clock', 'host'], 'what was looked at'),
  ok: flag('whether it is well'),
  words,
})

const status: Schema<Status> = object<Status>({
  version: line,
  pid: amount,
  startedAt: time,
  state: choice(['running', 'draining', 'panic'], 'what the daemon does'),
  ready: flag('whether requests are answered'),
  checks: list(check),
  store: object<Status['store']>({
    kind: choice(['sqlite', 'postgres', 'memory'], 'which store'),
    place: text(4_096, 'a path or host, without credentials'),
    server: nullable(line),
    schema: nullable(amount),
    daemons: list(line),
  }),
  relays: list(relayView),
  keys: list(keyView),
  apps: amount,
  links: amount,
  questions: amount,
  performed: amount,
  published: amount,
  publishFailures: amount,
  crashRefusals: amount,
  dropped: counts('events that came to nothing, by code'),
  ailments: list(line),
  memoryBytes: amount,
})

const scopes = list(choice(['read', 'approve', 'manage', 'keys', 'admin'], 'what a token may do'), 5)
const tokenView: Schema<TokenView> = object<TokenView>({
  id: line,
  label,
  scopes,
  createdAt: time,
  expiresAt: nullable(time),
  lastUsedAt: nullable(time),
})

const backupView: Schema<BackupView> = object<BackupView>({
  directory: path,
  createdAt: time,
  files: list(object<BackupView['files'][number]>({ name: line, bytes: amount, sha256: hash }), 100_000),
})

const byName = object<{ name: string }>({ name: keyName })
const byClient = object<{ client: string }>({ client: pubkey })
const directory = object<{ directory: string }>({ directory: path })

// -- the table ---------------------------------------------------------------------------------

export const OPERATIONS: { readonly [Name in OperationName]: OperationSpec<Name> } = {
  'status.get': {
    method: 'GET',
    path: '/status',
    scope: 'read',
    words: 'How the daemon is doing.',
    input: nothing,
    output: status,
  },
  'health.get': {
    method: 'GET',
    path: '/health',
    scope: 'read',
    words: 'What /readyz looks at, with words.',
    input: nothing,
    output: object<OutputOf<'health.get'>>({ ready: flag('all is well'), checks: list(check) }),
  },
  'doctor.get': {
    method: 'GET',
    path: '/doctor',
    scope: 'read',
    words: 'What could be better, and how.',
    input: nothing,
    output: object<OutputOf<'doctor.get'>>({ findings: list(finding) }),
  },
  'key.list': {
    method: 'GET',
    path: '/keys',
    scope: 'read',
    words: 'The keys of this bunker.',
    input: nothing,
    output: object<OutputOf<'key.list'>>({ keys: list(keyView) }),
  },
  'key.show': {
    method: 'GET',
    path: '/keys/{name}',
    scope: 'read',
    words: 'One key.',
    input: byName,
    output: keyView,
  },
  'key.create': {
    method: 'POST',
    path: '/keys',
    scope: 'keys',
    words: 'Makes a key, encrypted under its passphrase.',
    input: object<InputOf<'key.create'>>({ name: keyName, passphrase }),
    output: keyView,
  },
  'key.import': {
    method: 'POST',
    path: '/keys/import',
    scope: 'keys',
    words: 'Takes in a key that exists.',
    input: object<InputOf<'key.import'>>({
      name: keyName,
      passphrase,
      secret: text(4_096, 'nsec1…, 64 hex characters, ncryptsec1… or seed words', undefined, 1),
      secretPassphrase: optional(text(PASSPHRASE_CHARS, 'the passphrase of what is imported')),
      account: optional(integer(0, 2_147_483_647, 'the account of the seed words (NIP-06)')),
    }),
    output: keyView,
  },
  'key.export': {
    method: 'POST',
    path: '/keys/{name}/export',
    scope: 'keys',
    words: 'The key as ncryptsec1… (NIP-49).',
    input: object<InputOf<'key.export'>>({
      name: keyName,
      passphrase,
      exportPassphrase: optional(passphrase),
      logN: optional(integer(16, 22, 'the cost of scrypt')),
    }),
    output: object<OutputOf<'key.export'>>({ ncryptsec: line }),
  },
  'key.unlock': {
    method: 'POST',
    path: '/keys/{name}/unlock',
    scope: 'keys',
    words: 'Lets the key be used, for a while or until it is locked.',
    input: object<InputOf<'key.unlock'>>({ name: keyName, passphrase, forMs: optional(duration) }),
    output: keyView,
  },
  'key.lock': {
    method: 'POST',
    path: '/keys/{name}/lock',
    scope: 'approve',
    words: 'Wipes the key from memory; requests for it are answered unavailable.',
    input: byName,
    output: keyView,
  },
  'key.rename': {
    method: 'POST',
    path: '/keys/{name}/rename',
    scope: 'keys',
    words: 'Another name for a key.',
    input: object<InputOf<'key.rename'>>({ name: keyName, newName: keyName }),
    output: keyView,
  },
  'key.passwd': {
    method: 'POST',
    path: '/keys/{name}/passwd',
    scope: 'keys',
    words: 'Another passphrase for a key.',
    input: object<InputOf<'key.passwd'>>({ name: keyName, passphrase, newPassphrase: passphrase }),
    output: keyView,
  },
  'key.delete': {
    method: 'POST',
    path: '/keys/{name}/delete',
    scope: 'keys',
    words: 'Deletes a key for good.',
    input: object<InputOf<'key.delete'>>({
      name: keyName,
      passphrase,
      force: optional(flag('delete it although apps use it')),
    }),
    output: byName,
  },
  'link.create': {
    method: 'POST',
    path: '/links',
    scope: 'manage',
    words: 'Makes bunker:// links. Each is shown once.',
    input: object<InputOf<'link.create'>>({
      key: optional(keyName),
      policy: optional(policyChoice),
      forMs: optional(duration),
      count: optional(integer(1, LINKS_PER_CALL, 'how many links')),
      label: optional(label),
      approval: optional(choice(['secret', 'ask'], 'who lets an app in')),
    }),
    output: object<OutputOf<'link.create'>>({ links: list(madeLink) }),
  },
  'link.list': {
    method: 'GET',
    path: '/links',
    scope: 'read',
    words: 'Links that are out, without their secrets.',
    input: nothing,
    output: object<OutputOf<'link.list'>>({ links: list(linkView) }),
  },
  'link.revoke': {
    method: 'DELETE',
    path: '/links/{token}',
    scope: 'manage',
    words: 'Nobody can use the link any more; an app that used it goes on.',
    input: object<InputOf<'link.revoke'>>({ token: tokenName }),
    output: object<OutputOf<'link.revoke'>>({ token: tokenName }),
  },
  'connect.preview': {
    method: 'POST',
    path: '/connect/preview',
    scope: 'manage',
    words: 'Reads a nostrconnect:// URI and says what the app would get.',
    input: object<InputOf<'connect.preview'>>({
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
    input: object<InputOf<'connect.accept'>>({
      uri: text(8_192, 'a nostrconnect:// URI'),
      hash,
      key: optional(keyName),
      policy: optional(policyChoice),
      label: optional(label),
    }),
    output: appView,
  },
  'app.list': {
    method: 'GET',
    path: '/apps',
    scope: 'read',
    words: 'Apps that are connected.',
    input: nothing,
    output: object<OutputOf<'app.list'>>({ apps: list(appView, 100_000) }),
  },
  'app.show': {
    method: 'GET',
    path: '/apps/{client}',
    scope: 'read',
    words: 'One app, with its policy and what it used.',
    input: byClient,
    output: appDetail,
  },
  'app.rename': {
    method: 'PUT',
    path: '/apps/{client}/label',
    scope: 'manage',
    words: 'A name of your own for an app.',
    input: object<InputOf<'app.rename'>>({ client: pubkey, label }),
    output: appView,
  },
  'app.origins': {
    method: 'PUT',
    path: '/apps/{client}/origins',
    scope: 'manage',
    words: 'The web addresses of an app, for policies that name list:origins.',
    input: object<InputOf<'app.origins'>>({
      client: pubkey,
      origins: list(text(256, 'an origin such as https://app.example'), ORIGINS_PER_APP),
    }),
    output: object<OutputOf<'app.origins'>>({ origins: list(line) }),
  },
  'app.policy.get': {
    method: 'GET',
    path: '/apps/{client}/policy',
    scope: 'read',
    words: 'What an app may do.',
    input: byClient,
    output: policyView,
  },
  'app.policy.set': {
    method: 'PUT',
    path: '/apps/{client}/policy',
    scope: 'manage',
    words: 'Another policy for an app, from the next request on.',
    input: object<InputOf<'app.policy.set'>>({ client: pubkey, policy: policyChoice }),
    output: policyView,
  },
  'app.suspend': {
    method: 'POST',
    path: '/apps/{client}/suspend',
    scope: 'approve',
    words: 'Denies the app everything, for a while or until it is resumed.',
    input: object<InputOf<'app.suspend'>>({ client: pubkey, forMs: optional(duration) }),
    output: policyView,
  },
  'app.resume': {
    method: 'POST',
    path: '/apps/{client}/resume',
    scope: 'manage',
    words: 'Ends a suspension.',
    input: byClient,
    output: policyView,
  },
  'app.revoke': {
    method: 'DELETE',
    path: '/apps/{client}',
    scope: 'approve',
    words: 'Ends the connection of an app.',
    input: byClient,
    output: object<OutputOf<'app.revoke'>>({ ended: amount }),
  },
  'app.trim': {
    method: 'POST',
    path: '/apps/{client}/trim',
    scope: 'manage',
    words: 'Proposes to take away what was never used.',
    input: object<InputOf<'app.trim'>>({
      client: pubkey,
      apply: optional(flag('take the proposals away')),
    }),
    output: object<OutputOf<'app.trim'>>({
      proposals: list(object<TrimProposal>({ grant: text(GRANTS_CHARS, 'a grant'), why: words })),
      applied: flag('whether they were taken away'),
      policy: policyView,
    }),
  },
  'request.list': {
    method: 'GET',
    path: '/requests',
    scope: 'read',
    words: 'Questions that wait for the owner, the oldest first.',
    input: nothing,
    output: object<OutputOf<'request.list'>>({ requests: list(questionView) }),
  },
  'request.show': {
    method: 'GET',
    path: '/requests/{id}',
    scope: 'approve',
    words: 'One question with everything that would be signed or encrypted.',
    input: object<InputOf<'request.show'>>({ id: questionId }),
    output: questionDetail,
  },
  'request.approve': {
    method: 'POST',
    path: '/requests/{id}/approve',
    scope: 'approve',
    words: 'Says yes to exactly what was shown.',
    input: decisionInput,
    output: decided,
  },
  'request.deny': {
    method: 'POST',
    path: '/requests/{id}/deny',
    scope: 'approve',
    words: 'Says no.',
    input: decisionInput,
    output: decided,
  },
  'policy.presets': {
    method: 'GET',
    path: '/policy/presets',
    scope: 'read',
    words: 'The presets that a policy can begin with.',
    input: nothing,
    output: object<OutputOf<'policy.presets'>>({
      presets: list(
        object<OutputOf<'policy.presets'>['presets'][number]>({
          name: line,
          words,
          default: flag('the one for links that name none'),
        }),
      ),
    }),
  },
  'policy.lint': {
    method: 'POST',
    path: '/policy/lint',
    scope: 'read',
    words: 'Reads a policy and warns of what is probably not meant.',
    input: object<InputOf<'policy.lint'>>({ policy: policyChoice }),
    output: object<OutputOf<'policy.lint'>>({ findings: list(finding), policy: policyView }),
  },
  'policy.test': {
    method: 'POST',
    path: '/policy/test',
    scope: 'read',
    words: 'What a policy, or that of an app, would do with a request.',
    input: judgeInput,
    output: explanation,
  },
  'policy.explain': {
    method: 'POST',
    path: '/policy/explain',
    scope: 'read',
    words: 'Why, which limit, and what would change it.',
    input: judgeInput,
    output: explanation,
  },
  'policy.replay': {
    method: 'POST',
    path: '/policy/replay',
    scope: 'read',
    words: 'Which past decisions another policy would have turned around.',
    input: object<InputOf<'policy.replay'>>({
      policy: policyChoice,
      client: optional(pubkey),
      sinceMs: optional(time),
    }),
    output: object<Replay>({
      judged: amount,
      skipped: amount,
      flips: list(
        object<Replay['flips'][number]>({
          at: time,
          client: pubkey,
          method: line,
          kind: nullable(amount),
          was: effect,
          would: effect,
          rule: line,
        }),
        100_000,
      ),
    }),
  },
  'audit.list': {
    method: 'GET',
    path: '/audit',
    scope: 'read',
    words: 'What was done with the keys, page by page.',
    input: object<InputOf<'audit.list'>>({
      after: optional(integer(0, Number.MAX_SAFE_INTEGER, 'the position of an entry')),
      limit: optional(integer(1, AUDIT_PAGE, 'how many entries')),
      client: optional(pubkey),
      newest: optional(flag('newest first')),
      sinceMs: optional(time),
      untilMs: optional(time),
    }),
    output: object<OutputOf<'audit.list'>>({
      entries: list(auditEntry, AUDIT_PAGE),
      next: nullable(amount),
    }),
  },
  'audit.verify': {
    method: 'POST',
    path: '/audit/verify',
    scope: 'read',
    words: 'Whether the hash chain of the audit log is whole.',
    input: nothing,
    output: object<OutputOf<'audit.verify'>>({
      ok: flag('it is whole'),
      records: amount,
      problems: list(words),
    }),
  },
  'relay.list': {
    method: 'GET',
    path: '/relays',
    scope: 'read',
    words: 'Relays in use, and how they are doing.',
    input: nothing,
    output: relays,
  },
  'relay.add': {
    method: 'POST',
    path: '/relays',
    scope: 'manage',
    words: 'A relay for new links.',
    input: relayInput,
    output: relays,
  },
  'relay.remove': {
    method: 'POST',
    path: '/relays/remove',
    scope: 'manage',
    words: 'No longer a relay for new links; apps that use it stay there.',
    input: relayInput,
    output: relays,
  },
  'backup.create': {
    method: 'POST',
    path: '/backups',
    scope: 'admin',
    words: 'Writes a backup while the daemon runs.',
    input: directory,
    output: backupView,
  },
  'backup.verify': {
    method: 'POST',
    path: '/backups/verify',
    scope: 'admin',
    words: 'Whether a backup is whole and can be read.',
    input: directory,
    output: object<OutputOf<'backup.verify'>>({
      ok: flag('it is whole'),
      problems: list(words),
      backup: nullable(backupView),
    }),
  },
  'host.panic': {
    method: 'POST',
    path: '/panic',
    scope: 'approve',
    words: 'Stops everything at once, until it is resumed.',
    input: nothing,
    output: object<OutputOf<'host.panic'>>({ keys: amount, links: amount, apps: amount, requests: amount }),
  },
  'host.lock-all': {
    method: 'POST',
    path: '/lock-all',
    scope: 'approve',
    words: 'Locks every key.',
    input: nothing,
    output: object<OutputOf<'host.lock-all'>>({ keys: amount }),
  },
  'host.resume': {
    method: 'POST',
    path: '/resume',
    scope: 'admin',
    words: 'Ends a panic.',
    input: nothing,
    output: object<OutputOf<'host.resume'>>({ apps: amount }),
  },
  'token.create': {
    method: 'POST',
    path: '/tokens',
    scope: 'admin',
    words: 'A token for the API, shown once.',
    input: object<InputOf<'token.create'>>({ label, scopes, forMs: optional(duration) }),
    output: object<OutputOf<'token.create'>>({ token: line, info: tokenView }),
  },
  'token.list': {
    method: 'GET',
    path: '/tokens',
    scope: 'admin',
    words: 'Tokens that are out, without their secrets.',
    input: nothing,
    output: object<OutputOf<'token.list'>>({ tokens: list(tokenView) }),
  },
  'token.revoke': {
    method: 'DELETE',
    path: '/tokens/{id}',
    scope: 'admin',
    words: 'The token is no longer good.',
    input: object<InputOf<'token.revoke'>>({ id: text(64, 'the id of a token', /^[0-9a-f]{1,64}$/) }),
    output: object<OutputOf<'token.revoke'>>({ id: line }),
  },
  'browser.invite': {
    method: 'POST',
    path: '/browser/invite',
    scope: 'approve',
    words: 'A page that signs one browser in for approvals.',
    input: nothing,
    output: object<OutputOf<'browser.invite'>>({ url: nullable(line), expiresAt: time }),
  },
}
