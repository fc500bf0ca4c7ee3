/**
 * The daemon, made of its parts: a vault, a store, relays, a policy, the remote signer and its API, started in order.
 * Never reads a setting, a passphrase or a signal by itself: they are given to it.
 */

import { join } from 'node:path'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { createRemoteSigner } from '@nip46/remote-signer'
import { createPoolHealth, createRelayPool } from '@nip46/transport-websocket'
import { createBrowsers } from '../api/browsers.ts'
import { createEventHub } from '../api/events.ts'
import { openTokens } from '../api/tokens.ts'
import { hostRandom } from '../host-random.ts'
import { hostClock } from '../keys/host-clock.ts'
import { VERSION } from '../version.ts'
import { nameApp } from './app-naming.ts'
import { createAuditTail } from './audit-tail.ts'
import { createBrake } from './brake.ts'
import { createClockWatch, showClock } from './clock-watch.ts'
import type { LoadedConfig } from './config.ts'
import { openCrashMarks } from './crash-marks.ts'
import type { Daemon, DaemonDeps } from './daemon.ts'
import { createDesk } from './desk.ts'
import { drain, endAtFault } from './drain.ts'
import { createDuplicateWatch } from './duplicate-watch.ts'
import { followSettings } from './follow-settings.ts'
import { viewEntry } from './handlers/policies.ts'
import { otherRelays, ownRelays, readStatus } from './health.ts'
import { hearEvents } from './hearing.ts'
import type { Host } from './host.ts'
import { createHostApi } from './host-api.ts'
import { instanceName } from './instance.ts'
import { BURST_SECONDS } from './limits.ts'
import { createLog } from './log.ts'
import { tellDuplicate } from './notices.ts'
import { createPolicyBook } from './own-policy-book.ts'
import { createPerforming } from './performing.ts'
import { ensurePrivateDirectory, removeHalfWritten } from './private-file.ts'
import { serveRelay } from './served-relay.ts'
import { createJudge } from './session-policy.ts'
import { openSettings, readSalt } from './settings.ts'
import { settledWith } from './settled-with.ts'
import { hearOnTheWay } from './sharing.ts'
import { createSignerTransport } from './signer-transport.ts'
import { createStopping } from './stopping.ts'
import { openStore } from './store.ts'
import { createStoreWatch } from './store-watch.ts'
import { openUserLists } from './user-lists.ts'
import { createUses } from './uses.ts'

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
  const storeWatch = createStoreWatch({
    records: store.records,
    clock,
    isShared: store.store.sharing !== undefined,
    onChanged: (isAway, reason) =>
      log.write(isAway ? 'error' : 'info', isAway ? 'store-away' : 'store-back', { reason }),
  })
  closers.push(() => storeWatch.close())
  const relayHere = await serveRelay(config, crypto)
  if (relayHere !== null) closers.push(() => relayHere.server.close())
  const served = relayHere?.url ?? null
  const clockWatch = createClockWatch({
    now: clock.now,
    steady: () => performance.now(),
    relays: () => otherRelays({ loaded, settings, served }),
    onChanged: (verdict) =>
      verdict.isOff
        ? log.write('error', 'clock-off', { reason: showClock(verdict) })
        : log.write('info', 'clock-right', {}),
  })
  const poolHealth = createPoolHealth(clock)
  const pool = createRelayPool({
    clock,
    random,
    onFact(relay, fact, detail) {
      poolHealth.hear(relay, fact, detail)
      const date = fact === 'date' ? Date.parse(detail) : Number.NaN
      if (Number.isFinite(date)) clockWatch.told(relay, date)
    },
  })
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
  const { panicAt } = settings.state
  if (panicAt !== null) {
    log.write('warning', 'panic', { reason: `goes on since ${new Date(panicAt).toISOString()}` })
    brake.pull()
  }

  // -- the remote signer -----------------------------------------------------------------------

  const crashMarks = await openCrashMarks({
    records: store.records,
    instance: store.store.sharing === undefined ? '' : await ownName(),
    salt,
    version: VERSION,
    clock,
    onRefused(user, { method }) {
      log.write('error', 'crash-refused', { userPubkey: user, method })
    },
    onFault: (cause) => log.fault('crash-marks', cause),
  })
  // What does not start has nothing in work: it leaves no trace of a crash.
  closers.push(() => crashMarks.endInOrder().catch(() => undefined))
  const performing = createPerforming({ vault, brake, crashMarks, lists })

  const duplicates =
    store.store.sharing === undefined
      ? createDuplicateWatch({
          transport: pool,
          crypto,
          clock,
          onForeign(event, relay) {
            tellDuplicate(host, event.pubkey, relay)
            if (config.onDuplicate === 'stop') void close()
          },
        })
      : undefined
  const transport = createSignerTransport(pool, { duplicates, isDraining: () => host.isDraining })

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
    userSigner: performing.userSigner,
    approver: desk.approver,
    judge: createJudge(book, () => brake.isOn),
    relays,
    store: heard.store,
    random,
    clock,
    userRelays: Object.fromEntries(relays.map((relay) => [relay, { read: true, write: true }])),
    onHeard: clockWatch.heard,
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
    poolHealth,
    store,
    storeWatch,
    desk,
    brake,
    clockWatch,
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

  const tail = createAuditTail({
    audit: store.audit,
    clock,
    isWanted: () => hub.wanted('audit'),
    onEntry: (entry) => hub.publish({ topic: 'audit', entry: viewEntry(entry) }),
    onFault: (cause) => log.fault('audit-tail', cause),
  })

  const hearing = hearEvents(host, {
    tail,
    duplicates,
    onSuperseded: (reason) => closeBecause(reason),
  })

  // -- the API -------------------------------------------------------------------------------------

  const api = createHostApi(host, tail)
  closers.push(() => api.close(0))

  // -- starting and stopping -----------------------------------------------------------------------

  const parts = { pool, performing, hearing, duplicates, tail, heard, api, relayHere }
  const { stopped, close, closeBecause } = createStopping(() => drain(host, parts))

  await api.listenOnSocket(config.socket)
  await signer.start()
  api.open()
  hearing.watchSoon()
  const url = await api.listenOnHttp()
  log.write('info', 'started', {
    version: VERSION,
    pid: process.pid,
    path: config.socket,
    url: url ?? undefined,
  })
  host.pagesUrl = url === null ? null : (config.publicUrl ?? url)
  return {
    socket: config.socket,
    url,
    relay: served,
    stopped,
    close,
    fault: (cause) => endAtFault(host, parts, cause),
  }
}
