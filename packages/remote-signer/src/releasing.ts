/**
 * What was stored leaves: answers to the outbox, questions and operations to the desk, and word of it to the host.
 * Never holds anything back, and never begins what the same turn took back again.
 */

import type { RequestId } from '@nip46/core'
import { awaits } from './desk.ts'
import type { Engine } from './engine.ts'
import type { Flight } from './flight.ts'
import type { Lane } from './lane.ts'
import type { Answer } from './outbox.ts'
import { sessionInfo } from './session-info.ts'

/** Everything that was stored together, in order. Answers go first: they are sealed in one batch. */
export function release(engine: Engine, stored: readonly Flight[]): void {
  const { clients, listening, desk, outbox } = engine
  const answers: Answer[] = []
  for (const flight of stored) {
    const { lane } = flight.draft
    if (lane.session?.phase === 'open') clients.set(lane.clientPubkey, true)
    listening.toLane(lane)
    desk.tidy(lane)
    addAnswers(engine, answers, flight)
  }
  listening.toOffers()
  outbox.post(answers)
  for (const flight of stored) begin(engine, flight)
  for (const flight of stored) tellNotes(engine, flight)
}

function addAnswers(engine: Engine, answers: Answer[], { draft, sends }: Flight): void {
  const { keys, publishing } = engine
  const { lane } = draft
  const key = keys.get(lane.signerPubkey)
  if (key === undefined) return
  for (const { send, outboxId } of sends) {
    const { relays, scheme, text, requestId } = send
    if (outboxId !== undefined) publishing.add(outboxId)
    const onSettled = (taken: boolean): void => settle(engine, lane, requestId, outboxId, taken)
    answers.push({ key, to: lane.clientPubkey, relays, scheme, text, requestId, onSettled })
  }
}

function begin({ desk }: Engine, { draft }: Flight): void {
  const { lane, asks, performs } = draft
  const userPubkey = lane.session?.userPubkey
  if (userPubkey === undefined) return
  // What the same turn took back again (a revocation, a logout) is not begun.
  for (const { id, question } of asks) if (awaits(lane, id, 'decision')) desk.ask(lane, id, question)
  for (const { id, operation } of performs) {
    const rule = lane.session?.pending[id]?.rule ?? null
    if (awaits(lane, id, 'key')) desk.perform(lane, id, operation, { userPubkey, rule })
  }
}

function tellNotes({ reporter }: Engine, { draft }: Flight): void {
  const { signerPubkey, clientPubkey } = draft.lane
  for (const note of draft.notes) {
    if (note.type === 'performed' || note.type === 'refused') reporter.tell({ ...note, clientPubkey })
    else if (note.type === 'token-reused') reporter.tell({ type: 'token-reused', signerPubkey, clientPubkey })
    else if (note.type === 'ended')
      reporter.tell({ type: 'session-ended', session: sessionInfo(note.session), reason: note.reason })
    else reporter.tell({ type: `session-${note.type}`, session: sessionInfo(note.session) })
  }
}

/** A relay took the answer, or it was given up. */
function settle(
  { publishing, commits, turns, reporter }: Engine,
  lane: Lane,
  requestId: RequestId,
  outboxId: string | undefined,
  taken: boolean,
): void {
  if (outboxId !== undefined) {
    publishing.delete(outboxId)
    commits.noteOutbox(outboxId)
  }
  if (!taken) return
  reporter.tell({ type: 'answered', clientPubkey: lane.clientPubkey, requestId })
  if (lane.session?.phase === 'ending' && lane.session.endingId === requestId)
    turns.enqueue(lane, { type: 'published', input: { type: 'published', id: requestId } })
}
