/**
 * Messages in: whose lane an opened one belongs to, whether there is room and budget for it, and what its copies are worth.
 * Never steps a session, and answers by itself only what was not handled.
 */

import {
  encodeResponse,
  type Opened,
  type Pubkey,
  parseRequest,
  type RelayUrl,
  type RequestId,
} from '@nip46/core'
import { type Arrival, tokenKey } from '@nip46/core/remote-signer'
import { budgetFor, createBucket } from './budget.ts'
import type { Engine } from './engine.ts'
import { isServed, type Lane } from './lane.ts'
import * as limits from './limits.ts'

/** A message that was verified and opened. `isAskedFor`: its relay had been asked anew, and was sending what it kept. */
export function receive(engine: Engine, opened: Opened, relay: RelayUrl, isAskedFor: boolean): void {
  const { lanes, turns, store, seen, reporter, catchingUp, subscriptions, following, now } = engine
  const { from, to, eventId } = opened
  const lane = lanes.laneOf(to, from)
  const arrival: Arrival = { ...opened, relay }
  const { id: requestId, method } = headOf(opened.text)
  if (isServed(lane)) {
    if (isAskedFor) catchingUp.heard(relay)
    else if (!subscriptions.isCatchingUp(relay)) tellHeard(engine, opened)
    const budget = budgetFor(lane.budget, method)
    if (!budget.take(now())) {
      reporter.drop('event/rate-limited')
      seen.set(eventId, { lane: lane.key, requestId: undefined })
      if (requestId !== undefined && lane.budget.refusals.take(now()))
        void tellLimited(engine, lane, arrival, requestId, Math.ceil(budget.wait(now()) / 1_000))
      return
    }
  }
  if (store.sharing !== undefined && lane.session === undefined) {
    // Another process may have made its token, or its session, a moment ago.
    seen.set(eventId, { lane: lane.key, requestId: undefined })
    void following.lookUp({ signerPubkey: to, clientPubkey: from }, tokenIn(opened.text, to)).then(() => {
      if (turns.enqueue(lanes.laneOf(to, from), { type: 'message', arrival, requestId })) return
      seen.delete(eventId)
      dropBusy(engine, relay)
    })
    return
  }
  if (!turns.enqueue(lane, { type: 'message', arrival, requestId })) dropBusy(engine, relay)
  else seen.set(eventId, { lane: lane.key, requestId })
}

/** A verified event came again. */
export function receiveCopy(engine: Engine, eventId: string, relay: RelayUrl): void {
  const { lanes, turns, seen, reporter, now } = engine
  const event = seen.get(eventId)
  const lane = event === undefined ? undefined : lanes.byKey.get(event.lane)
  if (lane === undefined || event?.requestId === undefined) {
    reporter.drop('event/seen')
    return
  }
  const { requestId } = event
  event.copies ??= createBucket(limits.COPIES_BURST, limits.COPIES_PER_SECOND)
  if (!event.copies.take(now()) || !turns.enqueue(lane, { type: 'repeat', eventId, requestId, relay }))
    reporter.drop('event/seen')
}

/** An answer outside the session's memory: to what was not handled. */
export function answerNow({ keys, outbox }: Engine, lane: Lane, arrival: Arrival, text: string): void {
  const key = keys.get(lane.signerPubkey)
  if (key === undefined) return
  const relays = [...new Set([arrival.relay, ...(lane.session?.relays ?? [])])]
  const { from: to, scheme } = arrival
  outbox.post([{ key, to, relays, scheme, text, requestId: '' }])
}

function tellHeard({ options, reporter }: Engine, { from, createdAt }: Opened): void {
  try {
    options.onHeard?.(from, createdAt)
  } catch (cause) {
    reporter.fail('listener', cause)
  }
}

function dropBusy({ reporter, intake }: Engine, relay: RelayUrl): void {
  reporter.drop('session/busy')
  intake.owe(relay)
}

/** Others on the same store are told first, so that none of them takes it for forgotten. */
async function tellLimited(
  engine: Engine,
  lane: Lane,
  arrival: Arrival,
  id: RequestId,
  seconds: number,
): Promise<void> {
  const { store, commits, now } = engine
  if (store.sharing !== undefined) {
    const { signerPubkey, clientPubkey } = lane
    const claim = { eventId: arrival.eventId, signerPubkey, clientPubkey, requestId: id, at: now() }
    try {
      if ((await commits.commit({ claims: [claim] })).type !== 'done') return
    } catch {
      // Told as an ailment of the store; this client hears nothing, as if it had not been heard.
      return
    }
  }
  const error = `rate-limited: too many requests, retry in ${seconds} s`
  answerNow(engine, lane, arrival, encodeResponse({ type: 'error', id, error }))
}

/** What a request is, as far as it says so. */
function headOf(text: string): { readonly id: RequestId | undefined; readonly method: string | undefined } {
  const parsed = parseRequest(text, { acceptNative: true })
  if (parsed.ok) return parsed.value
  return { id: parsed.error.type === 'reply' ? parsed.error.id : undefined, method: undefined }
}

/** The token that a connect presents, or the one without a secret. */
function tokenIn(text: string, signerPubkey: Pubkey): string {
  const parsed = parseRequest(text, { acceptNative: true })
  return tokenKey(
    parsed.ok && parsed.value.method === 'connect' ? parsed.value.params[1] : null,
    signerPubkey,
  )
}
