/**
 * What other processes on the same store changed, read and taken over: the sessions, tokens and keys of all of them.
 * Never takes over what this process is changing itself: that is read again when it is done.
 */

import type { Millis, Pubkey } from '@nip46/core'
import type {
  Found,
  Offer,
  SessionName,
  SharedChange,
  SignerSession,
  StoredOffer,
  StoredState,
  Versioned,
} from '@nip46/core/remote-signer'
import { createBoundedMap } from './bounded-map.ts'
import type { Engine } from './engine.ts'
import { laneKey } from './lane.ts'
import { FOLLOW_EVERY_MS, FOLLOW_MS, FOLLOW_READ, SESSIONS } from './limits.ts'

export interface Following {
  /** Nothing is read before the first load is over. */
  begin(): void
  changed(change: SharedChange): void
  /** A client that is not known here, and the token it presents, as they are stored now. Never rejects. */
  lookUp(name: SessionName, token: string): Promise<void>
  /** Everything as it is stored now. Rejects if the store cannot be read. */
  refresh(): Promise<StoredState>
  close(): void
}

/** Sessions by lane, with the revisions they had here when reading began; 0 for those that were not known. */
type Revisions = ReadonlyMap<string, { readonly name: SessionName; readonly revision: number }>

export function createFollowing(engine: Omit<Engine, 'following'>): Following {
  const { store, lanes, turns, offers, keys, clients, reporter, reserved, now } = engine
  const sessions = new Map<string, SessionName>()
  const tokens = new Set<string>()
  /** Tokens that are being changed here: read again, and not before a while. */
  const heldTokens = new Set<string>()
  const pubkeys = new Set<Pubkey>()
  const readAt = createBoundedMap<Millis>(SESSIONS)
  let everything = false
  let begun = false
  let reading = false
  let timer: unknown
  let dueAt = Number.POSITIVE_INFINITY
  let closed = false

  const arm = (after: Millis): void => {
    if (!begun || closed || reading || now() + after >= dueAt) return
    engine.clearTimer(timer)
    dueAt = now() + after
    timer = engine.setTimer(() => {
      dueAt = Number.POSITIVE_INFINITY
      void follow()
    }, after)
  }

  const follow = async (): Promise<void> => {
    reading = true
    let failed = false
    try {
      if (everything) {
        everything = false
        await refresh()
      } else await readSome()
      reporter.heal('store')
    } catch (cause) {
      failed = true
      everything = true
      if (!closed) reporter.ail('store', cause)
    }
    reading = false
    if (everything || tokens.size > 0 || pubkeys.size > 0) arm(failed ? FOLLOW_EVERY_MS : FOLLOW_MS)
    else if (sessions.size > 0) arm(Math.max(FOLLOW_MS, nextRead() - now()))
    else if (heldTokens.size > 0) arm(FOLLOW_EVERY_MS)
  }

  /** When the first of the sessions that changed may be read again. */
  const nextRead = (): Millis => {
    let first = Number.POSITIVE_INFINITY
    for (const key of sessions.keys()) first = Math.min(first, mayReadAt(key))
    return first
  }

  const mayReadAt = (key: string): Millis => {
    // A lane that another process goes before waits for what this one does.
    const isUrgent = lanes.byKey.get(key)?.aside !== undefined
    const at = readAt.get(key)
    // What was read in the future was read before the clock was set right.
    return isUrgent || at === undefined || at > now() ? Number.NEGATIVE_INFINITY : at + FOLLOW_EVERY_MS
  }

  const readSome = async (): Promise<void> => {
    const at = now()
    const due = [...sessions].filter(([key]) => mayReadAt(key) <= at).slice(0, FOLLOW_READ)
    for (const [key] of due) {
      sessions.delete(key)
      readAt.set(key, at)
    }
    const wanted = {
      sessions: due.map(([, name]) => name),
      offers: [...new Set([...tokens, ...heldTokens])].slice(0, FOLLOW_READ),
      keys: [...pubkeys].slice(0, FOLLOW_READ),
    }
    for (const token of wanted.offers) {
      tokens.delete(token)
      heldTokens.delete(token)
    }
    for (const pubkey of wanted.keys) pubkeys.delete(pubkey)
    if (due.length + wanted.offers.length + wanted.keys.length === 0) return
    const before = revisions(wanted.sessions)
    const offersBefore = offers.admission
    const found: Found = await store.read(wanted)
    for (const { secret } of closed ? found.keys : []) secret.fill(0)
    if (closed) return
    const there = new Set(found.keys.map(({ pubkey }) => pubkey))
    for (const { secret } of found.keys) keys.add(secret)
    for (const token of wanted.offers) {
      const stored = found.offers.find(({ value }) => value.token === token)
      if (!offers.adopt(token, offerOf(stored), offersBefore)) heldTokens.add(token)
    }
    engine.listening.toOffers()
    adoptAll(before, found.sessions)
    for (const pubkey of wanted.keys) {
      if (!there.has(pubkey) && !reserved.has(pubkey) && !isUsed(pubkey)) keys.remove(pubkey)
    }
  }

  const isUsed = (pubkey: Pubkey): boolean => {
    const key = keys.get(pubkey)
    return key !== undefined && engine.outbox.uses(key)
  }

  const revisions = (names: readonly SessionName[]): Revisions =>
    new Map(
      names.map((name) => {
        const key = laneKey(name.signerPubkey, name.clientPubkey)
        return [key, { name, revision: lanes.byKey.get(key)?.revision ?? 0 }]
      }),
    )

  /** What changes here meanwhile may be newer than what was read, or not: it is read again. */
  const adoptAll = (before: Revisions, stored: readonly Versioned<SignerSession>[]): void => {
    const byKey = new Map(
      stored.map((each) => [laneKey(each.value.signerPubkey, each.value.clientPubkey), each]),
    )
    for (const [key, { name, revision }] of before) {
      // Not the lane of before: one in which nothing is may have been forgotten, and made anew, since.
      const lane = lanes.laneOf(name.signerPubkey, name.clientPubkey)
      if (lane.revision === revision && turns.adopt(lane, byKey.get(key))) continue
      sessions.set(key, name)
      readAt.set(key, now())
    }
    if (sessions.size > 0) arm(Math.max(FOLLOW_MS, nextRead() - now()))
  }

  const refresh = async (): Promise<StoredState> => {
    sessions.clear()
    tokens.clear()
    heldTokens.clear()
    pubkeys.clear()
    const before = new Map(revisions([...lanes.byKey.values()]))
    const offersBefore = offers.admission
    const state = await store.load(now()).catch((cause: unknown) => {
      // What was forgotten above has to be found in another way.
      everything = true
      arm(FOLLOW_EVERY_MS)
      throw cause
    })
    if (closed) {
      for (const { secret } of state.keys) secret.fill(0)
      return state
    }
    for (const { secret } of state.keys) keys.add(secret)
    for (const token of offers.merge(state.offers, offersBefore)) heldTokens.add(token)
    if (heldTokens.size > 0) arm(FOLLOW_EVERY_MS)
    for (const client of state.clients) clients.set(client, true)
    for (const { value } of state.sessions) {
      const key = laneKey(value.signerPubkey, value.clientPubkey)
      if (!before.has(key)) before.set(key, { name: value, revision: 0 })
    }
    adoptAll(before, state.sessions)
    engine.listening.toOffers()
    return state
  }

  return {
    begin() {
      begun = true
      if (everything || sessions.size + tokens.size + pubkeys.size > 0) arm(0)
    },
    changed(change) {
      if (closed) return
      for (const client of change.clients) clients.set(client, true)
      for (const name of change.sessions) {
        const key = laneKey(name.signerPubkey, name.clientPubkey)
        engine.standby.noticeWork(key)
        if (sessions.size < SESSIONS) sessions.set(key, name)
        else everything = true
      }
      for (const token of change.offers) tokens.add(token)
      for (const pubkey of change.keys) pubkeys.add(pubkey)
      if (change.all) everything = true
      if (everything || tokens.size > 0 || pubkeys.size > 0) arm(FOLLOW_MS)
      else if (sessions.size > 0) arm(Math.max(FOLLOW_MS, nextRead() - now()))
    },
    async lookUp(name, token) {
      const before = revisions([name])
      const offersBefore = offers.admission
      try {
        const found = await store.read({ sessions: [name], offers: [token] })
        if (closed) return
        const [stored] = found.offers
        if (stored !== undefined) offers.adopt(token, offerOf(stored), offersBefore)
        adoptAll(before, found.sessions)
        engine.listening.toOffers()
      } catch (cause) {
        // Its commit will fail as well, and the client is told so.
        if (!closed) reporter.ail('store', cause)
      }
    },
    refresh,
    close() {
      closed = true
      engine.clearTimer(timer)
    },
  }
}

function offerOf(stored: Versioned<StoredOffer> | undefined): Versioned<Offer> | null {
  return stored === undefined ? null : { revision: stored.revision, value: stored.value.offer }
}
