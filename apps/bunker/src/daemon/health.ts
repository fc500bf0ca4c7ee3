/**
 * How the daemon is doing: what readiness looks at, the whole status, and what could be better.
 * Never asks a relay or a store anything: it tells what the running parts already know.
 */

import { encodeNpub, type RelayUrl } from '@nip46/core'
import type { Check, Finding, KeyView, RelayView, Status } from '../api/shapes.ts'
import type { KeyInfo } from '../keys/vault.ts'
import { showClock } from './clock-watch.ts'
import { SETTINGS, type SettingName, showSetting } from './config.ts'
import type { Host } from './host.ts'
import { CLOCK_WITNESSES } from './limits.ts'

export function checkHealth(host: Host): readonly Check[] {
  const { signer, vault, poolHealth } = host
  const { relays } = signer.stats()
  const keys = vault.list()
  const unlocked = keys.filter(({ state }) => state === 'unlocked').length
  const { facts } = host.store
  const hasStore = !host.storeWatch.isAway && facts.reachable
  const clock = host.clockWatch.verdict()
  const others = otherRelays(host)
  const refusing = poolHealth.read().filter(({ relay, clockSkew }) => clockSkew && others.includes(relay))
  const isRefused = refusing.length >= Math.min(CLOCK_WITNESSES, Math.max(1, others.length))
  const check = (name: Check['name'], ok: boolean, good: string, bad: string): Check => ({
    name,
    ok,
    words: ok ? good : bad,
  })
  return [
    check(
      'store',
      hasStore,
      facts.daemons.length > 1
        ? `what is done is stored, for ${facts.daemons.length} daemons`
        : 'what is done is stored',
      host.storeWatch.reason === null
        ? 'the store cannot be written: nothing is answered until it can'
        : `the store cannot be written, and nothing is answered until it can: ${host.storeWatch.reason}`,
    ),
    check(
      'relays',
      relays.live.length > 0 || listensToNothing(host),
      relays.live.length > 0
        ? `${relays.live.length} of ${relays.live.length + relays.down.length} relays deliver`
        : 'nothing to listen for yet',
      'no relay delivers: see "relay list"',
    ),
    check(
      'keys',
      unlocked > 0,
      `${unlocked} of ${keys.length} keys are unlocked`,
      keys.length === 0
        ? 'there is no key: make one with "key new"'
        : 'every key is locked: unlock one with "key unlock"',
    ),
    check(
      'clock',
      !clock.isOff && !isRefused,
      clock.by === null ? 'nothing says that our clock is wrong' : `${clock.by} agree with our clock`,
      `${clock.isOff ? showClock(clock) : 'relays refuse the time of our events'}: ${SET_CLOCK}`,
    ),
    check(
      'host',
      !isStopped(host) && !host.isDraining,
      'requests are answered',
      host.isDraining ? 'the daemon is stopping' : 'everything was stopped by "panic": end it with "resume"',
    ),
  ]
}

const SET_CLOCK = "set this machine's clock, and let NTP keep it right"

function isStopped({ settings, brake }: Host): boolean {
  return brake.isOn || settings.state.panicAt !== null
}

/** Without an offer or a session there is no relay to be connected to. */
function listensToNothing({ signer }: Host): boolean {
  return signer.sessions().length === 0 && signer.offers().every((offer) => offer.withdrawn)
}

export function readStatus(host: Host): Status {
  const { signer, vault, store, desk, clock } = host
  const stats = signer.stats()
  const checks = checkHealth(host)
  return {
    version: host.version,
    pid: process.pid,
    startedAt: host.startedAt,
    state: host.isDraining ? 'draining' : isStopped(host) ? 'panic' : 'running',
    ready: checks.every(({ ok }) => ok),
    checks,
    store: {
      kind: store.kind,
      place: store.place,
      server: store.facts.server,
      schema: store.facts.schema,
      daemons: store.facts.daemons,
    },
    relays: listRelays(host),
    keys: vault.list().map((key) => viewKey(host, key)),
    apps: new Set(signer.sessions().map(({ clientPubkey }) => clientPubkey)).size,
    links: signer
      .offers()
      .filter((offer) => !offer.withdrawn && offer.usedBy === null && offer.expiresAt > clock.now()).length,
    questions: desk.size,
    performed: stats.performed,
    published: stats.published,
    publishFailures: stats.publishFailures,
    crashRefusals: host.crashMarks.refused,
    dropped: Object.fromEntries(Object.entries(stats.dropped)),
    ailments: [
      ...stats.ailments.filter((ailment) => ailment !== 'store' || host.storeWatch.isAway),
      ...(host.duplicateAt === null ? [] : ['duplicate-signer']),
    ],
    memoryBytes: process.memoryUsage.rss(),
  }
}

export function viewKey({ signer }: Host, { name, pubkey, state, createdAt, locksAt }: KeyInfo): KeyView {
  const clients = signer
    .sessions()
    .flatMap((session) => (session.userPubkey === pubkey ? session.clientPubkey : []))
  return { name, pubkey, npub: encodeNpub(pubkey), state, createdAt, locksAt, apps: new Set(clients).size }
}

/** Relays that new links name, in order. */
export function ownRelays({
  loaded,
  settings,
  served,
}: Pick<Host, 'loaded' | 'settings' | 'served'>): readonly RelayUrl[] {
  const configured = [...loaded.config.relays, ...(served === null ? [] : [served])]
  const { added, removed } = settings.state
  return [...new Set([...configured.filter((url) => !removed.includes(url)), ...added])]
}

/** Why there is no link to a relay that no open link and no app names. */
const IDLE = 'nothing is wanted of it'

/** Of these, those that are not on this daemon: its own has its clock. */
export function otherRelays(host: Pick<Host, 'loaded' | 'settings' | 'served'>): readonly RelayUrl[] {
  return ownRelays(host).filter((url) => url !== host.served)
}

export function listRelays(host: Host): readonly RelayView[] {
  const own = ownRelays(host)
  const health = new Map(host.poolHealth.read().map((entry) => [entry.relay, entry]))
  const { live } = host.signer.stats().relays
  const used = host.signer.sessions().flatMap(({ relays }) => relays)
  return [...new Set([...own, ...used])].map((url) => {
    const entry = health.get(url)
    const isLive = live.includes(url)
    return {
      url,
      state: isLive ? 'live' : entry === undefined || entry.state === 'down' ? 'down' : 'connecting',
      own: own.includes(url),
      served: url === host.served,
      reason: isLive ? null : (entry?.lastFailure?.slice(0, 200) ?? (entry === undefined ? IDLE : null)),
    }
  })
}

/** What could be better, and how: the checks, the relays, where each setting comes from. */
export function diagnose(host: Host): readonly Finding[] {
  const { loaded, settings, clock, tokens } = host
  const { config, sources, file } = loaded
  const ok = (what: string, words: string): Finding => ({ level: 'ok', what, words, fix: '' })
  const warn = (what: string, words: string, fix: string): Finding => ({ level: 'warning', what, words, fix })
  const findings: Finding[] = checkHealth(host).map(({ name, ok: isWell, words }) => {
    const [said = '', ...fix] = words.split(': ')
    return isWell ? ok(name, words) : { level: 'error', what: name, words: said, fix: fix.join(': ') }
  })
  for (const relay of listRelays(host)) {
    if (relay.state === 'live' || !relay.own) continue
    const what = `relay ${relay.url}`
    if (relay.reason === IDLE) findings.push(ok(what, IDLE))
    else
      findings.push(
        warn(
          what,
          relay.reason ?? 'it does not deliver yet',
          relay.state === 'down'
            ? 'see whether it can be reached from here, or take it out with "relay rm"'
            : '',
        ),
      )
  }
  if (
    config.relays.length + settings.state.added.length === 0 &&
    config.serve !== null &&
    config.serveUrl.length === 0
  )
    findings.push(
      warn(
        'relays',
        'the only relay is on this machine: apps elsewhere cannot reach it',
        'add one with "relay add", or set "serveUrl"',
      ),
    )
  if (host.store.kind === 'memory')
    findings.push(warn('store', 'connections are forgotten when the daemon stops', 'set "store" to sqlite'))
  const { restoredAt } = host.store.facts
  if (restoredAt !== null)
    findings.push(
      ok(
        'restored',
        `the store was restored at ${new Date(restoredAt).toISOString()}: requests of before are refused`,
      ),
    )
  if (host.store.kind === 'postgres') {
    const { server, schema, durability, daemons } = host.store.facts
    findings.push(ok('database', `PostgreSQL ${server} at ${host.store.place}, tables of version ${schema}`))
    findings.push(ok('daemons', `${daemons.length} on this database: ${daemons.join(', ')}`))
    if (durability === 'async')
      findings.push(
        warn(
          'database',
          'a failover may lose the last answers, and a request could be executed again',
          'set synchronous_standby_names on the server',
        ),
      )
  }
  if (config.nip44GetKey)
    findings.push(
      warn('nip44GetKey', 'apps can ask for the keys of whole conversations', 'set "nip44GetKey" to false'),
    )
  if (config.legacy)
    findings.push(ok('legacy', 'apps of before 2024-12 are served, with an encryption that others can alter'))
  if (host.duplicateAt !== null)
    findings.push({
      level: 'error',
      what: 'duplicate signer',
      words: `another daemon answered with our keys at ${new Date(host.duplicateAt).toISOString()}`,
      fix: 'stop the other one; if there is none of yours, revoke all apps: the keys of the connections are in other hands',
    })
  for (const { name, pubkey } of host.vault.list()) {
    const known = host.lists.view(pubkey).filter(({ kind }) => kind === 3)
    const [follows] = known
    findings.push(
      ok(
        `lists of ${name}`,
        follows === undefined
          ? 'no follow list is known: "follows" lets nobody in, and a change of the list is asked about'
          : `a follow list with ${follows.entries} entries is known, of ${new Date(follows.createdAt * 1_000).toISOString()}`,
      ),
    )
  }
  for (const token of tokens.list()) {
    if (token.expiresAt === null && token.scopes.includes('admin'))
      findings.push(
        warn(
          `token ${token.id}`,
          'it may do everything, and never ends',
          'revoke it, and make one with --expires',
        ),
      )
  }
  findings.push(ok('settings', file === null ? 'no settings file is there' : `read from ${file}`))
  for (const name of Object.keys(SETTINGS) as SettingName[])
    findings.push(ok(`setting ${name}`, `${showSetting(config, name)} (${sources[name]})`))
  findings.push(ok('time', `now ${new Date(clock.now()).toISOString()}`))
  return findings
}
