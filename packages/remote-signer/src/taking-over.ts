/**
 * Work that was begun and not finished, by this process before its start or by one that died: questions, operations, answers.
 * Never repeats what somebody alive is doing.
 */

import type { OutboxEntry } from '@nip46/core/remote-signer'
import { isBeforeRestore, outstanding } from '@nip46/core/remote-signer'
import { idOf } from './draft.ts'
import type { Engine } from './engine.ts'
import type { Lane } from './lane.ts'
import * as limits from './limits.ts'
import type { Answer } from './outbox.ts'

/** Hands out again what nobody does who is alive: questions to every process, the rest to the one that serves the session. */
export async function takeOver(engine: Engine): Promise<void> {
  const { lanes, turns, cohort, outbox, reporter, now } = engine
  for (const lane of [...lanes.byKey.values()]) {
    askAgain(engine, lane)
    performAgain(engine, lane)
    if (hasLeftovers(engine, lane)) turns.enqueue(lane, { type: 'wake', input: { type: 'wake' } })
    lanes.arm(lane)
  }
  if (cohort.sharing === undefined) return
  try {
    const unsent = await cohort.sharing.readOutbox(now())
    outbox.post(unsentAnswers(engine, unsent))
  } catch (cause) {
    // Whoever goes next, or the next start, looks again.
    reporter.ail('store', cause)
  }
}

/** What was asked and not answered is asked here too: everybody may decide, and the first decision counts. */
export function askAgain({ desk, context }: Pick<Engine, 'desk' | 'context'>, lane: Lane): void {
  for (const output of lane.session === undefined ? [] : outstanding(lane.session, context)) {
    if (output.type === 'ask' && !lane.questions.has(output.id)) desk.ask(lane, output.id, output.question)
  }
}

/** What waits since before the store was restored is answered, not done. */
function hasLeftovers({ context }: Engine, { session }: Lane): boolean {
  return Object.values(session?.pending ?? {}).some(({ since }) => isBeforeRestore(since, context))
}

function performAgain({ desk, cohort, context }: Engine, lane: Lane): void {
  const { session, signerPubkey, clientPubkey } = lane
  if (session === undefined || !cohort.owns(signerPubkey, clientPubkey)) return
  for (const output of outstanding(session, context)) {
    if (output.type !== 'perform' || lane.operations.has(output.id)) continue
    const { rule = null, by } = session.pending[output.id] ?? {}
    if (!cohort.isAlive(by))
      desk.perform(lane, output.id, output.operation, { userPubkey: session.userPubkey, rule })
  }
}

/** Of answers that were committed, those that nobody alive is publishing; too old ones are given up, and told of. */
export function unsentAnswers(engine: Engine, entries: readonly OutboxEntry[]): readonly Answer[] {
  const { keys, commits, cohort, publishing, reporter, now } = engine
  return entries.flatMap((entry) => {
    const { id, signerPubkey, to, relays, scheme, text, at } = entry
    const publisher = id.slice(0, Math.max(0, id.lastIndexOf('.')))
    // By everybody who is left: twice is the same text again, and who serves the session may be dead and not missed yet.
    if (publishing.has(id) || cohort.isAlive(publisher)) return []
    const key = keys.get(signerPubkey)
    const requestId = idOf(text)
    if (key === undefined || now() - at > limits.OUTBOX_MEMORY_MS) {
      commits.noteOutbox(id)
      reporter.counts.publishFailures += 1
      reporter.tell({ type: 'publish-failed', clientPubkey: to, requestId, refusals: [] })
      return []
    }
    publishing.add(id)
    const onSettled = (): void => {
      publishing.delete(id)
      commits.noteOutbox(id)
    }
    return { key, to, relays, scheme, text, requestId, until: at + limits.OUTBOX_MEMORY_MS, onSettled }
  })
}
