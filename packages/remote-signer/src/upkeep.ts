/**
 * What surrounds the running engine: loading what was stored, going on where it stopped, forgetting what ran out.
 * Never asks or performs anything that the stored sessions do not wait for.
 */

import type { Millis, Pubkey } from '@nip46/core'
import type { OutboxEntry, StoredState } from '@nip46/core/remote-signer'
import { forgetOffer } from '@nip46/core/remote-signer'
import type { Engine } from './engine.ts'
import { RemoteSignerError, storeFailed } from './error.ts'
import type { Lane } from './lane.ts'
import * as limits from './limits.ts'
import { changeOffers } from './offering.ts'

/** Everything stored takes its place. Returns the answers that were committed and perhaps not published. */
export async function loadStore(engine: Engine, isClosed: () => boolean): Promise<readonly OutboxEntry[]> {
  const { store, keys, offers, clients, lanes, now } = engine
  let stored: StoredState
  try {
    stored = await store.load(now())
  } catch (cause) {
    throw storeFailed(cause)
  }
  if (isClosed()) {
    for (const { secret } of stored.keys) secret.fill(0)
    return []
  }
  try {
    engine.restoredAt = stored.restoredAt ?? null
    for (const { secret } of stored.keys) keys.add(secret)
    offers.load(stored.offers)
    for (const client of stored.clients) clients.set(client, true)
    for (const { revision, value } of stored.sessions) {
      if (value.v !== 1) throw new Error(`a session of version ${String(value.v)}`)
      lanes.restore(value, revision, now())
    }
  } catch (cause) {
    throw new RemoteSignerError('store/corrupt', 'the store holds what this version cannot have written', {
      cause,
    })
  }
  return stored.outbox
}

/** Forgets ended sessions, tokens that ran out, and keys that nothing needs any more. Rejects if the store failed. */
export async function sweepOut(engine: Engine): Promise<void> {
  const { lanes, commits, turns, offers, keys, cohort, following, now } = engine
  if (!cohort.leads) return
  if (cohort.sharing !== undefined) await following.refresh()
  const at = now()
  for (const lane of lanes.byKey.values()) {
    if (isForgettable(lane, at)) turns.enqueue(lane, { type: 'forget' })
    else if (lane.refusals.omitted > 0) turns.enqueue(lane, { type: 'tally' })
  }

  const old = Object.entries(offers.admission.offers).flatMap(([token, { expiresAt }]) =>
    at - expiresAt >= limits.OFFER_AFTERLIFE_MS ? [token] : [],
  )
  if (old.length > 0)
    await changeOffers(
      engine,
      (admission) => old.reduce((rest, token) => forgetOffer(rest, token), admission),
      {},
    )

  const unused = forgettableKeys(engine)
  if (unused.length === 0) return
  if ((await commits.commit({ forgetKeys: unused })).type !== 'done') return
  for (const pubkey of unused) {
    keys.remove(pubkey)
    offers.forgetFailures(pubkey)
  }
}

function isForgettable({ session, endedAt }: Lane, at: Millis): boolean {
  if (session?.phase !== 'revoked' || endedAt === null) return false
  // Only a refusal keeps what was answered.
  const refused = session.ledger.chunks.length > 0
  return at - endedAt >= (refused ? limits.REFUSED_MEMORY_MS : limits.ENDED_MEMORY_MS)
}

/** Where others make sessions too, what is unused must have been so for a while: its session may be on its way. */
function forgettableKeys(engine: Engine): readonly Pubkey[] {
  const { cohort, unusedBefore } = engine
  const unused = unusedKeys(engine)
  if (cohort.sharing === undefined) return unused
  const forgettable = unused.filter((pubkey) => unusedBefore.has(pubkey))
  unusedBefore.clear()
  for (const pubkey of unused) unusedBefore.add(pubkey)
  return forgettable
}

function unusedKeys({ options, lanes, offers, keys, reserved, outbox }: Engine): readonly Pubkey[] {
  const used = new Set<string>(reserved)
  if (typeof options.keys === 'object') used.add(options.keys.pubkey)
  for (const { signerPubkey } of Object.values(offers.admission.offers)) used.add(signerPubkey)
  for (const { signerPubkey } of lanes.byKey.values()) used.add(signerPubkey)
  return [...keys.pubkeys].filter((pubkey) => {
    const key = keys.get(pubkey)
    return key !== undefined && !used.has(pubkey) && !outbox.uses(key)
  })
}
