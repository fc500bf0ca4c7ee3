/**
 * The daemon: a vault, a store, relays, a policy, the remote signer and its API, started in order and stopped in order.
 * Never reads a setting, a passphrase or a signal by itself: they are given to it.
 */

import { join } from 'node:path'
import {
  type Clock,
  type Crypto,
  parseRelayUrl,
  type Question,
  type RandomBytes,
  type RelayUrl,
  type Transport,
  UsageError,
  type UserSigner,
} from '@nip46/core'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { wantsNotice } from '@nip46/policy'
import { createRelay, type RelayServer } from '@nip46/relay'
import { createRemoteSigner, type RemoteSignerEvent, type SessionInfo } from '@nip46/remote-signer'
import { createRelayPool } from '@nip46/transport-websocket'
import { createBrowsers } from '../api/browsers.ts'
import { createEventHub } from '../api/events.ts'
import { Fault } from '../api/fault.ts'
import type { OperationName } from '../api/operations.ts'
import { createPages } from '../api/pages.ts'
import { createApiServer, type Handlers } from '../api/server.ts'
import type { QuestionView, Remember } from '../api/shapes.ts'
import { openTokens } from '../api/tokens.ts'
import { hostRandom } from '../host-random.ts'
import { hostClock } from '../keys/host-clock.ts'
import type { Vault } from '../keys/vault.ts'
import { VERSION } from '../version.ts'
import { createAuditTail } from './audit-tail.ts'
import { createBrake, withBrake } from './brake.ts'
import type { Config, LoadedConfig } from './config.ts'
import { openCrashMarks } from './crash-marks.ts'
import { createDesk } from './desk.ts'
import { createDuplicateWatch } from './duplicate-watch.ts'
import { logSignerEvent } from './engine-log.ts'
import { createHandlers } from './handlers/index.ts'
import { viewEntry } from './handlers/policies.ts'
import { ownRelays, readStatus } from './health.ts'
import type { Host } from './host.ts'
import { instanceName } from './instance.ts'
import {
  BURST_SECONDS,
  CRASH_MARK_MS,
  DRAIN_API_MS,
  DRAIN_LOOK_MS,
  DRAIN_MS,
  DUPLICATE_EVERY_MS,
  WATCH_EVERY_MS,
} from './limits.ts'
import { createLog } from './log.ts'
import { createPolicyBook } from './own-policy-book.ts'
import { ensurePrivateDirectory, removeHalfWritten } from './private-file.ts'
import type { Asked } from './question-view.ts'
import { createJudge, readSessionPolicy } from './session-policy.ts'
import type { Address } from './setting.ts'
import { openSettings, readSalt, type SettingsState, withLabel } from './settings.ts'
import { hearOnTheWay } from './sharing.ts'
import { type OpenStore, openStore } from './store.ts'
import { openUserLists } from './user-lists.ts'
import { createUses } from './uses.ts'

export interface DaemonDeps {
  /** Open. Closed with the daemon, or if it does not start. */
  readonly vault: Vault
  /** Takes one line of the log, without its end. */
  readonly print: (line: string) => void
  /** Default: what the settings name. Closed with the daemon. */
  readonly store?: OpenStore
  readonly crypto?: Crypto
  readonly clock?: Clock
  readonly random?: RandomBytes
}

export interface Daemon {
  /** The unix socket of the API. */
  readonly socket: string
  /** The API and the pages over HTTP; null if that is off. */
  readonly url: string | null
  /** The relay that is run here; null if none is. */
  readonly relay: RelayUrl | null
  /**
   * For a fault that nobody caught: writes it to the log, masked, closes the sockets and marks in the store what was in work. Settles
   * within `CRASH_MARK_MS`; the process is to end then.
   */
  fault(cause: unknown): Promise<void>
  /** Settles when it has stopped, whoever asked for that; rejects with a `UsageError` if another daemon took its place. */
  readonly stopped: Promise<void>
  /**
   * Reads no more requests, finishes those under way for at most `DRAIN_MS`, publishes their answers, closes everything. What waits
   * for the owner stays in the store, and is asked again after a start. Calling again waits for the same.
   */
  close(): Promise<void>
}

/**
 * Starts a daemon. Resolves when it answers apps and the API; rejects with a `UsageError` that names the fix if the settings
 * or the place cannot be used, and then leaves nothing open.
 */
export async function runDaemon(loaded: LoadedConfig, deps: DaemonDeps): Promise<Daemon> {
  const closers: (() => Promise<unknown> | unknown)[] = [() => deps.vault.close()]
  try {
    return await start(loaded, deps, closers)
  } catch (cause) {
    for (const close of closers.reverse()) await close()
    throw cause
  }
}

async function start(
  loaded: LoadedConfig,
  deps: DaemonDeps,
  closers: (() => Promise<unknown> | unknown)[],
): Promise<Daemon> {
  const { config } = loaded
  const { vault } = deps
  const clock = deps.clock ?? hostClock
  const random = deps.random ?? hostRandom
  const crypto = deps.crypto ?? tinyCrypto()
  const startedAt = clock.now()
  await ensurePrivateDirectory(config.data)
  await removeHalfWritten(config.data, clock.now())
  const hub = createEventHub(clock)
  const log = createLog({
    level: config.log,
    now: clock.now,
    print: deps.print,
    onEntry: (entry) => hub.publish({ topic: 'log', entry }),
  })
  const tokens = await openTokens(join(config.data, 'tokens.json'), random, clock.now)
  const ownName = (): Promise<string> => instanceName(config, join(config.data, 'instance'), random)
  const store =
    deps.store ??
    (await openStore(config, {
      vault,
      instance: ownName,
      onReach: (reachable) =>
        log.write(reachable ? 'info' : 'error', reachable ? 'store-back' : 'store-away', {}),
    }))
  closers.push(() => store.close())
  const settings = await openSettings({
    records: store.records,
    isShared: store.store.sharing !== undefined,
    now: clock.now,
    onChanged: (before, after) => followSettings(host, before, after),
  })
  const relayHere = await serveRelay(config, crypto)
  if (relayHere !== null) closers.push(() => relayHere.server.close())
  const served = relayHere?.url ?? null
  const pool = createRelayPool({ clock, randomBytes: random })
  closers.push(() => pool.close())
  const lists = await openUserLists({
    directory: join(config.data, 'lists'),
    transport: pool,
    relays: config.userRelays,
    crypto,
    clock,
    onFault: (cause) => log.fault('lists', cause),
  })
  closers.push(() => lists.close())
  const salt = await readSalt(store.records, () => Buffer.from(random(32)).toString('hex'))
  const book = createPolicyBook({
    now: clock.now,
    preset: config.preset,
    salt,
    relays: () => [...ownRelays({ loaded, settings, served }), ...config.userRelays],
    lists,
    origins: (client) => settings.state.origins[client],
  })
  const uses = createUses()
  const browsers = createBrowsers(random, clock)

  const desk = createDesk({
    clock,
    patienceMs: config.decideSeconds * 1_000,
    naming: (question) => nameApp(host, question),
    choices: book.choices,
    remembered: ({ question }, remember, allow) => book.remembered(question, remember, allow),
    settled: (asked, remember, allow) => settledWith(host, asked, remember, allow),
    page: (id) => (config.authPage && host.pagesUrl !== null ? `${host.pagesUrl}/ask/${id}` : undefined),
    onAsked: (question) => hub.publish({ topic: 'requests', type: 'asked', question }),
    onSettled: (id, how) => hub.publish({ topic: 'requests', type: 'settled', id, how }),
  })
  const brake = createBrake({
    stop() {
      browsers.clear()
      return desk.stop()
    },
    resume: desk.resume,
  })
  if (settings.state.panicAt !== null) brake.pull()

  // -- the remote signer -----------------------------------------------------------------------

  const crashMarks = await openCrashMarks({
    records: store.records,
    instance: store.store.sharing === undefined ? '' : await ownName(),
    salt,
    version: VERSION,
    clock,
    onRefused(user, { method }) {
      log.write('error', 'crash-refused', { user, method })
    },
    onFault: (cause) => log.fault('crash-marks', cause),
  })
  // What does not start has nothing in work: it leaves no trace of a crash.
  closers.push(() => crashMarks.endInOrder().catch(() => undefined))
  let performing = 0
  const userSigner = (user: Parameters<Vault['userSigner']>[0]): UserSigner | undefined => {
    const signer = vault.userSigner(user)
    if (signer === undefined) return undefined
    return {
      userPubkey: user,
      repeatable: signer.repeatable,
      perform: withBrake(
        brake,
        crashMarks.guard(user, async (operation) => {
          performing += 1
          try {
            const outcome = await signer.perform(operation)
            if (operation.method === 'sign_event' && outcome.ok) lists.signed(user, outcome.value)
            return outcome
          } finally {
            performing -= 1
          }
        }),
      ),
    }
  }

  const duplicates =
    store.store.sharing === undefined
      ? createDuplicateWatch({
          transport: pool,
          crypto,
          clock,
          onForeign: (event, relay) => onDuplicate(event.pubkey, relay),
        })
      : undefined
  const transport: Transport = {
    publish(relays, event, options) {
      duplicates?.sent(event)
      return pool.publish(relays, event, options)
    },
    // What comes while the daemon stops is left to the next one: relays and clients send it again.
    subscribe: (request) =>
      pool.subscribe({
        ...request,
        onEvent: (event, relay) => {
          if (!host.isDraining) request.onEvent(event, relay)
        },
      }),
    close: () => pool.close(),
  }

  const heard = hearOnTheWay(store.store, {
    clock,
    onMembers: () => void store.look?.().catch((cause) => log.fault('store-look', cause)),
    refresh: () => Promise.all([settings.refresh(), crashMarks.refresh()]).then(() => undefined),
    onFault: (cause) => log.fault('settings', cause),
  })
  closers.push(heard.close)
  const relays = ownRelays({ loaded, settings, served })
  const signer = createRemoteSigner({
    crypto,
    transport,
    userSigner,
    approver: desk.approver,
    judge: createJudge(book, () => brake.isOn),
    relays,
    store: heard.store,
    random,
    clock,
    userRelays: Object.fromEntries(relays.map((relay) => [relay, { read: true, write: true }])),
    nip44GetKey: config.nip44GetKey,
    acceptNip04: config.legacy,
    decisionTimeoutMs: config.decideSeconds * 1_000,
    rates: {
      sign: { perSecond: config.signsPerSecond, burst: BURST_SECONDS * config.signsPerSecond },
      cipher: { perSecond: config.ciphersPerSecond, burst: BURST_SECONDS * config.ciphersPerSecond },
    },
  })
  closers.push(() => signer.close())

  const host: Host = {
    version: VERSION,
    loaded,
    clock,
    random,
    vault,
    signer,
    pool,
    store,
    desk,
    brake,
    book,
    lists,
    settings,
    tokens,
    browsers,
    hub,
    log,
    uses,
    crashMarks,
    served,
    startedAt,
    pagesUrl: null,
    isDraining: false,
    duplicateAt: null,
    status: () => readStatus(host),
  }

  const onDuplicate = (signerPubkey: string, relay: RelayUrl): void => {
    const now = clock.now()
    const isNews = host.duplicateAt === null || now - host.duplicateAt >= DUPLICATE_EVERY_MS
    if (isNews) {
      host.duplicateAt = now
      log.write('error', 'duplicate-signer', { code: 'signer/duplicate', signer: signerPubkey, relay })
    }
    if (config.onDuplicate === 'stop') void close()
  }

  let watchTimer: unknown
  const watchSoon = (): void => {
    watchTimer ??= clock.setTimer(() => {
      watchTimer = undefined
      duplicates?.watch(signer.sessions())
      lists.watch(signer.sessions().map(({ userPubkey }) => userPubkey))
    }, WATCH_EVERY_MS)
  }

  const tail = createAuditTail({
    audit: store.audit,
    clock,
    isWanted: () => hub.wanted('audit'),
    onEntry: (entry) => hub.publish({ topic: 'audit', entry: viewEntry(entry) }),
    onFault: (cause) => log.fault('audit-tail', cause),
  })

  signer.on((event) => {
    logSignerEvent(log, event)
    tail.stir()
    if (event.type === 'performed' && event.error === null) {
      uses.count(event.clientPubkey, event.subject)
      if (event.subject.eventId !== undefined) lists.done(event.subject.eventId)
      tellOwner(host, event)
    }
    if (event.type === 'session-opened')
      takeLinkLabel(host, event.session).catch((cause) => log.fault('settings', cause))
    if (event.type.startsWith('session-')) watchSoon()
    if (event.type === 'superseded') {
      endedBy = new UsageError(
        'another daemon was started under the instance name of this one, and goes on in its place: if both are to run, set "instance" of one of them; of a copied data directory only "vault" is meant to be shared',
      )
      close().catch(() => undefined)
    }
  })
  vault.on((event) => {
    if (event.type === 'worker-lost') log.write('error', event.type, { reason: event.reason })
    else
      log.write(event.type === 'wrong-passphrase' ? 'warning' : 'info', event.type, { key: event.key.name })
  })

  // -- the API -----------------------------------------------------------------------------------

  let isStarted = false
  const api = createApiServer({
    handlers: gated(createHandlers(host), () => {
      if (host.isDraining) throw new Fault(503, 'daemon/stopping', 'the daemon is stopping')
      if (!isStarted) throw new Fault(503, 'daemon/starting', 'the daemon is starting: try again in a moment')
    }),
    tokens,
    hub,
    tail,
    status: host.status,
    version: VERSION,
    clock,
    onFault: (operation, cause) => log.fault('api-fault', cause, { operation }),
  })
  closers.push(() => api.close(0))
  const pages = createPages({
    browsers,
    clock,
    isSecure: config.publicUrl?.startsWith('https:') === true,
    list: desk.list,
    show: desk.show,
    async settle(id, hash, allow, remember, by) {
      const decided = await desk.settle(id, hash, allow, remember)
      log.write('info', 'request-decided', {
        code: decided.decision,
        caller: by,
        count: 1 + decided.also.length,
      })
      return decided
    },
  })
  await api.listenOnSocket(config.socket)
  await signer.start()
  isStarted = true
  watchSoon()
  const url = config.http === null ? null : await listenOnHttp(config)
  log.write('info', 'started', {
    version: VERSION,
    pid: process.pid,
    path: config.socket,
    url: url ?? undefined,
  })

  host.pagesUrl = url === null ? null : (config.publicUrl ?? url)

  function listenOnHttp({ http, publicUrl }: Config): Promise<string> {
    if (http === null) throw new UsageError('http is off')
    return listenOr(http, () =>
      api.listenOnHttp({ ...http, pages, ...(publicUrl !== null && { publicUrl }) }),
    )
  }

  // -- stopping ------------------------------------------------------------------------------------

  let tellStopped: () => void = () => undefined
  let tellFailed: (cause: unknown) => void = () => undefined
  const stopped = new Promise<void>((resolve, reject) => {
    tellStopped = resolve
    tellFailed = reject
  })
  // Whoever calls `close()` is told; nobody has to wait for this one as well.
  stopped.catch(() => undefined)

  const isIdle = (): boolean => {
    const { events, inputs, answers } = signer.stats().waiting
    return events + inputs + answers + performing === 0
  }

  const drain = async (): Promise<void> => {
    log.write('info', 'stopping', { count: performing })
    host.isDraining = true
    clock.clearTimer(watchTimer)
    duplicates?.close()
    tail.close()
    heard.close()
    const until = clock.now() + DRAIN_MS
    while (!isIdle() && clock.now() < until) await pause(clock, DRAIN_LOOK_MS)
    await signer.close()
    await lists.close()
    await api.close(DRAIN_API_MS)
    await pool.close()
    await relayHere?.server.close()
    const ended = crashMarks.endInOrder().catch((cause) => log.fault('crash-marks', cause))
    await Promise.race([ended, pause(clock, CRASH_MARK_MS)])
    await store.close()
    await vault.close()
    log.write('info', 'stopped', {})
  }

  /** Why, if nobody asked for it. */
  let endedBy: UsageError | undefined
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= drain()
    closing.then(
      () => (endedBy === undefined ? tellStopped() : tellFailed(endedBy)),
      (cause) => tellFailed(cause),
    )
    return closing
  }
  const fault = async (cause: unknown): Promise<void> => {
    log.fault('crashed', cause)
    host.isDraining = true
    const marked = crashMarks.crashed().then(
      (count) => log.write('error', 'crash-marked', { count }),
      (failure) => log.fault('crash-marks', failure),
    )
    // What is in memory may be wrong: none of it leaves.
    pool.close().catch(() => undefined)
    await Promise.race([marked, pause(clock, CRASH_MARK_MS)])
  }
  return { socket: config.socket, url, relay: served, stopped, close, fault }
}

/** Every operation behind one question that is asked first. */
function gated(handlers: Handlers, expectOpen: () => void): Handlers {
  const guarded = Object.entries(handlers).map(([name, run]) => [
    name,
    (input: never, caller: never) => {
      if (!ALWAYS.includes(name as OperationName)) expectOpen()
      return (run as (input: never, caller: never) => unknown)(input, caller)
    },
  ])
  return Object.fromEntries(guarded) as Handlers
}

/** What is answered also while the daemon starts and stops. */
const ALWAYS: readonly OperationName[] = ['status.get', 'health.get']

async function serveRelay(
  { serve, serveUrl }: Config,
  crypto: Crypto,
): Promise<{ readonly server: RelayServer; readonly url: RelayUrl } | null> {
  if (serve === null) return null
  const server = createRelay({ crypto, ...serve })
  const { url } = await listenOr(serve, () => server.listen())
  const [named] = serveUrl
  const parsed = named === undefined ? parseRelayUrl(url) : { ok: true as const, value: named }
  if (parsed.ok) return { server, url: parsed.value }
  await server.close()
  throw new UsageError(
    `apps would not use ${url}: set "serveUrl" to the wss:// address under which they reach this relay`,
  )
}

/** A port that is taken is told with its setting. */
async function listenOr<T>({ host, port }: Address, listen: () => Promise<T>): Promise<T> {
  try {
    return await listen()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code !== 'EADDRINUSE' && code !== 'EACCES' && code !== 'EADDRNOTAVAIL') throw cause
    throw new UsageError(`${host}:${port} cannot be listened on (${code}): set another port, or 0 for any`)
  }
}

/** What another daemon on the same store changed holds here as well before anything is committed. */
export async function followSettings(
  host: Pick<Host, 'brake' | 'vault' | 'signer' | 'log' | 'settings' | 'loaded' | 'served'>,
  before: SettingsState,
  { added, removed, panicAt, lockedAt }: SettingsState,
): Promise<void> {
  const { brake, vault, signer, log } = host
  if (`${before.added} ${before.removed}` !== `${added} ${removed}`) signer.setRelays(ownRelays(host))
  if (panicAt !== null && panicAt !== before.panicAt) {
    log.write('warning', 'panic', { caller: 'another daemon' })
    brake.pull()
    await vault.lockAll()
  } else if (panicAt === null && before.panicAt !== null) {
    log.write('warning', 'resume', { caller: 'another daemon' })
    brake.release()
  }
  if (lockedAt !== before.lockedAt) {
    log.write('info', 'lock-all', { caller: 'another daemon' })
    await vault.lockAll()
  }
}

/** What the owner calls an app, and what it says of itself. */
function nameApp({ settings, signer }: Host, question: Question): Pick<QuestionView, 'label' | 'claims'> {
  const { clientPubkey } = question
  const session = signer.sessions().find((each) => each.clientPubkey === clientPubkey)
  const metadata = question.type === 'connect' ? question.metadata : (session?.metadata ?? null)
  return {
    label: settings.state.apps[clientPubkey] ?? '',
    claims: { name: metadata?.name ?? null, url: metadata?.url ?? null },
  }
}

/** What the rule that allowed it says that the owner is to be told of: in the log, and to those who read along. */
function tellOwner(
  { hub, log, clock, signer, settings }: Host,
  { clientPubkey: client, subject, rule }: Extract<RemoteSignerEvent, { type: 'performed' }>,
): void {
  if (rule === null || !wantsNotice(rule)) return
  const { method, kind, peer } = subject
  log.write('info', 'notice', { client, method, kind, rule })
  if (!hub.wanted('notices')) return
  const session = signer.sessions().find(({ clientPubkey }) => clientPubkey === client)
  const { name = null, url = null } = session?.metadata ?? {}
  const notice = { at: clock.now(), client, method, kind: kind ?? null, peer: peer ?? null, rule }
  const label = settings.state.apps[client] ?? ''
  hub.publish({ topic: 'notices', notice: { ...notice, label, claims: { name, url } } })
}

/** By the policy of the app's session, as it will be with what is remembered in it. */
function settledWith(
  { signer, book, clock }: Host,
  { question, user }: Asked,
  remember: Remember,
  allow: boolean,
): (other: Question) => boolean {
  const { clientPubkey: client } = question
  const session = signer
    .sessions()
    .find(({ clientPubkey, userPubkey }) => clientPubkey === client && userPubkey === user)
  const policy = session === undefined ? null : readSessionPolicy(session.policy)
  if (session === undefined || policy === null) return () => false
  const about = { client, user: session.userPubkey, granted: session.granted, now: clock.now() }
  return book.settled(policy.own, question, remember, allow, about)
}

/** A link's name becomes that of the app that used it. */
async function takeLinkLabel(
  { signer, settings }: Host,
  { clientPubkey, signerPubkey }: SessionInfo,
): Promise<void> {
  // The link may have been made on another daemon a moment ago.
  await settings.refresh()
  const offer = signer
    .offers()
    .find(({ usedBy, remoteSigner }) => usedBy === clientPubkey && remoteSigner === signerPubkey)
  const label = offer === undefined ? undefined : settings.state.links[offer.token]
  if (label === undefined || Object.hasOwn(settings.state.apps, clientPubkey)) return
  await settings.change((state) => ({ ...state, apps: withLabel(state.apps, clientPubkey, label) }))
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(resolve, ms))
}
